"""The audit asks the night before whether the storage fence could be made: by real keys of a real Ceph."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.lab import faults
from tests.lab.ceph import Ceph
from tests.lab.cluster import Lab
from tests.lab.command import AdminNode, Ended

pytestmark = pytest.mark.ceph

BLOCKLIST = 'allow command "osd blocklist", allow command "osd blocklist ls"'
KEYS = {
    "documented": (f"profile rbd, {BLOCKLIST}", "profile rbd-read-only"),
    "looks-only": ("allow r", "allow rwx pool=rbd"),
    "of-vms": ("profile rbd", "profile rbd pool=rbd"),
}


def key(ceph: Ceph, name: str) -> dict[str, str]:
    """The settings of a user with the rights of that name."""
    mon, osd = KEYS[name]
    keyring = ceph.folder / f"{name}.keyring"
    words = ["auth", "get-or-create", f"client.{name}", "mon", mon, "osd", osd, "-o", str(keyring)]
    subprocess.run(["ceph", "-c", str(ceph.conf), *words], check=True, capture_output=True)
    return {"user": name, "keyring": str(keyring)}


def audited(lab: Lab, ceph: Ceph, **settings: Any) -> Ended:
    every = {"paths": len(lab.hosts)}  # all are asked at once
    admin = AdminNode(lab, clusters={"lab": {"ceph": {**ceph.settings(), **settings}}}, fencing=every)
    return admin.run_json("audit", "--matrix")


def told(ended: Ended) -> list[tuple[str, str]]:
    """The severity and what was seen of the storage fence."""
    found = [each for each in ended["findings"] if each["code"] == "storage_fence_unusable"]
    return [(each["severity"], f"{each['saw']}. {each['do']}") for each in found]


@pytest.mark.parametrize("name", ["documented", "admin"])
def test_a_key_that_may_is_well(lab: Lab, ceph: Ceph, name: str) -> None:
    ceph.block("192.0.2.7:0/9")
    assert told(audited(lab, ceph, **({} if name == "admin" else key(ceph, name)))) == []
    assert ceph.blocklist() == ["192.0.2.7:0/9"], "an audit changes nothing"


@pytest.mark.parametrize("name", ["looks-only", "of-vms"])
def test_a_key_without_the_right_to_the_blocklist_is_found(lab: Lab, ceph: Ceph, name: str) -> None:
    [(severity, message)] = told(audited(lab, ceph, **key(ceph, name)))
    assert severity == "CRITICAL"
    assert f"refuses client.{name} the command 'osd blocklist'" in message
    assert "ceph auth get-or-create client.hafence" in message


def test_an_option_that_would_let_the_old_client_write_on_is_found(lab: Lab, ceph: Ceph) -> None:
    conf = ceph.folder / "other.conf"
    conf.write_text(f"{ceph.conf.read_text()}[client]\nrbd_blocklist_on_break_lock = false\n")
    [(severity, message)] = told(audited(lab, ceph, conf=str(conf)))
    assert severity == "CRITICAL"
    assert "rbd_blocklist_on_break_lock" in message


def test_a_ceph_that_nobody_reaches_is_found_and_one_host_without_a_way_to_it_is_named(lab: Lab, ceph: Ceph) -> None:
    faults.drop_ports(lab, "kvm-02", ceph.address)
    [(severity, message)] = told(audited(lab, ceph))
    assert severity == "WARNING"
    assert "kvm-02: " in message
    [(severity, message)] = told(audited(lab, ceph, keyring="/nowhere"))
    assert severity == "CRITICAL"
    assert "by nobody who was tried" in message
