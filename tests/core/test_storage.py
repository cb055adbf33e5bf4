"""Which clients are the suspect's, and when a blocklist entry is a fence."""

from __future__ import annotations

import pytest

from hafence.core.storage.ceph import (
    Client,
    Known,
    choose_clients,
    covers,
    parse_client,
    uncovered,
    whole_host,
)
from hafence.core.storage.port import Entry, Volume, with_clients

SUSPECT = Client("10.77.0.11", 0, 123)
MIRROR = Client("10.77.0.50", 0, 5)
KNOWN = Known(frozenset({"10.77.0.11"}), {"10.77.0.50": "a mirror", "10.77.0.12": "kvm-02"}, {"10.77.0.13": "kvm-03"})


def test_clients_are_read_as_ceph_writes_them() -> None:
    assert parse_client("10.77.0.11:0/123") == SUSPECT
    assert parse_client("v1:10.77.0.11:6800/123") == Client("10.77.0.11", 6800, 123)
    assert parse_client("[fd00::1]:0/9") == Client("fd00::1", 0, 9)
    assert Client("fd00::1", 0, 9).text == "[fd00::1]:0/9"
    assert SUSPECT.text == "10.77.0.11:0/123"
    for odd in ("", "10.77.0.11", "10.77.0.11:0", "x:0/1", "10.77.0.11:0/1;reboot", "300.1.1.1:0/1", "-:0/0"):
        with pytest.raises(ValueError, match=r"address|appear"):
            parse_client(odd)


def test_the_suspects_own_clients_are_blocked_and_others_are_told_apart() -> None:
    plan = choose_clients([Volume("rbd/a", (SUSPECT, MIRROR), (SUSPECT,))], KNOWN)
    assert plan.block == (SUSPECT,)
    assert plan.strangers == ()
    assert plan.unknown == ()


def test_an_image_without_a_client_of_the_suspect_blocks_its_whole_address() -> None:
    for image in (Volume("rbd/a", (), ()), Volume("rbd/a", (MIRROR,), ())):
        assert choose_clients([image], KNOWN).block == (whole_host("10.77.0.11"),)
        assert choose_clients([image], KNOWN).unknown == ("rbd/a",)
    both = choose_clients([Volume("rbd/a", (SUSPECT,), ()), Volume("rbd/b", (), ())], KNOWN)
    assert set(both.block) == {SUSPECT, whole_host("10.77.0.11")}


def test_an_evicted_watcher_is_still_known_by_its_lock() -> None:
    assert choose_clients([Volume("rbd/a", (), (SUSPECT,))], KNOWN).block == (SUSPECT,)


def test_a_client_that_nobody_knows_is_a_stranger() -> None:
    plan = choose_clients([Volume("rbd/a", (Client("10.88.0.1", 0, 7),), ())], KNOWN)
    assert plan.strangers == ("10.88.0.1:0/7 (of no known host)",)


def test_a_host_that_nobody_has_looked_into_is_a_stranger_with_a_name() -> None:
    for image in (
        Volume("rbd/a", (Client("10.77.0.13", 0, 7),), ()),
        Volume("rbd/a", (), (Client("10.77.0.13", 0, 7),)),
    ):
        assert choose_clients([image], KNOWN).strangers == ("10.77.0.13:0/7 (kvm-03)",)
    assert not choose_clients([Volume("rbd/a", (Client("10.77.0.12", 0, 7),), ())], KNOWN).strangers


def test_a_client_that_is_shut_out_and_gone_is_remembered_and_does_not_cost_the_whole_host() -> None:
    again = with_clients(Volume("rbd/a", (), ()), [SUSPECT])
    assert choose_clients([again], KNOWN).block == (SUSPECT,)
    assert choose_clients([again], KNOWN).unknown == ()


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        (Entry(SUSPECT, 1e9), True),
        (Entry(whole_host("10.77.0.11"), 1e9), True),
        (Entry(Client("10.77.0.11", 0, 124), 1e9), False),
        (Entry(Client("10.77.0.11", 6800, 123), 1e9), False),
        (Entry(whole_host("10.77.0.12"), 1e9), False),
        (Entry(SUSPECT, 1599.0), False),
        (Entry(SUSPECT, 999.0), False),
    ],
)
def test_only_a_lasting_entry_for_this_very_client_covers_it(entry: Entry[Client], covered: bool) -> None:
    assert covers(entry, SUSPECT, 1000.0, 600.0) == covered
    assert (uncovered([SUSPECT], [entry], 1000.0, 600.0) == ()) == covered


