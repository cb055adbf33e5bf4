"""Bent inventories through the whole command: refused with their places, or meant as they stand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .bend import bent_by, examples, make_it_megabytes, seeded
from .command import Place, Typed, a_place

EXAMPLE = (Path(__file__).parents[2] / "inventory.example.yaml").read_bytes()
chances = st.randoms(use_true_random=False)


def check(place: Place, typed: Typed) -> None:
    assert typed.code in (0, 6)
    document = typed.document
    if typed.code == 6:
        assert document["error"]["errors"]
        for error in document["error"]["errors"]:
            assert error["file"].startswith("bent")
            assert error["line"] is None or error["line"] >= 1
            assert error["says"]
            assert error["says"].isprintable()
    assert not (place.folder / "state.db").exists()


@settings(max_examples=examples(100))
@given(chance=chances)
def test_a_bent_inventory_is_refused_with_places_or_valid(chance: random.Random) -> None:
    with a_place() as place:
        place.write("bent.yaml", bent_by(chance, EXAMPLE))
        check(place, place.type("inventory", "check", "bent.yaml", "--json"))


def test_an_inventory_cut_at_any_byte_is_refused_with_places_or_valid() -> None:
    with a_place() as place:
        for length in range(0, len(EXAMPLE), 7):
            place.write("bent.yaml", EXAMPLE[:length])
            check(place, place.type("inventory", "check", "bent.yaml", "--json"))


@settings(max_examples=examples(4))
@given(chance=chances)
def test_an_inventory_of_megabytes_is_refused_with_places_or_valid(chance: random.Random) -> None:
    with a_place() as place:
        place.write("bent.yaml", make_it_megabytes(chance, EXAMPLE))
        check(place, place.type("inventory", "check", "bent.yaml", "--json"))


BOMBS = {
    "aliases": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 110)),
    "merges": b"a: &a {x: y}\n"
    + b"".join(b"%c: &%c {<<: [%s]}\n" % (n, n, b",".join([b"*%c" % (n - 1)] * 9)) for n in range(98, 110)),
    "deep-lists": b"[" * 500_000,
    "deep-maps": b"{a: " * 500_000,
    "deep-blocks": b"- " * 500_000,
    "one-key": b"? " * 500_000,
    "a-python-object": b"vms: !!python/object/apply:os.system ['touch ran']\n",
    "a-key-over-and-over": b"a: 1\n" * 100_000,
    "tags": b"!a " * 100_000,
    "documents": b"---\n" * 500_000,
    "a-number": b"vms: " + b"9" * 1_000_000,
    "a-name": b"vms: {" + b"a" * 1_000_000 + b": {}}",
    "zeros": bytes(17 * 1024 * 1024),
    "itself": b"&a [*a]\n",
}


@pytest.mark.parametrize("name", BOMBS)
def test_an_inventory_made_to_blow_up_is_refused(name: str) -> None:
    with a_place() as place:
        place.write("bent.yaml", BOMBS[name])
        typed = place.type("inventory", "check", "bent.yaml", "--json")
        check(place, typed)
        assert typed.code == 6
        assert not (place.folder / "ran").exists()


@settings(max_examples=examples(60))
@given(chance=seeded)
def test_a_bent_inventory_starts_only_what_it_still_says(chance: random.Random) -> None:
    """The hosts' file stays whole, or a bent address would send packets to strangers; so does the store's place."""
    with a_place() as place:
        vms = place.folder / "inventory" / "vms.yaml"
        vms.write_bytes(bent_by(chance, vms.read_bytes()))
        store = f"sqlite://{place.folder}/fixed.db"
        for vm in ("web-01", "db-01"):
            before = place.starts
            typed = place.type("--store", store, "start-vm", vm, "--json")
            if typed.code == 0:
                assert typed.document["decision"] == "started"
                assert typed.document["vm"]["name"] == vm
                assert place.starts == before + 1
                assert typed.document["suspect"].startswith("bh-")
            else:
                # 3: a damaged uuid or host is another VM's or another cluster's; 2: its name is another
                assert typed.code in (2, 3, 6)
                assert place.starts == before
