"""`config show` names for each setting the value in force and where it comes from, and shows no secret."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from hafence.core.model import Inventory
from hafence.inventory.in_force import shown_store
from hafence.inventory.settings import CEPH_KEYS, FENCING, SSH_KEYS
from tests.cli.conftest import Desk, Typed

WRITTEN = """\
ssh:
  user: ops
  known_hosts: known_hosts
fencing:
  ssh_timeout: 40s
  storm_share: 40%
  ask_on_silence: false
store: etcd://10.0.0.1/x?ca=ca.pem&user=me&password_command=pass%20SECRET
clusters:
  prod-a:
    start: {command: [/bin/start, --token=SECRET]}
    ceph:
      mirrors: [10.0.0.7, 10.0.0.8]
  prod-b:
hosts:
  kvm-01:
    cluster: prod-a
    address: 127.0.0.2
    ssh:
      user: root
      sudo: true
    power:
      - - {agent: fence_snmp, options: {community: SECRET}}
        - {agent: fence_ipmilan, options: {password_command: [pass, SECRET]}}
      - - {agent: fence_apc, options: {password_file: pw}}
  kvm-02: {cluster: prod-b, address: 127.0.0.3}
"""


def settings(said: Typed) -> dict[str, dict[str, Any]]:
    assert (said.code, said.err) == (0, "")
    return {row["name"]: row for row in said.document["settings"]}


def test_what_is_written_is_shown_with_its_line_and_what_would_be_else(desk: Desk) -> None:
    desk.write(WRITTEN)
    shown = settings(desk.type("config", "show", "--json"))
    told = {name: (row["value"], row["default"], row["line"]) for name, row in shown.items() if row["line"]}
    folder = desk.folder
    assert told == {
        "store": (
            f"etcd://10.0.0.1:2379/x?ca={folder}/ca.pem&user=me&password_command=pass …",
            "sqlite:///var/lib/hafence/state.db",
            8,
        ),
        "ssh.user": ("ops", "root", 2),
        "ssh.known_hosts": (f"{folder}/known_hosts", None, 3),
        "fencing.ssh_timeout": ("40s", "20s", 5),
        "fencing.storm_share": (0.4, 0.5, 6),
        "fencing.ask_on_silence": (False, True, 7),
        "clusters.prod-a.start": ("/bin/start …", "persistent", 11),
        "clusters.prod-a.ceph.mirrors": ("10.0.0.7, 10.0.0.8", None, 13),
        "hosts.kvm-01.ssh.user": ("root", "ops", 20),
        "hosts.kvm-01.ssh.sudo": (True, "unless the user is root", 21),
        "hosts.kvm-01.power": ("fence_snmp and fence_ipmilan, else fence_apc", None, 22),
    }
    assert {row["file"] for row in shown.values() if row["line"]} == {"inventory.yaml"}
    assert all(row["origin"] == ("inventory" if row["line"] else "default") for row in shown.values())


def test_no_setting_is_left_out(desk: Desk) -> None:
    desk.write(WRITTEN)
    names = settings(desk.type("config", "show", "--json")).keys()
    assert names >= {f"ssh.{key}" for key in SSH_KEYS} | {f"fencing.{key}" for key in FENCING}
    assert names >= {f"clusters.prod-a.ceph.{key}" for key in CEPH_KEYS}
    assert names >= {"inventory", "store", "hooks", "notify", "clusters.prod-a.hypervisor", "clusters.prod-b.start"}
    assert "clusters.prod-b.ceph.conf" not in names
    top = {field.name for field in fields(Inventory) if field.init}
    assert top == {"path", "clusters", "hosts", "vms", "settings", "store", "hooks", "notify"}


def test_no_secret_is_shown(desk: Desk) -> None:
    desk.write(WRITTEN)
    for words in (("config", "show"), ("config", "show", "--json")):
        said = desk.type(*words, HAFENCE_BMC="SECRET")
        assert said.code == 0
        assert "SECRET" not in said.out + said.err


@pytest.mark.parametrize("url", ["etcd://me:SECRET@h", "postgres://SECRET", "SECRET", "etcd://h?password=SECRET"])
def test_what_is_no_store_is_not_repeated(desk: Desk, url: str) -> None:
    assert "SECRET" not in shown_store(url)
    said = desk.type("--store", url, "config", "show")
    assert said.code == 0
    assert "SECRET" not in said.out


def test_a_place_is_named_in_the_file_of_a_folder_that_holds_it(empty_desk: Desk) -> None:
    folder = empty_desk.folder / "inventory"
    folder.mkdir()
    (folder / "a.yaml").write_text(
        "fencing:\n  settle: 2s\nclusters: {c: }\nhosts: {h: {cluster: c, address: 10.0.0.1}}\n"
    )
    (folder / "b.yaml").write_text("# fleet\nfencing:\n  connect_timeout: 2s\n")
    shown = settings(empty_desk.type("-i", "inventory", "config", "show", "--json"))
    places = {key: (shown[f"fencing.{key}"]["file"], shown[f"fencing.{key}"]["line"]) for key in FENCING}
    assert places["settle"] == ("inventory/a.yaml", 2)
    assert places["connect_timeout"] == ("inventory/b.yaml", 3)
    assert places["lease"] == (None, None)


def test_an_option_goes_before_the_environment_and_that_before_the_inventory(desk: Desk) -> None:
    def origins(*words: str, **env: str) -> tuple[str, str, str]:
        shown = settings(desk.type(*words, "config", "show", "--json", **env))
        return shown["inventory"]["origin"], shown["store"]["origin"], shown["store"]["value"]

    here = f"sqlite://{desk.folder}/state.db"
    assert origins() == ("default", "inventory", here)
    assert origins(HAFENCE_STORE="sqlite:b.db") == ("default", "environment", "sqlite:b.db")
    both = origins("--store", "sqlite:c.db", HAFENCE_STORE="sqlite:b.db", HAFENCE_INVENTORY="inventory.yaml")
    assert both == ("environment", "option", "sqlite:c.db")
    late = desk.type("config", "show", "--store", "sqlite:c.db", HAFENCE_STORE="sqlite:b.db")
    assert "sqlite:c.db" in late.out
    assert "--store" in late.out
    assert "HAFENCE_STORE" in late.out.splitlines()[-1]
    assert not list(desk.folder.glob("*.db"))


def test_a_person_reads_a_table(desk: Desk) -> None:
    lines = desk.type("config", "show").out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["SETTING"] == ["VALUE", "DEFAULT", "FROM"]
    assert rows["fencing.connect_timeout"] == ["1s", "5s", "inventory.yaml:1"]
    assert rows["fencing.pre_fence"] == ["true", "true", "default"]
    assert rows["hosts.kvm-01.ssh.port"] == ["9", "22", "inventory.yaml:5"]
    assert rows["hooks"] == ["-", "-", "default"]
    assert lines[1].endswith("the first of the usual places")


def test_an_inventory_that_is_not_valid_is_exit_6(desk: Desk) -> None:
    desk.write("hosts: [")
    said = desk.type("config", "show", "--json")
    assert said.code == 6
    assert said.document["error"]["errors"][0]["file"] == "inventory.yaml"
