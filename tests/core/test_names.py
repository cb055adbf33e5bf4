"""What a name may hold, and that the inventory's own indexes are no part of what people wrote."""

from __future__ import annotations

import re
import string
from dataclasses import replace

from hafence.core.model import NAME_RULE, HostName, is_name

from .make import host, inventory, uuid, vm


def test_a_name_may_hold_what_the_rule_says_and_nothing_else() -> None:
    named = set(re.findall(r"'(.)'", NAME_RULE))
    letters_and_digits = set(string.ascii_letters + string.digits)
    assert {sign for sign in string.printable if is_name("a" + sign)} == letters_and_digits | named
    assert {sign for sign in string.printable if is_name(sign)} == letters_and_digits
    longest = int(re.findall("at most ([0-9]+)", NAME_RULE)[0])
    assert is_name("a" * longest)
    assert not is_name("a" * (longest + 1))


def test_inventories_are_alike_whoever_was_looked_up_in_them() -> None:
    asked, untouched = inventory(), inventory()
    assert asked.find_vm("vm-01").uuid == uuid(1)
    assert len(asked.members("prod")) == 4
    assert asked == untouched
    assert repr(asked) == repr(untouched)


def test_an_inventory_made_from_another_finds_its_own_vms_and_members() -> None:
    old = inventory()
    assert old.find_vm("vm-01").uuid == uuid(1)
    assert len(old.members("prod")) == 4
    new = replace(old, vms={uuid(2): vm(2, name="vm-01")}, hosts={HostName("kvm-09"): host("kvm-09")})
    assert new.find_vm("vm-01").uuid == uuid(2)
    assert [member.name for member in new.members("prod")] == ["kvm-09"]
