"""The commented example inventory, wherever the installation has put it."""

from __future__ import annotations

from .shipped import shipped

NAME = "inventory.example.yaml"
_DEFINITION = "    domain_xml: contrib/domains/web-01.xml "
"""Of the example's own folder: where an inventory is begun there is no such file yet."""


def first_inventory() -> str:
    """The example as an inventory to begin with, which names no file that only its own folder has."""
    text = example_text()
    assert _DEFINITION in text, "the example names its definition"
    return text.replace(_DEFINITION, "    # domain_xml: web-01.xml ")


def example_text() -> str:
    """The example's text. FileNotFoundError where an installation has left it out."""
    return shipped(NAME).read_text(encoding="utf-8")
