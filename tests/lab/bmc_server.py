"""The protocol end of a lab BMC: `python -m tests.lab.bmc_server ipmi|redfish FOLDER`, started by bmc.py.

It knows nothing itself: each order and each question for the state goes to its parent as a line, and the parent's
line is the answer. Output says first `listening PORT`.
"""

from __future__ import annotations

import importlib
import os
import ssl
import sys
import threading
from pathlib import Path
from typing import Any

COMPLETION_ERROR = 0xFF  # IPMI: unspecified error


class Parent:
    """The line to bmc.py. One question at a time."""

    def __init__(self) -> None:
        self._out = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # what the libraries print must not look like a question
        self._lock = threading.Lock()

    def tell(self, line: str) -> None:
        """Say a line."""
        self._out.write(line + "\n")
        self._out.flush()

    def ask(self, line: str) -> str:
        """Say a line and wait for the answer; the end of the parent is the end of this process."""
        with self._lock:
            self.tell(line)
            answer = sys.stdin.readline().strip()
        if not answer:
            os._exit(0)
        return answer


def serve_ipmi(parent: Parent, user: str, password: str) -> None:
    """IPMI 2.0 on a free UDP port of loopback."""
    from pyghmi.ipmi.bmc import Bmc

    class LabBmc(Bmc):  # type: ignore[misc]
        def get_power_state(self) -> str:
            state = parent.ask("status")
            if state == "error":
                raise NotImplementedError
            return state

        def power_off(self) -> int:
            return 0 if parent.ask("off") == "ok" else COMPLETION_ERROR

        def power_on(self) -> int:
            return 0 if parent.ask("on") == "ok" else COMPLETION_ERROR

        def power_reset(self) -> int:
            return 0 if parent.ask("reset") == "ok" else COMPLETION_ERROR

    bmc = LabBmc({user: password}, port=0, address="127.0.0.1")
    bmc.port = bmc.serversocket.getsockname()[1]  # pyghmi finds a session again by this number
    parent.tell(f"listening {bmc.port}")
    bmc.listen()


def serve_redfish(parent: Parent, folder: Path) -> None:
    """Redfish over HTTPS on a free TCP port of loopback."""
    error: Any = importlib.import_module("sushy_tools.error")
    emulator: Any = importlib.import_module("sushy_tools.emulator.main")
    fakedriver: Any = importlib.import_module("sushy_tools.emulator.resources.systems.fakedriver")
    serving: Any = importlib.import_module("werkzeug.serving")

    class LabDriver(fakedriver.FakeDriver):  # type: ignore[misc]
        def get_power_state(self, identity: str) -> str:
            self._get(identity)
            state = parent.ask("status")
            if state == "error":
                raise error.FishyError("the state is not known")
            return "On" if state == "on" else "Off"

        def set_power_state(self, identity: str, state: str) -> None:
            self._get(identity)
            order = {"ForceOff": "off", "GracefulShutdown": "off", "On": "on", "ForceOn": "on"}.get(state, "reset")
            answer = parent.ask(order)
            if answer == "conflict":
                raise error.Conflict("already in that state")
            if answer != "ok":
                raise error.FishyError("the order failed")

    fakedriver.FakeDriver = LabDriver
    app: Any = emulator.app
    app.configure(
        extra_config={
            "SUSHY_EMULATOR_FAKE_DRIVER": True,
            "SUSHY_EMULATOR_STATE_DIR": str(folder),
            "SUSHY_EMULATOR_AUTH_FILE": str(folder / "htpasswd"),
        }
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    server = serving.make_server("127.0.0.1", 0, app, threaded=True, ssl_context=context)
    parent.tell(f"listening {server.server_port}")
    server.serve_forever()


def main() -> None:
    """Serve until the parent ends."""
    kind, folder = sys.argv[1], Path(sys.argv[2])
    parent = Parent()
    if kind == "ipmi":
        serve_ipmi(parent, (folder / "user").read_text(), (folder / "password").read_text())
    else:
        serve_redfish(parent, folder)


if __name__ == "__main__":
    main()
