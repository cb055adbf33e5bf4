"""What an audit says: every kind of finding with what was seen and what to do, as an admin reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hafence.core.attempts import Reading, Verdict
from hafence.core.audit import find_all
from hafence.core.drift import Drift, DriftKind
from hafence.core.looks import Blind, Libvirt, Look
from hafence.core.model import CephSettings, Cluster, Host, HostName, Inventory, PowerDevice, StartMode, Vm
from hafence.core.power import DeviceId, Power, PowerSeen
from hafence.core.reasons import Reason
from hafence.core.record import VmRecord, mark_running, mark_starting, mark_stopped, unseen
from hafence.core.storage.port import Unanswered, WhyEnds
from hafence.core.storage.rehearsal import Hindrance, Rehearsal
from hafence.core.storage.results import Ends, Lasts, NoneThere, NotKnown, Renewed
from hafence.core.stored import Planned, PlannedWork, WorkKind
from hafence.core.survey import Code, Survey
from hafence.core.troubles import Trouble

from .make import HostState, host, inventory, look, silence, uuid, vm
from .telling import assert_told

DEAD = Reading(Verdict.CONFIRMED_DEAD)
ALIVE = Reading(Verdict.STILL_ALIVE)
BAD = Reading(Verdict.AMBIGUOUS, trouble=Trouble.LOGIN_FAILED)
K1, K2, K3, K4 = NAMES = [HostName(f"kvm-0{n}") for n in (1, 2, 3, 4)]


def scene(
    looks: Mapping[HostName, Look | None] | None = None,
    paths: Mapping[HostName, Mapping[HostName, Reading]] | None = None,
    book: Inventory | None = None,
    records: tuple[VmRecord, ...] = (),
    **more: object,
) -> Survey:
    seen: dict[HostName, Look | None] = {name: look(name, *([uuid(1)] if name == K1 else [])) for name in NAMES}
    seen.update(looks or {})
    gone = {a: {b: DEAD for b in NAMES if a != b} for a in NAMES}
    more.setdefault("quarantine", {})
    more.setdefault("at", 100.0)
    return Survey(
        book or inventory(),
        {record.uuid: record for record in records},
        looks={name: each for name, each in seen.items() if each is not None},
        paths={**gone, **(paths or {})},
        **more,  # type: ignore[arg-type]
    )


def ends(why: WhyEnds) -> Ends:
    return Ends("10.0.0.3:0/5", 100.0 + 3.25 * 86400, 100.0, why)


STOPPED = mark_stopped(unseen(uuid(1), K1), "r1", Reason.CONFIRMED_DEAD)
STARTING = mark_starting(STOPPED, K2, "r1", 7)
MOVED = mark_running(STARTING, K2, "r1", 5.0)
FENCED_OFF = mark_running(
    mark_starting(mark_stopped(unseen(uuid(1), K1), "r1", Reason.STORAGE_FENCED, 100.0), K2, "r1", 7), K2, "r1", 5.0
)
NO_VM = inventory(vms=[])
PLANNED = Planned(
    {name: PlannedWork(WorkKind.DISARMED, name, "alice", "rewiring", 50.0, 3650.0) for name in ("prod", "gone")},
    {K2: PlannedWork(WorkKind.MAINTENANCE, K2, "bob", "new DIMMs", 50.0, 7250.0)},
)


def two_hosts(*vms: Vm) -> Inventory:
    return inventory([host("kvm-01"), host("kvm-02")], list(vms) or [vm(1, domain_xml="/x.xml")])


def with_command(book: Inventory) -> Inventory:
    return replace(book, clusters={"prod": Cluster("prod", start=StartMode.COMMAND, start_command=("start",))})


def foreign(book: Inventory) -> Inventory:
    return replace(book, clusters={"prod": Cluster("prod", "esxi")})


def only(*hosts: Host, vms: tuple[Vm, ...] = ()) -> Inventory:
    return inventory(list(hosts), list(vms))


def with_power(state: HostState = HostState.ENABLED) -> Inventory:
    """kvm-01 has a level of two devices, and one of one."""
    levels = ((PowerDevice("fence_pdu"), PowerDevice("fence_pdu")), (PowerDevice("fence_ipmilan"),))
    return inventory([host("kvm-01", power=levels, state=state), *(host(name) for name in NAMES[1:])])


def power(*seen: Power) -> dict[DeviceId, PowerSeen]:
    """What these devices say, one after the other; the rest was not asked."""
    devices = [DeviceId(K1, 1, 1, "fence_pdu"), DeviceId(K1, 1, 2, "fence_pdu"), DeviceId(K1, 2, 1, "fence_ipmilan")]
    return {device: PowerSeen(each, f"says {each.value}", 100.0) for device, each in zip(devices, seen, strict=False)}


WELL, LACKS_RIGHT = Rehearsal((), 100.0), Rehearsal((Hindrance.RIGHT,), 100.0)


def three_cephs() -> Inventory:
    """Three clusters without hosts, each with a Ceph, beside that with the hosts."""
    more = {name: Cluster(name, ceph=CephSettings(user="vms")) for name in "abc"}
    it = inventory()
    return replace(it, clusters={**it.clusters, **more})


SCENES = {
    "all is well": scene(),
    "storage fences that last": scene(
        storage_fences={K1: NoneThere("a list"), K2: Lasts(9e9), K3: Renewed("10.0.0.3:0/0", 9e9, 100.0, "a list")}
    ),
    "storage fences that end, and could be made to last or not": scene(
        storage_fences={K4: ends(WhyEnds.NOT_ASKED), K3: ends(WhyEnds.OTHERS), K2: ends(WhyEnds.FIXED)}
    ),
    "storage fences that end, and were not made to last": scene(
        storage_fences={K2: ends(WhyEnds.NOT_SEEN), K3: replace(ends(WhyEnds.NOT_ADDED), detail="disk full")}
    ),
    "a storage fence of which nobody knows": scene(storage_fences={K3: NotKnown("kvm-02: no answer")}),
    "storage fences of three clusters, of which one could be made": scene(
        book=three_cephs(),
        rehearsed_storages={
            "a": {"kvm-01": WELL, "kvm-02": WELL},
            "b": {"kvm-03": Unanswered("no route"), "kvm-04": WELL, "kvm-05": LACKS_RIGHT},
            "c": {"kvm-06": LACKS_RIGHT, "kvm-07": LACKS_RIGHT},
        },
    ),
    "storage fences that nobody could make": scene(
        book=three_cephs(),
        rehearsed_storages={
            "a": {"kvm-01": Unanswered("no route"), "kvm-02": Unanswered("no answer in time")},
            "b": {"kvm-03": Rehearsal((Hindrance.COMMAND,), 100.0)},
            "c": {
                "kvm-06": Rehearsal((Hindrance.RIGHT, Hindrance.OPTION), 100.0),
                "the admin node": Unanswered("no ceph"),
            },
        },
    ),
    "quarantine": scene(quarantine={K3: "fenced by r2", K2: "fenced by r1"}),
    "the store can't be read": scene(
        store_problems=((Code.STORE_UNREADABLE, "no right to read"), (Code.HISTORY_BROKEN, "step 4")), remembered=False
    ),
    "the store can't be read, and two VMs have two copies": scene(
        {K1: look("kvm-01", uuid(1), uuid(2)), K2: look("kvm-02", uuid(1), uuid(2))},
        book=inventory(vms=[vm(1), vm(2)]),
        remembered=False,
    ),
    "the store is broken in two ways": scene(store_problems=((Code.HISTORY_BROKEN, "step 4"), (Code.ROW, "says so"))),
    "nobody looked at a host": scene({K2: None}),
    "a silent host without VMs": scene({K2: silence("kvm-02")}),
    "a silent host with one of two VMs": scene(
        {K1: silence("kvm-01"), K2: look("kvm-02", uuid(2))},
        book=inventory(vms=[vm(n, host=f"kvm-0{n}", domain_xml="/x") for n in (1, 2)]),
    ),
    "a silent host with a VM, in quarantine": scene({K1: silence("kvm-01")}, quarantine={K1: "fenced"}),
    "a silent host from which its VM has moved": scene(
        {K1: silence("kvm-01"), K2: look("kvm-02", uuid(1))}, records=(MOVED,)
    ),
    "power devices that would work": scene(book=with_power(), power=power(Power.ON, Power.ON, Power.ON)),
    "a silent host that is off": scene({K1: silence("kvm-01")}, book=with_power(), power=power(Power.OFF)),
    "a host that answers while its device says off": scene(book=with_power(), power=power(Power.OFF)),
    "a host that answers while one of two devices says off": scene(
        book=with_power(), power=power(Power.ON, Power.OFF, Power.ON)
    ),
    "a host that refuses connections while its devices say off": scene(
        {K1: silence("kvm-01", Trouble.REFUSED)}, book=with_power(), power=power(Power.ON, Power.ON, Power.OFF)
    ),
    "a first level that can't tell": scene(book=with_power(), power=power(Power.ON, Power.ERROR, Power.ON)),
    "no level that can tell": scene(book=with_power(), power=power(Power.ERROR, Power.ON, Power.ERROR)),
    "devices of a host that is disabled": scene(
        book=with_power(state=HostState.DISABLED), power=power(Power.ERROR, Power.ON, Power.ERROR)
    ),
    "a blind host": scene({K2: Blind(K2, 1.0, "a forced command")}),
    "libvirt hangs": scene({K2: look("kvm-02", libvirt=Libvirt.HUNG)}),
    "libvirt is busy": scene({K2: look("kvm-02", libvirt=Libvirt.BUSY)}),
    "libvirt fails": scene({K2: look("kvm-02", libvirt=Libvirt.FAILED)}),
    "libvirt is down": scene({K2: look("kvm-02", libvirt=Libvirt.DOWN)}),
    "libvirt is absent": scene({K2: look("kvm-02", libvirt=Libvirt.ABSENT)}),
    "programs are missing": scene({K2: look("kvm-02", missing=("flock", "setsid"))}),
    "a clock is ahead": scene({K2: replace(look("kvm-02"), clock_offset_s=2.1)}),
    "a clock is behind": scene({K2: replace(look("kvm-02"), clock_offset_s=-9.0)}),
    "a clock is behind, and the login was slow": scene(
        {K2: replace(look("kvm-02"), clock_offset_s=-9.0, clock_within_s=2.5)}
    ),
    "a login of five seconds": scene({K2: replace(look("kvm-02"), clock_offset_s=2.45, clock_within_s=2.5)}),
    "a clock is two seconds off": scene({K2: replace(look("kvm-02"), clock_offset_s=2.0)}),
    "no path": scene(paths={K1: {K2: BAD, K3: BAD, K4: BAD}}),
    "no path was tried": scene(paths={K1: {}}),
    "one path": scene(paths={K1: {K3: BAD, K4: DEAD, K2: BAD}}),
    "one path that was tried": scene(paths={K1: {K3: DEAD}}),
    "two paths": scene(paths={K1: {K2: ALIVE, K3: DEAD, K4: BAD}}),
    "one path, and one sibling that answers": scene(
        {K3: None, K4: None},
        paths={K1: {K2: DEAD}, K2: {K1: DEAD}, K3: {K1: DEAD}},
        book=inventory([host("kvm-01"), host("kvm-02"), host("kvm-03")]),
    ),
    "the only sibling is a path": scene(paths={K1: {K2: DEAD}, K2: {K1: DEAD}}, book=two_hosts()),
    "hosts that people have taken out": scene(
        {K3: silence("kvm-03"), K4: None},
        paths={K3: {}, K4: {}},
        book=inventory(
            [
                host("kvm-01"),
                host("kvm-02"),
                host("kvm-03", state=HostState.DISABLED),
                host("kvm-04", state=HostState.MAINTENANCE),
            ]
        ),
    ),
    "work that people have planned": scene(planned=PLANNED),
    "hypervisors that hafence can't look into": scene(
        dict.fromkeys(NAMES), paths={name: {} for name in NAMES}, book=foreign(inventory())
    ),
    "two copies": scene({K2: look("kvm-02", uuid(1))}),
    "two copies on one host": scene({K1: replace(look("kvm-01", uuid(1)), copies={uuid(1): 2})}),
    "three copies on two hosts": scene({K2: replace(look("kvm-02", uuid(1)), copies={uuid(1): 2})}),
    "two copies, one seen by libvirt alone": scene({K2: replace(look("kvm-02"), active=frozenset({uuid(1)}))}),
    "two copies, and nobody knows where": scene({K2: look("kvm-02", uuid(1))}, remembered=False),
    "a leftover that a storage fence keeps from the disks": scene(
        {K2: look("kvm-02", uuid(1))}, records=(FENCED_OFF,), quarantine={K1: "fenced"}, at=99.0
    ),
    "a leftover on the host where the VM is recorded": scene(
        records=(replace(FENCED_OFF, host=K1),), quarantine={K1: "fenced"}, at=99.0
    ),
    "a start that nobody has settled": scene({K1: look("kvm-01")}, records=(STARTING,)),
    "a VM elsewhere": scene({K1: look("kvm-01"), K3: look("kvm-03", uuid(1))}),
    "a VM elsewhere, and stopped by the record": scene(
        {K1: look("kvm-01"), K3: look("kvm-03", uuid(1))}, records=(STOPPED,)
    ),
    "a VM that has moved": scene({K1: look("kvm-01"), K2: look("kvm-02", uuid(1))}, records=(MOVED,)),
    "a VM gone": scene({K1: look("kvm-01")}),
    "a VM gone that is not HA": scene({K1: look("kvm-01")}, book=inventory(vms=[vm(1, ha=False)])),
    "a VM that may be on a silent host": scene({K1: silence("kvm-01")}),
    "a definition left behind": scene({K2: replace(look("kvm-02"), defined=frozenset({uuid(1)}))}),
    "a definition left behind with autostart": scene(
        {K2: replace(look("kvm-02"), defined=frozenset({uuid(1)}), autostart=frozenset({uuid(1)}))}
    ),
    "a definition on the last host of a stopped VM": scene(
        {K1: replace(look("kvm-01"), defined=frozenset({uuid(1)}))}, records=(STOPPED,)
    ),
    "a saved image left behind": scene({K2: replace(look("kvm-02"), saved=frozenset({uuid(1)}))}),
    "a saved image that libvirt-guests resumes": scene(
        {K2: replace(look("kvm-02"), saved=frozenset({uuid(1)}), listed=frozenset({uuid(1)}))}
    ),
    "a VM that libvirt-guests starts": scene({K2: replace(look("kvm-02"), listed=frozenset({uuid(1)}))}),
    "a saved image at home": scene({K1: replace(look("kvm-01"), saved=frozenset({uuid(1)}))}, records=(STOPPED,)),
    "an image of a VM that runs there": scene({K2: replace(look("kvm-02", uuid(1)), saved=frozenset({uuid(1)}))}),
    "images of others": scene({K2: replace(look("kvm-02"), saved=frozenset({uuid(2)}), listed=frozenset({uuid(2)}))}),
    "autostart at home": scene({K1: replace(look("kvm-01", uuid(1)), autostart=frozenset({uuid(1)}))}),
    "autostart of a VM that is not HA": scene(
        {K1: replace(look("kvm-01", uuid(1)), autostart=frozenset({uuid(1)}))}, book=inventory(vms=[vm(1, ha=False)])
    ),
    "definitions on two hosts, of which one is silent and one runs it": scene(
        {
            K1: silence("kvm-01"),
            K2: replace(look("kvm-02"), defined=frozenset({uuid(1)})),
            K3: replace(look("kvm-03", uuid(1)), defined=frozenset({uuid(1)})),
        }
    ),
    "no definition": scene(book=inventory(vms=[vm(1)])),
    "a definition that a start would refuse": scene(
        not_startable={uuid(1): "/x.xml has no <uuid>: without one the VM could not be told from others; add it"},
        memory_mib={uuid(1): 9999},
    ),
    "a definition that a start would refuse, of a VM that is not HA, and the store says nothing": scene(
        book=inventory(vms=[vm(1, domain_xml="/x.xml", ha=False)]),
        not_startable={uuid(1): "/x.xml does not exist: check the path"},
        remembered=False,
    ),
    "no definition, whatever the reader says": scene(
        book=inventory(vms=[vm(1)]), not_startable={uuid(1): "the inventory has no domain_xml of it"}
    ),
    "no definition, and one that was captured": scene(book=inventory(vms=[vm(1)]), captured=frozenset({uuid(1)})),
    "it runs otherwise than it would be started": scene(
        drifts={
            uuid(1): (
                Drift(DriftKind.DISKS, "vda on /b, vdb on /c", "vda on /a"),
                Drift(DriftKind.MACHINE, "pc-q35-7.2", "pc"),
            )
        }
    ),
    "it runs with more memory and no network": scene(
        drifts={uuid(1): (Drift(DriftKind.MEMORY, "64 MiB", "32 MiB"), Drift(DriftKind.NETWORK, "", "network default"))}
    ),
    "it runs otherwise, and is not HA": scene(
        book=inventory(vms=[vm(1, domain_xml="/x.xml", ha=False)]),
        drifts={uuid(1): (Drift(DriftKind.MEMORY, "64 MiB", "32 MiB"),)},
    ),
    "it runs as it would be started": scene(drifts={uuid(1): ()}),
    "no definition, and a command that starts": scene(book=with_command(inventory(vms=[vm(1)]))),
    "no definition of a VM that is not HA": scene(book=inventory(vms=[vm(1, ha=False)])),
    "no room by the inventory": scene(book=inventory(vms=[vm(1, domain_xml="/x", memory_mib=9999)])),
    "a VM of two neighbours, of which one is itself": scene(
        {name: look(name, *([uuid(1)] if name != K1 else [])) for name in NAMES},
        book=inventory(vms=[vm(1, domain_xml="/x", anti_affinity=("vm-01",))]),
    ),
    "no room by the domain XML": scene(memory_mib={uuid(1): 9999}),
    "room by the inventory, which counts": scene(
        book=inventory(vms=[vm(1, domain_xml="/x", memory_mib=1024)]), memory_mib={uuid(1): 9999}
    ),
    "a neighbour everywhere": scene(
        {name: look(name, uuid(1 if name == K1 else 2)) for name in NAMES},
        book=inventory(
            vms=[vm(1, domain_xml="/x", anti_affinity=("db",)), vm(2, name="db", domain_xml="/x", host="kvm-02")]
        ),
    ),
    "no other host": scene(
        {K2: None, K3: None, K4: None}, paths={K1: {}}, book=only(host("kvm-01"), vms=(vm(1, domain_xml="/x"),))
    ),
    "the other hosts are in quarantine": scene(
        {K3: None, K4: None}, paths={K1: {K2: DEAD}, K2: {K1: DEAD}}, book=two_hosts(), quarantine={K2: "fenced"}
    ),
    "strangers": scene(
        {K2: look("kvm-02", uuid(9), uuid(8)), K3: replace(look("kvm-03"), active=frozenset({uuid(7)}))}
    ),
    "much at once, the worst first": scene(
        {
            K1: look("kvm-01", uuid(1), libvirt=Libvirt.FAILED),
            K2: look("kvm-02", uuid(1), missing=("flock",)),
            K3: silence("kvm-03"),
            K4: None,
        },
        quarantine={K3: "fenced", K2: "fenced"},
        paths={K1: {}},
        storage_fences={K2: NotKnown("no answer")},
    ),
}


def test_what_is_said_in_each_scene() -> None:
    told = {}
    for name, it in SCENES.items():
        told[name] = [
            line
            for found in find_all(it)
            for line in (
                f"{found.severity.name} {found.code}: {found.subject}",
                f"    {found.saw}",
                f"    do: {found.do}",
            )
        ] or ["nothing"]
    assert_told("findings", told)


def test_a_host_without_rehearsals_has_no_path() -> None:
    found = find_all(Survey(only(host("kvm-01")), {}, {}, {K1: look("kvm-01")}, {}, at=100.0))
    assert [each.code for each in found] == ["no_fence_path"]


def test_a_vm_without_a_record_is_where_the_inventory_says() -> None:
    assert scene().record(vm(1)) == unseen(uuid(1), K1)
    assert scene(records=(MOVED,)).record(vm(1)) == MOVED


def test_vms_are_told_by_name_and_hosts_by_name_whatever_their_order() -> None:
    book = inventory(list(reversed([host(name) for name in NAMES])), [vm(2, name="b"), vm(1, name="a")])
    gone = find_all(scene({name: look(name) for name in NAMES}, book=book))
    assert [found.subject for found in gone if found.code == "vm_gone"] == ["a", "b"]
