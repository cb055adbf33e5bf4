"""Links between admin nodes, hosts, storage, BMCs and the store: each pair and each direction can drop packets."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.evidence import Sign
from ..core.troubles import Trouble
from .hosts import SimHost

STORAGE = "storage"
STORE = "store"
ARP_GIVES_UP_S = 3.0
"""After so long the kernel answers 'no route' for a neighbour that does not exist (measured, see docs of the lab)."""

_BY_SSHD = {
    "ok": None,
    "forced": None,
    "noforward": None,
    "nosession": None,
    "gone": Trouble.REFUSED,
    "hung": Trouble.NO_BANNER,
    "login": Trouble.LOGIN_FAILED,
    "key": Trouble.HOST_KEY_CHANGED,
    "unknown": Trouble.HOST_KEY_UNKNOWN,
}
_BY_FIREWALL = {
    "drop": (Trouble.TIMED_OUT, frozenset[Sign]()),
    "drop-tcp": (Trouble.TIMED_OUT, frozenset({Sign.PING})),
    "reject": (Trouble.FAST_NO_ROUTE, frozenset({Sign.ICMP_ERROR})),
    "reject-net": (Trouble.FAST_NO_ROUTE, frozenset({Sign.ICMP_ERROR})),
    "reject-port": (Trouble.REFUSED, frozenset({Sign.RST, Sign.ICMP_ERROR})),
}
"""What a connection meets at a host's firewall, and the signs of life that get past it."""


class Network:
    """Which packets are dropped: ordered pairs of node names."""

    __slots__ = ("cut", "nodes")

    def __init__(self, nodes: Iterable[str]) -> None:
        self.nodes = tuple(nodes)
        self.cut: set[tuple[str, str]] = set()

    def passes(self, source: str, target: str) -> bool:
        """Whether packets get through, both ways."""
        return not self.cut or ((source, target) not in self.cut and (target, source) not in self.cut)

    def one_way(self, source: str, target: str) -> bool:
        """Whether packets get through from source to target."""
        return (source, target) not in self.cut

    def drop(self, source: str, target: str, both: bool = True) -> None:
        """Begin to drop. `*` is every other node."""
        for one, other in self._pairs(source, target):
            self.cut.add((one, other))
            if both:
                self.cut.add((other, one))

    def mend(self, source: str, target: str) -> None:
        """Let packets pass again, both ways."""
        for one, other in self._pairs(source, target):
            self.cut.discard((one, other))
            self.cut.discard((other, one))

    def _pairs(self, source: str, target: str) -> Iterable[tuple[str, str]]:
        sources = self.nodes if source == "*" else (source,)
        targets = self.nodes if target == "*" else (target,)
        return [(one, other) for one in sources for other in targets if one != other]


def trouble_reaching(network: Network, source: str, host: SimHost) -> Trouble | None:
    """What a TCP connection to the host's sshd and a login would meet, or None."""
    if not network.passes(source, host.name):
        return Trouble.TIMED_OUT
    if not host.up:
        return Trouble.NO_ROUTE
    if host.firewall in _BY_FIREWALL:
        return _BY_FIREWALL[host.firewall][0]
    if host.held:
        return Trouble.NO_BANNER
    return _BY_SSHD[host.sshd]


def seconds_to_meet(trouble: Trouble | None, connect_timeout_s: float) -> float:
    """How long it takes to meet a trouble, or to log in."""
    if trouble in (Trouble.TIMED_OUT, Trouble.NO_BANNER):
        return connect_timeout_s
    if trouble is Trouble.NO_ROUTE:
        return min(ARP_GIVES_UP_S, connect_timeout_s)
    return 0.06


def signs_seen(network: Network, source: str, host: SimHost, same_segment: bool) -> frozenset[Sign]:
    """The signs of life that a working witness sees of a host."""
    if not host.up or not network.passes(source, host.name):
        return frozenset()
    signs = {Sign.NEIGHBOUR} if same_segment else set()
    if host.firewall in _BY_FIREWALL:
        return frozenset(signs | _BY_FIREWALL[host.firewall][1])
    if host.firewall != "drop-ping":
        signs.add(Sign.PING)
    signs.add(Sign.RST if host.sshd == "gone" else Sign.SYN_ACK)
    return frozenset(signs)
