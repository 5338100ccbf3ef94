"""The child: it has imported torch, and forks a process of its own for each attempt at running a submission.

That process gets a new session, an empty temporary folder, limits of memory and file size. Where the kernel allows it
(``_isolation``), it sees Python, torch and numpy and no other file, no other process and no network, and writes nowhere
but in its folder. When the grader runs as root and others may read where Python and torch are installed, it gets the
rights of a user that owns nothing. What it prints goes to a pipe, what it answers to another; its time is watched here,
and here all that it started is killed. Windows cannot fork and has no ``resource``: there each attempt is a whole new
process, with a limit of time alone.

A submission can look at all that is in its process, and so at what was in the one it was forked from: that one has
never held another submission, nor anything that answers a question. The correct neighbours of the last functions are
sent when it asks for them; what it then says of the functions before is not heard any more.
"""

import ast
import base64
import contextlib
import ctypes
import faulthandler
import functools
import gc
import importlib
import os
import re
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import mi204
from mi204.grading import _isolation, _stand_ins, _wire
from mi204.grading._probes import MissingError, SignatureError, methods, probe
from mi204.grading._signatures import LAST

FILENAME = "solution.py"
FILE_BYTES = 16_000_000
"""The largest file that a submission may write."""

_OUTPUT_BYTES = 4000
_SYSTEM = (
    *("/bin", "/lib", "/lib32", "/lib64", "/usr/bin", "/usr/lib", "/usr/lib32", "/usr/lib64"),
    *("/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/proc/cpuinfo", "/sys/devices/system/cpu"),
    *("/dev/full", "/dev/null", "/dev/random", "/dev/urandom", "/dev/zero"),
)
_PYTHON = ("bin", "lib", "lib64", "pyvenv.cfg")
_NEIGHBOURS = Path(__file__).with_name("_neighbours.py")
_SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
_ASK = _wire.dump({"case": "neighbours"})
_PROCESSES = 20
"""Processes and threads of a submission, where they can be told from others."""

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


class _LazyCompiler(types.ModuleType):
    """torch's compiler: optimisers and torch.func import it only to switch it off.

    That spares a second and 70 MB, until something else of it is asked for.
    """

    __file__ = None
    compiled_autograd = types.SimpleNamespace(_disable=contextlib.nullcontext)

    @staticmethod
    def disable(function: Callable, *arguments: Any, **options: Any) -> Callable:
        return function

    @staticmethod
    def graph_break() -> None:
        return None

    def __getattr__(self, name: str) -> Any:
        sys.modules.pop(self.__name__, None)
        return getattr(importlib.import_module(self.__name__), name)


def serve() -> None:
    """Answer each request on the standard input, one line each, until it is closed."""
    sys.modules["torch._dynamo"] = _LazyCompiler("torch._dynamo")
    needed = _needed()
    gc.freeze()  # what is collected in a fork is not searched for in what both share
    while select.select([0], [], []):
        pid = os.fork()
        if pid == 0:
            try:
                _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
                _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what the submission detaches comes back here, to be killed
                sys.stdout.buffer.write(_wire.dump(_attempt(_wire.load(sys.stdin.buffer.readline()), needed)))
                sys.stdout.buffer.flush()
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(pid, 0)[1] != 0:  # there was no request, or this was brought down
            return


