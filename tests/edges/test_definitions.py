"""What hafence reads in a definition is what libvirt reads there: it is asked, by its driver that runs nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from hafence.inventory.domain_xml import read_domain

UUID = "6d6f6a5a-3c1e-4f0a-9d27-51b0a8e2c401"
DECOY = "<uuid>deadbeef-0000-4000-8000-000000000001</uuid>"


def document(uuid: str = f"<uuid>{UUID}</uuid>", name: str = "web-01", before: str = "") -> str:
    body = "<memory>32768</memory><os><type>hvm</type></os><title>J\u00e4ger</title>"
    return f"{before}<domain type='test'><name>{name}</name>{uuid}{body}</domain>"


def libvirts_own(folder: Path, text: str) -> list[str]:
    """UUID and name of the VM that libvirt knows after it has read a definition, beside the one of its test driver."""
    file = folder / "sent.xml"
    file.write_text(text, encoding="utf-8")
    commands = f"define {file}; list --all --uuid; list --all --name"
    done = subprocess.run(
        ["virsh", "-q", "-c", "test:///default", commands], capture_output=True, timeout=60, check=False
    )
    # What ends a line for Python may stand in a name.
    lines = [line.strip(" ") for line in done.stdout.decode().split("\n")]
    return [line for line in lines if line not in ("", "test", "6695eb01-f6a4-8304-79aa-97f2502e193f")]


@pytest.mark.parametrize(
    "uuid",
    [
        f"<!-- cloned from {DECOY} --><uuid>{UUID}</uuid>",
        f"<metadata><a:app xmlns:a='http://example.org/a'>{DECOY}</a:app></metadata><uuid>{UUID}</uuid>",
        f"<metadata>{DECOY}</metadata><uuid>{UUID}</uuid>",
        f"<a:uuid xmlns:a='x'>{DECOY[6:-7]}</a:uuid><uuid>{UUID}</uuid>",
        f"<uuid >\n  {UUID}\t</uuid\n>",
        f"<uuid><![CDATA[{UUID}]]></uuid>",
        f"<uuid>{UUID[:9]}<!-- {DECOY} -->{UUID[9:]}</uuid>",
        f"<uuid>&#{ord(UUID[0])};{UUID[1:]}</uuid>",
        f"<?pi {DECOY}?><uuid a='{DECOY[6:-7]}'>{UUID}</uuid>",
        f"<uuid>{UUID.upper().replace('-', '')}</uuid>",
    ],
    ids=range(10),
)
def test_the_uuid(tmp_path: Path, uuid: str) -> None:
    domain = read_domain(document(uuid))
    assert [domain.uuid, domain.name] == [UUID, "web-01"] == libvirts_own(tmp_path, domain.xml)


@pytest.mark.parametrize(
    ("encoding", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("utf8", "utf-8"),
        ("latin-1", "latin-1"),
        ("ISO_8859-15", "iso-8859-15"),
        ("CP1250", "cp1250"),
    ],
)
def test_a_document_in_another_encoding(tmp_path: Path, encoding: str, codec: str) -> None:
    declared = document(before=f"<?xml version='1.0' encoding='{encoding}'?>\n")
    domain = read_domain(declared.encode(codec))
    assert "J\u00e4ger" in domain.xml
    assert [domain.uuid, domain.name] == [UUID, "web-01"] == libvirts_own(tmp_path, domain.xml)


@pytest.mark.parametrize(
    "uuid",
    [
        f"<uuid><b>{DECOY[6:-7]}</b>{UUID}</uuid>",
        f"<uuid xmlns='http://example.org/'>{UUID}</uuid>",
        f"<x:uuid>{UUID}</x:uuid>",
        f"<uuid>{UUID}\u00a0</uuid>",
        f"<uuid>{UUID}</uuid>{DECOY}",
    ],
    ids=range(5),
)
def test_where_libvirt_could_read_another_vm_nothing_is_read(tmp_path: Path, uuid: str) -> None:
    """Two of these start a VM under a random UUID: libvirt finds none, and makes one."""
    with pytest.raises(ValueError, match=r"uuid|well-formed"):
        read_domain(document(uuid))
    seen = libvirts_own(tmp_path, document(uuid))
    assert seen == [] or seen[0] != UUID or DECOY in uuid


@pytest.mark.parametrize(
    "name",
    [
        "Windows Server 2019 (SQL)",
        "__clone",
        ".hidden",
        "J\u00e4ger+a@b:c [2]",
        "-x",
        "5",
        "..",
        "a\tb",
        "\u00e4" * 123,
    ],
)
def test_every_name_that_libvirt_takes_is_read(tmp_path: Path, name: str) -> None:
    domain = read_domain(document(name=name))
    assert [domain.uuid, domain.name] == [UUID, name] == libvirts_own(tmp_path, domain.xml)


@pytest.mark.parametrize("name", ["a/b", "a\nb"])
def test_a_name_that_libvirt_does_not_take_is_refused_before(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="which libvirt does not take"):
        read_domain(document(name=name))
    assert UUID not in libvirts_own(tmp_path, document(name=name))
