"""The main job as scripts and people meet it, typed on the demo's cluster: real SSH, real processes, a real store."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from hafence.demo.cluster import DemoCluster
from hafence.demo.layout import VMS
from tests.cli.test_errors import read_until
from tests.cli.test_json import KEYS
from tests.json_schemas import faults, hold

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster() -> Iterator[DemoCluster]:
    with DemoCluster() as cluster:
        for vm in VMS:
            cluster.await_beat(vm.name, vm.host)
        yield cluster


def document(done: subprocess.CompletedProcess[str], code: int) -> Any:
    assert done.returncode == code, done.stdout + done.stderr
    hold(done.args, done.stdout)
    return json.loads(done.stdout)


def test_a_start_as_json_and_the_same_typed_again(cluster: DemoCluster) -> None:
    cluster.make_fault("kvm-01", "cut")
    first = cluster.hafence("start-vm", "web-01", "--json", "--sibling", "kvm-04", "--to", "kvm-02")
    started = document(first, 0)
    assert started.keys() >= KEYS
    assert (started["decision"], started["reason"], started["verdict"]) == (
        "started",
        "confirmed_dead",
        "confirmed_dead",
    )
    assert (started["suspect"], started["host"], started["dry_run"]) == ("kvm-01", "kvm-02", False)
    assert [attempt["proxy"] for attempt in started["attempts"]] == ["kvm-04"]
    assert "[HA pre-fence vm=web-01 suspect=kvm-01 proxy=kvm-04] confirmed_dead: " in first.stderr
    cluster.await_beat("web-01", "kvm-02")

    again = document(cluster.hafence("start-vm", "web-01", "--json", "--yes"), 0)
    assert (again["decision"], again["reason"], again["host"]) == ("unchanged", "already_running", "kvm-02")
    assert started["run"] in again["message"]

    explained = document(cluster.hafence("explain", started["run"], "--json"), 0)
    assert explained["outcomes"][0]["reason"] == "confirmed_dead"
    assert [step["kind"] for step in explained["steps"]].index("intent_fence") < [
        step["kind"] for step in explained["steps"]
    ].index("start")


def test_a_healthy_vm_is_left_alone_where_nobody_can_be_asked(cluster: DemoCluster) -> None:
    refused = cluster.hafence("start-vm", "web-02")
    assert refused.returncode == 3
    assert "refused web-02: suspect_healthy: " in refused.stdout
    assert "  way out: use --yes" in refused.stdout
    assert refused.stderr == ""
    fenced = document(cluster.hafence("fence", "--host", "kvm-02", "--json"), 3)
    assert fenced["run"]
    assert {vm["reason"] for vm in fenced["vms"]} == {"suspect_healthy"}
    cluster.await_beat("web-02", "kvm-02")


def test_a_dry_run_foretells_and_writes_nothing(cluster: DemoCluster) -> None:
    before = sorted(path.name for path in cluster.folder.iterdir())
    foretold = document(cluster.hafence("start-vm", "web-02", "--dry-run", "--yes", "--json"), 0)
    assert (foretold["decision"], foretold["dry_run"]) == ("started", True)
    assert foretold["host"] == "kvm-03"
    assert "siblings in order: kvm-01, kvm-03, kvm-04" in foretold["notes"]
    assert "targets in order: kvm-03, kvm-01, kvm-04" in foretold["notes"]
    assert "target kvm-02 not chosen: is the suspect" in foretold["notes"]
    assert foretold["attempts"][0]["detail"].startswith("would kill 1 leftover")
    text = cluster.hafence("start-vm", "web-02", "--dry-run", "--yes").stdout
    assert "dry run, nothing was changed: would be started: web-02 on" in text
    assert sorted(path.name for path in cluster.folder.iterdir()) == before
    cluster.await_beat("web-02", "kvm-02")


def test_quiet_says_only_the_result(cluster: DemoCluster) -> None:
    done = cluster.hafence("-q", "fence", "mail-01", "--yes")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("fenced mail-01: confirmed_dead: ")
    assert done.stderr == ""


def test_a_host_is_evacuated_and_the_last_line_says_how_many_run(cluster: DemoCluster) -> None:
    healthy = document(cluster.hafence("evacuate", "kvm-04", "--json"), 3)
    assert [(vm["vm"]["name"], vm["reason"]) for vm in healthy["vms"]] == [("mail-01", "suspect_healthy")]
    foretold = cluster.hafence("evacuate", "kvm-04", "--yes", "--dry-run")
    assert foretold.returncode == 0, foretold
    assert "Z place on kvm-03: 1 (mail-01)\n" in foretold.stdout
    assert foretold.stdout.splitlines()[-1] == "kvm-04 would be evacuated: 1 of 1 HA VMs would run elsewhere"
    cluster.await_beat("mail-01", "kvm-04")
    done = cluster.hafence("evacuate", "kvm-04", "--yes")
    assert done.returncode == 0, done
    assert "\nstarted mail-01 on kvm-03: confirmed_dead: " in done.stdout
    assert done.stdout.splitlines()[-1] == "kvm-04 evacuated: 1 of 1 HA VMs run elsewhere"
    cluster.await_beat("mail-01", "kvm-03")
    (run,) = {run["run"] for run in runs_of(cluster, "mail-01") if run["exit"] == 0}
    explained = document(cluster.hafence("explain", run, "--failed", "--json"), 0)
    assert explained["outcomes"] == []
    assert {step["vm"] for step in explained["steps"]} == {None}
    again = cluster.hafence("evacuate", "kvm-04")
    assert (again.returncode, again.stdout) == (0, "nothing to do: no HA VM is recorded on kvm-04\n")


def runs_of(cluster: DemoCluster, vm: str) -> list[Any]:
    """The runs that are found under a VM."""
    return list(document(cluster.hafence("history", vm, "--json"), 0)["runs"])


def test_an_evacuation_tells_each_event_as_it_happens_and_ends_with_its_document(cluster: DemoCluster) -> None:
    done = cluster.hafence("evacuate", "kvm-04", "--yes", "--json-lines")
    assert done.returncode == 0, done
    *events, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [fault for each in events for fault in faults("evacuate-lines", each)] == []
    assert faults("evacuate", last) == []
    assert [event["event"] for event in events if event["event"] not in ("looked", "recorded")] == [
        *("began", "said", "fenced", "starting", "start_ended", "outcome"),
    ]
    assert {event["run"] for event in events} == {last["run"]}
    assert [event["at"] for event in events] == sorted(event["at"] for event in events)
    began, outcome = events[0], events[-1]
    assert [vm["name"] for vm in began["vms"]] == ["mail-01"]
    assert (outcome["vm"]["name"], outcome["decision"], outcome["host"]) == ("mail-01", "started", "kvm-03")
    assert last["vms"][0]["decision"] == "started"
    states = [event["state"] for event in events if event["event"] == "recorded"]
    assert states == ["stopped", "starting", "running"]
    assert "[HA pre-fence vm=mail-01 " in done.stderr
    assert [run["command"] for run in runs_of(cluster, "mail-01")] == ["evacuate"]


def test_a_refusal_is_told_in_lines_too_and_is_found_among_the_failed(cluster: DemoCluster) -> None:
    done = cluster.hafence("evacuate", "kvm-04", "--json-lines")
    assert done.returncode == 3
    *events, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert [fault for each in events for fault in faults("evacuate-lines", each)] == []
    assert [event["answer"] for event in events if event["event"] == "asked"] == ["nobody"]
    assert [event["reason"] for event in events if event["event"] == "outcome"] == ["suspect_healthy"]
    explained = document(cluster.hafence("explain", last["run"], "--failed", "--json"), 0)
    assert [each["reason"] for each in explained["outcomes"]] == ["suspect_healthy"]


def signalled_in_the_fence(cluster: DemoCluster, sign: signal.Signals, *words: str) -> tuple[int, str, str]:
    """A command about db-01, which gets a signal while it fences: its exit code, and what it said.

    db-01 ignores SIGTERM, so that its fence takes a while: time enough for a signal.
    """
    home = next(vm.host for vm in VMS if vm.name == "db-01")
    with subprocess.Popen(
        words,
        env=cluster.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if f"fencing db-01 on {home}" in line:
                break
        process.send_signal(sign)
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_ctrl_c_says_what_has_happened_and_exits_130(cluster: DemoCluster) -> None:
    words = (sys.executable, "-m", "hafence", "-v", "start-vm", "db-01", "--yes", "--json")
    code, out, _ = signalled_in_the_fence(cluster, signal.SIGINT, *words)
    assert code == 130
    ended = json.loads(out)
    assert ended["reason"] == "interrupted"
    assert "db-01 is recorded as" in ended["message"]
    assert "lease on" not in cluster.hafence("status").stdout
    (run, *_) = json.loads(cluster.hafence("history", "db-01", "--json").stdout)["runs"]
    assert (run["exit"], run["reason"]) == (130, "interrupted")


def test_a_login_that_is_lost_does_not_end_a_run_under_nohup(cluster: DemoCluster) -> None:
    words = ("nohup", sys.executable, "-m", "hafence", "-v", "fence", "db-01", "--yes", "--json")
    code, out, err = signalled_in_the_fence(cluster, signal.SIGHUP, *words)
    assert code == 0, out + err
    assert json.loads(out)["vms"][0]["reason"] == "confirmed_dead"


def test_a_person_at_a_terminal_is_asked_and_no_is_the_default(cluster: DemoCluster) -> None:
    parent, child = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "hafence", "start-vm", "web-02"],
        env=cluster.environment | {"TERM": "xterm-256color", "COLUMNS": "200"},
        stdin=child,
        stdout=child,
        stderr=child,
    ) as process:
        os.close(child)
        seen = read_until(parent, b"[y/N] ")
        assert b"kvm-02 answers and web-02 runs there" in seen
        os.write(parent, b"\n")
        seen = read_until(parent, b"hafence explain")
        assert b"the admin said no" in seen
        assert process.wait(20) == 3
    os.close(parent)
    cluster.await_beat("web-02", "kvm-02")


def test_a_statement_about_a_living_host_is_refuted_and_a_wrong_name_is_none(cluster: DemoCluster) -> None:
    for words in (("--confirm", "kvm-03"), ("--confirm", "kvm-02"), ()):
        done = cluster.hafence("confirm-dead", "kvm-03", "--reason", "unplugged", *words)
        assert done.returncode == 3
    cluster.make_fault("kvm-04", "off")
    done = cluster.hafence("confirm-dead", "kvm-04", "--reason", "unplugged", "--confirm", "kvm-04", "--json")
    assert document(done, 0)["done"] is True
    hosts = {host["name"]: host for host in document(cluster.hafence("status", "--json"), 0)["hosts"]}
    assert hosts["kvm-03"]["statement"] is None
    assert hosts["kvm-04"]["statement"]["reason"] == "unplugged"


def test_the_audit_speaks_to_monitoring(cluster: DemoCluster) -> None:
    done = cluster.hafence("audit")
    assert done.returncode in (0, 1), done.stdout
    status, _, figures = done.stdout.splitlines()[0].partition(" | ")
    assert status.startswith(("HAFENCE OK - ", "HAFENCE WARNING - "))
    assert "fence_paths=12 fence_paths_good=12" in figures
    cluster.make_fault("kvm-04", "off")
    found = document(cluster.hafence("audit", "--json"), 2)
    assert found["status"] == "CRITICAL"
    assert {"no_fence_path", "host_silent"} <= {finding["code"] for finding in found["findings"]}
    for finding in found["findings"]:
        assert finding.keys() == {"code", "severity", "subject", "saw", "do"}


def test_keys_are_scanned_into_a_file_that_may_not_exist_yet(cluster: DemoCluster) -> None:
    keys, known_hosts = cluster.folder / "keys", cluster.folder / "known_hosts"
    known = known_hosts.read_text()
    known_hosts.write_text("")
    assert cluster.hafence("inventory", "scan-keys", "-o", str(keys)).returncode == 0
    assert all(line.split()[2] in known for line in keys.read_text().splitlines())
    assert len(keys.read_text().splitlines()) == 4
    alone = cluster.hafence("inventory", "scan-keys", "kvm-01")
    assert "1 key of 1 host; compare" in alone.stderr
    shown = subprocess.run(["ssh-keygen", "-lf", "-"], input=alone.stdout, capture_output=True, text=True, check=True)
    assert shown.stdout.split()[1] in alone.stderr, "as the host's own console shows it"
    known_hosts.write_text(alone.stdout)
    rest = cluster.hafence("inventory", "scan-keys")
    assert len(rest.stdout.splitlines()) == 3
    assert "3 new keys of 4 hosts; 1 more is in known_hosts already; compare" in rest.stderr
    known_hosts.write_text("")
    assert cluster.hafence("inventory", "scan-keys", "-o", str(keys)).returncode == 2
    cluster.make_fault("kvm-04", "off")
    done = cluster.hafence("inventory", "scan-keys", "kvm-03", "kvm-04")
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 1
    assert "kvm-04: " in done.stderr
    assert "1 key of 1 of 2 hosts; compare" in done.stderr
    nothing = cluster.folder / "nothing"
    assert cluster.hafence("inventory", "scan-keys", "kvm-04", "-o", str(nothing)).returncode == 3
    assert not nothing.exists(), "no key, no file"


def test_a_live_status_names_what_is_not_seen_and_what_to_type_and_writes_nothing(cluster: DemoCluster) -> None:
    before = sorted(path.name for path in cluster.folder.iterdir())
    calm = cluster.hafence("status", "--live")
    assert calm.returncode == 0, calm.stderr
    assert "✘" not in calm.stdout
    seen = {vm["name"]: vm["live"] for vm in document(cluster.hafence("status", "--live", "--json"), 0)["vms"]}
    assert {name: (live["seen"], live["on"]) for name, live in seen.items()} == {
        vm.name: ("running", [vm.host]) for vm in VMS
    }
    cluster.make_fault("kvm-01", "cut")
    lines = cluster.hafence("status", "web-01", "--live").stdout.splitlines()
    assert lines[0].startswith("✘ web-01  not seen   recorded on kvm-01, which does not answer: ")
    assert lines[1].split() == ["hafence", "start-vm", "web-01"]
    assert sorted(path.name for path in cluster.folder.iterdir()) == before
