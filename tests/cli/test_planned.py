"""`disarm`, `arm` and `maintenance` as they are typed, what they leave, and where they are shown."""

from __future__ import annotations

import time

from hafence.cli.show.times import seconds
from tests.cli.conftest import Desk, Typed


def disarm(desk: Desk, *more: str) -> Typed:
    return desk.type("disarm", "--reason", "rewiring the rack", "--for", "2h", *more)


def refused(desk: Desk, *words: str) -> tuple[str, str]:
    """The reason, and the message, of a refusal before anything was touched."""
    said = desk.type(*words, "--json")
    document = said.document
    outcome = document["vms"][0] if "vms" in document else document
    assert (said.code, outcome["decision"], outcome["attempts"], outcome["evidence"]) == (3, "refused", [], [])
    return outcome["reason"], outcome["message"]


def test_while_disarmed_every_command_that_fences_or_starts_refuses_with_the_way_out(desk: Desk) -> None:
    said = disarm(desk, "--cluster", "prod-a")
    assert (said.code, said.err) == (0, "")
    assert "'hafence arm --cluster prod-a' ends it before." in said.out
    for words in (
        ("start-vm", "web-01"),
        ("start-vm", "web-01", "--yes"),
        ("start-vm", "web-01", "--dry-run"),
        ("fence", "db-01", "--yes"),
        ("fence", "db-01", "--host", "kvm-01", "--dry-run"),
        ("evacuate", "kvm-01", "--yes"),
        ("evacuate", "kvm-01", "--dry-run"),
    ):
        reason, message = refused(desk, *words)
        assert reason == "disarmed"
        assert "prod-a is disarmed by " in message
        assert "(rewiring the rack)" in message
        assert "Way out: 'hafence arm --cluster prod-a'." in message
    assert desk.type("arm", "-q").out == "prod-a: armed again, VMs may be fenced and started there.\n"
    assert desk.type("fence", "web-01", "--yes", "--json").document["vms"][0]["reason"] == "no_sibling"


def test_without_a_cluster_all_are_meant_and_arm_ends_one_or_all(desk: Desk) -> None:
    document = disarm(desk, "--json").document
    assert (document["names"], document["reason"], document["done"]) == (["prod-a", "prod-b"], "disarmed", True)
    assert 7190 < seconds(document["until"]) - time.time() < 7201
    assert desk.type("arm", "--cluster", "prod-b", "--json").document["names"] == ["prod-b"]
    status = desk.type("status", "--json").document
    assert [each["cluster"] for each in status["disarmed"]] == ["prod-a"]
    assert desk.type("arm").code == 0
    assert desk.type("status", "--json").document["disarmed"] == []


def test_where_nothing_is_disarmed_there_is_nothing_to_do_and_no_history(desk: Desk) -> None:
    said = desk.type("arm")
    assert (said.code, said.out) == (0, "nothing is disarmed: nothing to do.\n")
    document = desk.type("maintenance", "kvm-01", "--end", "--json").document
    assert (document["run"], document["reason"], document["exit"]) == (None, "nothing_to_do", 0)
    assert not (desk.folder / "state.db").exists()


def test_a_second_disarm_takes_the_place_of_the_first_and_both_are_in_the_history(desk: Desk) -> None:
    disarm(desk, "--cluster", "prod-a")
    again = desk.type("disarm", "--cluster", "prod-a", "--reason", "longer", "--for", "3h")
    assert "it takes the place of what was announced before: prod-a until" in again.out
    (work,) = desk.type("status", "--json").document["disarmed"]
    assert work["reason"] == "longer"
    desk.type("arm")
    runs = desk.type("history", "--json").document["runs"]
    assert [(run["command"], run["subject"], run["exit"]) for run in runs] == [
        ("arm", "prod-a", 0),
        ("disarm", "prod-a", 0),
        ("disarm", "prod-a", 0),
    ]
    explained = desk.type("explain", runs[1]["run"])
    assert "planned work disarmed prod-a" in explained.out
    assert "planned work ended disarmed prod-a" in desk.type("explain", runs[0]["run"]).out


def test_it_ends_by_itself(desk: Desk) -> None:
    assert desk.type("disarm", "--reason", "short", "--for", "1s").code == 0
    deadline = time.monotonic() + 30
    while desk.type("status", "--json").document["disarmed"]:
        assert time.monotonic() < deadline
    assert desk.type("arm").out == "nothing is disarmed: nothing to do.\n"


def test_status_audit_and_doctor_show_it(desk: Desk) -> None:
    disarm(desk, "--cluster", "prod-a")
    desk.type("maintenance", "kvm-02", "--reason", "new DIMMs", "--for", "90m")
    lines = desk.type("status").out.splitlines()
    assert lines[0].startswith("! prod-a is DISARMED by ")
    assert lines[0].endswith(" more: rewiring the rack")
    assert "  hafence arm --cluster prod-a" in lines
    text = " ".join(" ".join(lines).split())
    assert "enabled; in maintenance by" in text
    hosts = {host["name"]: host for host in desk.type("status", "--json").document["hosts"]}
    assert hosts["kvm-01"]["maintenance"] is None
    assert hosts["kvm-02"]["maintenance"]["reason"] == "new DIMMs"
    findings = desk.type("audit", "--json").document["findings"]
    found = {(each["code"], each["subject"]): each for each in findings}
    assert "'hafence arm --cluster prod-a'" in found["disarmed", "prod-a"]["do"]
    assert "new DIMMs" in found["maintenance", "kvm-02"]["saw"]
    assert ("host_silent", "kvm-02") not in found, "people are at work there"
    assert ("host_silent", "kvm-01") in found
    checks = desk.type("doctor", "--json").document["checks"]
    assert [(each["state"], each["do"]) for each in checks if each["check"] == "planned"] == [
        ("note", "hafence arm --cluster prod-a"),
        ("note", "hafence maintenance kvm-02 --end"),
    ]


def test_a_host_in_maintenance_by_the_store_is_not_fenced(desk: Desk) -> None:
    said = desk.type("maintenance", "kvm-01", "--reason", "new DIMMs", "--for", "90m")
    assert said.code == 0
    for command in ("start-vm", "fence"):
        reason, message = refused(desk, command, "web-01", "--yes")
        assert reason == "maintenance"
        assert "Way out: 'hafence maintenance kvm-01 --end'." in message
    ended = desk.type("maintenance", "kvm-01", "--end", "--json").document
    assert (ended["reason"], ended["names"]) == ("maintenance_ended", ["kvm-01"])
    assert desk.type("fence", "web-01", "--yes", "--json").document["vms"][0]["reason"] == "no_sibling"


def test_rejoin_says_that_it_goes_on_in_a_disarmed_cluster(desk: Desk) -> None:
    from hafence.core.model import HostName
    from hafence.stores import open_store

    disarm(desk, "--cluster", "prod-a")
    store = open_store(f"sqlite://{desk.folder / 'state.db'}")
    store.quarantine(HostName("kvm-01"), "fenced", "r1", time.time())
    store.close()
    said = desk.type("rejoin", "kvm-01", "--yes")
    assert said.code == 3
    assert "prod-a is disarmed by " in said.out
    assert "kvm-01 does not answer" in said.out
