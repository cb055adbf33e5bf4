"""What needs the lab is marked so; the accounts of what is compared need none."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE) and isinstance(item, pytest.Function) and "lab" in item.fixturenames:
            item.add_marker(pytest.mark.lab)
            for part in {"ceph", "start_bmc"} & set(item.fixturenames):
                item.add_marker(getattr(pytest.mark, part.removeprefix("start_")))
