"""Writing a case that was found as a scenario folder, so that it can be read, replayed and kept."""

from __future__ import annotations

from pathlib import Path

from ..core.model import Inventory, Ready
from ..core.parsing import format_duration
from .events import Event
from .oracle import Violation
from .scenario import EVENTS


def events_text(events: tuple[Event, ...]) -> str:
    """The events as `events.yaml`."""
    lines = ["events:"]
    for event in events:
        what = event.what
        on = ""
        if event.verb == "run":
            admin, _, what = event.what.partition(": ")
            on = f", on: {admin}"
        lines.append(f"  - {{at: {_seconds(event.at)}, {event.verb}: {_quoted(what)}{on}}}")
    return "\n".join(lines) + "\n"


def _seconds(at: float) -> str:
    return f"{at:.4f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    plain = text and not set(text) & set("{}[],&#?|<=!%@`'\"\\:") and text[0] not in "-*>"
    return text if plain else '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def inventory_text(inventory: Inventory) -> str:
    """The inventory as YAML: what the simulator needs of it."""
    settings = inventory.settings
    lines = ["fencing:", f"  unreachable: {settings.unreachable.value}"]
    if not settings.pre_fence:
        lines.append("  pre_fence: false")
    lines.append("clusters:")
    for cluster in inventory.clusters.values():
        ceph = ", ceph: {}" if cluster.ceph else ""
        lines.append(f"  {cluster.name}: {{hypervisor: {cluster.hypervisor}{ceph}}}")
    lines.append("hosts:")
    for host in inventory.hosts.values():
        power = ""
        if host.power:
            levels = ", ".join(f"[{', '.join(f'{{agent: {d.agent}}}' for d in level)}]" for level in host.power)
            power = f", power: [{levels}]"
        lines.append(f"  {host.name}: {{cluster: {host.cluster}, address: {host.address}{power}}}")
    lines.append("vms:")
    for vm in inventory.vms.values():
        more = f", priority: {vm.priority}" if vm.priority else ""
        more += f", ready: {_ready(vm.ready)}" if vm.ready else ""
        lines.append(f"  {vm.name}: {{uuid: {vm.uuid}, host: {vm.host}, memory_mib: 4096{more}}}")
    return "\n".join(lines) + "\n"


def _ready(ready: Ready) -> str:
    answers = "guest_agent: true" if ready.tcp is None else f"tcp: {ready.tcp}"
    return f"{{{answers}, within: {format_duration(ready.within_s)}}}"


def readme_text(title: str, violations: list[Violation], policy: str) -> str:
    """What a person should know before reading the events."""
    found = f"Found by `hafence simulate --explore --policy {policy}`. Play it with the same `--policy`."
    broken = "\n".join(f"- {violation.rule}: {violation.says}" for violation in violations)
    return f"# {title}\n\n{found} What it broke:\n\n{broken}\n"


def write_folder(
    path: Path,
    title: str,
    inventory: Inventory,
    events: tuple[Event, ...],
    violations: list[Violation],
    policy: str = "confirm",
) -> None:
    """Write a scenario folder without an expectation: a person blesses one when the bug is mended."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "README.md").write_text(readme_text(title, violations, policy), encoding="utf-8")
    (path / "inventory.yaml").write_text(inventory_text(inventory), encoding="utf-8")
    (path / EVENTS).write_text(events_text(events), encoding="utf-8")
