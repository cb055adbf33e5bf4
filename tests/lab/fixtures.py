"""pytest's way to the lab: a cluster made once per session, as new for every test.

`lab`  four hosts, reset before each test and after it
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from .cluster import Lab
from .require import HOST_PROGRAMS, require


@pytest.fixture(scope="session")
def lab_of_session() -> Iterator[Lab]:
    """The cluster itself. Use `lab`, which is reset. HAFENCE_LAB_PREFIX names it, where that matters."""
    require(*HOST_PROGRAMS)
    with Lab(prefix=os.environ.get("HAFENCE_LAB_PREFIX")) as lab:
        yield lab


@pytest.fixture
def lab(lab_of_session: Lab) -> Iterator[Lab]:
    """Four real hosts, kvm-01 to kvm-04, as if they had just come up."""
    lab_of_session.reset()
    yield lab_of_session
    for fault in reversed(list(lab_of_session.faults)):
        fault.heal()
