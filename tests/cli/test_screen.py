"""What a run shows while it goes on: a live view on a terminal, plain lines elsewhere. Real terminals, real text."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TextIO

import pytest

from hafence.cli.show.live import LiveView, draw_outcomes
from hafence.cli.show.output import out_folded
from hafence.cli.show.steps import Mark, Steps
from hafence.cli.show.terminal import is_screen
from hafence.cli.show.voices import PlainVoice
from hafence.core.attempts import FenceOrder, FenceReport, Reply
from hafence.core.looks import Look, Silence
from hafence.core.model import Cluster, Host, HostName, Inventory, Settings, Uuid, Vm
from hafence.core.replies import interpret
from hafence.core.troubles import Trouble
from hafence.core.wire import PROTOCOL
from hafence.effects import Fence, Interrupted, LookAt, StoreError
from hafence.voice import Voice
from tests.core.make import look

VM = Uuid("6d6f6a5a-0000-4000-8000-000000000001")
KVM_01 = HostName("kvm-01")
KVM_02 = HostName("kvm-02")
INVENTORY = Inventory(
    "inventory.yaml",
    {"prod-a": Cluster("prod-a")},
    {name: Host(name, "prod-a", "127.0.0.1") for name in (KVM_01, KVM_02)},
    {VM: Vm(VM, "web-01", KVM_01)},
    Settings(),
)
FENCE = Fence(FenceOrder(KVM_01, KVM_02, (VM,), 20.0, 1.0, 2e9))
LOOK = LookAt((KVM_01,))
SILENT = {KVM_01: Silence(KVM_01, 0.0, Trouble.TIMED_OUT)}


def test_a_look_for_one_vm_of_many_says_whom_it_is_for_and_what_is_amiss_only() -> None:
    steps, effect = Steps(INVENTORY), LookAt((KVM_01, KVM_02), (VM,))
    seen: dict[HostName, Look] = {KVM_01: SILENT[KVM_01], KVM_02: look("kvm-02")}
    assert steps.doing(effect) == "looking into 2 hosts for web-01"
    assert [line.text for line in steps.done(effect, seen)] == [f"kvm-01: {SILENT[KVM_01].says}"]
    assert next(line.text for line in steps.done(replace(effect, about=()), seen)) == "kvm-02 answers"


def reply(state: str, status: int, facts: str) -> FenceReport:
    """What is read of what the script on the suspect says of the VM."""
    words = ("hello clock=1.0 machine=- host=kvm-01", f"vm {VM} {state} {facts}", "end vms=1")
    text = "".join(f"{PROTOCOL} n1 {word}\n" for word in words)
    return interpret(FENCE.order, Reply("n1", None, status, text, 1.25, 0.0))


DEAD = reply("dead", 0, "killed=1")


class Terminal:
    """A pseudo-terminal, and all that has been shown on it."""

    def __init__(self, columns: int, encoding: str) -> None:
        self._parent, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        self.stream: TextIO = os.fdopen(child, "w", encoding=encoding, errors="backslashreplace")
        self._shown = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                self._shown += os.read(self._parent, 4096)
            except OSError as error:
                if error.errno == errno.EIO:  # the other side has been closed
                    return
                raise

    def end(self) -> str:
        """Everything that was shown, when the other side has been closed."""
        self.stream.close()
        self._reader.join(10)
        os.close(self._parent)
        return self._shown.decode("utf-8")


@contextmanager
def terminal(columns: int = 80, encoding: str = "utf-8") -> Iterator[tuple[Terminal, list[str]]]:
    """A terminal, and the text that it showed once the block has ended."""
    screen, shown = Terminal(columns, encoding), list[str]()
    yield screen, shown
    shown.append(screen.end())


@pytest.fixture(autouse=True)
def usual_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)


def tell(voice: Voice) -> None:
    voice.begins(LOOK, 6.0)
    voice.ends(LOOK, SILENT, 1.0)
    voice.begins(FENCE, 20.0)
    voice.ends(FENCE, DEAD, 1.25)
    voice.tells("something worth knowing")


def live(screen: Terminal) -> None:
    with LiveView(Steps(INVENTORY), screen.stream, "start-vm web-01", False) as voice:
        tell(voice)


def bare(shown: str) -> str:
    """The text without colours and cursor moves."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown).replace("\r", "")


def test_the_live_view_shows_each_step_with_its_sibling_and_its_time() -> None:
    with terminal() as (screen, shown):
        live(screen)
    text = re.sub(r"\s+", " ", bare(shown[0]))
    assert "start-vm web-01" in text
    assert "kvm-01: it did not answer before the time-out 1.0 s" in text
    assert "web-01 on kvm-01 through kvm-02: confirmed_dead:" in text
    assert "something worth knowing" in text


