"""A small inventory with a store of its own, and the real command on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.json_schemas import hold

WEB = "6d6f6a5a-0000-4000-8000-000000000001"
DB = "6d6f6a5b-0000-4000-8000-000000000002"

INVENTORY = f"""\
fencing: {{connect_timeout: 1}}
store: sqlite:state.db
clusters: {{prod-a: {{hypervisor: kvm}}, prod-b: {{hypervisor: kvm}}}}
hosts:
  kvm-01: {{cluster: prod-a, address: 127.0.0.2, ssh: {{port: 9}}}}
  kvm-02: {{cluster: prod-a, address: 127.0.0.3, ssh: {{port: 9}}}}
  far-01: {{cluster: prod-b, address: 127.0.0.4, ssh: {{port: 9}}}}
vms:
  web-01: {{uuid: {WEB}, host: kvm-01}}
  db-01: {{uuid: {DB}, host: kvm-02, ha: false}}
"""


@dataclass
class Typed:
    """What came of one command line."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it has to be."""
        return json.loads(self.out)


@dataclass
class Desk:
    """An admin's folder, and the command typed in it."""

    folder: Path
    env: dict[str, str] = field(default_factory=dict)

    def write(self, text: str, name: str = "inventory.yaml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    @property
    def environment(self) -> dict[str, str]:
        bare = {key: value for key, value in os.environ.items() if not key.startswith(("HAFENCE_", "XDG_", "LC_"))}
        return bare | {"HOME": str(self.folder / "home"), "LANG": "C.UTF-8"} | self.env

    def type(self, *words: str, **env: str) -> Typed:
        """Type `hafence WORDS` with nobody at the terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "hafence", *words],
            cwd=self.folder,
            env=self.environment | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        hold(words, done.stdout.decode())
        return Typed(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    """A folder without an inventory."""
    (tmp_path / "home").mkdir()
    return Desk(tmp_path)


@pytest.fixture
def desk(empty_desk: Desk) -> Desk:
    """A folder with a valid inventory; its hosts refuse connections."""
    empty_desk.write(INVENTORY)
    return empty_desk


Type = Callable[..., Typed]
