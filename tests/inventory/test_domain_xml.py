"""Reading a domain XML: what it says, and what it may not do."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hafence.core.model import CephSettings
from hafence.core.storage.ceph import CephFence
from hafence.inventory.domain_xml import MAX_BYTES, Disk, DomainError, read_domain, read_domain_file
from hafence.inventory.domains import OpenConsole, check_domains, open_consoles, shared_disks, source_of
from hafence.inventory.faults import InventoryError
from hafence.inventory.yaml_tree import read_inventory
from tests.core.make import vm

from .write import OTHER_UUID, UUID, read, text


def xml(
    inside: str = "",
    devices: str = "",
    name: str = "web-01",
    uuid: str = UUID,
    memory: str = "<memory>1048576</memory>",
) -> str:
    who = f"<name>{name}</name><uuid>{uuid}</uuid>"
    return f"<domain type='kvm'>{who}{memory}{inside}<devices>{devices}</devices></domain>"


def declared(encoding: str, name: str = "web-01") -> str:
    return f"<?xml version='1.0' encoding='{encoding}'?>\n" + xml(name=name)


def disks(devices: str) -> tuple[Disk, ...]:
    return read_domain(xml(devices=devices)).disks


def images(disk: Disk) -> tuple[str, ...]:
    """The RBD images that a storage fence would claim of a VM with this disk."""
    domain = replace(read_domain(xml()), disks=(disk,))
    return CephFence(CephSettings()).volumes_of(vm(1), domain.writable).names


def test_who_it_is_and_what_it_needs() -> None:
    domain = read_domain(xml(uuid=UUID.upper().replace("-", "")))
    assert (domain.uuid, domain.name, domain.memory_mib, domain.disks) == (UUID, "web-01", 1024, ())
    assert domain.xml == xml(uuid=UUID.upper().replace("-", ""))


DECOY = f"<uuid>{OTHER_UUID}</uuid>"


@pytest.mark.parametrize(
    "uuid",
    [
        f"<!-- cloned from {DECOY} --><uuid>{UUID}</uuid>",
        f"<metadata><a:app xmlns:a='http://example.org/a'>{DECOY}</a:app></metadata><uuid>{UUID}</uuid>",
        f"<metadata>{DECOY}</metadata><uuid>{UUID}</uuid>",
        f"<a:uuid xmlns:a='x'>{OTHER_UUID}</a:uuid><uuid>{UUID}</uuid>",
        f"<uuid >\n  {UUID}\t</uuid\n>",
        f"<uuid><![CDATA[{UUID}]]></uuid>",
        f"<uuid>{UUID[:9]}<!-- {OTHER_UUID} -->{UUID[9:]}</uuid>",
        f"<uuid>&#{ord(UUID[0])};{UUID[1:]}</uuid>",
        f"<?pi {DECOY}?><uuid a='{OTHER_UUID}'>{UUID}</uuid>",
    ],
    ids=range(9),
)
def test_the_uuid_is_that_of_the_domain_and_no_other_text(uuid: str) -> None:
    document = xml().replace(f"<uuid>{UUID}</uuid>", uuid)
    assert uuid in document
    assert read_domain(document).uuid == UUID


UMLAUT = "<title>Jäger</title>"


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("UTF8", "utf-8"),
        ("latin-1", "latin-1"),
        ("ISO-8859-1", "latin-1"),
        ("ISO_8859-15", "iso-8859-15"),
        ("windows-1252", "cp1252"),
        ("CP1250", "cp1250"),
    ],
)
def test_a_declared_encoding_is_believed_and_libvirt_is_sent_the_characters(encoding: str, codec: str) -> None:
    document = f"<?xml version='1.0' encoding='{encoding}' standalone='yes'?>\n" + xml(UMLAUT)
    assert read_domain(document.encode(codec)).xml == "\n" + xml(UMLAUT)


def test_plain_ascii_and_a_byte_order_mark_are_read_too() -> None:
    assert read_domain(declared("us-ascii").encode()).xml == "\n" + xml()
    assert read_domain(b"\xef\xbb\xbf" + xml(UMLAUT).encode()).xml == xml(UMLAUT)
    assert read_domain(b'\xef\xbb\xbf<?xml version="1.1" encoding="utf-8"?>' + xml().encode()).xml == xml()


def test_a_fault_is_told_with_its_line_in_the_file() -> None:
    with pytest.raises(DomainError, match=r"line 4"):
        read_domain("<?xml version='1.0'\n encoding='utf-8'?>\n<domain>\n</x>")


@pytest.mark.parametrize(
    "name",
    ["Windows Server 2019 (SQL)", "__clone", ".hidden", "J\u00e4ger+a@b:c [2]", "-x", " a ", "5", "..", "\u00e4" * 123],
)
def test_every_name_that_libvirt_takes_is_taken(name: str) -> None:
    assert read_domain(xml(name=name)).name == name


@pytest.mark.parametrize(
    ("memory", "mib"),
    [
        ("<memory>1</memory>", 1),
        ("<memory unit='KiB'>1025</memory>", 2),
        ("<memory unit='MiB'> 512 </memory>", 512),
        ("<memory unit='G'>2</memory>", 2048),
        ("<memory unit='GB'>1</memory>", 954),
        ("<memory unit='bytes'>1048577</memory>", 2),
        ("<memory unit='TiB'>1</memory>", 1048576),
        ("", None),
        ("<currentMemory>5</currentMemory>", None),
    ],
)
def test_memory_in_every_unit(memory: str, mib: int | None) -> None:
    assert read_domain(xml(memory=memory)).memory_mib == mib


def test_an_rbd_disk_with_its_monitors() -> None:
    (disk,) = disks(
        "<disk type='network' device='disk'><driver type='raw'/><auth username='libvirt'/>"
        "<source protocol='rbd' name='vms/web-01'><host name='10.0.0.21' port='3300'/><host name='mon2'/></source>"
        "<target dev='vda'/></disk>"
    )
    assert disk == Disk("network", "disk", "rbd:vms/web-01", ("10.0.0.21:3300", "mon2"), "vda")
    assert disk.writable
    assert images(disk) == ("vms/web-01",)


@pytest.mark.parametrize(
    "name", ["image", "vms/web 01", "vms/web@snap", "-p/x", "vms/a:id=admin", "a/b/c/d", "vms/a&#10;b"]
)
def test_an_odd_rbd_name_is_no_image_that_a_fence_may_claim(name: str) -> None:
    (disk,) = disks(f"<disk type='network'><source protocol='rbd' name='{name}'/></disk>")
    assert disk.writable
    assert images(disk) == ()


@pytest.mark.parametrize(
    ("devices", "source", "writable"),
    [
        ("<disk type='file'><source file='/a.img'/></disk>", "/a.img", True),
        ("<disk><source file='/a.img'/></disk>", "/a.img", True),
        ("<disk type='block'><source dev='/dev/sdb'/></disk>", "/dev/sdb", True),
        ("<disk type='file' device='cdrom'><source file='/a.iso'/></disk>", "/a.iso", False),
        ("<disk type='file' device='cdrom'/>", "", False),
        ("<disk type='file' device='floppy'><source file='/f'/></disk>", "/f", True),
        ("<disk type='file'><source file='/a'/><readonly/></disk>", "/a", False),
        ("<disk type='volume'><source pool='p' volume='v'/></disk>", "volume:p/v", True),
        ("<disk type='network'><source protocol='nbd'/></disk>", "nbd:", True),
        ("<disk type='nvme'><source type='pci'/></disk>", "nvme:", True),
        ("<disk type='unheard-of'><source/></disk>", "unheard-of:", True),
    ],
)
def test_other_disks(devices: str, source: str, writable: bool) -> None:
    (disk,) = disks(devices)
    assert (disk.source, disk.writable, images(disk)) == (source, writable, ())


def test_the_backing_chain_is_not_the_disk() -> None:
    (disk,) = disks(
        "<disk type='file'><backingStore type='file'><source file='/base'/><readonly/></backingStore>"
        "<source file='/top'/><shareable/></disk>"
    )
    assert (disk.source, disk.readonly, disk.shareable) == ("/top", False, True)


def test_what_else_can_write_is_named() -> None:
    commandline = (
        "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-drive'/></q:commandline>"
    )
    devices = "<hostdev type='pci'/><filesystem/><disk type='file'><source file='/a'/><mirror type='file'/></disk>"
    domain = read_domain(xml(commandline, devices))
    assert domain.also_writes == (
        "arguments of its own for qemu (qemu:commandline)",
        "a passed-through host device",
        "a shared file system",
        "a mirror of a disk",
    )


CHANNEL = "a serial port, console or channel that goes to a file or device of the host"
NVRAM = "its NVRAM"
MEMORY = "persistent memory (NVDIMM or pmem)"


@pytest.mark.parametrize(
    ("devices", "what"),
    [
        ("<memory model='nvdimm'><source><path>/p</path></source><target/></memory>", MEMORY),
        ("<memory model='virtio-pmem' access='shared'><source><path>/p</path></source></memory>", MEMORY),
        ("<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>", "the state of a TPM"),
        ("<tpm><backend type='passthrough'><device path='/dev/tpm0'/></backend></tpm>", "the state of a TPM"),
        ("<pstore backend='acpi-erst'><path>/p</path><size>8</size></pstore>", "a pstore"),
        ("<serial type='file'><source path='/p'/></serial>", CHANNEL),
        ("<serial type='pty'><log file='/p' append='on'/></serial>", CHANNEL),
        ("<parallel type='dev'><source path='/dev/parport0'/></parallel>", CHANNEL),
        ("<console type='file'><source path='/p'/></console>", CHANNEL),
        ("<channel type='pipe'><source path='/p'/></channel>", CHANNEL),
        ("<rng model='virtio'><backend model='egd' type='file'><source path='/p'/></backend></rng>", CHANNEL),
        ("<shmem name='s'><model type='ivshmem-plain'/></shmem>", "shared memory of the host (shmem)"),
        ("<hostdev mode='subsystem' type='scsi'/>", "a passed-through host device"),
        ("<audio id='1' type='file' path='/p'/>", "a sound file"),
        ("</devices><os><nvram>/p</nvram></os><devices>", NVRAM),
        ("</devices><os><nvram type='network'><source protocol='iscsi' name='n'/></nvram></os><devices>", NVRAM),
        ("</devices><os firmware='efi'/><devices>", NVRAM),
        ("</devices><os><loader readonly='yes' type='pflash'>/f</loader></os><devices>", NVRAM),
    ],
)
def test_whatever_is_written_beside_disks_is_named_and_no_storage_fence_is_given(devices: str, what: str) -> None:
    image = "<disk type='network'><source protocol='rbd' name='vms/web-01'/></disk>"
    domain = read_domain(xml(devices=image + devices))
    assert domain.also_writes == (what,)
    fence = CephFence(CephSettings())
    volumes = fence.volumes_of(vm(1), domain.writable)
    assert (volumes.names, volumes.others) == (("vms/web-01",), (what,))
    assert what in fence.why_not_covered(volumes)


@pytest.mark.parametrize(
    ("file", "covered"),
    [
        ("/etc/ceph/ceph.conf", True),
        ("/etc/ceph/prod.conf", True),
        ("", True),
        ("/etc/ceph/other.conf", False),
        ("/srv/etc/ceph/ceph.conf", False),
    ],
)
def test_an_image_whose_ceph_another_file_names_is_not_covered(file: str, covered: bool) -> None:
    image = f"<disk type='network'><source protocol='rbd' name='a/b'><config file='{file}'/></source></disk>"
    volumes = CephFence(CephSettings(conf="/etc/ceph/prod.conf")).volumes_of(
        vm(1), read_domain(xml(devices=image)).writable
    )
    wanted = (("a/b",), ()) if covered else ((), (f"a disk (network), which has its Ceph by {file},",))
    assert (volumes.names, volumes.others) == wanted


@pytest.mark.parametrize(
    "devices",
    [
        "<memory model='dimm'><source><pagesize>4</pagesize></source><target><size>1</size></target></memory>",
        "<serial type='pty'/><console type='pty'/><channel type='unix'/><channel type='spicevmc'/>",
        "<serial type='tcp'><source mode='bind' host='127.0.0.1'/></serial>",
        "<rng><backend model='random'>/dev/urandom</backend></rng><audio id='1' type='none'/><memballoon/>",
        "</devices><launchSecurity type='sev'/><os firmware='bios'><loader type='rom'>/f</loader></os><devices>",
        "</devices><os><loader type='pflash' stateless='yes'>/f</loader></os><devices>",
        "</devices><metadata><a:nvram xmlns:a='x'/><tpm><backend/></tpm></metadata><devices>",
    ],
    ids=range(7),
)
def test_what_keeps_nothing_is_no_writer(devices: str) -> None:
    assert read_domain(xml(devices=devices)).also_writes == ()


@pytest.mark.parametrize("kind", ["vhostuser", "vhostvdpa", "nvme"])
def test_a_disk_behind_another_process_is_no_image(kind: str) -> None:
    (disk,) = disks(f"<disk type='{kind}'><source type='unix' path='/s'/><target dev='vdb'/></disk>")
    domain = replace(read_domain(xml()), disks=(disk,))
    assert CephFence(CephSettings()).volumes_of(vm(1), domain.writable).others == (f"vdb ({kind})",)


@pytest.mark.parametrize(
    ("graphics", "consoles"),
    [
        ("<graphics type='vnc' listen='0.0.0.0'/>", ("vnc console on 0.0.0.0",)),
        ("<graphics type='vnc' listen='::' passwd=''/>", ("vnc console on ::",)),
        (
            "<graphics type='spice'><listen type='address' address='10.0.0.1'/></graphics>",
            ("spice console on 10.0.0.1",),
        ),
        ("<graphics type='vnc'><listen type='network' network='lan'/></graphics>", ("vnc console on network lan",)),
        (
            "<graphics type='vnc' listen='127.0.0.1'><listen type='address' address='0.0.0.0'/></graphics>",
            ("vnc console on 0.0.0.0",),
        ),
        ("<graphics type='vnc' listen='kvm-01'/>", ("vnc console on kvm-01",)),
        ("<graphics type='vnc' listen='0.0.0.0' passwd='s3cret01'/>", ()),
        ("<graphics type='vnc' listen='127.0.0.1'/><graphics type='spice' listen='::1'/>", ()),
        ("<graphics type='vnc' port='-1' autoport='yes'/>", ()),
        ("<graphics type='vnc'><listen type='address' address='localhost'/></graphics>", ()),
        ("<graphics type='vnc'><listen type='socket' socket='/s'/></graphics>", ()),
        ("<graphics type='sdl' display=':0'/><graphics type='egl-headless'/>", ()),
    ],
)
def test_a_console_without_a_password_is_named_where_others_reach_it(graphics: str, consoles: tuple[str, ...]) -> None:
    assert read_domain(xml(devices=graphics)).open_consoles == consoles


def test_an_open_console_is_told_with_its_vm_and_the_dump_that_keeps_passwords(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(xml(devices="<graphics type='vnc' listen='0.0.0.0'/>"))
    inventory = read(tmp_path, text(vm=f"web-01: {{uuid: {UUID}, host: kvm-01, domain_xml: a.xml}}"))
    (console,) = open_consoles(inventory, check_domains(inventory))
    assert console == OpenConsole("web-01", "vnc console on 0.0.0.0")
    assert "--security-info --migratable" in console.says


BOMB = "<!DOCTYPE d [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {chr(98 + n)} '{('&' + chr(97 + n) + ';') * 10}'>" for n in range(12)
)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (BOMB + "]><domain>&m;</domain>", "has a document type"),
        ("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>", "has a document type"),
        ("<!DOCTYPE d [<!ENTITY % x SYSTEM 'http://127.0.0.1/'> %x;]><domain/>", "has a document type"),
        (xml(name="&undefined;"), "not well-formed"),
        ("", "not well-formed"),
        ("virsh: error", "not well-formed"),
        (xml()[:-3], "not well-formed"),
        (xml() + "<domain/>", "not well-formed"),
        ("<a>" * 200_000, "not with <domain>"),
        ("<domain>" * 100, "nested deeper"),
        ("<domstatus><domain/></domstatus>", "begins with <domstatus>"),
        ("<domain/>", "has no <uuid>"),
        (xml(name=""), "has no <name>"),
        (xml(name="a/b"), "which libvirt does not take"),
        (xml(name="a\nb"), "which libvirt does not take"),
        (xml(name="\u00e4" * 124), "at most 247 bytes"),
        (xml(uuid="42"), "no valid <uuid>"),
        (xml(f"<uuid>{OTHER_UUID}</uuid>"), "has two <uuid>"),
        (xml("<name>other</name>"), "has two <name>"),
        (xml(memory="<memory unit='parsec'>1</memory>"), "gives its <memory> in 'parsec'"),
        (xml(memory="<memory>many</memory>"), "write a whole number"),
        (xml(memory=f"<memory>{'9' * 5000}</memory>"), "write a whole number"),
        (xml(devices="<disk><source file='/a'/><source file='/b'/></disk>"), "two <source>"),
        (declared("utf-16"), "declares the encoding 'utf-16', which is not read here"),
        (declared("utf-7"), "which is not read here"),
        (declared("us-ascii", name="ä").encode(), "is not ASCII"),
        (declared("utf8", name="ä").encode("latin-1"), "is not UTF-8"),
        (b"\xef\xbb\xbf" + declared("latin-1").encode(), "byte order mark"),
        ("<?xml version='2.0'?>" + xml(), "declaration that can't be read"),
        ("<?xml encoding='utf-8'?>" + xml(), "declaration that can't be read"),
        ("\n<?xml version='1.0'?>" + xml(), "not well-formed"),
        (xml(uuid=f"{UUID}<b/>"), "an element in its <uuid>"),
        (xml(uuid=f"<b>{OTHER_UUID}</b>{UUID}"), "an element in its <uuid>"),
        (xml(name="web<b>-01</b>"), "an element in its <name>"),
        (xml(uuid=UUID + "\u00a0"), "no valid <uuid>"),
        (xml().replace("<uuid>", "<uuid xmlns='http://example.org/'>"), "has no <uuid>"),
        (xml().replace("<domain ", "<domain xmlns='http://example.org/' "), "begins with"),
        (xml().encode("utf-16"), "is not UTF-8"),
        (b"\xff\xfe", "is not UTF-8"),
        ("<domain>\ud800</domain>", "is not UTF-8"),
        (" " * (MAX_BYTES + 1), "the limit is"),
        ("<domain>\0</domain>", "not well-formed"),
    ],
    ids=range(42),
)
def test_what_is_refused(document: str | bytes, words: str) -> None:
    with pytest.raises(DomainError) as caught:
        read_domain(document)
    assert words in str(caught.value)


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b" " * (MAX_BYTES + 1))
    for name, words in (("fifo", "no regular file"), ("large", "the limit is"), ("none", "does not exist")):
        with pytest.raises(DomainError) as caught:
            read_domain_file(str(tmp_path / name))
        assert words in str(caught.value)


PIECES = st.sampled_from(
    [
        "<",
        ">",
        "/",
        "&",
        "]]>",
        "<!--",
        "domain",
        "<uuid>",
        "</uuid>",
        UUID,
        "<disk>",
        "<source",
        " file='a'",
        "\0",
        "é",
    ]
)


def uuid_or_words(document: bytes | str) -> None:
    """A domain with a valid uuid, or a DomainError with words; anything else that is raised fails the test."""
    try:
        told: str = read_domain(document).uuid
    except DomainError as error:
        told = str(error)
    assert len(told) >= 20


@given(st.binary(max_size=200) | st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=100))
def test_no_document_does_more_than_be_refused(document: bytes | str) -> None:
    uuid_or_words(document)


@given(st.data())
def test_no_damage_to_a_document_does_more_than_be_refused(data: st.DataObject) -> None:
    whole = xml(
        devices="<disk type='network'><source protocol='rbd' name='a/b'><host name='h'/></source></disk>"
    ).encode()
    at = data.draw(st.integers(0, len(whole)))
    cut = data.draw(st.integers(0, 20))
    uuid_or_words(whole[:at] + data.draw(st.binary(max_size=8)) + whole[at + cut :])


def test_the_xml_of_another_vm_is_a_fault_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(xml())
    (tmp_path / "b.xml").write_text(xml(name="web-2", uuid=OTHER_UUID))
    (tmp_path / "c.xml").write_text(BOMB)
    numbers = {"web-01": 1, "web-02": 2, "web-03": 3, "web-04": 4, "web-05": 5}
    files = {"web-01": "a.xml", "web-02": "b.xml", "web-03": "a.xml", "web-04": "c.xml", "web-05": ""}
    vms = "\n  ".join(
        f"{name}:\n    {{uuid: {UUID[:-1]}{number}, host: kvm-01"
        + (f",\n    domain_xml: {files[name]}}}" if files[name] else "}")
        for name, number in numbers.items()
    )
    inventory = read(tmp_path, text(vm=vms))
    with pytest.raises(InventoryError) as caught:
        check_domains(inventory)
    told = [(fault.line, fault.path, fault.file) for fault in caught.value.faults]
    file = str(tmp_path / "inventory.yaml")
    assert told == [(line, f"vms.web-0{number}.domain_xml", file) for number, line in ((3, 14), (4, 17))]
    three, four = (fault.says for fault in caught.value.faults)
    assert f"its uuid is {UUID}, the inventory says {UUID[:-1]}3" in three
    assert "has a document type" in four
    good = check_domains(inventory, [inventory.find_vm("web-01"), inventory.find_vm("web-05")])
    assert list(good) == [UUID]


def test_the_example_is_valid_as_it_is_shipped() -> None:
    inventory = read_inventory(str(Path(__file__).parents[2] / "inventory.example.yaml"))
    assert [domain.name for domain in check_domains(inventory).values()] == ["web-01"]
    assert sorted(inventory.hosts) == ["kvm-01", "kvm-02", "kvm-03"]


def test_two_vms_with_one_writable_disk_are_named_and_a_shareable_or_read_only_one_is_not(tmp_path: Path) -> None:
    disk = "<disk type='file'><source file='/d/{}'/>{}</disk>".format
    devices = {
        "web-01": disk("a", "") + disk("b", ""),
        "web-02": disk("a", "") + disk("c", "<shareable/>"),
        "web-03": disk("c", "<shareable/>") + disk("b", "<readonly/>"),
        "far-01": disk("a", ""),
    }
    lines = ["clusters: {prod: {}, far: {}}", "hosts:", "  kvm-01: {cluster: prod, address: 10.0.0.1}"]
    lines += ["  far-01: {cluster: far, address: 10.0.1.1}", "vms:"]
    for number, (name, inside) in enumerate(devices.items(), 1):
        uuid = f"{UUID[:-1]}{number}"
        (tmp_path / f"{name}.xml").write_text(xml(devices=inside, name=name, uuid=uuid))
        host = "far-01" if name == "far-01" else "kvm-01"
        lines.append(f"  {name}: {{uuid: {uuid}, host: {host}, domain_xml: {name}.xml}}")
    (tmp_path / "odd.xml").write_text("<not a domain")
    lines.append(f"  other: {{uuid: {UUID[:-1]}9, host: kvm-01, disks: ['rbd:p/x'], domain_xml: odd.xml}}")
    lines.append(f"  twin: {{uuid: {UUID[:-1]}8, host: kvm-01, disks: ['rbd:p/x']}}")
    (tmp_path / "inventory.yaml").write_text("\n".join(lines) + "\n")
    shared = shared_disks(read_inventory(str(tmp_path / "inventory.yaml")))
    assert [(each.source, each.vms) for each in shared] == [
        ("rbd:p/x", ("other", "twin")),
        ("/d/a", ("web-01", "web-02")),
    ]


def test_a_file_that_is_missing_is_the_trouble_of_one_vm(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(xml())
    vms = f"web-01: {{uuid: {UUID}, host: kvm-01, domain_xml: a.xml}}"
    vms += f"\n  web-02: {{uuid: {OTHER_UUID}, host: kvm-01, domain_xml: none.xml}}"
    inventory = read(tmp_path, text(vm=vms))
    why = {name: source_of(inventory, inventory.find_vm(name), None)[0].why_not for name in ("web-01", "web-02")}
    assert why == {"web-01": "", "web-02": f"{tmp_path}/none.xml does not exist: check the path"}
    with pytest.raises(InventoryError) as caught:
        check_domains(inventory)
    assert [fault.path for fault in caught.value.faults] == ["vms.web-02.domain_xml"]