def test_what_goes_on_is_shown_with_its_clock_and_its_budget() -> None:
    with terminal() as (screen, shown), LiveView(Steps(INVENTORY), screen.stream, "", False) as voice:
        voice.begins(FENCE, 20.0)
        screen_text = ""
        while " of 20 s" not in screen_text:
            screen_text = bare(screen._shown.decode("utf-8", "ignore"))
    assert "through kvm-02" in bare(shown[0])


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with terminal(columns) as (screen, shown):
        live(screen)
        draw_outcomes([(Mark.ODD, "refused web-01", [("why", "word " * 80), ("way out", "x" * 300)])], screen.stream)
    assert max(len(line) for line in bare(shown[0]).splitlines()) < columns


def test_nothing_is_cut() -> None:
    with terminal(80) as (screen, shown):
        draw_outcomes([(Mark.ODD, "refused web-01", [("why", "x" * 300)])], screen.stream)
    assert bare(shown[0]).count("x") == 300


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal() as (screen, shown):
        live(screen)
    assert "\x1b[32m" in shown[0]
    monkeypatch.setenv("NO_COLOR", "1")
    with terminal() as (screen, shown):
        live(screen)
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", shown[0])


def test_an_ascii_terminal_gets_ascii() -> None:
    with terminal(encoding="ascii") as (screen, shown):
        live(screen)
        draw_outcomes([(Mark.GOOD, "started wéb-01", [("why", "…")])], screen.stream)
    assert shown[0].isascii()
    assert "through kvm-02" in bare(shown[0])


def test_markup_in_a_name_is_text() -> None:
    with terminal() as (screen, shown):
        draw_outcomes([(Mark.GOOD, "[bold]x[/bold]", [("why", "[link=http://x]y[/link]")])], screen.stream)
    assert "[bold]x[/bold]" in bare(shown[0])
    assert "[link=http://x]y[/link]" in bare(shown[0])


def test_a_terminal_that_has_gone_ends_no_run() -> None:
    stream = open(os.devnull, "w")  # noqa: SIM115 # it is closed below, while it is still in use
    with LiveView(Steps(INVENTORY), stream, "start-vm web-01", True) as voice:
        stream.close()
        tell(voice)
    plain = PlainVoice(Steps(INVENTORY), stream, True)
    tell(plain)
    assert stream.closed


def test_a_pipe_a_file_and_a_dumb_terminal_are_no_screens(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal() as (screen, _):
        assert is_screen(screen.stream)
        for kind in ("dumb", "unknown", ""):
            monkeypatch.setenv("TERM", kind)
            assert not is_screen(screen.stream)
    monkeypatch.setenv("TERM", "xterm")
    assert not is_screen(io.StringIO())


def test_plain_lines_have_a_time_and_the_log_prefix() -> None:
    stream = io.StringIO()
    tell(PlainVoice(Steps(INVENTORY), stream, False))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    for line in lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ", line)
    assert "Z [HA pre-fence vm=web-01 suspect=kvm-01 proxy=kvm-02] confirmed_dead: " in lines[1]


def test_what_ends_a_run_is_said() -> None:
    stream = io.StringIO()
    voice = PlainVoice(Steps(INVENTORY), stream, False)
    voice.ends(FENCE, Interrupted(), 0.5)
    voice.ends(FENCE, StoreError("the store is gone"), 0.5)
    assert "interrupted while fencing" in stream.getvalue()
    assert "the store is gone" in stream.getvalue()


def test_a_rehearsal_never_says_that_something_was_killed() -> None:
    stream = io.StringIO()
    voice = PlainVoice(Steps(INVENTORY), stream, True)
    rehearsal = Fence(FenceOrder(KVM_01, KVM_02, (VM,), 20.0, 1.0, 2e9, rehearse=True))
    voice.begins(rehearsal, 20.0)
    voice.ends(rehearsal, reply("alive", 10, "found=1"), 0.5)
    assert "rehearsing the fence" in stream.getvalue()
    assert "rehearsed: 1 leftover there, for the fence to kill" in stream.getvalue()
    assert "killed" not in stream.getvalue()


LONG = "kvm-01  prod-a  enabled; in quarantine for 12 s: web-01 was fenced there, and then some more was said of it"


def test_a_long_line_is_folded_under_its_last_column_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    with terminal(60) as (screen, shown):
        monkeypatch.setattr("sys.stdout", screen.stream)
        out_folded(LONG)
    lines = bare(shown[0]).splitlines()
    assert len(lines) > 1
    assert all(len(line) < 60 for line in lines)
    assert all(line.startswith(" " * 16) and line[16] != " " for line in lines[1:])
    assert " ".join(line.strip() for line in lines) == LONG


def test_a_long_line_is_whole_in_a_pipe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    out_folded(LONG)
    assert capsys.readouterr().out == f"{LONG}\n"
