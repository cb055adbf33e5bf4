"""The house: imports go down only and in no circle, and each third-party library stays in its room."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "hafence").rglob("*.py"))

MAY_IMPORT: Mapping[str, set[str]] = {
    "core": set(),
    "effects": {"core"},
    "voice": {"core", "effects"},
    "workflows": {"core", "effects"},
    "stores": {"core", "effects", "adapters.local"},
    "inventory": {"core", "stores"},
    "adapters": {"core", "effects", "inventory"},
    "adapters.ssh": {"core", "adapters.hosts"},
    "adapters.hosts": {"core", "effects", "inventory"},
    "adapters.storage": {"core", "effects", "inventory", "adapters.hosts", "adapters.local"},
    "adapters.power": {"core", "effects", "adapters.local"},
    "adapters.local": {"core", "effects", "adapters.hosts"},
    "runner": {"core", "effects", "voice", "workflows", "stores", "inventory", "adapters", "hafence"},
    "sim": {"core", "effects", "voice", "workflows", "stores", "inventory"},
    "demo": {"core", "effects", "inventory", "adapters"},
    "cli": {
        "core",
        "effects",
        "voice",
        "workflows",
        "stores",
        "inventory",
        "adapters",
        "runner",
        "sim",
        "demo",
        "hafence",
    },
    "__main__": {"cli"},
    "hafence": set(),
}
"""Each room and the rooms that it may import, itself aside. A room's rules are its folder's own where they stand here,
else those of the folder above. Nobody imports cli; workflows and adapters never import each other."""

ROOMS_OF_LIBRARIES = {
    "click": ("hafence/cli/",),
    "rich": ("hafence/cli/show/live.py",),
    "fabric": ("hafence/adapters/ssh/",),
    "paramiko": ("hafence/adapters/ssh/",),
    "invoke": ("hafence/adapters/ssh/",),
    "yaml": ("hafence/inventory/yaml_tree.py",),
    "sqlite3": ("hafence/stores/sqlite/",),
    "asyncssh": ("hafence/demo/",),
    "prometheus_client": ("hafence/cli/show/metrics.py",),
}


def module_of(file: Path) -> str:
    """The dotted name of a file."""
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def imports(file: Path, inner: bool = True) -> Iterator[str]:
    """The dotted modules that a file imports: those inside functions too (`inner`), those for the type checker never
    where `inner` is off."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in _nodes(ast.parse(file.read_text()), inner):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            for alias in node.names:
                inside = f"{module}.{alias.name}"
                yield inside if inside in MODULES else module


def _nodes(tree: ast.AST, inner: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if not inner and (is_function or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test))):
            continue
        yield node
        yield from _nodes(node, inner)


def room(module: str) -> str:
    """The room of a module of hafence; what lies in none, such as the version, is `hafence` itself."""
    parts = module.split(".")[1:]
    for length in (2, 1):
        if len(parts) >= length and ".".join(parts[:length]) in MAY_IMPORT:
            return ".".join(parts[:length])
    return "hafence"


def allows(here: str, there: str) -> bool:
    return here == there or there in MAY_IMPORT[here] or there.split(".")[0] in MAY_IMPORT[here]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_only(file: Path) -> None:
    here = room(module_of(file))
    for name in imports(file):
        if name.split(".")[0] == "hafence":
            assert allows(here, room(name)), f"{here} imports {name}"


def test_no_circle() -> None:
    """Of the imports that are made when a module is loaded."""
    open_modules = {
        name: {other for other in imports(file, inner=False) if other in MODULES and other != name}
        for name, file in MODULES.items()
    }
    while free := {name for name, others in open_modules.items() if not others & open_modules.keys()}:
        for name in free:
            del open_modules[name]
    assert not open_modules, f"import each other, or what does: {sorted(open_modules)}"


def test_late_imports_make_no_circle_in_a_room_either() -> None:
    """Nor two files that need each other, one of them late: whoever reads the one has to know the other."""
    late = {name: set(imports(file)) & MODULES.keys() - {name} for name, file in MODULES.items()}
    assert not [(a, b) for a, others in late.items() for b in others if a < b and a in late[b]]


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
    on_disk |= {
        f"adapters.{path.name}" for path in (ROOT / "hafence/adapters").iterdir() if (path / "__init__.py").exists()
    }
    assert on_disk - {"__init__"} | {"hafence"} == set(MAY_IMPORT)
