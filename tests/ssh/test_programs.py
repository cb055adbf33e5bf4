"""What a program that runs to its end brings back, over real sshd's, straight and through a sibling."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hafence.adapters.hosts.program import Program
from hafence.adapters.ssh.connections import Hosts
from hafence.adapters.ssh.talk import STDERR_LIMIT
from hafence.core.troubles import Trouble

from .conftest import NewServer
from .servers import Server, wait_for


@pytest.fixture
def server(sshd: NewServer) -> Server:
    return sshd("suspect")


def test_output_and_exit_status_come_back_as_they_were(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("echo out; echo err >&2; exit 10\n"), within_s=10)
    assert (run.trouble, run.note, run.exit_status, run.stdout, run.stderr) == (None, "", 10, "out\n", "err\n")


def test_a_program_goes_through_a_sibling(server: Server, sshd: NewServer, hosts: Hosts) -> None:
    sibling = sshd("sibling")
    run = hosts.run(server.host(), Program("echo through; exit 11\n"), via=sibling.host(), within_s=10)
    assert (run.trouble, run.exit_status, run.stdout) == (None, 11, "through\n")


@pytest.mark.parametrize("status", [0, 1, 124, 127, 255])
def test_an_exit_status_is_never_mistaken_for_a_trouble(server: Server, hosts: Hosts, status: int) -> None:
    run = hosts.run(server.host(), Program(f"exit {status}\n"), within_s=10)
    assert (run.trouble, run.exit_status) == (None, status)


def test_the_second_program_uses_the_connection_of_the_first(server: Server, hosts: Hosts) -> None:
    look = Program('echo "$SSH_CONNECTION"\n')
    first = hosts.run(server.host(), look, within_s=10)
    second = hosts.run(server.host(), look, within_s=10)
    assert first.stdout == second.stdout != ""


def test_the_connection_of_a_look_becomes_the_gateway_of_a_fence(server: Server, sshd: NewServer, hosts: Hosts) -> None:
    sibling = sshd("sibling")
    hosts.run(sibling.host(), Program("true\n"), within_s=10)
    for _ in range(3):
        assert hosts.run(server.host(), Program("true\n"), via=sibling.host(), within_s=10).trouble is None
    assert logins(sibling) == 1


def test_a_kept_connection_that_has_died_is_replaced(server: Server, hosts: Hosts) -> None:
    hosts.run(server.host(), Program("true\n"), within_s=10)
    server.kill()
    server.start()
    run = hosts.run(server.host(), Program("echo again\n"), within_s=10)
    assert (run.trouble, run.stdout) == (None, "again\n")


def test_eight_tunnels_at_once_have_a_gateway_each(server: Server, sshd: NewServer, hosts: Hosts) -> None:
    sibling = sshd("sibling")
    together = threading.Barrier(8)

    def meet(line: str) -> str:
        together.wait(20)
        return f"{line}\n"

    def fence(number: int) -> str:
        # Nobody gets an answer before all eight have asked: the tunnels stand at the same time.
        script = Program(
            f"echo {number}\nread word\necho got $word\nexit 0\n", on_line=lambda s: None if "got" in s else meet(s)
        )
        run = hosts.run(server.host(), script, via=sibling.host(), within_s=30)
        assert run.trouble is None, run
        return run.stdout

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(fence, range(8)))
    assert said == [f"{n}\ngot {n}\n" for n in range(8)]
    assert logins(sibling) == 8


def test_a_line_is_answered_while_the_program_runs(server: Server, hosts: Hosts) -> None:
    heard: list[str] = []

    def answer(line: str) -> str | None:
        heard.append(line)
        return "42\n" if line == "clock?" else None

    script = "echo clock?\nread offset\necho offset=$offset\nexit 0\n"
    run = hosts.run(server.host(), Program(script, on_line=answer), within_s=10)
    assert run.stdout == "clock?\noffset=42\n"
    assert heard == ["clock?", "offset=42"]


def test_lines_are_heard_while_a_large_program_is_still_being_sent(
    server: Server, hosts: Hosts, tmp_path: Path
) -> None:
    flag = tmp_path / "heard"
    # The shell reads no further than the loop until the first line has been heard: 8 MiB wait behind it.
    script = (
        f"echo first\nwhile ! test -e {flag}; do sleep 0.05; done\n" + "# padding\n" * 800_000 + "echo last\nexit 0\n"
    )

    def answer(line: str) -> None:
        if line == "first":
            flag.touch()

    run = hosts.run(server.host(), Program(script, on_line=answer), within_s=60)
    assert (run.trouble, run.stdout) == (None, "first\nlast\n")


def test_a_program_of_megabytes_that_echoes_itself_does_not_block(server: Server, hosts: Hosts) -> None:
    body = "".join(f"{n:078d}\n" for n in range(45_000))
    run = hosts.run(server.host(), Program(f"cat <<'END'\n{body}END\n"), within_s=60)
    assert (run.trouble, run.exit_status) == (None, 0)
    assert run.stdout == body


def test_output_without_end_is_refused_and_not_kept(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("yes\n"), within_s=60)
    assert (run.trouble, run.exit_status) == (Trouble.PROTOCOL_ERROR, None)
    assert "4 MiB" in run.note
    assert len(run.stdout) <= 4 * 1024 * 1024


def test_much_on_stderr_is_cut_and_harms_nothing(server: Server, hosts: Hosts) -> None:
    run = hosts.run(
        server.host(), Program("head -c 6000000 /dev/zero | tr '\\0' x >&2; echo done; exit 3\n"), within_s=60
    )
    assert (run.trouble, run.exit_status, run.stdout) == (None, 3, "done\n")
    assert run.stderr == "x" * STDERR_LIMIT


def test_bytes_that_are_not_utf8_are_replaced(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("printf 'a\\377b\\n'\n"), within_s=10)
    assert run.stdout == "a\N{REPLACEMENT CHARACTER}b\n"


def test_noise_of_a_bashrc_stands_before_the_output(server: Server, hosts: Hosts) -> None:
    (server.home / ".bashrc").write_text("echo welcome to this host\necho warning >&2\n")
    run = hosts.run(server.host(), Program("echo reply; exit 0\n"), within_s=10)
    assert (run.trouble, run.exit_status) == (None, 0)
    assert run.stdout.endswith("reply\n")


def test_a_process_left_behind_with_the_streams_does_not_hold_the_answer(server: Server, hosts: Hosts) -> None:
    run = hosts.run(server.host(), Program("sleep 60 & echo started; exit 0\n"), within_s=30)
    assert (run.trouble, run.exit_status, run.stdout) == (None, 0, "started\n")


def test_a_mistake_in_on_line_is_not_swallowed(server: Server, hosts: Hosts) -> None:
    def broken(line: str) -> str | None:
        raise KeyError(line)

    with pytest.raises(KeyError, match="hello"):
        hosts.run(server.host(), Program("echo hello; sleep 60\n", on_line=broken), within_s=30)


def test_many_runs_at_once_on_one_host_all_come_back(server: Server, hosts: Hosts) -> None:
    with ThreadPoolExecutor(24) as pool:
        runs = list(pool.map(lambda n: hosts.run(server.host(), Program(f"exit {n}\n"), within_s=30), range(48)))
    assert [(r.trouble, r.exit_status) for r in runs] == [(None, n) for n in range(48)]


def logins(server: Server) -> int:
    wait_for(lambda: "Accepted publickey" in log(server), "a login is in the log")
    return log(server).count("Accepted publickey")


def log(server: Server) -> str:
    return (server.folder / "log").read_text(errors="replace")
