"""Whatever the file holds: an inventory or an InventoryError, in bounded time, and nothing else."""

from __future__ import annotations

import os
import random
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hafence.core.model import Inventory, is_name
from hafence.inventory.faults import InventoryError
from hafence.inventory.yaml_tree import read_inventory

from .write import UUID

EXAMPLE = (Path(__file__).parents[2] / "inventory.example.yaml").read_bytes()

WORDS = st.sampled_from(
    [
        "ssh",
        "fencing",
        "store",
        "hooks",
        "clusters",
        "hosts",
        "vms",
        "cluster",
        "address",
        "uuid",
        "host",
        "power",
        "options",
        "domain_xml",
        "disks",
        "start",
        "command",
        "ceph",
        "labels",
        "kvm-01",
        "prod",
        "10.0.0.1",
        UUID,
        "true",
        "22",
        "root",
        "password_command",
        "agent",
        "fence_x",
        "anti_affinity",
        "ready",
        "tcp",
        "guest_agent",
        "within",
        "<<",
        "~",
        "null",
        "",
        "20s",
        "sqlite:x.db",
        "\x07",
        "é",
        "…",
    ]
)
TREES = st.recursive(
    WORDS | st.text(max_size=8) | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(WORDS, children, max_size=5),
    max_leaves=30,
)
MARKS = [
    b"&a ",
    b"*a",
    b"!!str ",
    b"<<: ",
    b"- ",
    b"? ",
    b": ",
    b"{",
    b"}",
    b"[",
    b"]",
    b"|\n",
    b"'",
    b'"',
    b"#",
    b"%",
    b"\n",
]
MARKS += [b"---\n", b"...\n", b"\t", b"\0", b"\xff", b"\xe2\x80\xa8", b"\\", b"~", b",", b"\r"]


def outcome(content: bytes) -> Inventory | InventoryError:
    """What reading this content comes to; anything else that is raised fails the test."""
    handle, path = tempfile.mkstemp(prefix="hfi-", suffix=".yaml")
    try:
        os.write(handle, content)
        os.close(handle)
        return read_inventory(path)
    except InventoryError as error:
        return error
    finally:
        os.unlink(path)


def check(content: bytes) -> None:
    """Faults have places in the file and words; an inventory fits together and holds nothing for a shell."""
    result = outcome(content)
    if isinstance(result, InventoryError):
        lines = (
            content.count(b"\n") + content.count(b"\r") + content.count("\x85".encode()) + content.count(b"\xe2\x80")
        )
        assert result.faults
        for fault in result.faults:
            assert fault.line is None or 1 <= fault.line <= lines + 2
            assert fault.says.strip()
        return
    for vm in result.vms.values():
        assert is_name(vm.name)
        assert vm.host in result.hosts
    for host in result.hosts.values():
        assert host.cluster in result.clusters
        assert not set(host.address) & set(" ;$`'\"\\|&<>()\n@")


@given(st.binary(max_size=300))
@example(b"\xef\xbb\xbf")
@example(b"a: &a *a")
def test_random_bytes(content: bytes) -> None:
    check(content)


@given(TREES)
def test_random_trees(tree: Any) -> None:
    check(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("ssh", "fencing", "clusters", "hosts", "vms", "store"), TREES))
)
def test_random_sections(tree: Any) -> None:
    check(yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass"))


@given(st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_the_example_with_random_damage(chance: random.Random) -> None:
    content = bytearray(EXAMPLE)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(content))
        match chance.randrange(4):
            case 0:
                content[at : at + chance.randint(1, 40)] = b""
            case 1:
                content[at:at] = chance.choice(MARKS)
            case 2:
                content[at] = chance.randrange(256)
            case _:
                start = chance.randrange(len(content))
                content[at:at] = content[start : start + chance.randint(1, 200)]
    check(bytes(content))
