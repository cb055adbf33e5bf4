"""The house: imports go down only, and each third-party library stays in its room."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "hafence").rglob("*.py"))

MAY_IMPORT = {
    "core": {"core"},
    "effects": {"core"},
    "voice": {"core", "effects"},
    "workflows": {"core", "effects", "workflows"},
    "adapters": {"core", "effects", "adapters"},
    "runner": {"core", "effects", "voice", "workflows", "adapters", "runner"},
    "sim": {"core", "effects", "voice", "workflows", "adapters", "runner", "sim"},
    "demo": {"core", "effects", "adapters", "demo"},
    "cli": {"core", "effects", "voice", "workflows", "adapters", "runner", "sim", "demo", "cli", "hafence"},
    "__main__": {"cli"},
    "hafence": set(),
}
"""Each room and the rooms below it. Nobody imports cli; workflows and adapters never import each other."""

ROOMS_OF_LIBRARIES = {
    "click": ("hafence/cli/",),
    "rich": ("hafence/cli/render.py",),
    "fabric": ("hafence/adapters/ssh",),
    "paramiko": ("hafence/adapters/ssh",),
    "invoke": ("hafence/adapters/ssh",),
    "yaml": ("hafence/adapters/inventory_yaml.py",),
    "sqlite3": ("hafence/adapters/stores/sqlite",),
    "asyncssh": ("hafence/demo/",),
}


def imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports, those inside functions among them."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1])
            if node.module:
                yield f"{base}.{node.module}"
            else:
                yield from (f"{base}.{alias.name}" for alias in node.names)


def room(parts: tuple[str, ...]) -> str:
    """The room of a module of hafence; what lies in none, such as the version, is `hafence` itself."""
    return parts[1] if len(parts) > 1 and parts[1] in MAY_IMPORT else "hafence"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_only(file: Path) -> None:
    here = room(file.relative_to(ROOT).with_suffix("").parts)
    for name in imports(file):
        if name.split(".")[0] == "hafence":
            assert room(tuple(name.split("."))) in MAY_IMPORT[here], f"{here} imports {name}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_each_library_stays_in_its_room(file: Path) -> None:
    path = str(file.relative_to(ROOT))
    for name in imports(file):
        library = name.split(".")[0]
        rooms = ROOMS_OF_LIBRARIES.get(library)
        if rooms is not None:
            assert path.startswith(rooms), f"{library} is for {' and '.join(rooms)} only"
        elif path.startswith(("hafence/core/", "hafence/effects", "hafence/workflows/")):
            assert library in sys.stdlib_module_names | {"hafence"}, f"{library}: these rooms are pure"


@pytest.mark.parametrize("library", sorted({"asyncio", "os", "socket", "subprocess", "time", "random", "logging"}))
def test_the_pure_rooms_touch_nothing(library: str) -> None:
    for file in FILES:
        if str(file.relative_to(ROOT)).startswith(("hafence/core/", "hafence/workflows/", "hafence/effects")):
            assert library not in {name.split(".")[0] for name in imports(file)}, file


def test_the_rooms_are_the_ones_on_disk() -> None:
    on_disk = {
        path.stem for path in (ROOT / "hafence").iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert on_disk - {"__init__"} | {"hafence"} == set(MAY_IMPORT)
