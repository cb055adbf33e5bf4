"""A store that could not be opened, for a command that has something to say without it."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from ..effects import StoreError
from .port import Store


class UnreadableStore:
    """Every use of it raises the StoreError that opening it did."""

    def __init__(self, error: StoreError) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def refuse(*_args: object, **_more: object) -> NoReturn:
            raise self._error

        return refuse

    def close(self) -> None:
        """There is nothing to let go of."""


def unreadable(error: StoreError) -> Store:
    """A stand-in for the store that `error` is about."""
    return cast(Store, UnreadableStore(error))
