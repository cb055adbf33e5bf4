"""A stand-in for virsh on a host of the demo: `python virsh.py ROOT [-q] [-c URI] COMMAND…`.

It knows what hafence's scripts and a curious admin type, keeps definitions and pid files where libvirt
keeps them (under ROOT), and starts a stand-in for qemu: a copy of a shell under qemu's name whose only
work is to append heartbeats to the VM's disk. The process enters ROOT/proc before it becomes qemu, so
that no writer is ever hidden from a scan.

Run with `python -S`: a virsh that starts slowly would make every scan slow. So only cheap imports here.
"""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import time

QEMU = "qemu-system-x86_64"
MOST_FILES = 1024
DESTROY_S = 10.0
"""libvirt sends SIGTERM and waits so long before it sends SIGKILL."""

GUEST = """
[ "$HAFENCE_DEMO_DEAF" = yes ] && trap '' TERM
while kill -0 "$HAFENCE_DEMO_KEEPER" 2>/dev/null && [ -h "$HAFENCE_DEMO_ROOT/proc/$$" ]; do
    read -r now _ </proc/uptime
    echo "$now $HAFENCE_DEMO_HOST $$" >>"$HAFENCE_DEMO_DISK" || exit 1
    sleep "$HAFENCE_DEMO_BEAT"
done
"""


class VirshError(Exception):
    """What virsh would say after `error:`."""


