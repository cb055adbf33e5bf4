"""Files that come with hafence beside its modules, wherever the installation has put them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path


def shipped(place: str) -> Path:
    """Such a file by its place in a clone. FileNotFoundError where an installation has left it out."""
    beside = Path(__file__).parents[2] / place
    if beside.is_file():
        return beside
    try:
        listed = files("hafence") or []
    except PackageNotFoundError:
        listed = []
    for each in listed:
        if str(each).endswith(f"/{place}"):
            return Path(str(each.locate()))
    raise FileNotFoundError(place)