def run_once() -> None:
    """Answer one request in this very process, for a system that cannot fork: answers as lines, then the end."""
    request = _wire.load(sys.stdin.buffer.readline())
    out = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)

    def send(message: dict) -> None:
        out.write(_wire.dump(message))
        out.flush()
        watch(request["import_seconds" if message["case"] in ("isolation", "source") else "probe_seconds"])

    def watch(seconds: float) -> None:
        faulthandler.dump_traceback_later(seconds, exit=True)

    watch(request["import_seconds"])
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.chdir(folder)
        _session(request, "none", send, _NEIGHBOURS.read_bytes)
        os.chdir(Path(folder).parent)
    os._exit(0)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _attempt(request: dict, needed: list[str]) -> dict:
    """Run one process on the request; give its lines, how it ended, and the beginning of what it printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        (answers, to_answer), (printed, to_print) = os.pipe(), os.pipe()
        given, to_give = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                isolation = _become_child(folder, to_answer, to_print, given, needed, request["megabytes"])
                _session(
                    request,
                    isolation,
                    lambda message: _write(to_answer, _wire.dump(message)),
                    lambda: os.read(given, 1 << 16),
                )
                os._exit(0)
            finally:
                os._exit(70)
        os.close(to_answer)
        os.close(to_print)
        text = bytearray()
        received, ended = _watch(pid, answers, printed, text, to_give, request)
        _kill_all(pid)
        text += _rest(printed, _OUTPUT_BYTES - len(text))
        _remove_files(_stranger(pid))
    lines = received.decode("utf-8", "replace").splitlines()
    return {"lines": lines, "ended": ended, "printed": text.decode("utf-8", "replace")}


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _rest(descriptor: int, most: int) -> bytes:
    """Read what is left in a pipe, ``most`` bytes of it."""
    os.set_blocking(descriptor, False)
    data = bytearray()
    with contextlib.suppress(BlockingIOError):
        while len(data) < most and (part := os.read(descriptor, most - len(data))):
            data += part
    return bytes(data)


def _watch(pid: int, answers: int, printed: int, text: bytearray, to_give: int, request: dict) -> tuple[bytes, dict]:
    """Collect what the child answers, and the beginning of what it prints in ``text``; say how it ended.

    It ends by itself, takes too long or answers too much. When it asks for the neighbours it gets them, once.
    """
    start = time.monotonic()
    last, limit = start, request["import_seconds"]
    received = bytearray()
    heard = {answers, printed}
    given = False
    while True:
        now = time.monotonic()
        if now - last > limit:
            return bytes(received), {"why": "probe_time", "seconds": limit}
        if now - start > request["seconds"]:
            return bytes(received), {"why": "total_time", "seconds": request["seconds"]}
        ready, _, _ = select.select([0, *heard], [], [], 0.05)
        if 0 in ready:  # the parent has gone: it says nothing while it waits
            _kill_all(pid)
            os._exit(1)
        read = {descriptor: os.read(descriptor, 1 << 16) for descriptor in ready}
        heard -= {descriptor for descriptor, data in read.items() if not data}  # closed, the process is not over yet
        text += read.get(printed, b"")[: _OUTPUT_BYTES - len(text)]
        if data := read.get(answers):
            received += data
            if len(received) > _wire.MAX_BYTES:
                return bytes(received[: _wire.MAX_BYTES]), {"why": "flood"}
            # The first three lines say how it is isolated, and that the file was read and imported.
            if b"\n" in data and received.count(b"\n") >= 3:
                last, limit = now, request["probe_seconds"]
            if not given and b"\n" + _ASK in received:
                given = True
                _write(to_give, _NEIGHBOURS.read_bytes())
            continue
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            received += _rest(answers, _wire.MAX_BYTES - len(received))
            code = os.waitstatus_to_exitcode(status)
            if code < 0:
                return bytes(received), {"why": "signal", "name": signal.Signals(-code).name}
            return bytes(received), {"why": "exit", "code": code}


def _kill_all(pid: int) -> None:
    """Kill the child and all that it started, whatever sessions they have moved to."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        for children in Path("/proc/self/task").glob("*/children"):
            for child in children.read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.005)
        except ChildProcessError:
            return


def _stranger(pid: int) -> int:
    """Give the process its own user, who owns no other process and no file; below 65536, as rootless containers ask."""
    return 20_000 + pid % 40_000


def _remove_files(user: int) -> None:
    """Remove what a user has left where everybody may write."""
    if os.geteuid() != 0:
        return
    for folder in map(Path, _SHARED_FOLDERS):
        for path in folder.iterdir() if folder.is_dir() else ():
            with contextlib.suppress(OSError):
                if path.lstat().st_uid == user:
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def _become_child(folder: str, to_answer: int, to_print: int, given: int, needed: list[str], megabytes: int) -> str:
    """Give up what the submission must not have; say how it is kept from other processes."""
    import resource

    os.setsid()
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (to_print, 1), (to_print, 2)):
        os.dup2(source, target)
    for descriptor in set(range(3, 256)) - {to_answer, given}:
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _limit(megabytes * 1_000_000)
    isolation = "none"
    if os.geteuid() == 0 and _others_can_read(os.__file__, torch.__file__, folder):
        with contextlib.suppress(OSError):  # a container may have no other user
            _become(_stranger(os.getpid()), folder)
            isolation = "user"
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # after the change of user, which clears it
    if _isolation.enter(folder, needed, os.path.dirname(mi204.__file__)):
        isolation = "namespaces"
    if isolation != "none":
        resource.setrlimit(resource.RLIMIT_NPROC, (_PROCESSES, _PROCESSES))
    room = Path(folder, "room")  # below the folder: the submission may delete it
    room.mkdir()
    os.chdir(room)
    os.environ.update(HOME=str(room), TMPDIR=str(room))
    tempfile.tempdir = str(room)
    torch.set_num_threads(1)
    return isolation


def _needed() -> list[str]:
    """Give what Python, torch and numpy are made of, wherever each of them is installed: all that a submission sees."""
    parts = [os.path.join(prefix, part) for prefix in (sys.prefix, sys.base_prefix) for part in _PYTHON]
    packages = set()
    for name, module in list(sys.modules.items()):
        if "." not in name and name != "mi204" and getattr(module, "__file__", None):
            path = Path(module.__file__)
            packages.add(str(path.parents[1] if hasattr(module, "__path__") else path.parent))
    return [*_SYSTEM, *parts, *sorted(packages)]


def _limit(room: int) -> None:
    """Limit files, and on Linux memory: ``room`` bytes of data beyond what torch took."""
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: FILE_BYTES}
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        size, data = (1024 * int(status.split(f"Vm{name}:")[1].split()[0]) for name in ("Size", "Data"))
        # Memory shared by mmap counts in the address space alone, and so do the stacks of threads.
        limits |= {resource.RLIMIT_DATA: data + room, resource.RLIMIT_AS: size + 2 * room}
    for name, value in limits.items():
        resource.setrlimit(name, (value, value))


