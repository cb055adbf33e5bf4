"""Effects on power devices, by their fence agents."""

from __future__ import annotations

from ..adapters.power.agents import ask_power, send_off
from ..core.model import Inventory, PowerDevice
from ..core.power import DeviceId, PowerSeen
from ..effects import AskPower, SendOff


class PowerPerformer:
    """The power devices' effects, for one run."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory

    def ask_power(self, effect: AskPower) -> PowerSeen:
        """Ask a device for its host's power."""
        return ask_power(self._device(effect.device), effect.not_after)

    def send_off(self, effect: SendOff) -> None:
        """Tell a device to switch its host off."""
        send_off(self._device(effect.device), effect.not_after)

    def _device(self, of: DeviceId) -> PowerDevice:
        return self._inventory.hosts[of.host].power[of.level - 1][of.number - 1]
