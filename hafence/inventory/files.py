"""Finding the inventory and reading its files: bounded, and never a silent look elsewhere.

A place that can't be looked into is an error, not a reason to take the next one: a run must not act on
another inventory than the one its admin means.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Mapping

from .faults import InventoryError, Mistake, Mistakes

MAX_BYTES = 16 * 1024 * 1024
"""Of one inventory file; 20,000 VMs take 4 MB."""

MAX_FILES = 1000
"""Of one inventory folder."""

_DIRECTIVE = re.compile(rb"(?:\A|[\r\n]|\xc2\x85|\xe2\x80[\xa8\xa9])%")
"""A `%` at the beginning of a line, by YAML's line breaks."""

SYSTEM_PLACE = "/etc/hafence/inventory.yaml"


class FileRefused(Exception):
    """A file that can't or won't be read; the message says why and what would be right."""


def find_inventory(given: str | None = None, environ: Mapping[str, str] | None = None) -> str:
    """The inventory's path: `given`, else the first that exists of the three usual places.

    Raises InventoryError when there is none, or when one of the places can't be looked at.
    """
    if given is not None:
        return given
    environ = os.environ if environ is None else environ
    config = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):
        config = os.path.join(os.path.expanduser("~"), ".config")
    places = ["inventory.yaml", os.path.join(config, "hafence", "inventory.yaml"), SYSTEM_PLACE]
    for place in places:
        try:
            os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            says = f"can't be looked at ({error.strerror}) as {_who()}: name the inventory with --inventory PATH"
            raise InventoryError([Mistake(place, None, "", says)]) from None
        return place
    looked = ", ".join(["./inventory.yaml", *places[1:]])
    way = "'hafence inventory init' writes one to begin with, --inventory names another"
    says = f"no inventory found (looked for {looked}): {way}"
    nothing = InventoryError([Mistake("inventory.yaml", None, "", says)])
    nothing.missing = True
    raise nothing


def list_files(path: str) -> list[str]:
    """The files of an inventory, sorted: itself, or the `*.yaml` and `*.yml` in a folder. Raises InventoryError."""
    try:
        if not stat.S_ISDIR(os.stat(path).st_mode):
            return [path]
        names = sorted(name for name in os.listdir(path) if name.endswith((".yaml", ".yml")) and name[0] != ".")
    except (OSError, ValueError) as error:
        raise InventoryError([Mistake(path, None, "", _trouble(error))]) from None
    if not names:
        says = "the folder holds no *.yaml or *.yml file: put the inventory's files there"
        raise InventoryError([Mistake(path, None, "", says)])
    if len(names) > MAX_FILES:
        says = f"the folder holds {len(names)} inventory files, the limit is {MAX_FILES}: merge some"
        raise InventoryError([Mistake(path, None, "", says)])
    return [os.path.join(path, name) for name in names]


def read_source(file: str, faults: Mistakes) -> bytes | None:
    """A file's content as valid UTF-8 without a byte order mark, or None with its fault noted."""
    try:
        source = read_bounded(file, MAX_BYTES)
    except FileRefused as refused:
        faults.add(file, None, "", str(refused))
        return None
    if source[:2] in (b"\xff\xfe", b"\xfe\xff"):
        faults.add(file, 1, "", "is UTF-16: save it as UTF-8")
        return None
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        byte = source[error.start]
        says = f"is not UTF-8 (byte 0x{byte:02x} at offset {error.start:,}): save the file as UTF-8"
        faults.add(file, line, "", says)
        return None
    source = source.removeprefix(b"\xef\xbb\xbf")
    directive = _DIRECTIVE.search(source) if b"%" in source else None
    if directive:
        # libyaml compares each %TAG with all before it: a file of them takes hours.
        faults.add(
            file, source.count(b"\n", 0, directive.end()) + 1, "", "a YAML directive (%…) is not read: remove the line"
        )
        return None
    return source


def read_bounded(file: str, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes. Raises FileRefused with words for people.

    A FIFO or a device is refused before a byte is read: it might never end, or never begin.
    """
    try:
        _refuse_odd(os.stat(file).st_mode)  # before it is opened: opening alone arms /dev/watchdog
        fd = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise FileRefused(_trouble(error)) from None
    with open(fd, "rb") as stream:
        status = os.fstat(fd)
        _refuse_odd(status.st_mode)
        if status.st_size > limit:
            raise FileRefused(f"has {status.st_size:,} bytes, the limit is {limit:,}: is it the right file?")
        try:
            content = stream.read(limit + 1)
        except OSError as error:
            raise FileRefused(_trouble(error)) from None
    if len(content) > limit:
        raise FileRefused(f"has more than {limit:,} bytes, which is the limit: is it the right file?")
    return content


def _refuse_odd(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise FileRefused("is a folder: a file was expected here")
    if not stat.S_ISREG(mode):
        raise FileRefused("is no regular file (a FIFO, socket or device): give a plain file")


def _trouble(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return "does not exist: check the path"
    if isinstance(error, PermissionError):
        return f"can't be read by {_who()} (permission denied): grant the right, or run hafence as its owner"
    if isinstance(error, OSError):
        return f"can't be read: {error.strerror}"
    return "can't be read: the path holds a NUL byte"


def _who() -> str:
    try:
        return f"user {pwd.getpwuid(os.geteuid()).pw_name}"
    except KeyError:
        return f"user id {os.geteuid()}"
