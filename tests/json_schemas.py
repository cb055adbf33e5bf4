"""The documents that commands print, held to docs/json: what is promised there is printed, and nothing else.

Readers are told that documents may grow; here a key that no schema names is a failure, so that none grows unnoticed.
Only the words of JSON Schema that those files use are known; any other is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "docs/json"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json") if path.stem != "common"))
_COMMENTS = {"$schema", "$defs", "title", "description"}
_KNOWN = {
    "$ref",
    "anyOf",
    "type",
    "enum",
    "pattern",
    "required",
    "properties",
    "additionalProperties",
    "items",
    *_COMMENTS,
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
}


@cache
def schema(name: str) -> Any:
    """The schema in a file."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def faults(name: str, document: Any) -> list[str]:
    """Where a document is not what the schema of that name says."""
    return list(_faults(document, schema(name), name, "$"))


def schema_of(words: Sequence[str]) -> str | None:
    """The schema for what a command line prints; None where there is none."""
    if "--json" not in words:
        return None
    for first, second in zip(words, [*words[1:], ""], strict=True):
        if f"{first}-{second}" in NAMES:
            return f"{first}-{second}"
        if first in NAMES:
            return first
    return None


def hold(words: Sequence[str], printed: str) -> None:
    """Fail where what a command has printed is not what its schema says."""
    name = schema_of(words)
    if name is not None and printed:
        found = faults(name, json.loads(printed))
        assert not found, f"docs/json/{name}.json: " + "; ".join(found)


def _faults(value: Any, rule: Any, file: str, at: str) -> Iterator[str]:
    unknown = rule.keys() - _KNOWN
    assert not unknown, f"{file}: {unknown} is not known here"
    if "$ref" in rule:
        other, _, path = rule["$ref"].partition("#/")
        there = other.removesuffix(".json") or file
        found = schema(there)
        for part in path.split("/"):
            found = found[part]
        yield from _faults(value, found, there, at)
    if "anyOf" in rule:
        each = [list(_faults(value, one, file, at)) for one in rule["anyOf"]]
        if all(each):
            yield from min(each, key=len)
    if "enum" in rule and value not in rule["enum"]:
        yield f"{at} is {value!r}, none of {rule['enum']}"
    yield from _plain(value, rule, at)
    if isinstance(value, dict) and "properties" in rule:
        yield from _object(value, rule, file, at)
    if isinstance(value, list) and "items" in rule:
        for number, item in enumerate(value):
            yield from _faults(item, rule["items"], file, f"{at}[{number}]")


def _plain(value: Any, rule: Any, at: str) -> Iterator[str]:
    if "type" in rule:
        names = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        allowed = {one for name in names for one in _TYPES[name]}
        if type(value) not in allowed:
            yield f"{at} is {value!r}, no {' or '.join(names)}"
    if "pattern" in rule and isinstance(value, str) and not re.search(rule["pattern"], value):
        yield f"{at} is {value!r}, which is not like {rule['pattern']}"


def _object(value: dict[str, Any], rule: Any, file: str, at: str) -> Iterator[str]:
    for key in rule["required"]:
        if key not in value:
            yield f"{at} lacks {key}"
    for key, inner in value.items():
        if key in rule["properties"]:
            yield from _faults(inner, rule["properties"][key], file, f"{at}.{key}")
        elif not rule.get("additionalProperties"):
            yield f"{at} has {key}, which is not in the schema"
