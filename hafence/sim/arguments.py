"""Reading what stands beside an event's verb: hosts, VMs, links, settings, numbers."""

from __future__ import annotations

from ..core.model import HostName, Uuid
from .hosts import SimHost
from .world import Admin, World

MOST = 1e9
"""Larger numbers are not taken: some thirty years in seconds."""


class BadEvent(ValueError):
    """An event that no world knows. The message is for the author of a scenario."""


def read_host(world: World, name: str) -> SimHost:
    """The host of that name."""
    try:
        return world.hosts[HostName(name)]
    except KeyError:
        raise BadEvent(f"no host {name!r}; there are {', '.join(world.hosts)}") from None


def read_admin(world: World, name: str) -> Admin:
    """The admin node of that name."""
    try:
        return world.admins[name]
    except KeyError:
        raise BadEvent(f"no admin node {name!r}; there are {', '.join(world.admins)}") from None


def read_vm(world: World, name: str) -> Uuid:
    """The VM that is meant, as on the command line."""
    try:
        return world.inventory.find_vm(name).uuid
    except LookupError as error:
        raise BadEvent(str(error)) from None


def read_cluster(world: World, name: str) -> str:
    """The cluster of that name."""
    if name not in world.inventory.clusters:
        raise BadEvent(f"no cluster {name!r} in {world.inventory.path}")
    return name


def read_setting(what: str, values: tuple[str, ...] = ()) -> tuple[str, str]:
    """The two sides of `NAME=VALUE`; with `values`, the value is one of them."""
    name, equals, value = what.partition("=")
    if values and (not equals or value not in values):
        raise BadEvent(f"{what!r} is no NAME=VALUE with one of {', '.join(repr(v) for v in values)}")
    if not name or not equals:
        raise BadEvent(f"{what!r} is no NAME=VALUE")
    return name, value


def read_link(what: str) -> tuple[str, str, bool]:
    """The ends of a link, and whether both directions are meant."""
    both = " - " in what
    one, _, other = what.partition(" - " if both else " > ")
    if not one or not other:
        raise BadEvent(f"{what!r} is no link: write 'A - B', or 'A > B' for one direction; '*' is everybody")
    return one, other, both


def read_number(text: str) -> float:
    """A number, as it was written. Neither endless nor NaN: a case has an end."""
    try:
        number = float(text)
    except ValueError:
        raise BadEvent(f"{text!r} is no number") from None
    if not abs(number) <= MOST:
        raise BadEvent(f"{text!r} is out of range: write at most {MOST:.0f}")
    return number


def read_amount(text: str) -> float:
    """Seconds, or anything else of which there can't be less than none."""
    number = read_number(text)
    if number < 0:
        raise BadEvent(f"{text!r} is less than none")
    return number


def read_up(what: str) -> bool:
    """Whether `up` or `down` was written."""
    if what not in ("up", "down"):
        raise BadEvent(f"{what!r} is neither 'up' nor 'down'")
    return what == "up"
