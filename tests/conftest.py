"""What holds for every test: the lab's fixtures, and that no skip hides on CI."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import settings

from tests.lab.proc import CannotHere
from tests.lab.require import lack, on_ci

pytest_plugins = ("tests.lab.fixtures",)

REAL_PARTS = ("lab", "ceph", "bmc")

# A slow machine is no fault of an answer, so there is no deadline; CI tries the same examples every time, in about
# a minute. HYPOTHESIS_PROFILE=nightly tries other ones every time, ten times as many.
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("nightly", deadline=None, max_examples=1000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Begun in the background by a script, the tests and all that they start would have Ctrl-C ignored.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """A fault that this machine cannot make is named: a skip here, a failure on CI."""
    try:
        return (yield)
    except CannotHere as error:
        return lack(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """On CI the skip of a test of a real part is a failure, however it came about."""
    report = yield
    real = any(item.get_closest_marker(name) for name in REAL_PARTS)
    if real and on_ci() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped on CI, where a real part that is missing is a failure: {report.longrepr}"
    return report
