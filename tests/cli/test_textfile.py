"""`audit --textfile`: figures for node_exporter, replaced in one step, and what is said where that can't be."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from hafence.core.survey import Code
from tests.cli.conftest import Desk


def samples(file: Path) -> dict[tuple[str, str], float]:
    """Each sample by its name and its label's value (the host's, where there is one)."""
    return {
        (sample.name, sample.labels.get("host") or sample.labels.get("code") or ""): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_the_figures_of_an_audit_are_written_without_timestamps(desk: Desk) -> None:
    file = desk.folder / "hafence.prom"
    said = desk.type("audit", "--textfile", "hafence.prom")
    assert said.code == 2
    assert said.out.startswith("HAFENCE CRITICAL - ")
    told = samples(file)
    assert told["hafence_audit_status", ""] == 2
    assert told["hafence_audit_hosts", ""] == told["hafence_audit_hosts_silent", ""] == 3
    assert told["hafence_audit_findings", "host_silent"] == 3
    assert told["hafence_audit_findings", "split_brain"] == 0
    assert {label for name, label in told if name == "hafence_audit_findings"} == {code.value for code in Code}
    assert told["hafence_audit_host_siblings", "kvm-01"] == 0
    assert told["hafence_audit_duration_seconds", ""] > 0
    for line in file.read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"\S+(\{.*\})? \S+", line), line
    assert [path.name for path in desk.folder.glob("hafence.prom*")] == ["hafence.prom"]


def test_an_older_file_is_replaced_and_never_half_written(desk: Desk) -> None:
    file = desk.folder / "hafence.prom"
    file.write_text("old\n")
    before = file.stat().st_ino
    with file.open() as reader:
        assert desk.type("audit", "-q", "--textfile", str(file)).code == 2
        assert reader.read() == "old\n"
    assert file.stat().st_ino != before


def test_a_folder_that_is_not_there_is_said_before_any_host_is_asked(desk: Desk) -> None:
    said = desk.type("audit", "--textfile", "nowhere/hafence.prom")
    assert said.code == 3
    assert "there is no folder nowhere" in said.err
    assert said.out.startswith("HAFENCE UNKNOWN - --textfile nowhere/hafence.prom: there is no folder nowhere")


def run(desk: Desk, before: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command in a process in which something else was done before."""
    code = (
        f"{before}\nimport sys\nfrom hafence.cli import main\nsys.argv = ['hafence', *sys.argv[1:]]\nsys.exit(main())"
    )
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_without_the_package_its_name_is_said_and_no_traceback(desk: Desk) -> None:
    hide = (
        "import importlib.util as u\nf = u.find_spec\nu.find_spec = lambda n, *a: None if n[:4] == 'prom' else f(n, *a)"
    )
    done = run(desk, hide, "audit", "--textfile", "hafence.prom")
    assert done.returncode == 3
    assert "'pip install hafence[metrics]'" in done.stdout
    assert "python3-prometheus-client" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("words", "loaded"), [(("audit",), False), (("audit", "--textfile", "x.prom"), True)])
def test_the_package_is_loaded_for_that_option_alone(desk: Desk, words: tuple[str, ...], loaded: bool) -> None:
    tell = "import atexit, sys\natexit.register(lambda: print('prometheus_client' in sys.modules, file=sys.stderr))"
    assert run(desk, tell, *words).stderr.splitlines()[-1] == str(loaded)


def test_what_can_not_be_written_in_the_end_is_said_beside_the_result(desk: Desk) -> None:
    swap = (
        "import prometheus_client\n"
        "def full(path, registry): raise OSError(28, 'No space left on device')\n"
        "prometheus_client.write_to_textfile = full"
    )
    done = run(desk, swap, "audit", "--textfile", "x.prom")
    assert done.returncode == 2
    assert done.stdout.startswith("HAFENCE CRITICAL - ")
    assert "x.prom could not be written: No space left on device" in done.stderr
