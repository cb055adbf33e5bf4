"""Connections that are opened at the same time, as in every round of looks."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from hafence.adapters.ssh.faults import Broken
from hafence.adapters.ssh.keys import Keys
from hafence.adapters.ssh.link import Link
from hafence.core.troubles import Trouble

from .conftest import NewServer


def test_connections_that_are_opened_at_once_do_not_disturb_each_other(sshd: NewServer) -> None:
    """Eight threads, made to take turns in the middle of everything: each connection ends as it would alone."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:

        def close_all() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=close_all, daemon=True).start()
        host = sshd("suspect", start=False).host()
        host = replace(host, ssh=replace(host.ssh, port=listener.getsockname()[1]))

        def open_one(_: int) -> Trouble:
            with pytest.raises(Broken) as broken:
                Link(host).open(Keys(), 5.0)
            return broken.value.fault.trouble

        before = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(8) as pool:
                troubles = Counter(pool.map(open_one, range(160)))
        finally:
            sys.setswitchinterval(before)
            listener.shutdown(socket.SHUT_RDWR)
    assert troubles == {Trouble.NO_BANNER: 160}
