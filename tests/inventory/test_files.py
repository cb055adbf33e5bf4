"""The files and folders of an inventory: what is there, what is not, what may not be read."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hafence.inventory.faults import InventoryError, Mistake
from hafence.inventory.files import MAX_BYTES, find_inventory
from hafence.inventory.yaml_tree import read_inventory

from .write import HOST, OTHER_UUID, UUID, VM, faults, text


def refusal(path: Path) -> Mistake:
    with pytest.raises(InventoryError) as caught:
        read_inventory(str(path))
    (fault,) = caught.value.faults
    return fault


def read_as_nobody(given: str | None, environ: dict[str, str] | None = None) -> str:
    """What a user without rights is told. As root, a child becomes another user; else the rights are missing anyway."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(65534)
                os.setuid(65534)
            os.chdir("/")
            try:
                read_inventory(find_inventory(given, environ))
                said = "read"
            except InventoryError as error:
                said = str(error)
            os.write(writing, said.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


@pytest.fixture
def open_tmp() -> Iterator[Path]:
    """A folder that everybody can reach."""
    folder = Path(tempfile.mkdtemp(prefix="hfi-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.iterdir():
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_missing_file(tmp_path: Path) -> None:
    assert "does not exist: check the path" in refusal(tmp_path / "none.yaml").says


def test_a_file_of_50_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "inventory.yaml"
    with huge.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    fault = refusal(huge)
    assert f"has 52,428,800 bytes, the limit is {MAX_BYTES:,}" in fault.says


def test_a_fifo_a_socket_and_a_device_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "fifo", tmp_path / "socket", Path("/dev/zero")):
            assert "is no regular file" in refusal(path).says


def test_a_path_with_a_nul(tmp_path: Path) -> None:
    assert "NUL" in refusal(tmp_path / "a\0b").says


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"hosts:\n  h\xe9: {}\n", 2, "byte 0xe9 at offset 10"),
        (b"\xc3(\n", 1, "byte 0xc3 at offset 0"),
        (b"a: \xed\xa0\x80\n", 1, "is not UTF-8"),
        ("hosts: {}\n".encode("utf-16"), 1, "is UTF-16: save it as UTF-8"),
        (b"\x1f\x8b\x08\x00", 1, "is not UTF-8"),
    ],
)
def test_a_file_that_is_not_utf8(tmp_path: Path, content: bytes, line: int, words: str) -> None:
    (fault,) = faults(tmp_path, content)
    assert fault.line == line
    assert words in fault.says


def test_a_file_without_rights(open_tmp: Path) -> None:
    file = open_tmp / "inventory.yaml"
    file.write_text(text())
    assert read_as_nobody(str(file)) == "read"
    file.chmod(0)
    said = read_as_nobody(str(file))
    assert said.startswith(f"{file}: can't be read by user ")
    assert "grant the right" in said


@pytest.mark.parametrize("mode", [0o000, 0o444, 0o111])
def test_a_folder_without_rights(open_tmp: Path, mode: int) -> None:
    folder = open_tmp / "inventory.d"
    folder.mkdir()
    (folder / "a.yaml").write_text(text())
    folder.chmod(mode)
    said = read_as_nobody(str(folder))
    assert "permission denied" in said
    assert str(folder) in said


def test_a_place_that_can_not_be_looked_at_is_no_reason_to_look_elsewhere(open_tmp: Path) -> None:
    config = open_tmp / ".config"
    config.mkdir(mode=0)
    said = read_as_nobody(None, {"XDG_CONFIG_HOME": str(config)})
    assert "can't be looked at" in said
    assert "--inventory" in said


