"""Which VMs are kept apart from one, found without comparing it with all others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .model import Uuid, Vm


@dataclass(frozen=True, slots=True)
class Neighbours:
    """All VMs by what `keeps_apart` (placement.py) compares: their names, and the words of their anti_affinity."""

    by_name: Mapping[str, list[Vm]]
    by_word: Mapping[str, list[Vm]]

    def of(self, vm: Vm) -> dict[Uuid, Vm]:
        """The VMs that must not share a host with this one."""
        if not vm.anti_affinity and vm.name not in self.by_word:
            return {}
        found = list(self.by_word.get(vm.name, ()))
        for word in vm.anti_affinity:
            found += self.by_word.get(word, ())
            found += self.by_name.get(word, ())
        return {other.uuid: other for other in found if other.uuid != vm.uuid}


def neighbours_among(vms: Iterable[Vm]) -> Neighbours:
    """The same for these VMs."""
    by_name: dict[str, list[Vm]] = {}
    by_word: dict[str, list[Vm]] = {}
    for vm in vms:
        by_name.setdefault(vm.name, []).append(vm)
        for word in vm.anti_affinity:
            by_word.setdefault(word, []).append(vm)
    return Neighbours(by_name, by_word)
