"""What YAML can do to a reader, and what this one makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hafence.inventory.faults import InventoryError, Mistakes
from hafence.inventory.tree import MAX_NODES, Map, Seq
from hafence.inventory.yaml_tree import build_tree

from .write import UUID, VM, faults, read, text

LABELS = "kvm-01:\n    cluster: prod\n    address: 10.0.0.11\n    labels:\n"


def tree(content: str, loader: object = None) -> Map:
    found = Mistakes()
    top = build_tree("x.yaml", content.encode(), found, loader)
    assert not found
    assert top is not None
    return top


@pytest.mark.parametrize(
    "written",
    ["52:54:00:12:34:56", "10:30", "022", "no", "off", "NO", "0x10", "1e3", "2024-01-01", ".inf", "0o17", "=", "1_000"],
)
def test_what_other_readers_take_for_a_number_a_date_or_a_boolean_stays_text(tmp_path: Path, written: str) -> None:
    inventory = read(tmp_path, text(host=f"{LABELS}      mac: {written}"))
    assert inventory.find_host("kvm-01").labels == (("mac", written),)


def test_a_name_that_reads_like_a_boolean_is_a_name(tmp_path: Path) -> None:
    inventory = read(
        tmp_path, text(host="no: {cluster: prod, address: 10.0.0.1}", vm=f"off: {{uuid: {UUID}, host: no}}")
    )
    assert inventory.find_vm("off").host == "no"


def test_quotes_make_null_a_text_and_nothing_else_a_difference(tmp_path: Path) -> None:
    inventory = read(tmp_path, text(host=f"{LABELS}      a: 'null'\n      b: \"~\"\n      c: |-\n       22"))
    assert dict(inventory.find_host("kvm-01").labels) == {"a": "null", "b": "~", "c": "22"}


def test_lines_are_those_of_the_keys() -> None:
    top = tree("# comment\na:\n  b: 1\n\n  c:\n    - x\n    - y\nd: {e: 1,\n f: 2}\n")
    a, d = top.values["a"], top.values["d"]
    assert isinstance(a, Map)
    assert isinstance(d, Map)
    assert (top.line_of("a"), a.line, a.line_of("b"), a.line_of("c")) == (2, 2, 3, 5)
    c = a.values["c"]
    assert isinstance(c, Seq)
    assert (c.items, c.lines) == (["x", "y"], [6, 7])
    assert (d.line_of("e"), d.line_of("f")) == (8, 9)


@pytest.mark.parametrize("loader", [None, yaml.SafeLoader])
def test_the_tree_is_the_same_without_libyaml(loader: object) -> None:
    top = tree("a: &x {b: 1, c: [~, '']}\nd: *x\n", loader)
    a = top.values["a"]
    assert isinstance(a, Map)
    assert a.values["b"] == "1"
    assert isinstance(a.values["c"], Seq)
    assert a.values["c"].items == [None, ""]
    assert top.values["d"] is a


def test_carriage_returns_and_a_byte_order_mark_are_harmless(tmp_path: Path) -> None:
    inventory = read(tmp_path, b"\xef\xbb\xbf" + text().replace("\n", "\r\n").encode())
    assert inventory.find_vm("web-01").host == "kvm-01"
    (fault,) = faults(tmp_path, text(vm="web-01: {host: kvm-01}").replace("\n", "\r\n"))
    assert fault.line == 6


def test_an_alias_stands_for_what_it_names(tmp_path: Path) -> None:
    inventory = read(
        tmp_path,
        text(
            host="kvm-01: {cluster: prod, address: 10.0.0.1, power: &bmc [[{agent: fence_x}]]}\n"
            "  kvm-02: {cluster: prod, address: 10.0.0.2, power: *bmc}"
        ),
    )
    assert inventory.find_host("kvm-02").power == inventory.find_host("kvm-01").power != ()


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def nested(depth: int) -> str:
    return "[" * depth


ROWS = [
    (bomb(40), 7, "", [f"more than {MAX_NODES:,} values", "aliases count"]),
    ("hosts: &h\n  a: *h\n", 2, "hosts.a", ["*h names no anchor that ends above"]),
    ("hosts: *nowhere\n", 1, "hosts", ["*nowhere names no anchor"]),
    (nested(200_000), 1, "", ["deeper than 32 levels"]),
    ("a: " + "{b: " * 200_000, 1, "", ["deeper than 32 levels"]),
    ("".join(f"{' ' * n}a:\n" for n in range(2000)), 33, "", ["deeper than 32 levels"]),
    ("- " * 200_000, 1, "", ["deeper than 32 levels"]),
    (text() + "---\n" + text(), 8, "", ["a second document begins", "one per file"]),
    ("- a\n- b\n", 1, "", ["is no mapping", "begins with keys"]),
    ("just words\n", 1, "", ["is no mapping"]),
    ("hosts:\n  ? [a, b]\n  : c\n", 2, "hosts", ["a key must be a plain text"]),
    ("hosts:\n  *a : c\n", 2, "hosts", ["a key must be a plain text"]),
    ("&x hosts: {}\n", 1, "", ["a key must be a plain text"]),
    ("!!str hosts: {}\n", 1, "", ["a key must be a plain text"]),
    ("hosts:\n  a: {b: c\n", 3, "", ["is not valid YAML", "brackets"]),
    ("hosts:\n\ta: b\n", 2, "", ["is not valid YAML", "indent with spaces"]),
    ("hosts: 'a\n", 2, "", ["is not valid YAML"]),
    ("hosts: a: b\n", 1, "", ["is not valid YAML"]),
    ("%YAML 1.2\n---\nhosts: {}\n", 1, "", ["directive", "remove the line"]),
    ("%TAG !a! x\n" * 100_000, 1, "", ["directive"]),
    ("hosts:\n  a\x01b: c\n", 2, "", ["control character"]),
    ("hosts:\n  a\x00b: c\n", 2, "", ["control character"]),
    ("hosts:\n  a: b\x9b\n", 2, "", ["control character"]),
]


@pytest.mark.parametrize(("content", "line", "path", "words"), ROWS, ids=range(len(ROWS)))
def test_what_can_not_be_read_to_its_end_is_told_once(
    tmp_path: Path, content: str, line: int, path: str, words: list[str]
) -> None:
    (fault,) = faults(tmp_path, content)
    assert (fault.line, fault.path) == (line, path)
    for part in words:
        assert part in fault.says


@pytest.mark.slow
def test_a_file_of_nothing_but_values_ends_at_the_budget(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path, "vms: [" + "a," * (MAX_NODES + 10) + "]")
    assert f"more than {MAX_NODES:,} values" in fault.says


@pytest.mark.parametrize(
    ("tag", "line"),
    [("!!python/object/apply:os.system ['touch pwned']", 7), ("!secret x", 7), ("! x", 7), ("!!str 022", 7)],
)
def test_a_tag_is_told_with_its_line_and_does_nothing(tmp_path: Path, tag: str, line: int) -> None:
    fault = faults(tmp_path, text(host=f"{LABELS}      a: {tag}"))[0]
    assert (fault.line, fault.path) == (line + 1, "hosts.kvm-01.labels.a")
    assert "leave it out" in fault.says
    assert not (tmp_path / "pwned").exists()


def test_a_merge_key_is_refused_with_words(tmp_path: Path) -> None:
    (fault,) = faults(
        tmp_path,
        text(
            host="kvm-01: &k {cluster: prod, address: 10.0.0.1}\n"
            "  kvm-02:\n    <<: *k\n    cluster: prod\n    address: 10.0.0.2"
        ),
    )
    assert (fault.line, fault.path) == (6, "hosts.kvm-02.<<")
    assert "merge keys are not read" in fault.says


def test_a_doubled_section_is_told_and_the_first_is_checked_all_the_same(tmp_path: Path) -> None:
    found = faults(tmp_path, text(vm=VM.replace("kvm-01", "z"), more=f"vms:\n  {VM}"))
    assert [(fault.line, fault.path) for fault in found] == [(6, "vms.web-01.host"), (7, "vms")]


def test_a_file_of_doubled_keys_is_given_up(tmp_path: Path) -> None:
    distinct = "".join(f"k{number}: 1\n" for number in range(200_000))
    found = faults(tmp_path, distinct + "k199999: 1\n" * 200_000)
    assert len(found) == 101
    assert "stands twice, on line 200000 and on line 200001" in found[0].says
    assert "more than 100: is it the right file?" in found[-1].says


@pytest.mark.slow
def test_a_file_of_unknown_keys_is_told_bounded(tmp_path: Path) -> None:
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, "".join(f"k{number}: 1\n" for number in range(300_000)))
    assert len(caught.value.faults) == 2000
    assert caught.value.more > 290_000
    assert str(caught.value).endswith("more")
    assert len(str(caught.value).splitlines()) == 201


@pytest.mark.slow
def test_a_file_of_unknown_hosts_is_told_bounded(tmp_path: Path) -> None:
    hosts = "".join(f"  h{number}: {{cluster: p}}\n" for number in range(60_000))
    vms = "".join(f"  v{number}: {{host: x{number}}}\n" for number in range(60_000))
    with pytest.raises(InventoryError) as caught:
        read(tmp_path, f"clusters: {{prod: {{}}}}\nhosts:\n{hosts}vms:\n{vms}")
    assert caught.value.more > 200_000