class Libvirt:
    """The definitions and the running VMs of one host."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.definitions = f"{root}/etc/libvirt/qemu"
        self.running = f"{root}/run/libvirt/qemu"

    # ---------------------------------------------------------------- what is there

    def names(self, folder: str) -> list[str]:
        """The names of the VMs that have an XML in a folder."""
        return sorted(name[:-4] for name in os.listdir(folder) if name.endswith(".xml"))

    def active(self) -> list[str]:
        """VMs whose process lives."""
        return [name for name in self.names(self.running) if self.pid(name) is not None]

    def pid(self, name: str) -> int | None:
        """The process of a VM, if it lives: a zombie has no arguments, another process of that number has others."""
        try:
            pid = int(read(f"{self.running}/{name}.pid"))
            arguments = read(f"{self.root}/proc/{pid}/cmdline").split("\0")
        except (OSError, ValueError):
            return None
        return pid if f"guest={name},debug-threads=on" in arguments else None

    def forget(self, name: str) -> None:
        """Clear away what a VM that ended has left."""
        for suffix in ("xml", "pid"):
            remove(f"{self.running}/{name}.{suffix}")

    def xml(self, name: str) -> str:
        """The XML of a VM: the running one's first."""
        for folder in (self.running, self.definitions):
            if os.path.exists(f"{folder}/{name}.xml"):
                return read(f"{folder}/{name}.xml")
        raise VirshError(f"failed to get domain '{name}'")

    def find(self, text: str) -> str:
        """The name of the VM that is meant by a name or a UUID."""
        for name in sorted({*self.active(), *self.names(self.definitions)}):
            if text == name or text.lower() == element(self.xml(name), "uuid"):
                return name
        raise VirshError(f"failed to get domain '{text}'")

    def memory_kib(self, name: str) -> int:
        """What a VM takes."""
        return int(element(self.xml(name), "memory"))

    # ---------------------------------------------------------------- what can be done

    def define(self, path: str) -> str:
        """Keep a definition."""
        text = read(path)
        name = element(text, "name")
        write(f"{self.definitions}/{name}.xml", text)
        return f"Domain '{name}' defined from {path}"

    def start(self, text: str) -> str:
        """Start a defined VM."""
        name = self.find(text)
        if self.pid(name) is not None:
            raise VirshError("Domain is already active")
        self.launch(name, read(f"{self.definitions}/{name}.xml"))
        return f"Domain '{name}' started"

    def create(self, path: str) -> str:
        """Start a VM without keeping a definition."""
        text = read(path)
        name = element(text, "name")
        if self.pid(name) is not None:
            raise VirshError(f"operation failed: domain '{name}' is already active")
        self.launch(name, text)
        return f"Domain '{name}' created from {path}"

    def destroy(self, text: str) -> str:
        """SIGTERM, a while, SIGKILL."""
        name = self.find(text)
        pid = self.pid(name)
        if pid is None:
            raise VirshError("Requested operation is not valid: domain is not running")
        os.kill(pid, signal.SIGTERM)
        killed_at = time.monotonic() + DESTROY_S
        while self.pid(name) == pid:
            if time.monotonic() > killed_at:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        self.forget(name)
        return f"Domain '{name}' destroyed"

    def autostart(self, text: str, on: bool) -> str:
        """Start a VM with the host, or no longer."""
        name = self.find(text)
        link = f"{self.definitions}/autostart/{name}.xml"
        remove(link)
        if on:
            os.symlink(f"{self.definitions}/{name}.xml", link)
        return f"Domain '{name}' {'' if on else 'un'}marked as autostarted"

    def undefine(self, text: str) -> str:
        """Forget a definition."""
        name = self.find(text)
        remove(f"{self.definitions}/autostart/{name}.xml")
        if not remove(f"{self.definitions}/{name}.xml"):
            raise VirshError("cannot undefine transient domain")
        return f"Domain '{name}' has been undefined"

    def launch(self, name: str, text: str) -> None:
        """Start the stand-in for qemu: a session of its own, known to ROOT/proc before it writes anything."""
        self.ask_hook(name, text)
        write(f"{self.running}/{name}.xml", text)
        ready, told = os.pipe()
        if os.fork():
            os.close(told)
            said = os.read(ready, 200).decode()
            os.close(ready)
            if said:
                self.forget(name)
                raise VirshError(f"internal error: process exited while connecting to monitor: {said}")
            return
        try:
            self.become_qemu(name, text, told)
        except OSError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(1)

    def ask_hook(self, name: str, text: str) -> None:
        """A hook may refuse the start, as libvirt's may: it gets the definition on stdin."""
        hook = f"{self.root}/etc/libvirt/hooks/qemu"
        if not os.path.exists(hook):
            return
        import subprocess

        places = {"CONF": "etc/hafence-guard.conf", "RUN": "run/hafence"}
        here = {f"HAFENCE_GUARD_{key}": f"{self.root}/{place}" for key, place in places.items()}
        words = [hook, name, "prepare", "begin", "-"]
        done = subprocess.run(words, input=text, env=os.environ | here, capture_output=True, text=True, check=False)
        if done.returncode:
            raise VirshError(f"Hook script execution failed: {done.stderr.strip()}")

    def become_qemu(self, name: str, text: str, told: int) -> None:
        """The rest of this process's life. The pipe to the parent closes with exec, which says: it runs.

        No other file is taken along: a lock that virsh's caller holds must not be held for as long as the VM runs.
        """
        os.setsid()
        os.closerange(3, told)
        os.closerange(told + 1, MOST_FILES)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        pid = os.getpid()
        os.symlink(f"/proc/{pid}", f"{self.root}/proc/{pid}")
        write(f"{self.running}/{name}.pid", f"{pid}\n")
        environment = os.environ | {
            "HAFENCE_DEMO_DISK": attribute(text, "source", "file"),
            "HAFENCE_DEMO_DEAF": "yes" if "ignores SIGTERM" in text else "no",
        }
        program = f"{self.root}/bin/{QEMU}"
        guest = ["-name", f"guest={name},debug-threads=on", "-uuid", element(text, "uuid")]
        os.execve(program, [program, "-c", GUEST, QEMU, *guest], environment)  # noqa: S606  # no shell may read these


# ---------------------------------------------------------------- commands


def listing(libvirt: Libvirt, options: list[str]) -> str:
    """`virsh list`."""
    active = libvirt.active()
    names = active
    if "--all" in options:
        names = sorted({*active, *libvirt.names(libvirt.definitions)})
    elif "--inactive" in options:
        names = [name for name in libvirt.names(libvirt.definitions) if name not in active]
    if "--autostart" in options:
        names = [name for name in names if os.path.lexists(f"{libvirt.definitions}/autostart/{name}.xml")]
    if "--persistent" in options:
        names = [name for name in names if name in libvirt.names(libvirt.definitions)]
    if "--uuid" in options:
        return "".join(element(libvirt.xml(name), "uuid") + "\n" for name in names)
    if "--name" in options:
        return "".join(name + "\n" for name in names)
    lines = [" Id   Name         State", "-----------------------------"]
    for name in names:
        number = libvirt.pid(name)
        lines.append(f" {number or '-':<4} {name:<12} {'running' if number else 'shut off'}")
    return "\n".join(lines) + "\n"


