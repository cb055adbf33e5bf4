"""Whether the domain XML of a VM is that VM's: a start from another VM's XML would run the wrong machine twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from ..core.captures import Capture, Origin, Source, digest_of, origin_of
from ..core.model import DUMP, Inventory, StartMode, Uuid, Vm
from ..core.survey import SharedDisk
from .domain_xml import Domain, DomainError, read_domain, read_domain_file
from .faults import Mistakes
from .files import list_files
from .passwords import with_passwords, without_secrets
from .tree import Map
from .yaml_tree import read_tree


@lru_cache(maxsize=64)
def definition_of(vm: Vm) -> Domain | None:
    """The definition from which a VM is started, None where the inventory names none; read once by a run, so that what
    was judged is what is sent. Raises DomainError with words for people, also if it is another VM's."""
    if vm.domain_xml is None:
        return None
    domain = read_domain_file(vm.domain_xml)
    _compare(vm, domain)
    return domain


def check_domains(inventory: Inventory, vms: Iterable[Vm] | None = None) -> dict[Uuid, Domain]:
    """Read the domain XML of VMs (by default of all) that have one and hold it against the inventory.

    Raises InventoryError with every fault, at the place of its `domain_xml`.
    """
    domains: dict[Uuid, Domain] = {}
    wrong: dict[str, str] = {}
    for vm in inventory.vms.values() if vms is None else vms:
        try:
            domain = definition_of(vm)
        except DomainError as error:
            wrong[vm.name] = f"{vm.domain_xml} {error}"
        else:
            if domain is not None:
                domains[vm.uuid] = domain
    if wrong:
        raise _with_places(inventory.path, wrong).error()
    return domains


@dataclass(frozen=True, slots=True)
class OpenConsole:
    """A console that a VM would be started with, legal and unwise."""

    vm: str
    console: str

    @property
    def says(self) -> str:
        """In words."""
        return (
            f"{self.vm}: its {self.console} wants no password: a plain 'virsh dumpxml' leaves passwords out, use"
            f" '{DUMP}', or let it listen on 127.0.0.1"
        )


def open_consoles(inventory: Inventory, domains: Mapping[Uuid, Domain]) -> tuple[OpenConsole, ...]:
    """The consoles that listen beyond loopback without a password, by VM."""
    found = ((inventory.vms[vm].name, each) for vm, domain in domains.items() for each in domain.open_consoles)
    return tuple(OpenConsole(name, each) for name, each in sorted(found))


def shared_disks(inventory: Inventory) -> tuple[SharedDisk, ...]:
    """Writable disks that more than one VM of a cluster names, and that none of them marks as shareable.

    Definitions that can't be read are passed over: `check_domains` tells of them.
    """
    users: dict[tuple[str, str], set[str]] = {}
    for vm in inventory.vms.values():
        for source in _writable_sources(vm):
            users.setdefault((inventory.cluster_of(vm.host).name, source), set()).add(vm.name)
    shared = (SharedDisk(source, tuple(sorted(names))) for (_, source), names in users.items() if len(names) > 1)
    return tuple(sorted(shared, key=lambda disk: (disk.vms, disk.source)))


def _writable_sources(vm: Vm) -> set[str]:
    sources = set(vm.disks)
    try:
        domain = definition_of(vm)
    except DomainError:
        return sources
    disks = domain.disks if domain is not None else ()
    return sources | {disk.source for disk in disks if disk.writable and not disk.shareable}


def source_of(inventory: Inventory, vm: Vm, capture: Capture | None) -> tuple[Source, Domain | None]:
    """From what a VM would be started, and that definition; or why from nothing. Asked before anything of it is killed.

    One in the inventory that can't be read is not passed over for a capture: it may have been edited since.
    """
    if inventory.cluster_of(vm.host).start is StartMode.COMMAND:
        return Source(), _readable(vm)
    try:
        own = definition_of(vm)
    except DomainError as error:
        return Source(f"{vm.domain_xml} {error}", capture), None
    origin = origin_of("" if own is None else digest_of(own.xml), capture)
    if origin is Origin.INVENTORY:
        why_not = "" if own else "the inventory has no domain_xml of it, and none was captured"
        other_disks = own is not None and capture is not None and _disks_of(own) != _captured_disks(vm, capture)
        return Source(why_not, capture, origin, other_disks), own
    assert capture is not None, "which is where it is from"
    try:
        return Source("", capture, origin), _captured(vm, capture, own)
    except DomainError as error:
        return Source(f"its definition, captured on {capture.host}, {error}", capture, origin), None


def _disks_of(domain: Domain) -> set[tuple[str, str]]:
    return {(disk.target, disk.source) for disk in domain.disks if disk.writable}


def _captured_disks(vm: Vm, capture: Capture) -> set[tuple[str, str]]:
    try:
        return _disks_of(_captured(vm, capture, None))
    except DomainError:
        return set()


def _captured(vm: Vm, capture: Capture, own: Domain | None) -> Domain:
    """What was captured, read anew: the store is input as any other."""
    domain = read_domain(capture.xml if own is None else with_passwords(read_domain(capture.xml).xml, own.xml))
    _compare(vm, domain)
    return domain


def read_capture(vm: Vm, document: bytes) -> Domain:
    """What a host says of a running VM, by the reader that reads the inventory's definitions, without its secrets.
    Raises DomainError with words for people for what `inventory check` would refuse, and for secrets that can't be
    done without."""
    domain = read_domain(without_secrets(read_domain(document).xml))
    _compare(vm, domain)
    return domain


def digest_beside(vm: Vm) -> str:
    """Of the definition that the inventory has of a VM, '' where it has none that can be read."""
    domain = _readable(vm)
    return "" if domain is None else digest_of(domain.xml)


def _readable(vm: Vm) -> Domain | None:
    try:
        return definition_of(vm)
    except DomainError:
        return None


def _compare(vm: Vm, domain: Domain) -> None:
    if domain.uuid != vm.uuid:
        raise DomainError(
            f"is of another VM: its uuid is {domain.uuid}, the inventory says {vm.uuid}; correct one of them"
        )


def _with_places(path: str, wrong: dict[str, str]) -> Mistakes:
    """The faults with file and line. The files are read once more for it: only a fault costs that."""
    faults = Mistakes()
    for file in list_files(path):
        tree = read_tree(file, Mistakes())
        vms = tree.values.get("vms") if tree is not None else None
        if isinstance(vms, Map):
            for name in [name for name in wrong if name in vms.values]:
                vm = vms.values[name]
                line = vm.line_of("domain_xml") if isinstance(vm, Map) else None
                faults.add(file, line, f"vms.{name}.domain_xml", wrong.pop(name))
    for name, says in wrong.items():
        faults.add(path, None, f"vms.{name}.domain_xml", says)
    return faults