def test_a_narrow_entry_does_not_cover_a_whole_host() -> None:
    assert uncovered([whole_host("10.77.0.11")], [Entry(SUSPECT, 1e9)], 1000.0, 600.0) == (whole_host("10.77.0.11"),)


def test_a_suspect_with_no_other_vm_is_shut_out_as_a_whole_for_a_manager_may_start_the_vm_there_again() -> None:
    plan = choose_clients([Volume("rbd/a", (SUSPECT,), ())], KNOWN, alone=True)
    assert plan.block == (whole_host("10.77.0.11"), SUSPECT)
    assert plan.unknown == ()


def test_a_client_address_is_read_to_the_letter() -> None:
    for text, client in {
        "any:10.0.0.1:0/1": Client("10.0.0.1", 0, 1),
        "v2:10.0.0.1:3300/1": Client("10.0.0.1", 3300, 1),
        "v1:[fd00::A]:65535/4294967295": Client("fd00::a", 65535, 4294967295),
        "[::ffff:10.0.0.1]:0/1": Client("::ffff:a00:1", 0, 1),
    }.items():
        assert parse_client(text) == client
        assert parse_client(client.text) == client
    for odd in (
        *("v3:10.0.0.1:0/1", "V1:10.0.0.1:0/1", "10.0.0.1:123456/1", "10.0.0.1:0/12345678901", "10.0.0.1:/1"),
        *("10.0.0.1:0/", "10.0.0.1:0/1\n", " 10.0.0.1:0/1", "fd00::1:0/1", "[fd00::1:0/1", "10.0.0.1 :0/1"),
        *("[host]:0/1", "any:any:10.0.0.1:0/1", "10.0.0.1:0/1 x"),
    ):
        with pytest.raises(ValueError, match=r"address|appear"):
            parse_client(odd)


def test_only_port_and_nonce_zero_together_stand_for_every_client() -> None:
    for entry, covered in (
        (Client("10.77.0.11", 0, 0), True),
        (Client("10.77.0.11", 0, 9), False),
        (Client("10.77.0.11", 9, 0), False),
    ):
        assert covers(Entry(entry, 1e9), SUSPECT, 1000.0, 600.0) == covered


def test_an_entry_that_lasts_exactly_as_long_as_it_must_covers() -> None:
    assert covers(Entry(SUSPECT, 1600.0), SUSPECT, 1000.0, 600.0)
    assert not covers(Entry(SUSPECT, 1599.9), SUSPECT, 1000.0, 600.0)


def test_each_client_needs_an_entry_of_its_own_and_any_entry_may_be_the_one() -> None:
    other = Client("10.77.0.11", 0, 124)
    entries = iter([Entry(whole_host("10.77.0.12"), 1e9), Entry(SUSPECT, 1e9)])
    assert uncovered([SUSPECT, other], entries, 1000.0, 600.0) == (other,)


def test_a_suspect_with_two_addresses_is_blocked_by_both_where_no_client_is_known() -> None:
    known = Known(frozenset({"10.77.0.11", "fd00::b"}), {}, {})
    assert choose_clients([Volume("rbd/a", (), ())], known).block == (whole_host("10.77.0.11"), whole_host("fd00::b"))


def test_strangers_are_told_once_each_in_order_and_images_in_theirs() -> None:
    one, two = Client("10.88.0.1", 0, 7), Client("10.88.0.2", 0, 7)
    plan = choose_clients([Volume("rbd/b", (two, one), (two,)), Volume("rbd/a", (one,), ())], KNOWN)
    assert plan.strangers == ("10.88.0.1:0/7 (of no known host)", "10.88.0.2:0/7 (of no known host)")
    assert plan.unknown == ("rbd/b", "rbd/a")


def test_clients_seen_before_are_laid_beside_the_lockers_once_each() -> None:
    image = with_clients(Volume("rbd/a", (MIRROR,), (SUSPECT,)), [SUSPECT, MIRROR])
    assert image == Volume("rbd/a", (MIRROR,), (SUSPECT, MIRROR))


def test_an_address_has_one_form() -> None:
    assert whole_host("FD00:0::1") == Client("fd00::1", 0, 0)
    with pytest.raises(ValueError, match="appear"):
        whole_host("kvm-01")