def node_memory(libvirt: Libvirt) -> str:
    """`virsh nodememstats`: a host of a fixed size, of which each running VM takes its part."""
    total = int(os.environ.get("HAFENCE_DEMO_MEMORY_MIB", "4096")) * 1024
    used = sum(libvirt.memory_kib(name) for name in libvirt.active())
    rows = (("total", total), ("free", total - used), ("buffers", 0), ("cached", 0))
    return "".join(f"{key:<8}: {value:20} KiB\n" for key, value in rows)


def run(libvirt: Libvirt, words: list[str]) -> str:
    """One command; the answer is what goes to stdout."""
    command, options = words[0], [word for word in words[1:] if word.startswith("-")]
    names = [word for word in words[1:] if not word.startswith("-")]
    if command == "list":
        return listing(libvirt, options)
    if command == "nodememstats":
        return node_memory(libvirt)
    if command == "echo":
        return " ".join(words[1:]) + "\n"
    if command in ("uri", "version"):
        return "qemu:///system\n" if command == "uri" else "Using library: a stand-in of hafence's demo\n"
    if not names:
        raise VirshError(f"command '{command}' requires <domain> option")
    with open(f"{libvirt.root}/run/libvirt/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return act(libvirt, command, names[0], options) + "\n"


def act(libvirt: Libvirt, command: str, name: str, options: list[str]) -> str:
    """A command on one VM."""
    if command == "autostart":
        return libvirt.autostart(name, "--disable" not in options)
    if command == "domstate":
        runs = libvirt.pid(libvirt.find(name))
        return ("running" if runs else "shut off") + ((" (booted)" if runs else " (unknown)") * ("--reason" in options))
    if command == "dominfo":
        name = libvirt.find(name)
        kept = "yes" if name in libvirt.names(libvirt.definitions) else "no"
        return f"Name:           {name}\nPersistent:     {kept}"
    if command == "domuuid":
        return element(libvirt.xml(libvirt.find(name)), "uuid")
    if command == "domname":
        return libvirt.find(name)
    if command == "dumpxml":
        return libvirt.xml(libvirt.find(name))
    if command in ("define", "start", "create", "destroy", "undefine"):
        answer: str = getattr(libvirt, command)(name)
        return answer
    raise VirshError(f"unknown command: '{command}'")


def commands(arguments: list[str]) -> list[list[str]]:
    """The commands of a command line: one as words, or several in one argument between semicolons."""
    words = list(arguments)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-c", "--connect", "-k", "-K") and words:
            words.pop(0)
    if len(words) == 1:
        return [command.split() for command in words[0].split(";") if command.strip()]
    return [words] if words else []


def main(root: str, arguments: list[str]) -> int:
    """Run the commands. As with virsh, one that fails does not stop the next, and the last one's status counts."""
    libvirt = Libvirt(root)
    quiet = bool({"-q", "--quiet"} & set(arguments))
    status = 0
    for command in commands(arguments):
        try:
            answer = run(libvirt, command)
        except (VirshError, OSError, ValueError) as error:
            sys.stderr.write(f"error: {error}\n")
            status = 1
            continue
        status = 0
        if not (quiet and answer.startswith("Domain '")):
            sys.stdout.write(answer)
            sys.stdout.flush()
    return status


# ---------------------------------------------------------------- small things


def read(path: str) -> str:
    """The text of a file."""
    with open(path) as file:
        return file.read()


def write(path: str, text: str) -> None:
    """Write a file whole or not at all."""
    with open(f"{path}.new", "w") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def remove(path: str) -> bool:
    """Remove a file; whether it was there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def element(text: str, tag: str) -> str:
    """The text of the first element of that name. The demo's own XML only: no parser is worth its start-up time."""
    match = re.search(rf"<{tag}[^>]*>\s*([^<]*?)\s*</{tag}>", text)
    if match is None:
        raise VirshError(f"XML error: missing element '{tag}'")
    return match[1]


def attribute(text: str, tag: str, name: str) -> str:
    """An attribute of the first element of that name that has it."""
    match = re.search(rf"<{tag}\s[^>]*?\b{name}=['\"]([^'\"]*)['\"]", text)
    if match is None:
        raise VirshError(f"XML error: missing attribute '{name}' of '{tag}'")
    return match[1]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
