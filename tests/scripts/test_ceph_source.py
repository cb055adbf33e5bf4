"""From which address a host reaches Ceph, for every way in which a configuration may name the monitors.

The script, the shell and ceph-conf are real; the names and the routes are those of the test.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hafence.adapters.storage.ceph import images_program, parse_images, parse_rehearsal, rehearsal_program
from hafence.core.model import CephSettings
from hafence.core.storage.rehearsal import Hindrance

from .conftest import NONCE, Shell

PROGRAMS = {
    "rbd": "case $1 in status) echo '{\"watchers\": []}' ;; *) echo '[]' ;; esac",
    "ceph": """[ "$1 $2" = "mon dump" ] || exit 1
cat "$CEPH_MAP" 2>/dev/null || exit 1""",
    # the route to a network's monitors begins at its .9, or there is none
    "ip": """case $4 in
192.0.2.*) echo "$4 via 10.0.0.1 dev eth0 src 192.0.2.9 uid 0" ;;
2001:db8::*) echo "$4 from :: via fe80::1 dev eth0 src 2001:db8::9 metric 1 pref medium" ;;
*) exit 2 ;;
esac""",
    "getent": """case $2 in
mon1.example.org) exit 2 ;;
mon2.example.org) printf '192.0.2.22      STREAM mon2.example.org\\n192.0.2.22      DGRAM\\n' ;;
mon6) printf '2001:db8::6     STREAM mon6\\n' ;;
hang.example.org) sleep 60 ;;
*) exit 2 ;;
esac""",
}
V4, V6 = "192.0.2.9", "2001:db8::9"
MAP = """{"epoch":1,"mons":[{"rank":0,"name":"a","public_addrs":{"addrvec":[
{"type":"v2","addr":"192.0.2.22:3300","nonce":0},{"type":"v1","addr":"192.0.2.22:6789","nonce":0}]},
"addr":"192.0.2.22:6789/0"},{"rank":1,"name":"b","addr":"[2001:db8::6]:6789/0"}]}"""


def programs(folder: Path) -> Path:
    """The root with the programs of the test in it."""
    root = folder / "root"
    (root / "bin").mkdir(parents=True)
    for name, body in PROGRAMS.items():
        text = body.replace("$CEPH_MAP", str(folder / "map"))
        (root / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (root / "bin" / name).chmod(0o755)
    return root


def source(shell: Shell, folder: Path, conf: str, user: str = "admin") -> str | None:
    root = programs(folder)
    (folder / "ceph.conf").write_text(conf)
    settings = CephSettings(conf=str(folder / "ceph.conf"), user=user)
    program = images_program(settings, ["rbd/a"], time.time() + 60, NONCE, root=str(root))
    return parse_images(NONCE, shell.run(program), ["rbd/a"]).source


@pytest.mark.parametrize(
    ("conf", "seen"),
    [
        ("[global]\nmon_host = 192.0.2.21\n", V4),
        ("[global]\nmon_host = 192.0.2.21:6789/0, 192.0.2.22\n", V4),
        ("[global]\nmon_host = mon1.example.org,mon2.example.org\n", V4),
        ("[global]\nmon_host = mon2.example.org:6789\n", V4),
        ("[global]\nmon host = mon1.example.org\\;mon2.example.org\n", V4),
        ("[global]\nmon host = mon1.example.org mon6\n", V6),
        ("[global]\nmon_host = hang.example.org mon6\n", V6),
        ("[global]\nmon_host = 2001:db8::1,2001:db8::2\n", V6),
        ("[global]\nmon_host = [2001:db8::1]:6789\n", V6),
        ("[global]\nmon_host = [2001:db8::1]\n", V6),
        ("[global]\nmon_host = [v2:192.0.2.21:3300/0,v1:192.0.2.21:6789/0]\n", V4),
        ("[global]\nmon_host = [v2:[2001:db8::1]:3300/0,v1:[2001:db8::1]:6789/0],[v2:[2001:db8::2]:3300/0]\n", V6),
        ("[global]\nmon_host = v1:192.0.2.21:6789/0\n", V4),
        ("[global]\n  mon host   =  192.0.2.21   ; the first\n", V4),
        ("[global]\n# mon_host = 198.51.100.1\nmon_host = 192.0.2.21 # the first\n", V4),
        ("[global]\nmon_host = mon1.example.org,\\\n  mon2.example.org\n", V4),
        ("[client]\nmon_host = 192.0.2.21\n", V4),
        ("[client.backup]\nmon_host = 198.51.100.1\n[global]\nmon_host = 192.0.2.21\n", V4),
        ("[mon.a]\nmon addr = 192.0.2.21:6789\n", V4),
        ("[mon.a]\nhost = a\n[mon.b]\nmon_addr = [2001:db8::1]:6789\n", V6),
        ("[mon.a]\nmon addr = mon2.example.org:6789\n", V4),
        ("[global]\nmon_host = 198.51.100.1, 192.0.2.21\n", V4),
        ("[global]\nmon_host = 198.51.100.1\n", None),
        ("[global]\nmon_host = mon1.example.org\n", None),
        ("[global]\nmon_host = -x $(reboot) a/../b\n", None),
        ("[global]\n", None),
    ],
)
def test_the_monitors_are_found_however_they_are_written(
    shell: Shell, tmp_path: Path, conf: str, seen: str | None
) -> None:
    assert source(shell, tmp_path, conf) == seen


def test_a_client_has_its_own_section(shell: Shell, tmp_path: Path) -> None:
    conf = "[client.backup]\nmon_host = 192.0.2.21\n[global]\nmon_host = 2001:db8::1\n"
    assert source(shell, tmp_path, conf, "backup") == V4


# ---------------------------------------------------------------- what would break a fence


@pytest.mark.parametrize(
    ("exits", "conf", "hindrances"),
    [
        (0, "", ()),
        (13, "", (Hindrance.RIGHT,)),
        (22, "", (Hindrance.COMMAND,)),
        (0, "[client]\nrbd_blocklist_on_break_lock = false\n", (Hindrance.OPTION,)),
        (13, "[client.vms]\nrbd blocklist on break lock = 0\n", (Hindrance.RIGHT, Hindrance.OPTION)),
    ],
)
def test_what_would_hinder_a_storage_fence(
    shell: Shell, tmp_path: Path, exits: int, conf: str, hindrances: tuple[Hindrance, ...]
) -> None:
    root = programs(tmp_path)
    asked = tmp_path / "asked"
    (root / "bin/ceph").write_text(
        f"#!/bin/sh\necho \"$@\" >>{asked}\ncase $3 in rm) exit {exits} ;; esac\necho '[]'\n"
    )
    (tmp_path / "ceph.conf").write_text(f"[global]\nmon_host = 192.0.2.22\n{conf}")
    ceph = CephSettings(conf=str(tmp_path / "ceph.conf"), user="vms")
    program = rehearsal_program(ceph, time.time() + 60, NONCE, root=str(root))
    assert parse_rehearsal(NONCE, shell.run(program)) == hindrances
    assert [line.split(" --")[0] for line in asked.read_text().splitlines()] == [
        f"osd blocklist rm 192.0.2.1:0/{int(NONCE[:7], 16) + 1}",
        "osd blocklist ls",
    ]


# ---------------------------------------------------------------- whose a monitor is


@pytest.mark.parametrize(
    ("server", "is_own"),
    [
        ("192.0.2.22:6789", True),
        ("192.0.2.22", True),
        ("mon2.example.org:3300", True),
        ("[2001:db8::6]:6789", True),
        ("2001:db8::6", True),
        ("mon6", True),
        ("192.0.2.2", False),
        ("192.0.2.221", False),
        ("mon1.example.org", False),
        ("-", False),
    ],
)
def test_a_monitor_of_a_definition_is_this_cephs_or_another_ones(
    shell: Shell, tmp_path: Path, server: str, is_own: bool
) -> None:
    root = programs(tmp_path)
    (tmp_path / "ceph.conf").write_text("[global]\nmon_host = 192.0.2.22\n")
    (tmp_path / "map").write_text(MAP)
    ceph = CephSettings(conf=str(tmp_path / "ceph.conf"))
    for known in (True, False):
        program = images_program(ceph, ["rbd/a"], time.time() + 60, NONCE, root=str(root), servers=[server])
        seen = parse_images(NONCE, shell.run(program), ["rbd/a"], [server])
        assert seen.foreign == (set() if known and is_own else {server})
        (tmp_path / "map").unlink(missing_ok=True)  # a Ceph that does not tell calls none its own
