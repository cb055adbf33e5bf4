"""Secrets are taken out of what is captured, and passwords of consoles put back from the inventory's definition."""

from __future__ import annotations

import pytest

from hafence.inventory.domain_xml import DomainError, read_domain
from hafence.inventory.passwords import with_passwords, without_secrets

UUID = "6d6f6a5a-0000-4000-8000-000000000001"


def xml(devices: str, more: str = "") -> str:
    return f"<domain type='kvm'><name>ü</name><uuid>{UUID}</uuid><devices>{devices}</devices>{more}</domain>"


OPEN = "<graphics type='vnc' port='5900' autoport='yes' listen='0.0.0.0'><listen type='address'/></graphics>"


@pytest.mark.parametrize(
    "console",
    [
        "<graphics type='vnc' passwd='s3cret'/>",
        "<graphics passwd='a&apos;b>c' type='vnc'></graphics>",
        '<graphics type="vnc"\n  passwd = "it\'s &gt; s3cret"  keymap="de" />',
        "<graphics type='spice' passwdValidTo='2030-01-01T00:00:00' passwd='' />",
    ],
)
def test_no_password_is_left_and_all_else_is_to_the_letter(console: str) -> None:
    around = "<!-- <graphics passwd='comment'/> --><disk type='file'/>"
    clean = without_secrets(xml(around + console + OPEN))
    read_domain(clean)
    assert "passwd=" not in clean.replace("<graphics passwd='comment'/>", "")
    assert clean.startswith(xml(around)[: xml(around).index("</devices>")])
    assert clean.endswith(OPEN + "</devices></domain>")


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (xml("<disk type='network'><source protocol='https' name='a'><cookies><cookie name='t'>x</cookie></cookies>"
             "</source></disk>"), "cookies"),
        (xml("", "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-object'/>"
             "<q:arg value='secret,id=s,data=abc'/></q:commandline>"), "argument of its own for qemu"),
        (xml("<redirdev passwd='x'/>"), "password in its <redirdev>"),
    ],
    ids=["cookies", "argument", "elsewhere"],
)  # fmt: skip
def test_other_secrets_are_refused(document: str, why: str) -> None:
    with pytest.raises(DomainError, match=why):
        without_secrets(document)


def test_plain_arguments_for_qemu_are_no_secret() -> None:
    plain = xml("", "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:arg value='-S'/>"
                "</q:commandline>")  # fmt: skip
    assert without_secrets(plain) == plain


def test_passwords_come_back_console_by_console() -> None:
    live = xml("<graphics type='spice'/>" + OPEN + "<graphics type='vnc' passwd='live'/>")
    own = xml(
        "<graphics type='vnc' passwd='a&amp;&quot;b' passwdValidTo='2030-01-01T00:00:00' connected='keep'/>"
        "<graphics type='vnc' passwd='other'/><graphics type='sdl'/>"
    )
    back = with_passwords(live, own)
    assert back == xml(
        "<graphics type='spice'/>"
        "<graphics passwd='a&amp;\"b' passwdValidTo=\"2030-01-01T00:00:00\" connected=\"keep\" type='vnc' port='5900'"
        " autoport='yes' listen='0.0.0.0'><listen type='address'/></graphics><graphics type='vnc' passwd='live'/>"
    )
    assert read_domain(back).open_consoles == ()
    assert with_passwords(live, xml("")) == live