def _others_can_read(*paths: str) -> bool:
    return all(folder.stat().st_mode & 0o005 == 0o005 for path in paths for folder in Path(path).parents)


def _become(user: int, folder: str) -> None:
    os.chown(folder, user, user)
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)


def _session(request: dict, isolation: str, send: Callable[[dict], None], given: Callable[[], bytes]) -> None:
    """Read, import and probe the submission, one message after each step; take the neighbours that are ``given``."""
    received = base64.b64decode(request["source"])
    source = _without_magics(received)
    # Nothing of the submission has run yet: these facts are sure.
    send({"case": "isolation", "kind": isolation})
    facts = _read(source)
    send({"case": "source", "magics": source != received or b"get_ipython" in source, **facts})
    if facts:
        return
    module = types.ModuleType("solution")
    module.__file__ = str(Path(FILENAME).absolute())
    answer = _guarded(lambda: _import(module, source), source)
    # What was defined before the import failed is graded all the same.
    defined = bool({"Trainer", "gradient_norm", "jacobian_norm"} & vars(module).keys())
    send({"case": "import", **answer, **({"defined": defined} if answer else {})})
    if answer and not defined:
        return
    neighbours: dict[str, Callable] = {}
    for case, (name, inputs) in request["cases"].items():
        if name in LAST and not neighbours:
            send({"case": "neighbours"})
            neighbours = _defined(given())
        call = functools.partial(probe, module, name, inputs, neighbours)
        send({"case": case, **_guarded(call, source)})


def _defined(text: bytes) -> dict[str, Callable]:
    scope: dict[str, Any] = {"__name__": "neighbours"}
    exec(text, scope)
    return methods(scope["Neighbours"])


def _without_magics(source: bytes) -> bytes:
    """Put ``pass`` in place of a notebook's magics: lines that start with % or !, where that is not Python."""
    while True:
        try:
            ast.parse(source, FILENAME)
            return source
        except SyntaxError as error:
            lines = source.splitlines(keepends=True)
            replaced = [
                re.sub(rb"^((?:\xef\xbb\xbf)?\s*)[%!][^\r\n]*", rb"\1pass", line) if number == error.lineno else line
                for number, line in enumerate(lines, 1)
            ]
            if replaced == lines:
                return source
            source = b"".join(replaced)
        except (ValueError, RecursionError, MemoryError):
            return source


def _read(source: bytes) -> dict:
    """Say why the file cannot be run, or that it answers the later variant of the homework; nothing when all is well.

    A later submission has no ``paddings``, or computes the mean absolute error.
    """
    try:
        tree = ast.parse(source, FILENAME)
        compile(source, FILENAME, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 0
        message = str(getattr(error, "msg", error))[:300]
        return {"syntax": {"message": message, "line": line, "text": _text(source, line)}}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "compute_loss_and_mae":
            return {"variant": True}
        if isinstance(node, ast.ClassDef) and node.name == "NetworkConfiguration":
            fields = {ast.unparse(part.target) for part in node.body if isinstance(part, ast.AnnAssign)}
            if fields and "paddings" not in fields:
                return {"variant": True}
        assigned = ast.unparse(node) if isinstance(node, ast.Assign) else ""
        if re.match("NetworkConfiguration = .*dense_hiddens", assigned) and "paddings" not in assigned:
            return {"variant": True}
    return {}


def _import(module: types.ModuleType, source: bytes) -> dict:
    for name in [name for name in sys.modules if name.split(".")[0] == "mi204"]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Hider)
    _stand_ins.install(module)
    sys.modules[module.__name__] = module
    Path(FILENAME).write_bytes(source)
    exec(compile(source, FILENAME, "exec"), vars(module))
    return {}


class _Hider:
    """What mi204 computes is not for import: its files are out of sight in namespaces alone."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        if name.split(".")[0] == "mi204":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def _guarded(action: Callable[[], dict], source: bytes) -> dict:
    """Give what the action gives, or what it raised; and of which packages it has called the stand-ins."""
    _stand_ins.called.clear()
    answer = _tried(action, source)
    return {**answer, "stand_ins": ", ".join(sorted(_stand_ins.called))} if answer else answer


def _tried(action: Callable[[], dict], source: bytes) -> dict:
    """Give what the action gives; or what it raised, and the line of the submission that did."""
    try:
        return action()
    except MissingError as error:
        return {"missing": str(error)}
    except SignatureError as error:
        return {"signature": str(error)[:200]}
    except BaseException as error:  # sys.exit too
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILENAME]
        line = lines[-1] if lines else 0
        details = {"message": str(error)[:500], "line": line, "text": _text(source, line)}
        return {"error": {"type": type(error).__name__, **details}}


def _text(source: bytes, line: int) -> str:
    lines = source.decode("utf-8", "replace").splitlines()
    return lines[line - 1].strip()[:200] if 0 < line <= len(lines) else ""
