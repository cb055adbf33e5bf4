"""What of a definition an audit compares."""

from __future__ import annotations

from hafence.core.drift import Outline
from hafence.inventory.domain_xml import read_domain
from hafence.inventory.outline import outline_of

HEAD = "<name>a</name><uuid>6d6f6a5a-0000-4000-8000-000000000001</uuid>"


def test_the_outline_of_a_definition() -> None:
    document = f"""<domain>{HEAD}<memory unit='GiB'>2</memory><os><type machine='q35'>hvm</type></os><devices>
        <disk type='file' device='disk'><source file='/a'/><backingStore type='file'><source file='/base'/>
        </backingStore><target dev='vda'/></disk>
        <disk type='network'><source protocol='rbd' name='p/b'/><target dev='vdb'/></disk>
        <disk type='file' device='cdrom'><source file='/iso'/><target dev='sda'/></disk>
        <interface type='network'><source portid='x' network='default' bridge='virbr0'/></interface>
        <interface type='user'/><interface type='direct'><source dev='eth0' mode='bridge'/></interface>
        </devices></domain>"""
    whole = Outline({"vda": "/a", "vdb": "rbd:p/b"}, ("network default", "user", "direct eth0"), 2048, "q35")
    assert outline_of(read_domain(document)) == whole


def test_the_outline_of_next_to_nothing() -> None:
    assert outline_of(read_domain(f"<domain>{HEAD}<os/></domain>")) == Outline()
