"""What of a VM its host keeps, by its definition."""

from __future__ import annotations

import pytest

from hafence.core.needs import Need, NeedKind
from hafence.inventory.domain_xml import read_domain

UUID = "6d6f6a5a-0000-4000-8000-000000000001"
TPM = f"/var/lib/libvirt/swtpm/{UUID}"
VARS = "/var/lib/libvirt/qemu/nvram/a_VARS.fd"
NVRAM, STATE = "its NVRAM (boot entries, Secure Boot keys)", "the state of its TPM"
DEVICE = "a device of the host that is passed through"


def domain(os: str = "", devices: str = "", more: str = "") -> str:
    return (
        f"<domain><uuid>{UUID}</uuid><name>a</name><memory>1024</memory><os{os}</os>"
        f"<devices>{devices}</devices>{more}</domain>"
    )


@pytest.mark.parametrize(
    ("text", "kept", "state"),
    [
        (domain(">"), (), ()),
        (domain(f"><nvram>{VARS}</nvram>"), (NVRAM,), (VARS,)),
        (domain(f"><nvram template='/t'> {VARS}\n</nvram>"), (NVRAM,), (VARS,)),
        (domain(" firmware='efi'>"), (NVRAM,), ()),
        (domain(" firmware='efi'><nvram type='network'><source protocol='rbd' name='a/b'/></nvram>"), (), ()),
        (domain("><nvram type='file'><source file='/a'/></nvram>"), (NVRAM,), ()),
        (domain(">", "<tpm model='tpm-crb'><backend type='emulator'/></tpm>"), (STATE,), (TPM,)),
        (domain(">", "<tpm><backend type='passthrough'/></tpm>"), ("a TPM of the host",), ()),
        (domain(">", "<hostdev mode='subsystem' type='usb'/>"), (DEVICE,), ()),
        (domain(">", "<interface type='hostdev'/>"), (DEVICE,), ()),
        (domain(">", "<memory model='nvdimm'/>"), ("persistent memory (NVDIMM or pmem)",), ()),
        (domain(">", "<memory model='dimm'/><interface type='bridge'/>"), (), ()),
        (
            domain(">", more="<launchSecurity type='sev'/>"),
            ("encrypted memory (launchSecurity), which hosts of one kind alone offer",),
            (),
        ),
    ],
)
def test_what_is_kept_by_its_host_and_where(text: str, kept: tuple[str, ...], state: tuple[str, ...]) -> None:
    read = read_domain(text)
    assert read.bound == kept
    assert [need for need in read.needs if need.kind is NeedKind.STATE] == [Need(NeedKind.STATE, at) for at in state]
