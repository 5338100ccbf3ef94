"""Linux namespaces for a submission, without root where the kernel allows it: ``unshare`` before Python 3.12 has it.

Its root is a folder of memory in which only what it needs has been mounted. Most containers (Gradescope's), and some
Linux, refuse that: there a user of its own must do.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

_CLONE_NEWNS, _CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = (1 << bit for bit in (17, 27, 28, 29, 30))
_MS_BIND, _MS_REC, _MS_PRIVATE, _MNT_DETACH = 1 << 12, 1 << 14, 1 << 18, 2
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _MOUNT_ATTR_RDONLY = 442, -100, 1 << 15, 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522


def enter(folder: str, needed: Iterable[str], covered: str) -> bool:
    """Go on in a child that sees what is ``needed``, no other process and no network, and writes in ``folder`` alone.

    ``covered`` is a folder that stays out of sight even within what is needed. The caller waits and ends as the child
    does. Gives False, with nothing done, where the kernel refuses.
    """
    if sys.platform != "linux":
        return False
    entered, has_entered = os.pipe()
    outside = os.fork()
    if outside == 0:
        _die_with_parent()
        try:
            _enter(folder, needed, covered)
        except OSError:
            os._exit(1)
        os.write(has_entered, b"\n")
        os.close(has_entered)
        os.close(entered)
        inside = os.fork()
        if inside == 0:
            _die_with_parent()
            return True
        _end_like(inside)
    os.close(has_entered)
    if os.read(entered, 1):
        _end_like(outside)
    os.waitpid(outside, 0)
    os.close(entered)
    return False


def _end_like(process: int) -> NoReturn:
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    with contextlib.suppress(OSError):
        os.kill(os.getpid(), max(0, -code))
    os._exit(code)


def _enter(folder: str, needed: Iterable[str], covered: str) -> None:
    """Enter the namespaces, with a first process of theirs that takes over orphans and ends with this one."""
    user, group = os.getuid(), os.getgid()
    _call("prctl", _PR_SET_DUMPABLE, 1, 0, 0, 0)  # a change of user has taken /proc/self from us
    _call("unshare", _CLONE_NEWUSER | _CLONE_NEWPID | _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWIPC)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _call("mount", None, b"/", None, _MS_REC | _MS_PRIVATE, None)
    _build(folder, needed, covered)
    os.chdir("/")  # what stands here moves to the new root, the first process too
    ready, done = os.pipe()
    first = os.fork()
    if first == 0:
        _die_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        with contextlib.suppress(OSError):  # a container may refuse: then there is none at all
            _call("mount", b"proc", os.fsencode(f"{folder}/proc"), b"proc", 0, None)
        _give_up_rights()
        os.write(done, b"\n")
        while True:
            signal.pause()
    os.close(done)
    os.read(ready, 1)
    os.close(ready)
    os.chdir(folder)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", _MNT_DETACH)
    os.chdir("/")
    _give_up_rights()


def _build(root: str, needed: Iterable[str], covered: str) -> None:
    """Make a root, in memory: all of it can be read, and ``root`` within it and the shared memory can be written."""
    _mount_memory(root)
    for path in filter(os.path.exists, needed):
        _show(root, path)
    written = [root + root, f"{root}/dev/shm"]
    hidden = [path for path in (root + os.path.realpath(covered),) if os.path.isdir(path)]
    for path in (*written, f"{root}/proc"):
        os.makedirs(path, exist_ok=True)
    for path in hidden:
        _mount_memory(path)
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY, 0, 0, 0)
    _call(
        "syscall", _MOUNT_SETATTR, _AT_FDCWD, os.fsencode(root), _AT_RECURSIVE, attributes, ctypes.sizeof(attributes)
    )
    for path in written:
        _mount_memory(path)


def _mount_memory(path: str) -> None:
    _call("mount", b"tmpfs", os.fsencode(path), b"tmpfs", 0, b"size=64m,mode=777")


def _show(root: str, path: str) -> None:
    """Mount a file or folder at its own place below ``root``; links on the way to it are made again."""
    place = ""
    for part in path.strip("/").split("/"):
        parent, place = place, f"{place}/{part}"
        if os.path.islink(place):
            target = os.readlink(place)
            if not os.path.islink(root + place):
                os.symlink(target, root + place)
            _show(root, os.path.normpath(os.path.join(f"{parent}/", target) + path[len(place) :]))
            return
        if os.path.isdir(place):
            os.makedirs(root + place, exist_ok=True)
        elif not os.path.exists(root + place):
            Path(root + place).touch()
    _call("mount", os.fsencode(path), os.fsencode(root + path), None, _MS_BIND | _MS_REC, None)


def _give_up_rights() -> None:
    """Leave no way back: neither the rights of namespaces nor, by a program of root's, others."""
    _call("prctl", _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("capset", (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)())


def _die_with_parent() -> None:
    _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library; raises OSError when it fails."""
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
