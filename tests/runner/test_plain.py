"""What the journal keeps: every effect and answer as JSON, and no raw output of a host."""

from __future__ import annotations

import json
from dataclasses import is_dataclass

from hafence import effects
from hafence.core.attempts import FenceOrder, Reply
from hafence.core.looks import HostLook, Libvirt
from hafence.core.model import HostName, Uuid
from hafence.core.record import unseen
from hafence.core.troubles import Trouble
from hafence.runner.journal import step_name
from hafence.runner.plain import plain

VM, HOST = Uuid("6d6f6a5a-0000-4000-8000-000000000001"), HostName("kvm-01")


def test_a_reply_is_kept_without_what_the_host_said() -> None:
    kept = json.dumps(plain(Reply("n", Trouble.CUT, None, "secret words of the host", 1.0, 2.0)))
    assert "secret" not in kept
    assert "24 characters, sha256" in kept
    assert Trouble.CUT.value in kept


def test_looks_records_and_orders_are_json() -> None:
    look = HostLook(HOST, 1.0, 0.5, None, None, Libvirt.OK, {VM: 1}, frozenset({VM}), defined=frozenset({VM}))
    assert plain(look)["copies"] == {VM: 1}
    assert "defined" not in plain(look)
    order = FenceOrder(HOST, None, (VM,), 20.0, 1.0, float("inf"))
    assert plain(order)["not_after"] is None
    assert plain(unseen(VM, HOST))["state"] == "running"
    assert plain(StopIteration("secret")) == {"error": "StopIteration"}


def test_every_effect_has_a_name_for_the_history() -> None:
    kinds = [
        c for c in vars(effects).values() if isinstance(c, type) and issubclass(c, effects.Effect) and is_dataclass(c)
    ]
    names = {step_name(kind.__new__(kind)) for kind in kinds}
    assert {"look_at", "fence", "write_record", "power_off"} <= names
    assert len(names) == len(kinds)
