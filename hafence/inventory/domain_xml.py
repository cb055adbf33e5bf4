"""Reading a libvirt domain XML: who the VM is, what it needs, what it can write to.

A domain XML may come from a host that nobody trusts any more. So: bounded in size and depth, no document
type and therefore no entities, no element kept that is not asked for. expat of the standard library, no tree.

This is the one reader of a definition, and libvirt reads what is sent to it with another parser, libxml2. Where the two
could read another VM (an element inside `<uuid>`, two of them, a namespace, an encoding), the document is refused here,
when it is checked, and not by libvirt, when the VM is dead already.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from ..core.model import DUMP, Uuid, parse_uuid
from ..core.needs import Need, NeedKind
from ..core.parsing import shown
from ..core.storage.port import WritableDisk
from .bound import NVRAM, TPM_STATE, bound, bound_by
from .consoles import Console
from .files import FileRefused, read_bounded
from .needs import MOST, need_of, need_of_disk, need_of_name, need_of_state, need_of_text, need_of_usb
from .writers import writer_of
from .xml_text import text_of

MAX_BYTES = 1024 * 1024
"""Of one domain XML; a large one has 30 kB."""

MAX_DEPTH = 64

MOST_NAME_BYTES = 247
"""libvirt keeps a definition under the name with ".xml.new" behind it, and a file's name has at most 255 bytes."""

_UNIT_BYTES = {
    "": 1024,
    "b": 1,
    "bytes": 1,
    "kb": 1000,
    "k": 1024,
    "kib": 1024,
    "mb": 1000**2,
    "m": 1024**2,
    "mib": 1024**2,
    "gb": 1000**3,
    "g": 1024**3,
    "gib": 1024**3,
    "tb": 1000**4,
    "t": 1024**4,
    "tib": 1024**4,
}
"""Units of `<memory unit=…>` (libvirt, formatdomain, Memory Allocation); without one it is KiB."""

_DISK = ("domain", "devices", "disk")
_CONSOLE = ("domain", "devices", "graphics")
_PASSED_THROUGH = ("domain", "devices", "hostdev", "source")
_NVRAM = ("domain", "os", "nvram")
_HUGEPAGES = ("domain", "memoryBacking", "hugepages")
_TEXTS = ("uuid", "name", "memory")
_BLANK = " \t\r\n"
"""What XML calls white space; libvirt takes no other around a UUID."""
_WITH_A_NAME = frozenset({"file", "block", "network"})
"""Kinds of disks whose source is a path that the definition names, or no path at all."""
_IN_ARGUMENTS = re.compile(r"(?:^|[=,])(/[^,]+)")
_PATH_ATTRIBUTE = {"file": "file", "block": "dev", "dir": "dir"}


class DomainError(ValueError):
    """The XML can't be used. The message says why and what would be right."""


@dataclass(frozen=True, slots=True)
class Disk:
    """One disk. `kind` is libvirt's `type`: network, file, block, volume, …"""

    kind: str
    device: str
    """disk, cdrom, floppy or lun."""
    source: str
    """A path, or `rbd:POOL/IMAGE`, or `PROTOCOL:NAME`, or `volume:POOL/VOLUME`; '' without one (an empty drive)."""
    hosts: tuple[str, ...] = ()
    """Where the network disk's servers are, as `host:port` or `host`."""
    target: str = ""
    """As the guest knows it, `vda`."""
    readonly: bool = False
    shareable: bool = False
    configured_by: str = ""
    """The file with its storage's configuration, where the definition names one."""

    @property
    def writable(self) -> bool:
        """Whether the VM could write to it: anything but an empty drive, a CD-ROM and what is marked readonly."""
        return bool(self.source) and not self.readonly and self.device != "cdrom"

    @property
    def says(self) -> str:
        """The disk for people: `vdb (file)`."""
        return f"{self.target or 'a disk'} ({self.kind})"


