"""The store in memory, shared with other processes: it lives in the test's own, which serves it on a socket."""

from __future__ import annotations

import threading
from multiprocessing.connection import Client, Connection, Listener
from typing import Any, cast

from hafence.stores.memory.store import MemoryStore
from hafence.stores.port import Store

SCHEME = "memory:"


class Served:
    """One store, and the socket on which another process finds it: made when its URL is asked for."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self._listener: Listener | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._over = False

    @property
    def url(self) -> str:
        if self._listener is None:
            self._listener = Listener(family="AF_UNIX", backlog=64)
            self._thread.start()
        return SCHEME + str(self._listener.address)

    def stop(self) -> None:
        if self._listener is not None:
            self._over = True
            Client(self._listener.address).close()  # wakes it
            self._thread.join(timeout=30)
            self._listener.close()

    def _serve(self) -> None:
        assert self._listener is not None
        while not self._over:
            threading.Thread(target=self._answer, args=(self._listener.accept(),), daemon=True).start()

    def _answer(self, caller: Connection) -> None:
        """One caller's questions, each a method and its arguments, until it closes or dies."""
        while True:
            try:
                method, args = caller.recv()
            except (EOFError, OSError):
                return
            try:
                answer = getattr(self.store, method)(*args)
            except Exception as error:
                answer = error
            try:
                caller.send(answer)
            except OSError:
                return


class Remote:
    """The store of another process. An answer that is an exception is raised here."""

    def __init__(self, address: str) -> None:
        self._server = Client(address, "AF_UNIX")

    def __getattr__(self, method: str) -> Any:
        def call(*args: object) -> object:
            self._server.send((method, args))
            answer = self._server.recv()
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    def close(self) -> None:
        self._server.close()


def open_remote(url: str) -> Store:
    """The store that another process serves under that URL."""
    return cast(Store, Remote(url.removeprefix(SCHEME)))
