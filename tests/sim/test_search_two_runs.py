"""Two runs and one fault, every case of it: the longest of the searches that CI makes."""

import os

import pytest

from hafence.sim.search import exhaustive

PAIRED = ("healthy", "host-dead", "isolated", "unkillable")
"""The situations of which two runs are searched here, where most goes on after the look; `.ci/nightly` searches all."""
JOBS = os.cpu_count() or 1


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_runs_with_any_one_fault_keep_every_promise() -> None:
    """The bound is that of `hafence/sim/pairs.py`: one suspension."""
    report = exhaustive("confirm", faults=1, pairs=True, situations=PAIRED, jobs=JOBS)
    assert report.held, "\n".join(str(failure) for failure in report.failures[:3])
    assert report.split_brains == 0
    assert report.searches["two runs"] > 45_000


@pytest.mark.slow
def test_one_run_with_any_one_fault_keeps_every_promise_in_every_situation() -> None:
    report = exhaustive("confirm", faults=1, pairs=False, jobs=JOBS)
    assert report.held, "\n".join(str(failure) for failure in report.failures[:3])
    assert report.split_brains == 0
    assert report.searches["one run"] > 20_000
