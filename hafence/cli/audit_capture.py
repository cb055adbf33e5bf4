"""`hafence audit --capture`: what the audit has fetched of running VMs is kept, as a run of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..core.captures import Capture
    from ..core.model import Inventory
    from ..core.survey import Survey


def keep_captures(inventory: Inventory, url: str, scene: Survey) -> tuple[Survey, tuple[Capture, ...]]:
    """Keep those that are news to the store; the audit as it is then, and what was kept.

    Where there is no news no run is begun, and nothing is written: a history is never cut. Raises StoreError.
    """
    from ..core.capturing import news
    from ..runner import open_session
    from ..stores import open_store
    from ..workflows.audit import with_captured
    from ..workflows.capture import keep
    from .runs import played
    from .show.voices import QuietVoice

    if not scene.captures:
        return scene, ()
    store = open_store(url, read_only=True)
    try:
        new = news(scene.captures.values(), store.captures(scene.captures))
    finally:
        store.close()
    if new:
        vms = tuple(each.vm for each in new)
        with open_session(inventory, url, "audit", vms, {"capture": True}, QuietVoice()) as session:
            played(session, keep(new), lambda _: (0, {"captured": list(vms)}))
    return with_captured(scene, scene.captures), new


def captured_objects(inventory: Inventory, kept: tuple[Capture, ...]) -> list[dict[str, Any]]:
    """What was kept, as JSON."""
    from .show.times import timestamp

    return [
        {"vm": inventory.vms[each.vm].name, "host": each.host, "at": timestamp(each.at), "digest": each.digest}
        for each in kept
    ]
