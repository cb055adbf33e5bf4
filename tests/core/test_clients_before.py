"""What was seen of an image earlier never hides who is on it now."""

from __future__ import annotations

from hafence.core.storage.ceph import Client, Known, choose_clients
from hafence.core.storage.port import Volume, with_clients

NOW, EARLIER = Client("10.77.0.11", 0, 124), Client("10.77.0.11", 0, 123)


def test_a_suspects_new_client_is_blocked_beside_the_one_that_was_seen_before() -> None:
    image = with_clients(Volume("rbd/a", (), (NOW,)), [EARLIER])
    plan = choose_clients([image], Known(frozenset({"10.77.0.11"}), {}, {}))
    assert plan.block == (EARLIER, NOW)
