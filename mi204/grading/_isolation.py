"""Linux namespaces for a submission, without root where the kernel allows it: ``unshare`` before Python 3.12 has it.

Most containers (Gradescope's), and some Linux, refuse it: there a user of its own must do.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = (1 << bit for bit in (17, 27, 28, 29, 30))
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY, _MS_PRIVATE = 442, -100, 1 << 15, 1, 1 << 18
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522


def enter(folder: str, hidden: list[Path]) -> bool:
    """Leave other processes, the network and the ``hidden`` folders out of sight, and write in ``folder`` alone.

    Gives False, with nothing done, where the kernel refuses. The next call must be ``fork``.
    """
    if sys.platform != "linux":
        return False
    trial = os.fork()
    if trial == 0:
        try:
            _enter(folder, hidden)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(trial, 0)[1] != 0:
        return False
    _enter(folder, hidden)
    return True


def _enter(folder: str, hidden: list[Path]) -> None:
    user, group = os.getuid(), os.getgid()
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # a change of user has taken /proc/self from us
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWIPC)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, _MS_PRIVATE, 0)
    _call("syscall", _MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, ctypes.sizeof(attributes))
    for path in (folder, "/dev/shm", *hidden):
        _call("mount", b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=64m,mode=777")
    # No way back: neither these rights nor, by a program of root's, others.
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())


def fork(descriptor: int) -> None:
    """Go on in a child that is inside the new namespace of processes; the caller waits and ends as the child does."""
    first = os.fork()  # takes over the orphans; with it ends all that is in the namespace
    if first == 0:
        _die_with_parent()
        os.close(descriptor)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            signal.pause()
    second = os.fork()
    if second == 0:
        _die_with_parent()
        return
    os.close(descriptor)
    code = os.waitstatus_to_exitcode(os.waitpid(second, 0)[1])
    os.kill(first, signal.SIGKILL)
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), max(0, -code))
    os._exit(code)


def _die_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raises OSError when it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
