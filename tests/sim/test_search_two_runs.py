"""Two runs and one fault, every case of it: the longest of the searches that CI makes."""

import os

import pytest

from hafence.sim.search import exhaustive


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_runs_with_any_one_fault_keep_every_promise() -> None:
    """The bound is that of `hafence/sim/pairs.py`: one suspension. Three minutes on one core; all cores share it."""
    report = exhaustive("confirm", faults=1, pairs=True, jobs=os.cpu_count() or 1)
    assert report.held, "\n".join(str(failure) for failure in report.failures[:3])
    assert report.split_brains == 0
    assert report.searches["two runs"] > 140_000
    assert report.searches["one run"] > 8_000
