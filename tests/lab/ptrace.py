"""End the main thread of a living process and leave its other threads: a zombie leader that still writes.

The kernel is asked to let the main thread, which waits in a system call, make another one instead: exit (of that
thread alone; `exit_group` would end them all). x86_64.
"""

from __future__ import annotations

import ctypes
import os
import platform

from .proc import LabError

_PEEKTEXT, _GETREGS, _SETREGS, _ATTACH, _DETACH = 1, 12, 13, 16, 17
_WAIT_ALL = 0x40000000
_SYSCALL_INSTRUCTION = 0x050F
_SYS_EXIT = 60
_NAMES = (
    *("r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi"),
    *("orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs"),
)


class _Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in _NAMES]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def _ptrace(request: int, pid: int, address: int = 0, data: object = None) -> int:
    ctypes.set_errno(0)
    result = int(_libc.ptrace(request, pid, ctypes.c_void_p(address), data))
    if error := ctypes.get_errno():
        raise LabError(f"ptrace {request} of {pid}: {os.strerror(error)}")
    return result


def exit_leader(pid: int, tries: int = 50) -> None:
    """Make the main thread of a process end. Raises LabError when it is never found in a system call."""
    if platform.machine() != "x86_64":
        raise LabError("exit_leader knows the registers of x86_64 only")
    for _ in range(tries):
        _ptrace(_ATTACH, pid)
        os.waitpid(pid, _WAIT_ALL)
        registers = _Registers()
        _ptrace(_GETREGS, pid, data=ctypes.byref(registers))
        before = _ptrace(_PEEKTEXT, pid, registers.rip - 2) & 0xFFFF
        if before == _SYSCALL_INSTRUCTION:
            registers.rip -= 2
            registers.rax, registers.rdi = _SYS_EXIT, 0
            registers.orig_rax = ctypes.c_ulonglong(-1).value
            _ptrace(_SETREGS, pid, data=ctypes.byref(registers))
            _ptrace(_DETACH, pid)
            return
        _ptrace(_DETACH, pid)
    raise LabError(f"the main thread of {pid} was never found waiting in a system call")
