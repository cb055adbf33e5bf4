"""`hafence config show`: the settings in force, and where each comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from ..context import Options
from ..options import common_options, json_option, pass_options
from ..show.output import out, out_folded, print_document
from ..show.tables import table

if TYPE_CHECKING:
    from ...inventory.in_force import Setting


@click.command("show", short_help="Show the settings in force, each with its origin.")
@json_option
@common_options
@pass_options
def show(options: Options) -> int:
    """Show each setting's value, what it would be by default, and where it comes from: a line of the inventory, the
    command line, the environment, or nowhere (the default).

    Secrets are never shown: neither are the arguments of commands and the options of power devices. Asks no host.
    """
    from ...inventory.files import find_inventory
    from ...inventory.in_force import in_force
    from ...inventory.yaml_tree import read_documents

    path = find_inventory(options.inventory)
    inventory, documents = read_documents(path)
    settings = in_force(inventory, documents)
    rows = [_row("inventory", path, None, _origin(options, "inventory")), *(_of(each) for each in settings)]
    if options.store:
        rows = [_of_store(options, row) if row["name"] == "store" else row for row in rows]
    environment = sorted(name for name in os.environ if name.startswith("HAFENCE_"))
    if options.json:
        print_document({"settings": rows, "environment": environment})
        return 0
    cells = [(row["name"], _cell(row["value"]), _cell(row["default"]), _from(row)) for row in rows]
    for line in table(("SETTING", "VALUE", "DEFAULT", "FROM"), cells).splitlines():
        out_folded(line)
    if environment:
        out()
        out_folded(f"set in the environment: {', '.join(environment)} (one named after an option stands for it)")
    return 0


def _row(name: str, value: Any, default: Any, origin: str) -> dict[str, Any]:
    return {"name": name, "value": value, "default": default, "origin": origin, "file": None, "line": None}


def _of(setting: Setting) -> dict[str, Any]:
    if setting.place is None:
        return _row(setting.name, setting.value, setting.default, "default")
    row = _row(setting.name, setting.value, setting.default, "inventory")
    return row | {"file": setting.place.file, "line": setting.place.line}


def _of_store(options: Options, row: dict[str, Any]) -> dict[str, Any]:
    """The store that an admin names goes before the inventory's."""
    from ...inventory.in_force import shown_store

    assert options.store is not None, "asked only then"
    return _row("store", shown_store(options.store), row["default"], _origin(options, "store"))


def _origin(options: Options, name: str) -> str:
    if name in options.from_environment:
        return "environment"
    return "option" if getattr(options, name) else "default"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _from(row: dict[str, Any]) -> str:
    match row["origin"]:
        case "inventory":
            return f"{row['file']}:{row['line']}"
        case "environment":
            return f"HAFENCE_{row['name'].upper()}"
        case "option":
            return f"--{row['name']}"
    return "the first of the usual places" if row["name"] == "inventory" else "default"