@dataclass(frozen=True, slots=True)
class Domain:
    """What hafence wants to know of a domain XML."""

    uuid: Uuid
    name: str
    """As libvirt knows the VM: of any characters, and not always its name in the inventory."""
    memory_mib: int | None
    """Rounded up."""
    disks: tuple[Disk, ...]
    also_writes: tuple[str, ...] = ()
    """What beside its disks the VM might write to; no storage fence covers these."""
    open_consoles: tuple[str, ...] = ()
    """Consoles that listen beyond loopback without a password, in words."""
    needs: tuple[Need, ...] = ()
    """What a target must have, as far as it can be asked."""
    hugepages: bool = False
    """Whether its memory lies in huge pages, and not in what the host has free."""
    bound: tuple[str, ...] = ()
    """What of it is kept on its host alone, in words."""
    paths: tuple[str, ...] | None = None
    """Every path that it names, wherever; None where one of its disks is named otherwise (a volume of a pool)."""
    xml: str = field(default="", repr=False, compare=False)
    """The document as it is sent to libvirt: its characters, without a declaration of how they are encoded."""

    @property
    def writable(self) -> tuple[WritableDisk, ...]:
        """All that the VM could write to. The name of a network disk, and no path, begins with its protocol."""
        found = [disk for disk in self.disks if disk.writable]
        sources = [disk.source if disk.kind == "network" else f"{disk.kind}:{disk.source}" for disk in found]
        pairs = zip(sources, found, strict=True)
        disks = (WritableDisk(src, disk.says, disk.shareable, disk.hosts, disk.configured_by) for src, disk in pairs)
        return (*disks, *(WritableDisk("", what) for what in self.also_writes))


def read_domain_file(path: str) -> Domain:
    """Read a domain XML file. Raises DomainError with words for people."""
    try:
        return read_domain(read_bounded(path, MAX_BYTES))
    except FileRefused as refused:
        raise DomainError(str(refused)) from None


