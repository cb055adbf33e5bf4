"""YAML to the checked inventory, every fault with its place. The only yaml in the house.

The tree is built from libyaml's events: nesting is bounded, there is no constructor for a tag to call, and
the line of every key is at hand. It takes about a quarter of the time of `yaml.CSafeLoader`.
"""

from __future__ import annotations

import gc
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from ..core.model import Inventory
from ..core.parsing import shown
from .check import check_inventory
from .faults import TEMPLATE, Mistakes
from .files import list_files, read_source
from .tree import MAX_DEPTH, MAX_NODES, Map, Node, Seq

_TOO_DEEP = f"is nested deeper than {MAX_DEPTH} levels: an inventory needs 7"
_LIBYAML_TOO_DEEP = "exceeded maximum nesting depth"
"""How libyaml 0.2.6 (PyYAML 6.0.4) ends brackets within brackets by itself, before our own bound is reached: it reads
ahead of the events that it gives. The admin gets the one sentence whichever of the two ends it."""

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, or the slow one of a PyYAML built without it: the same events."""

MAX_REFUSED_KEYS = 100
"""Doubled keys after which a file is given up: finding the first of each takes a look at all."""

_SCALAR: Any = ScalarEvent
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})


def read_inventory(path: str) -> Inventory:
    """Read and check the inventory: a file, or a folder of `*.yaml` and `*.yml` files.

    Raises InventoryError with all faults at once. The `domain_xml` files are not looked at: that one is missing is the
    trouble of one VM (inventory/domains.py), and must not keep the others from being fenced and started.
    """
    return read_documents(path)[0]


def read_documents(path: str) -> tuple[Inventory, list[tuple[str, Map]]]:
    """The inventory, and its files' trees, for whoever shows where something is written. Raises InventoryError."""
    was_enabled = gc.isenabled()
    gc.disable()  # a tree of some 100,000 live values makes each collection walk them all and free none
    try:
        return _read(path)
    finally:
        if was_enabled:
            gc.enable()


def _read(path: str) -> tuple[Inventory, list[tuple[str, Map]]]:
    faults = Mistakes()
    documents: list[tuple[str, Map]] = []
    whole = True
    for file in list_files(path):
        tree = read_tree(file, faults)
        if tree is None:
            whole = False
        else:
            documents.append((file, tree))
    inventory = check_inventory(path, documents, faults, whole)
    if inventory is None:
        raise faults.error()
    return inventory, documents


def read_tree(file: str, faults: Mistakes) -> Map | None:
    """One file's tree, or None (with its faults noted) when it can't be read to its end."""
    source = read_source(file, faults)
    return None if source is None else build_tree(file, source, faults)