def test_the_inventory_is_looked_for_in_the_order_of_the_man_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "xdg")}
    with pytest.raises(InventoryError) as caught:
        find_inventory(None, environ)
    for place in ("./inventory.yaml", f"{tmp_path}/xdg/hafence/inventory.yaml", "/etc/hafence/inventory.yaml"):
        assert place in str(caught.value)
    (tmp_path / "xdg/hafence").mkdir(parents=True)
    (tmp_path / "xdg/hafence/inventory.yaml").write_text(text())
    assert find_inventory(None, environ) == str(tmp_path / "xdg/hafence/inventory.yaml")
    (tmp_path / "inventory.yaml").write_text(text())
    assert find_inventory(None, environ) == "inventory.yaml"
    assert find_inventory("other.yaml", environ) == "other.yaml"


def test_a_relative_xdg_folder_is_passed_over_as_its_standard_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".config/hafence").mkdir(parents=True)
    (tmp_path / ".config/hafence/inventory.yaml").write_text(text())
    found = find_inventory(None, {"XDG_CONFIG_HOME": "relative"})
    assert found == str(tmp_path / ".config/hafence/inventory.yaml")


def test_a_dangling_link_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inventory.yaml").symlink_to("gone.yaml")
    assert find_inventory(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == "inventory.yaml"
    assert "does not exist" in refusal(tmp_path / "inventory.yaml").says


def folder_of(tmp_path: Path, **files: str) -> Path:
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    return tmp_path


def test_a_folder_is_its_files_together(tmp_path: Path) -> None:
    folder_of(
        tmp_path,
        a=f"clusters: {{prod: {{}}}}\nssh: {{user: ops}}\nvms:\n  {VM}\n",
        b=f"hosts:\n  {HOST}\nssh: {{port: 2222}}\nfencing: {{settle: 2}}\n",
        c=f"vms:\n  web-02: {{uuid: {OTHER_UUID}, host: kvm-01}}\nfencing: {{lease: 300}}\n",
    )
    (tmp_path / "README").write_text("not: [yaml")
    (tmp_path / ".hidden.yaml").write_text("not: [yaml")
    (tmp_path / "d.yml").write_text("store: sqlite:state.db\n")
    inventory = read_inventory(str(tmp_path))
    assert [vm.name for vm in inventory.vms.values()] == ["web-01", "web-02"]
    host = inventory.find_host("kvm-01")
    assert (host.ssh.user, host.ssh.port) == ("ops", 2222)
    assert (inventory.settings.settle_s, inventory.settings.lease_s) == (2, 300)
    assert inventory.store == f"sqlite://{tmp_path}/state.db"


def test_the_same_key_in_two_files_is_told_with_both_places(tmp_path: Path) -> None:
    folder_of(
        tmp_path,
        a=text(more="store: sqlite:a.db\nfencing: {lease: 200}"),
        b=f"vms:\n  {VM}\nstore: sqlite:b.db\nfencing: {{lease: 300}}\n",
    )
    with pytest.raises(InventoryError) as caught:
        read_inventory(str(tmp_path))
    found = [(Path(fault.file).name, fault.line, fault.path) for fault in caught.value.faults]
    assert found == [
        ("b.yaml", 2, "vms.web-01"),
        ("b.yaml", 2, "vms.web-01.uuid"),
        ("b.yaml", 3, "store"),
        ("b.yaml", 4, "fencing.lease"),
    ]
    assert f"here and in {tmp_path}/a.yaml line 6" in caught.value.faults[0].says
    assert f"{tmp_path}/a.yaml line 6" in caught.value.faults[1].says


def test_one_broken_file_of_a_folder_does_not_make_the_others_look_wrong(tmp_path: Path) -> None:
    folder_of(tmp_path, a="hosts: [\n", b=f"vms:\n  web-01: {{uuid: {UUID}, host: kvm-01, ha: 1}}\n")
    with pytest.raises(InventoryError) as caught:
        read_inventory(str(tmp_path))
    assert [(Path(fault.file).name, fault.path) for fault in caught.value.faults] == [
        ("a.yaml", ""),
        ("b.yaml", "vms.web-01.ha"),
    ]


def test_a_folder_without_inventory_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    assert "holds no *.yaml or *.yml file" in refusal(tmp_path).says


def test_a_folder_named_like_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").mkdir()
    assert "is a folder" in refusal(tmp_path).says
