"""`status --live` looks into every KVM host, once, and does nothing else."""

from __future__ import annotations

from dataclasses import replace

from hafence.core.model import Cluster
from hafence.workflows.live import look_live
from tests.core.make import host, vm

from . import stage
from .drive import Desk
from .stage import K1, WEB, book, memory, seen


def test_one_look_into_every_host_that_can_be_looked_into() -> None:
    it = replace(
        book(WEB, vm(9, host="far-09"), hosts=(host("far-09", cluster="far"),)),
        clusters={"prod": Cluster("prod"), "far": Cluster("far", "esxi")},
    )
    desk = Desk(it, [seen(k1=(WEB,))], memory(quarantine={K1: "fenced"}))
    scene = desk.run(look_live(stage.run(it)))
    assert [line.split("(")[0] for line in desk.log if not line.startswith(" ")] == ["Recall", "LookAt"]
    assert sorted(scene.looks) == ["kvm-01", "kvm-02", "kvm-03"]
    assert scene.quarantine == {K1: "fenced"}
    assert scene.copies(WEB.uuid) == {K1: 1}
    assert scene.paths == {}
