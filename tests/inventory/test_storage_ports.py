"""Where the storage of a VM's network disks listens, by its definition."""

from __future__ import annotations

import pytest

from hafence.inventory.domain_xml import read_domain
from hafence.inventory.storage_ports import storage_ports
from tests.inventory.test_domain_xml import xml

GLUSTER = "<disk type='network'><source protocol='gluster' name='vol/a'><host name='g1'/></source></disk>"


def network(protocol: str, *hosts: str) -> str:
    return f"<disk type='network'><source protocol='{protocol}' name='a/b'>{''.join(hosts)}</source></disk>"


@pytest.mark.parametrize(
    ("devices", "ports"),
    [
        ("", ()),
        ("<disk type='file'><source file='/a'/></disk>", ()),
        (network("nbd", "<host name='n1' port='10999'/>"), ("10999", "10809")),
        (network("nbd"), ("10809",)),
        (network("nbd", "<host name='n1' port='010'/>"), ("10", "10809")),
        (network("rbd", "<host name='m1' port='6789'/>", "<host name='m2'/>"), ("6789", "3300")),
        (GLUSTER, ("24007", "bricks")),
        (network("vitastor", "<host name='fd00::7' port='2379'/>"), ("2379",)),
        (network("iscsi") + GLUSTER, ("3260", "24007", "bricks")),
        (network("nbd", "<host name='n1' port='0'/>", "<host name='n1' port='70000'/>"), ("10809",)),
        (network("nbd", "<host name='n1' port='80; reboot'/>", "<host name='n1' port='²'/>"), ("10809",)),
    ],
)
def test_the_ports_are_those_that_are_named_and_those_of_the_protocol(devices: str, ports: tuple[str, ...]) -> None:
    assert storage_ports(read_domain(xml(devices=devices))) == ports
