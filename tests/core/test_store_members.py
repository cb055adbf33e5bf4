"""The members of an etcd store, and the one form of a path."""

from __future__ import annotations

import pytest

from hafence.core.parsing import absolute
from hafence.stores.url import parse_store


@pytest.mark.parametrize("member", ["[::1]", "[::1]:2379", "[fd00::b]:1", "kvm-01", "kvm-01:65535", "10.0.0.1"])
def test_a_member_is_an_address_with_or_without_a_port(member: str) -> None:
    assert parse_store(f"etcd://{member}", "/base") == f"etcd://{member}"


@pytest.mark.parametrize("member", ["[kvm-01", "kvm-01]", "[kvm-01:2379", "kvm-01]:2379", "]kvm-01[", "kvm-01:1:2379"])
def test_brackets_stand_on_both_sides_of_a_member_or_on_none(member: str) -> None:
    with pytest.raises(ValueError, match="write "):
        parse_store(f"etcd://{member}", "/base")


def test_a_path_keeps_every_letter_of_its_first_folder() -> None:
    assert absolute("/Xen/XX/state.db", "/base") == "/Xen/XX/state.db"
    assert absolute("//Xen/state.db", "/base") == "/Xen/state.db"
