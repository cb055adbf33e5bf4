"""pytest's way to the lab: a cluster made once per session, as new for every test.

lab        four hosts, as if they had just come up
ceph       a Ceph cluster on their network, its blocklist empty
array      a machine that serves a disk by NBD, an empty one
iscsi      the same by iSCSI
gluster    the same by Gluster
start_bmc  `start_bmc(IpmiBmc, "kvm-01")`: a BMC on loopback that switches a host
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from .bmc import Bmc
from .ceph import MODULES as CEPH_MODULES
from .ceph import PROGRAMS as CEPH_PROGRAMS
from .ceph import Ceph
from .cluster import Lab
from .proc import wait_until
from .require import HOST_PROGRAMS, require
from .storage import Gluster, Iscsi, Nbd


@pytest.fixture(scope="session")
def lab_of_session() -> Iterator[Lab]:
    """The cluster itself. Use `lab`, which is reset. HAFENCE_LAB_PREFIX names it, where that matters."""
    require(*HOST_PROGRAMS)
    with Lab(prefix=os.environ.get("HAFENCE_LAB_PREFIX")) as lab:
        yield lab


@pytest.fixture
def lab(request: pytest.FixtureRequest, lab_of_session: Lab) -> Iterator[Lab]:
    """Four real hosts, kvm-01 to kvm-04, as if they had just come up.

    The disks judge every test, once all is healed: what was held up has landed by then. A test that makes two writers
    on purpose says so (`two_writers`), and then they must be seen, or the judge is blind.
    """
    lab_of_session.reset()
    yield lab_of_session
    for fault in reversed(list(lab_of_session.faults)):
        fault.heal()
    if request.node.get_closest_marker("two_writers"):
        wait_until(lab_of_session.late_writers, "a disk tells of the two writers", 30)
    else:
        lab_of_session.wait_told()
        assert lab_of_session.late_writers() == []


@pytest.fixture(scope="session")
def ceph_of_session(lab_of_session: Lab) -> Iterator[Ceph]:
    """The Ceph cluster itself. Use `ceph`."""
    require(*CEPH_PROGRAMS, files=CEPH_MODULES)
    with Ceph(lab_of_session, watch_timeout_s=10) as ceph:
        yield ceph


@pytest.fixture
def ceph(ceph_of_session: Ceph, lab: Lab) -> Ceph:
    """A real Ceph cluster. A watcher is evicted after 10 s, so that tests need not wait for Ceph's usual 30."""
    ceph_of_session.unblock_all()
    return ceph_of_session


@pytest.fixture(scope="session")
def array_of_session(lab_of_session: Lab) -> Iterator[Nbd]:
    """The array itself. Use `array`."""
    require("qemu-nbd")
    with Nbd(lab_of_session) as array:
        yield array


@pytest.fixture
def array(array_of_session: Nbd, lab: Lab) -> Nbd:
    """A machine beside the hosts that serves a disk by NBD."""
    array_of_session.clear()
    return array_of_session


@pytest.fixture(scope="session")
def iscsi_of_session(lab_of_session: Lab) -> Iterator[Iscsi]:
    """The target itself. Use `iscsi`."""
    require("tgtd", "tgtadm", files=("/usr/lib/x86_64-linux-gnu/qemu/block-iscsi.so",))
    with Iscsi(lab_of_session) as target:
        yield target


@pytest.fixture
def iscsi(iscsi_of_session: Iscsi, lab: Lab) -> Iscsi:
    """A machine beside the hosts that serves a disk by iSCSI, to qemu's own initiator."""
    iscsi_of_session.clear()
    return iscsi_of_session


@pytest.fixture(scope="session")
def gluster_of_session(lab_of_session: Lab) -> Iterator[Gluster]:
    """The server itself. Use `gluster`."""
    require("glusterd", "gluster", files=("/usr/lib/x86_64-linux-gnu/qemu/block-gluster.so",))
    with Gluster(lab_of_session) as server:
        yield server


@pytest.fixture
def gluster(gluster_of_session: Gluster, lab: Lab) -> Gluster:
    """A machine beside the hosts that serves a file of a Gluster volume, to qemu's own client."""
    gluster_of_session.clear()
    return gluster_of_session


@pytest.fixture
def start_bmc(lab: Lab) -> Iterator[Callable[..., Bmc]]:
    """Start a BMC of a kind: `start_bmc(IpmiBmc, "kvm-01")`. They end with the test."""
    started: list[Bmc] = []

    def start(kind: type[Bmc], *arguments: str, **more: str) -> Bmc:
        require(*kind.programs, modules=kind.modules)
        bmc = kind(lab, *arguments, **more)
        started.append(bmc)
        return bmc.up()

    yield start
    for bmc in started:
        bmc.down()
