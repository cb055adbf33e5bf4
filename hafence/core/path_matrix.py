"""Who can be fenced through whom, as a table: a cell for each pair, with what was seen and how long ago."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .audit_paths import paths_seen, siblings_of, watched, ways_to_fence
from .audit_storage import can_be_made
from .model import Cluster, Host, HostName
from .power import Power, devices_of
from .room_without import loss_of, placed_now
from .rotation import PathSeen
from .survey import Survey
from .troubles import Trouble

_SHORT: Mapping[str, str] = {
    Trouble.TIMED_OUT.value: "t/o",
    Trouble.NO_REPLY_IN_TIME.value: "slow!",
    Trouble.NO_ROUTE.value: "route!",
    Trouble.FAST_NO_ROUTE.value: "route!",
    Trouble.REFUSED.value: "ref!",
    Trouble.NO_BANNER.value: "hung!",
    Trouble.HOST_KEY_UNKNOWN.value: "key!",
    Trouble.HOST_KEY_CHANGED.value: "key!",
    Trouble.SIBLING_HOST_KEY.value: "key!",
    Trouble.LOGIN_FAILED.value: "login!",
    Trouble.LOGIN_BY_ADDRESS.value: "login!",
    Trouble.SIBLING_LOGIN.value: "login!",
    Trouble.SIBLING_FORBIDS.value: "forb!",
    Trouble.SIBLING_UNREACHABLE.value: "sibl!",
    Trouble.SIBLING_FROZEN.value: "sibl!",
    Trouble.SIBLING_LOST.value: "sibl!",
}
"""What was in the way, in a few letters; under the table each is told in words."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One path: `short` for the table; `seen` is None where nobody has gone it yet."""

    through: HostName
    short: str
    seen: PathSeen | None
    usable: bool
    """Whether the sibling would be asked now."""


@dataclass(frozen=True, slots=True)
class Row:
    """One host: its paths, its other fences, and what they come to. `vms`: its HA VMs, and how many of them could start
    elsewhere if it failed now."""

    host: HostName
    cells: tuple[Cell, ...]
    siblings: int
    power: str
    storage: str
    vms: tuple[int, int]

    @property
    def says(self) -> str:
        """By what it can be fenced."""
        others = [word for word, state in (("power", self.power), ("storage", self.storage)) if state == "ok"]
        if self.siblings:
            return " + ".join([str(self.siblings) if self.siblings > 1 or others else "1 only", *others])
        return f"{' + '.join(others)} only" if others else "NO WAY"


def matrix_of(scene: Survey) -> tuple[tuple[str, tuple[Row, ...]], ...]:
    """The table of each cluster that hafence can look into, by its name."""
    rows: dict[str, list[Row]] = {}
    seen, placed = paths_seen(scene), placed_now(scene)
    for host, _ in watched(scene):
        usable = siblings_of(scene, host).chosen
        cells = []
        for sibling in scene.inventory.members(host.cluster):
            path = seen.get(host.name, {}).get(sibling.name)
            if sibling.name != host.name:
                cells.append(_cell(scene, sibling.name, path, sibling.name in usable))
        loss = loss_of(scene, host, placed)
        could = len(loss.vms) - len(loss.down)
        ways = len(ways_to_fence(scene, host))
        storage = _storage(scene, scene.inventory.clusters[host.cluster])
        row = Row(host.name, tuple(cells), ways, _power(scene, host), storage, (len(loss.vms), could))
        rows.setdefault(host.cluster, []).append(row)
    return tuple((cluster, tuple(each)) for cluster, each in sorted(rows.items()))


def _cell(scene: Survey, through: HostName, path: PathSeen | None, usable: bool) -> Cell:
    if through in scene.quarantine:
        return Cell(through, "quar", path, usable)
    if path is None:
        return Cell(through, "?" if usable else "away", path, usable)
    if path.good:
        return Cell(through, f"{path.seconds:.1f}s", path, usable)
    sudo = "sudo!" if path.word.startswith(("sudo_", "no_sudo")) else "bad!"
    return Cell(through, _SHORT.get(path.word, sudo), path, usable)


def _power(scene: Survey, host: Host) -> str:
    """Whether one level of its power fence answers whole."""
    levels = [devices_of(host, level) for level in range(1, len(host.power) + 1)]
    if not levels:
        return "none"
    told = [[scene.power.get(device) for device in devices] for devices in levels]
    well = [all(each is not None and each.power is not Power.ERROR for each in level) for level in told]
    return "ok" if any(well) else "bad!"


def _storage(scene: Survey, cluster: Cluster) -> str:
    """Whether somebody who was asked could make a storage fence."""
    if cluster.ceph is None:
        return "none"
    return "ok" if can_be_made(scene.rehearsed_storages.get(cluster.name, {})) else "bad!"


def weakest(rows: tuple[Row, ...]) -> Row | None:
    """The host that fewest can fence, of those whose VMs most would stay down."""
    if not rows:
        return None
    return min(rows, key=lambda row: (row.siblings, row.power != "ok", row.vms[1] - row.vms[0], row.host))


def troubles_of(rows: tuple[Row, ...]) -> Iterator[tuple[str, str]]:
    """Each short word for trouble, with the first path where it stands and what was in the way."""
    told = set()
    for row in rows:
        for cell in row.cells:
            if cell.short.endswith(("!", "/o")) and cell.short not in told and cell.seen is not None:
                told.add(cell.short)
                yield cell.short, f"{row.host} through {cell.through}: {cell.seen.says}"
