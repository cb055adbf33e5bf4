"""What would bring a VM back on a host after its fence, and what became of it: autostart, a managed save image, the
list by which libvirt-guests starts what it had stopped, its definition.

The script on the suspect takes each of them away (adapters/hosts/scripts/libvirt.sh, aside.sh, definitions.sh) and says
so; a word of its reply is read here alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from .model import HostName

_LEFT = "failed"
_SAYS = {
    ("saved", "on"): "a managed save image of it lies there",
    ("saved", "aside"): "its managed save image there was set aside, and is kept",
    ("saved", _LEFT): "its managed save image there COULD NOT BE SET ASIDE",
    ("guests", "on"): "libvirt-guests would start it there at the next boot",
    ("guests", "out"): "libvirt-guests no longer starts it there",
    ("guests", _LEFT): "libvirt-guests MAY STILL START IT THERE at the next boot",
    ("definition", "aside"): "its definition there was set aside, and is kept",
    ("definition", "kept"): "its definition there could not be set aside, and libvirt knows it still",
    ("autostart", _LEFT): "its autostart there COULD NOT BE DISABLED",
}


def told(words: Mapping[str, str]) -> str:
    """In words, each after a semicolon, to follow the verdict; '' where there is nothing to say."""
    return "".join(f"; {says}" for (key, value), says in _SAYS.items() if words.get(key) == value)


def definition_says(host: HostName, is_aside: bool) -> str:
    """What became of a VM's definition on the host that it was taken from, once it was up elsewhere."""
    if is_aside:
        return f"its definition on {host} was set aside, and is kept: nobody starts it there through libvirt"
    return f"its definition on {host} could not be set aside, and libvirt there knows it still"


def is_left(words: Mapping[str, str]) -> bool:
    """Whether something is still there that would bring the VM back: no proof of its death is worth less for it, and a
    start elsewhere names the risk."""
    return any(words.get(key) == value for key, value in _SAYS if value == _LEFT)