def build_tree(file: str, source: bytes, faults: Mistakes, loader: Any = None) -> Map | None:
    """The tree of one YAML document (`source` is valid UTF-8), or None with its faults noted."""
    builder = _Builder(file, faults, (loader or _Loader)(source))
    try:
        return builder.build()
    except _Unreadable as fault:
        faults.add(file, fault.line, fault.path, fault.says)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        faults.add(file, line, "", _syntax_words(error, source, line))
    except yaml.reader.ReaderError as error:
        line = source.count(b"\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        faults.add(file, line, "", "holds a control character that YAML forbids: remove it")
    finally:
        builder.close()
    return None


def _syntax_words(error: yaml.MarkedYAMLError, source: bytes, line: int | None) -> str:
    text = source.split(b"\n", line)[line - 1] if line and line <= source.count(b"\n") + 1 else b""
    if error.problem == _LIBYAML_TOO_DEEP:
        return _TOO_DEEP
    tab = b"\t" in text[: len(text) - len(text.lstrip())]
    if b"{{" in text or b"{%" in text:
        return f"is not valid YAML: {TEMPLATE}"
    hint = "indent with spaces, YAML forbids tabs" if tab else "check the indentation, colons, quotes and brackets here"
    told = ", ".join(part for part in (error.context, error.problem) if part)
    return f"is not valid YAML ({told}): {hint} and just above"


class _Unreadable(Exception):
    """The rest of the file can't be made sense of."""

    def __init__(self, line: int, path: str, says: str) -> None:
        super().__init__(says)
        self.line, self.path, self.says = line, path, says


class _Template(Exception):
    """Instead of a mapping there is a template."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Builder:
    """Builds the tree from events; its recursion ends at MAX_DEPTH."""

    def __init__(self, file: str, faults: Mistakes, loader: Any) -> None:
        self._file = file
        self._faults = faults
        self._loader = loader
        self._next = loader.get_event
        self._stack: list[Map | Seq] = []
        self._left = MAX_NODES
        self._refused = 0
        self._anchors: dict[str, tuple[Node, int]] = {}
        """What each anchor names, and how many values that is."""

    def close(self) -> None:
        """Free what the loader holds."""
        self._loader.dispose()

    def build(self) -> Map:
        """The document's mapping; an empty document is an empty one. Raises _Unreadable or yaml.YAMLError."""
        event: Any = self._next()
        while type(event) in (StreamStartEvent, DocumentStartEvent):
            event = self._next()
        if type(event) is StreamEndEvent:
            return Map(1)
        line = _line(event)
        top = self._take(event, line)
        if top is None:
            return Map(line)
        if not isinstance(top, Map):
            raise _Unreadable(line, "", "is no mapping: an inventory begins with keys like hosts: and vms:")
        self._next()  # the document's end
        event = self._next()
        if type(event) is not StreamEndEvent:
            says = "a second document begins (---): keep one per file, or use a folder of files"
            raise _Unreadable(_line(event), "", says)
        return top

    def _fill_map(self, here: Map) -> None:
        """Take pairs until the mapping ends."""
        next_event, scalar = self._next, _SCALAR
        values, lines, left = here.values, here.lines, self._left
        while left > 0:
            left -= 2
            event = next_event()
            if event.__class__ is not scalar or event.tag is not None or event.anchor is not None:
                self._left = left
                if event.__class__ is MappingStartEvent and event.flow_style and not values:
                    raise _Template(self._skip_template())
                if event.__class__ is not MappingEndEvent:
                    here.key = ""
                    raise _Unreadable(
                        _line(event), self._path(), "a key must be a plain text, without tag, anchor or alias"
                    )
                return
            key = event.value
            line = event.start_mark.line + 1
            event = next_event()
            if key in values or key == "<<":
                self._refuse_key(here, key, line)
                self._left = left
                self._take(event, line)
                left = self._left
                continue
            lines.append(line)
            if event.__class__ is scalar and event.tag is None and event.anchor is None:
                text = event.value
                values[key] = None if text in _NULLS and not event.style else text
            else:
                here.key = key
                self._left = left
                values[key] = self._take(event, line)
                left = self._left
        raise self._too_many(next_event())

    def _skip_template(self) -> str:
        """Read on to the end of `{{ … }}`, of which two mappings have begun, one as the other's key."""
        depth, text = 2, ""
        while depth:
            event = self._next()
            if event.__class__ in (MappingStartEvent, SequenceStartEvent):
                depth += 1
            elif event.__class__ in (MappingEndEvent, SequenceEndEvent):
                depth -= 1
            elif event.__class__ is _SCALAR and not text:
                text = event.value
        return f"{{{{ {text} }}}}"

    def _fill_seq(self, here: Seq) -> None:
        """Take items until the list ends."""
        next_event, scalar = self._next, _SCALAR
        items, lines, left = here.items, here.lines, self._left
        while left > 0:
            left -= 1
            event = next_event()
            if event.__class__ is scalar and event.tag is None and event.anchor is None:
                lines.append(event.start_mark.line + 1)
                text = event.value
                items.append(None if text in _NULLS and not event.style else text)
                continue
            self._left = left
            if event.__class__ is SequenceEndEvent:
                return
            line = event.start_mark.line + 1
            lines.append(line)
            items.append(self._take(event, line))
            left = self._left
        raise self._too_many(next_event())

    def _take(self, event: Any, line: int) -> Node:
        """The value that an event begins, read to its end.

        `line` is that of its key: a block mapping begins below it, and its faults belong there.
        """
        if event.__class__ is AliasEvent:
            return self._repeat(event)
        if event.tag is not None:
            says = f"has the tag {shown(event.tag)}: leave it out, hafence reads every value as the text it is"
            self._faults.add(self._file, _line(event), self._path(), says)
        if event.__class__ is _SCALAR:
            text = None if event.value in _NULLS and not event.style else event.value
            if event.anchor is not None:
                self._anchors[event.anchor] = (text, 1)
            return text
        if len(self._stack) >= MAX_DEPTH:
            raise _Unreadable(_line(event), "", _TOO_DEEP)
        if event.anchor is not None:
            self._anchors.pop(event.anchor, None)  # an older anchor of that name must not stand for its own inside
        left = self._left
        node: Map | Seq
        if event.__class__ is MappingStartEvent:
            node = Map(line)
            self._stack.append(node)
            try:
                self._fill_map(node)
            except _Template as template:
                self._stack.pop()
                self._faults.template(self._file, line, self._path())
                return template.text
        else:
            node = Seq(line)
            self._stack.append(node)
            self._fill_seq(node)
        self._stack.pop()
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, left - self._left + 1)
        return node

    def _repeat(self, event: Any) -> Node:
        """What an alias stands for. It is paid for as often as it is repeated: no bomb fits the budget."""
        if event.anchor not in self._anchors:
            says = f"*{event.anchor} names no anchor that ends above: write &{event.anchor} before what it repeats"
            raise _Unreadable(_line(event), self._path(), says)
        node, size = self._anchors[event.anchor]
        self._left -= size
        if self._left < 0:
            raise self._too_many(event)
        return node

    def _refuse_key(self, here: Map, key: str, line: int) -> None:
        """Note a key that may not stand here; its value is read and dropped."""
        if key == "<<":
            says = "merge keys are not read: write the keys out, or give the whole value as an alias"
        else:
            first = here.lines[list(here.values).index(key)]
            says = f"the key {shown(key)} stands twice, on line {first} and on line {line}: keep one"
        here.key = key
        self._refused += 1
        if self._refused > MAX_REFUSED_KEYS:
            raise _Unreadable(
                line, self._path(), f"is one doubled key of more than {MAX_REFUSED_KEYS}: is it the right file?"
            )
        self._faults.add(self._file, line, self._path(), says)

    def _too_many(self, event: Any) -> _Unreadable:
        says = f"holds more than {MAX_NODES:,} values (aliases count as what they repeat): split or shorten it"
        return _Unreadable(_line(event), "", says)

    def _path(self) -> str:
        """The place that is being read, like `hosts.kvm-01.power[0]`."""
        path = ""
        for here in self._stack:
            if isinstance(here, Seq):
                path += f"[{len(here.items)}]"
            elif here.key:
                path += f".{here.key}" if path else here.key
        return path


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1
