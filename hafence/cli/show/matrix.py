"""The fence matrix: rows are who would be fenced, columns through whom."""

from __future__ import annotations

import sys
from typing import Any

from ...core.model import HostName
from ...core.path_matrix import Cell, Row, matrix_of, troubles_of, weakest
from ...core.risks import some_of
from ...core.survey import Survey
from .output import out, out_folded
from .tables import table
from .terminal import marks_on
from .times import ago, timestamp

WIDEST = 12
"""Hosts of a cluster that stand side by side; of more the cells are counted."""


def matrix_object(scene: Survey) -> list[dict[str, Any]]:
    """The same for --json, a row for each path."""
    return [
        {
            "fence": row.host,
            "through": cell.through,
            "good": cell.seen.good if cell.seen else None,
            "word": cell.seen.word if cell.seen else None,
            "says": cell.seen.says if cell.seen else "not rehearsed yet",
            "at": timestamp(cell.seen.at) if cell.seen else None,
            "seconds": cell.seen.seconds if cell.seen else None,
            "usable": cell.usable,
        }
        for _, rows in matrix_of(scene)
        for row in rows
        for cell in row.cells
    ]


def print_matrix(scene: Survey) -> None:
    """A table for each cluster, then what its short words mean, and the host that is fenced worst."""
    for cluster, rows in matrix_of(scene):
        out()
        names = [row.host for row in rows]
        heads, lines = _whole(scene, cluster, rows) if len(names) <= WIDEST else _counted(rows)
        whole = [(row.host, *cells, *_ends(row)) for row, cells in zip(rows, lines, strict=True)]
        out(table(heads, whole))
        _print_words(scene, rows)


def _whole(scene: Survey, cluster: str, rows: tuple[Row, ...]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    names: list[HostName] = [host.name for host in scene.inventory.members(cluster)]
    lines = []
    for row in rows:
        cells = {cell.through: cell.short + _age(cell, scene.at) for cell in row.cells}
        lines.append(tuple(cells.get(name, "-") for name in names))
    return (f"FENCE in {cluster}", *names, *_HEADS), lines


def _counted(rows: tuple[Row, ...]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    lines: list[tuple[str, ...]] = []
    for row in rows:
        good = [cell.seen for cell in row.cells if cell.seen and cell.seen.good]
        bad = [cell.seen for cell in row.cells if cell.seen and not cell.seen.good]
        lines.append((str(len(good)), str(len(bad)), str(len(row.cells) - len(good) - len(bad))))
    return ("FENCE", "GOOD PATHS", "BAD", "NOT YET", *_HEADS), lines


_HEADS = ("POWER", "STORAGE", "CAN BE FENCED BY")


def _age(cell: Cell, now: float) -> str:
    """How old a cell is that an earlier audit has seen."""
    if cell.seen is None or cell.short == "quar" or now - cell.seen.at < 1:
        return ""
    number, _, unit = ago(now - cell.seen.at).partition(" ")
    return f" {number}{unit[:1]}"


def _ends(row: Row) -> tuple[str, str, str]:
    marks = marks_on(sys.stdout)
    mark = marks["GOOD"] if row.siblings > 1 else marks["ODD"] if row.says != "NO WAY" else marks["BAD"]
    return row.power, row.storage, f"{mark} {row.says}"


def _print_words(scene: Survey, rows: tuple[Row, ...]) -> None:
    for short, says in troubles_of(rows):
        out_folded(f"{short:<6}  {says}")
    kept_out = [row.host for row in rows if row.host in scene.quarantine]
    if kept_out:
        out_folded(f"quar    in quarantine: {some_of(kept_out)}: 'hafence rejoin {' '.join(kept_out)}'")
    shorts = {cell.short for row in rows for cell in row.cells}
    if "?" in shorts:
        out_folded("?       not rehearsed yet: each audit goes a few of the paths")
    if "away" in shorts:
        out_folded("away    not there to ask: silent, in maintenance or disabled")
    worst = weakest(rows)
    if worst is not None and len(rows) > 1:
        vms, could = worst.vms
        room = f"If it failed now, {could} of its {vms} HA VMs could start." if vms else "It has no HA VM."
        out_folded(f"weakest: {worst.host} ({worst.says}). {room}")