def read_domain(document: bytes | str) -> Domain:
    """Read a domain XML, as `virsh dumpxml` prints it. Raises DomainError with words for people."""
    try:
        source = document.encode("utf-8") if isinstance(document, str) else document
        if len(source) > MAX_BYTES:
            raise DomainError(f"has {len(source):,} bytes, the limit is {MAX_BYTES:,}: is it a domain XML?")
        text = text_of(source)
    except UnicodeEncodeError:
        raise DomainError("is not UTF-8: save it as UTF-8") from None
    except DomainError:
        raise
    except ValueError as error:
        raise DomainError(str(error)) from None
    reading = _Reading()
    parser = expat.ParserCreate("utf-8", namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reading.start
    parser.EndElementHandler = reading.end
    parser.CharacterDataHandler = reading.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.EntityDeclHandler = _refuse_doctype
    try:
        parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        what = f"{expat.ErrorString(error.code)}, line {error.lineno}"
        raise DomainError(f"is not well-formed XML ({what}): use what '{DUMP}' prints") from None
    return reading.domain(text)


def _refuse_doctype(*_: object) -> None:
    raise DomainError("has a document type (<!DOCTYPE …>): a domain XML has none, remove it")


@dataclass(slots=True)
class _OpenDisk:
    """A disk whose end has not been read yet."""

    kind: str
    device: str
    source: str | None = None
    hosts: list[str] = field(default_factory=list)
    target: str = ""
    readonly: bool = False
    shareable: bool = False
    transient: bool = False
    """Whether what the VM writes goes to a file of libvirt's own, and is thrown away."""
    optional: bool = False
    """Whether libvirt starts the VM without it where its source is missing."""
    configured_by: str = ""


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self._path: tuple[str, ...] = ()
        self._texts: dict[str, str] = {}
        self._memory_unit = ""
        self._disk: _OpenDisk | None = None
        self._disks: list[Disk] = []
        self._also: list[str] = []
        self._consoles: list[Console] = []
        self._needs: list[Need | None] = []
        self._bound: list[str | None] = []
        self._interface = ""
        self._text = ""
        self._usb_vendor = ""
        self._nvram = ""
        self._page_kib: int | None = None
        self._paths: list[str] = []
        self._has_nameless = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._path = path = (*self._path, tag)
        self._text = ""
        if len(path) > MAX_DEPTH:
            raise DomainError(f"is nested deeper than {MAX_DEPTH} levels: is it a domain XML?")
        if len(path) == 1 and tag != "domain":
            raise DomainError(f"begins with <{shown(tag)[1:-1]}>, not with <domain>: use what '{DUMP}' prints")
        if len(path) == 2 and tag in _TEXTS:
            if tag in self._texts:
                raise DomainError(f"has two <{tag}>: keep the right one")
            self._texts[tag] = ""
        if len(path) == 3 and path[1] in _TEXTS:
            # libvirt would count what stands in it
            raise DomainError(f"has an element in its <{path[1]}>: write the plain text there")
        if path == ("domain", "memory"):
            self._memory_unit = attributes.get("unit", "")
        if (what := writer_of(path, attributes)) is not None:
            self._also.append(what)
        self._note_need(path, attributes)
        for value in attributes.values():
            self._paths += paths_in(value)
        self._bound.append(bound_by(path, attributes))
        if path == _DISK:
            self._disk = _OpenDisk(attributes.get("type", "file"), attributes.get("device", "disk"))
        elif path == _CONSOLE:
            self._consoles.append(Console(attributes, []))
        elif path == (*_CONSOLE, "listen"):
            self._consoles[-1].listen(attributes)
        elif self._disk is not None:
            _inside_disk(self._disk, path[3:], attributes)

    def _note_need(self, path: tuple[str, ...], attributes: dict[str, str]) -> None:
        if path == ("domain", "devices", "interface"):
            self._interface = attributes.get("type", "")
        elif path == _HUGEPAGES:
            self._page_kib = 0
        elif path == (*_HUGEPAGES, "page"):
            self._page_kib = _page_kib(attributes)
        elif path == (*_PASSED_THROUGH, "vendor"):
            self._usb_vendor = attributes.get("id", "")
        elif path == (*_PASSED_THROUGH, "product"):
            self._needs.append(need_of_usb(self._usb_vendor, attributes.get("id", "")))
        self._needs.append(need_of(path, attributes, self._interface))

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._path == _DISK and self._disk is not None:
            disk, self._disk = self._disk, None
            hosts = tuple(disk.hosts)
            source = disk.source or ""
            kind, target = _for_people(disk.kind), _for_people(disk.target)
            self._has_nameless |= disk.transient or (bool(source) and kind not in _WITH_A_NAME)
            conf = _for_people(disk.configured_by)
            self._disks.append(Disk(kind, disk.device, source, hosts, target, disk.readonly, disk.shareable, conf))
            if not disk.optional:
                self._needs.append(need_of_disk(kind, source, self._disks[-1].writable))
        self._needs.append(need_of_text(self._path, self._text))
        self._path, self._text = self._path[:-1], ""

    def text(self, text: str) -> None:
        """Characters between elements."""
        self._paths += paths_in(text)
        self._text += text
        if len(self._path) == 2 and self._path[1] in self._texts:
            self._texts[self._path[1]] += text
        elif self._path == _NVRAM:
            self._nvram += text

    def domain(self, xml: str) -> Domain:
        """What came of it, when the document was read to its end."""
        for tag in ("uuid", "name"):
            if not self._texts.get(tag, "").strip(_BLANK):
                raise DomainError(f"has no <{tag}>: without one the VM could not be told from others; add it")
        name = self._texts["name"]
        if "/" in name or "\n" in name or len(name.encode()) > MOST_NAME_BYTES:
            says = f"a name is one line without '/', of at most {MOST_NAME_BYTES} bytes"
            raise DomainError(f"has the name {shown(name)}, which libvirt does not take: {says}")
        try:
            uuid = parse_uuid(self._texts["uuid"].strip(_BLANK))
        except ValueError:
            raise DomainError(f"has no valid <uuid>: {shown(self._texts['uuid'])} is not 32 hex digits") from None
        memory = self._memory_mib(self._texts["memory"].strip(_BLANK)) if "memory" in self._texts else None
        consoles = tuple(_for_people(each.open) for each in self._consoles if each.open is not None)
        also, pages = tuple(dict.fromkeys(self._also)), self._page_kib is not None
        kept = bound(self._bound)
        needs = self._all_needs(uuid, name, memory, kept)
        paths = None if self._has_nameless else tuple(dict.fromkeys(self._paths))
        return Domain(uuid, name, memory, tuple(self._disks), also, consoles, needs, pages, kept, paths, xml)

    def _all_needs(self, uuid: Uuid, name: str, memory_mib: int | None, kept: tuple[str, ...]) -> tuple[Need, ...]:
        found = [*self._needs, need_of_name(name)]
        if NVRAM in kept:
            found.append(need_of_state(self._nvram.strip(_BLANK)))
        if TPM_STATE in kept:
            found.append(need_of_state(f"/var/lib/libvirt/swtpm/{uuid}"))
        if self._page_kib is not None and memory_mib is not None:
            found.append(Need(NeedKind.HUGEPAGES, f"{self._page_kib} {memory_mib}"))
        return tuple(dict.fromkeys(need for need in found if need is not None))[:MOST]

    def _memory_mib(self, text: str) -> int:
        unit = _UNIT_BYTES.get(self._memory_unit.lower())
        if unit is None:
            raise DomainError(f"gives its <memory> in {shown(self._memory_unit)}: write KiB, MiB or GiB")
        if not re.match(r"[0-9]{1,15}\Z", text):
            raise DomainError(f"has {shown(text)} as its <memory>: write a whole number")
        return -(-int(text) * unit // 1024**2)


def _inside_disk(disk: _OpenDisk, path: tuple[str, ...], attributes: Mapping[str, str]) -> None:
    """An element in a disk. Only its own source counts, not those of its backing chain, which are read-only."""
    if path == ("source",):
        if disk.source is not None:
            raise DomainError("has a disk with two <source>: keep the right one")
        disk.source = _source(disk.kind, attributes)
        disk.optional = attributes.get("startupPolicy") == "optional"
    elif path == ("source", "host"):
        name, port = attributes.get("name", ""), attributes.get("port")
        disk.hosts.append(f"{name}:{port}" if port else name)
    elif path == ("source", "config"):
        disk.configured_by = attributes.get("file", "")
    elif path == ("target",):
        disk.target = attributes.get("dev", "")
    elif path == ("readonly",):
        disk.readonly = True
    elif path == ("shareable",):
        disk.shareable = True
    elif path == ("transient",):
        disk.transient = True


def paths_in(text: str) -> list[str]:
    """The absolute paths in an attribute, or a text between elements: the whole of it, and what stands in arguments for
    qemu (`file=/a,format=raw`)."""
    if "/" not in text:
        return []
    whole = text.strip(_BLANK)
    found: list[str] = _IN_ARGUMENTS.findall(whole)
    return [whole, *found] if whole.startswith("/") else found


def _page_kib(attributes: Mapping[str, str]) -> int:
    """The size of its huge pages, 0 (the default one) where it can't be read."""
    unit = _UNIT_BYTES.get(attributes.get("unit", "").lower(), 0)
    size = attributes.get("size", "")
    return int(size) * unit // 1024 if re.match(r"[0-9]{1,9}\Z", size) else 0


def _for_people(text: str) -> str:
    """A word that stands in messages: a hostile document must not write to the admin's terminal."""
    return "".join(char if char.isprintable() else "?" for char in text[:64])


def _source(kind: str, attributes: Mapping[str, str]) -> str:
    if kind == "network":
        return f"{attributes.get('protocol', '')}:{attributes.get('name', '')}"
    if kind == "volume":
        return f"volume:{attributes.get('pool', '')}/{attributes.get('volume', '')}"
    if kind in _PATH_ATTRIBUTE:
        return attributes.get(_PATH_ATTRIBUTE[kind], "")
    return f"{kind}:"
