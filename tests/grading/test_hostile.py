"""Hostile files have 0 or their honest points, with a reason, in time; the grader survives and grades the next."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import mi204
from mi204.grading import _run, grader
from mi204.grading._run import Harness, Limits

LIMITS = Limits(import_seconds=5, probe_seconds=2, seconds=30)


@pytest.fixture(scope="module")
def harness():
    with Harness(LIMITS) as harness:
        harness.answers(b"pass", {})  # torch is imported outside the tests' times
        yield harness


@pytest.fixture
def graded(harness):
    """Give a function that grades with short limits and checks that they are kept."""

    def grade(source):
        submission = grader.Submission("solution.py", source.encode())
        start = time.monotonic()
        submission.run(harness)
        assert time.monotonic() - start < LIMITS.seconds + 5
        return submission.judged("en")

    return grade


AT_IMPORT = {
    "endless loop": ("while True: pass", "stopped after 5 s"),
    "os._exit": ("import os; os._exit(0)", "exit code 0"),
    "sys.exit": ("import sys; sys.exit(0)", "SystemExit: 0 (line 1"),
    "10 GB": ("x = bytearray(10**10)", "MemoryError"),
    "10 GB, torch": ("import torch; x = torch.ones(10**10 // 4)", "RuntimeError"),
    "10 GB, shared": ("import mmap; x = mmap.mmap(-1, 10**10)", "OSError"),
    "output flood": ("while True: print('x' * 1000)", "stopped after 5 s"),
    "file flood": ("file = open('x', 'w')\nwhile True: file.write('x' * 1000)", "File too large"),
    "flood of the pipe": (
        "import os\nfor fd in range(3, 50):\n    try:\n        while True: os.write(fd, b'x' * 65536)\n"
        "    except OSError: pass",
        "wrote more than",
    ),
    "recursion": (
        "import sys\nsys.setrecursionlimit(10**9)\nclass A:\n"
        "    def __getattr__(self, name): return getattr(self, name)\nA().x", "SIGSEGV|MemoryError"
    ),
    "kill": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL"),
    "no answer": (
        "import os\nfor fd in range(3, 50):\n    try: os.close(fd)\n    except OSError: pass", "exit code 70"
    ),
    "raise at import": ("1 / 0", "ZeroDivisionError: division by zero (line 1: 1 / 0)"),
}


@pytest.mark.parametrize(("source", "reason"), AT_IMPORT.values(), ids=AT_IMPORT)
def test_a_file_that_fails_at_import_has_0_and_a_reason(graded, reference, source, reason):
    result = graded(source)
    assert result.score == 0
    assert any(part in result.notice for part in reason.split("|")), result.notice
    assert all(result.notice in outcome.message for outcome in result.outcomes)


IN_A_FUNCTION = {
    "endless loop": ("while True: pass", "stopped after 2 s"),
    "os._exit": ("import os; os._exit(0)", "exit code 0"),
    "sys.exit": ("import sys; sys.exit('done')", "SystemExit: done"),
    "10 GB": ("torch.ones(10**10)", "RuntimeError"),
    "abort": ("import os; os.abort()", "SIGABRT"),
    "enormous answer": ("return torch.ones(10**6)", "not_a_number"),
    "an object that cannot be shown": (
        "return type('Bad', (), {'__repr__': lambda self: 1 / 0})()", "ZeroDivisionError"
    ),
    "terminal codes and broken text": ("raise ValueError('\\x1b[2J \\udc80')", "ValueError: \ufffd[2J \ufffd"),
}


@pytest.mark.parametrize(("body", "reason"), IN_A_FUNCTION.values(), ids=IN_A_FUNCTION)
def test_a_function_that_fails_costs_its_own_points(graded, reference, body, reason):
    start = "def jacobian_norm(function: Callable, input_tensor: Tensor) -> float:\n"
    result = graded(reference.replace(start, f"{start}    {body}\n"))
    assert result.score == 33, result.report()
    messages = {outcome.message for outcome in result.outcomes if outcome.score < outcome.points}
    if reason == "not_a_number":
        reason = "(1000000,), float32"
    assert all(reason in message for message in messages), messages
    json.dumps(result.gradescope(), ensure_ascii=False).encode()


def test_each_function_that_hangs_costs_its_own_points(graded, reference):
    loop = reference.replace(' -> float:\n    """', ' -> float:\n    while True: pass\n    """')
    result = graded(loop)
    assert result.score == 30, result.report()
    assert set(result.by_item().values()) - {0} == {1, 5, 2, 4, 6, 3}


def test_the_honest_points_before_the_time_runs_out_are_kept(harness, reference, monkeypatch):
    monkeypatch.setattr(harness, "_limits", Limits(seconds=6, probe_seconds=60))
    sleep = "import time; time.sleep(60)"
    submission = grader.Submission(
        "solution.py", reference.replace("architectures.check_activation(activation_str)", sleep).encode()
    )
    submission.run(harness)
    result = submission.judged("en")
    assert result.score == 5, result.report()
    assert "used up the 6 s" in result.report()


def test_what_is_printed_beyond_the_beginning_is_discarded(graded, reference):
    prints = "print('x' * 10**6)\n" * 20
    step = "        loss.backward()\n"
    result = graded(f"{reference.replace(step, step + '        print(10**6 * [0])' + chr(10))}\n{prints}")
    assert result.score == 35, result.report()
    assert result.printed == 4000 * "x"


def test_a_thread_that_outlives_the_run_stops_nothing(graded, reference):
    thread = "\nimport threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()\n"
    assert graded(reference + thread).score == 35


def test_processes_that_detach_themselves_are_killed(graded, reference, tmp_path):
    mark = f"mi204-detached-{os.getpid()}"
    detach = (
        "\nimport os, sys\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(300)', '{mark}'])\n"
        "    os._exit(0)\n"
    )
    assert graded(reference + detach).score == 35
    running = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            running.append((folder / "cmdline").read_text())
        except OSError:
            continue
    assert running
    assert not any(mark in command for command in running)


def test_the_folder_of_a_run_is_gone_and_may_be_deleted_by_it(graded, reference):
    result = graded(reference + "\nimport os, shutil\nprint(os.getcwd())\nshutil.rmtree(os.getcwd())\n")
    assert result.score == 35
    assert not Path(result.printed.split()[0]).exists()


def test_a_results_file_of_its_own_is_not_read(graded, tmp_path):
    forged = json.dumps({"score": 35, "tests": [{"score": 35, "max_score": 35}]})
    result = graded(f"open('results.json', 'w').write({forged!r})")
    assert result.score == 0
    assert "gradient_norm is not in the file" in result.report()


FORGED = """
import os, json
cases = ["gradient_norm_one", "jacobian_norm_vector", "mlp", "training_step", "loss", "evaluate_whole", "normalize"]
answers = [{"case": c, **a} for c in cases for a in (
    {"value": 1.0}, {"passed": True, "score": 35}, {"ended": {"why": "x"}}, {"error": 3}, {"error": {"line": "x"}},
    {"value": {"dtype": "float32", "shape": [10**9], "data": ""}}, {"outputs": [], "layers": [{}], "kinds": []},
    {"value": {"dtype": "object", "shape": [1], "data": "AAAA"}}, {"value": [[[[]]]]}, {"missing": {}},
    {"weights": [[1, 2, 3, 4]], "values": []}, {"graph": True, "value": [1e999, None]},
)]
lines = [json.dumps(answers[12 * i + (i + SHIFT) % 12]) for i in range(len(cases))]
lines += ["[" * 100000, "{}", "null", '"x"', "\\udc80", "\\x00"]
for fd in range(3, 50):
    try:
        os.write(fd, "\\n".join(["", *lines, ""]).encode("utf-8", "surrogatepass"))
    except OSError:
        pass
"""


@pytest.mark.parametrize(("shift", "unreadable"), [(0, "10.1 10.2 10.3 11.1 11.2"), (6, "2.1")])
def test_forged_answers_are_only_answers(graded, reference, shift, unreadable):
    result = graded(FORGED.replace("SHIFT", str(shift)) + reference)
    lost = {outcome.number for outcome in result.outcomes if outcome.score < outcome.points}
    forged = "1.1 2.1 4.1 4.2 4.3 4.4 6.1 6.2 8.1 8.2 8.5 10.1 10.2 10.3 11.1 11.2"
    assert lost == set(forged.split()) - set(unreadable.split()), result.report()
    json.dumps(result.gradescope(), ensure_ascii=False).encode()


CHANGES = {
    "not a number": lambda array: array * np.nan,
    "infinite": lambda array: array / 0,
    "a hundredth more": lambda array: array * 1.01,
    "one axis more": lambda array: np.stack([array, array]),
    "nothing": lambda array: array[..., :0],
}


@pytest.fixture(scope="module")
def honest(harness, reference):
    """Our own solution, after its run."""
    submission = grader.Submission("solution.py", reference.encode())
    submission.run(harness)
    assert submission.judged("en").score == 35
    return submission


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.filterwarnings("ignore:.*(divide by zero|invalid value)")
def test_answers_that_are_nearly_right_are_wrong(honest, change, monkeypatch):
    def changed(value):
        if isinstance(value, np.ndarray | float):
            return change(np.atleast_1d(value))
        if isinstance(value, dict):
            return {key: changed(part) for key, part in value.items()}
        return [changed(part) for part in value] if isinstance(value, list) else value

    cases = honest._answers.cases
    cases = {case: answer if case in ("source", "import") else changed(answer) for case, answer in cases.items()}
    monkeypatch.setattr(honest._answers, "cases", cases)
    passed = {outcome.number for outcome in honest.judged("en").outcomes if outcome.score}
    # These look at the sizes of layers and outputs alone, and at whether there is some gradient.
    assert passed <= {"4.1", "4.2", "5.1", "5.2", "5.5", "8.5"}


CHANGING = """
import torch
from torch import nn
class Net(nn.Module):
    def __init__(self, first, hidden, n):
        super().__init__()
        self.n, self.shapes = n, SHAPES
        self.layers = nn.ModuleList(nn.Linear(1, 1) for _ in self.shapes)
    def forward(self, x):
        for layer, shape in zip(self.layers, self.shapes):
            layer.weight, layer.bias = nn.Parameter(torch.zeros(1, 1)), nn.Parameter(torch.zeros(1))
            layer(x.new_zeros(1, 1))
            layer.weight, layer.bias = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape[0]))
        return torch.full((len(x), self.n), 1 / self.n)
class Trainer:
    @staticmethod
    def create_mlp(input_dim, net_config, n_classes, activation):
        return Net(input_dim, len(net_config.dense_hiddens), n_classes)
"""


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ("[(9, first), *[(9, 9)] * (hidden - 1), (n, 9)]", "Expected: (6, "),
        ("[(0, first), *[(5_000_000, 0), (0, 5_000_000)][: hidden - 1], (n, 0)]", "which are needed to compare"),
    ],
    ids=["zeros", "empty"],
)
def test_weights_changed_within_the_network_earn_nothing(graded, shapes, message):
    result = graded(CHANGING.replace("SHAPES", shapes))
    # The right size, and a sum of 1: no more.
    assert result.by_item()["4"] == 2, result.report()
    assert message in next(outcome.message for outcome in result.outcomes if outcome.number == "4.4")


PATCHES = {
    "torch": "torch.allclose = lambda *a, **k: True\ntorch.equal = torch.isclose = torch.allclose\n"
    "Tensor.__eq__ = lambda *a: True\nTensor.norm = lambda *a, **k: torch.ones(())\n",
    "softmax": "nn.functional.softmax = lambda x, *a, **k: x * 0 + 0.5\n",
    "numpy": "np.allclose = lambda *a, **k: True\nnp.array_equal = np.allclose\n",
    "builtins": "import builtins\nbuiltins.isinstance = lambda *a: True\nbuiltins.abs = lambda x: 0\n",
    "float": "import builtins\nbuiltins.float = lambda x=0: 1.0\n",
    "json": "import json\njson.dumps = lambda *a, **k: '{\"case\": \"mlp\", \"score\": 5}'\n",
}


WRONG = """
def gradient_norm(function, *tensor_list): return 1.0
def jacobian_norm(function, input_tensor): return 1.0
class Trainer:
    def create_activation_function(self, name): return nn.Identity()
    def create_mlp(self, *a): return nn.Sequential(nn.Flatten(), nn.Linear(30, 3), nn.Softmax(dim=0))
    def create_cnn(self, *a): return nn.Conv2d(2, 3, 1)
    def normalize(self, a, b, c): return (a[0], 0), (b[0], 0), (c[0], 0)
    def one_hot(self, y): return y
    def compute_loss_and_accuracy(self, X, y): return 1.0, 1.1
    def compute_gradient_norm(self, network): return 1.0
    def training_step(self, X, y): return 1.0
    def evaluate(self, X, y): return 1.0, 1.1
"""


@pytest.mark.parametrize("patch", PATCHES.values(), ids=PATCHES)
def test_patched_packages_never_earn_points(graded, reference, patch):
    result = graded(f"import torch, numpy as np\nfrom torch import nn, Tensor\n{patch}{WRONG}")
    assert result.score == 0, result.report()


BORROWED = """
import torch
from mi204 import preprocessing
class Trainer:
    @staticmethod
    def normalize(train, valid, test):
        pixels = [preprocessing.standardize_pixels(X.numpy(), train[0].numpy()) for X, _ in (train, valid, test)]
        return tuple((torch.from_numpy(X), y) for X, (_, y) in zip(pixels, (train, valid, test)))
    def one_hot(self, y):
        return torch.from_numpy(preprocessing.one_hot(y.numpy(), self.n_classes))
"""


@pytest.mark.parametrize(
    "source",
    [
        BORROWED,
        f"import sys\nfor name in [*sys.modules]:\n    if 'mi204' in name: del sys.modules[name]\n{BORROWED}",
        "from mi204.interop.torch_trainer import Trainer, gradient_norm, jacobian_norm",
    ],
    ids=["a room", "from the beginning", "our own solution"],
)
def test_what_we_compute_cannot_be_imported(graded, source):
    result = graded(source)
    assert result.score == 0, result.report()
    assert "package mi204" in result.notice


@pytest.mark.slow
def test_what_we_compute_cannot_be_imported_where_nothing_hides_it(monkeypatch):
    monkeypatch.setattr(_run, "_FORKS", False)
    submission = grader.Submission("solution.py", BORROWED.encode())
    with Harness(Limits()) as harness:
        submission.run(harness)
    result = submission.judged("en")
    assert (result.isolation, result.score) == ("none", 0)
    assert "package mi204" in result.notice


LOOKING = """
import gc, sys, types
def ours(name):
    frame, places = sys._getframe(1), gc.get_objects()
    while frame:
        places += [*frame.f_locals.values(), *frame.f_globals.values()]
        frame = frame.f_back
    for place in places:
        members = place if isinstance(place, dict) else vars(place) if isinstance(place, type) else {name: place}
        found = members.get(name)
        if isinstance(found, staticmethod): found = found.__func__
        if not isinstance(found, types.FunctionType) or found.__name__ != name: continue
        if not found.__module__.startswith(("solution", "torch")): return found
    raise LookupError(name)
class Trainer: pass
def borrowed(name): return lambda *arguments: ours(name)(*arguments)
for name in ("normalize", "create_activation_function", "create_mlp", "create_cnn", "compute_gradient_norm"):
    setattr(Trainer, name, staticmethod(borrowed(name)))
for name in ("one_hot", "compute_loss_and_accuracy"): setattr(Trainer, name, borrowed(name))
"""


@pytest.mark.filterwarnings("ignore")
def test_what_we_compute_cannot_be_found_in_memory(graded):
    result = graded(LOOKING)
    assert result.score == 0, result.report()
    # What is put around the functions is found, and is worth nothing; the neighbours are not there.
    assert "create_mlp: one torch.nn.Linear" in result.report()
    for name in ("one_hot", "compute_loss_and_accuracy", "compute_gradient_norm"):
        assert f"LookupError: {name}" in result.report()


ASKING = """
import os
def neighbours():
    for descriptor in range(3, 256):
        try: os.set_blocking(descriptor, False); print(os.read(descriptor, 1)); os.set_blocking(descriptor, True)
        except BlockingIOError: os.set_blocking(descriptor, True)
        except OSError: pass
    for descriptor in range(3, 256):
        try: os.write(descriptor, b'{"case": "neighbours"}\\n')
        except OSError: pass
    for descriptor in range(3, 256):
        try: return os.read(descriptor, 1 << 16).decode()
        except OSError: pass
"""


def test_whoever_asks_for_the_neighbours_has_answered_the_rest(graded, reference):
    result = graded(f"{ASKING}\nexec(neighbours())\nclass Trainer(Neighbours): print('defined')\n")
    assert (result.score, result.printed) == (0, "defined\n"), result.report()
    # Nor are they answered by the next process, which could have been told.
    start = "def gradient_norm(function: Callable, *tensor_list: Tensor) -> float:\n"
    result = graded(ASKING + reference.replace(start, f"{start}    neighbours(); os._exit(3)\n"))
    assert result.by_item() == {**dict.fromkeys(map(str, range(1, 10)), 0), "10": 6, "11": 3}


UNSHARE = ("unshare", "--map-root-user", "--user", "--mount", "--pid", "--net", "--ipc", "--fork")


@pytest.fixture
def isolated(graded):
    allowed = [*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/dev/shm"]
    if not shutil.which("unshare") or subprocess.run(allowed, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("this kernel does not give a submission namespaces of its own")
    assert graded("pass").isolation == "namespaces"


def test_other_processes_and_the_network_cannot_be_reached(isolated, graded, reference):
    with socket.create_server(("127.0.0.1", 0)) as server, subprocess.Popen(["sleep", "60"]) as victim:
        attack = (
            "\nimport os, signal, socket\n"
            f"try: os.kill({victim.pid}, signal.SIGKILL)\nexcept ProcessLookupError: print('no process')\n"
            f"try: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 1)\n"
            "except OSError: print('no network')\n"
        )
        result = graded(reference + attack)
        assert victim.poll() is None
        victim.kill()
    assert (result.score, result.printed) == (35, "no process\nno network\n")


def test_what_is_not_needed_can_neither_be_read_nor_written(isolated, graded, reference, tmp_path):
    classmate = tmp_path / "alice.py"
    classmate.write_text(reference, encoding="utf-8")
    package = Path(mi204.__file__).parent
    secret = [classmate, package.parent / ".git" / "HEAD", package.parent / "pyproject.toml", "/etc/passwd", __file__]
    secret += [package / name for name in ("__init__.py", "interop/torch_trainer.py", "grading/_neighbours.py")]
    needed = [os.__file__, np.__file__, sys.executable, os.devnull, "/dev/urandom"]
    result = graded(
        f"for path in {[*map(str, (*secret, *needed))]}:\n"
        "    try: open(path, 'rb').read(1); print(path)\n    except OSError: pass\n"
    )
    assert result.printed.split() == needed
    for path, mode in ((tmp_path / "left", "w"), (package / "left", "w"), (os.__file__, "r+")):
        notice = graded(f"open({str(path)!r}, {mode!r})").notice
        assert "OSError" in notice or "FileNotFoundError" in notice
    assert not (tmp_path / "left").exists()


LINKED = """
import os, sys
sys.path.append(sys.argv[1])
from mi204.grading import _isolation
home, folder = sys.argv[2:]
needed = [f"{home}/{name}" for name in ("link/lib", "near/more", "absent", "real/file")]
entered = _isolation.enter(folder, needed, f"{home}/link/lib/covered")
seen = [os.path.relpath(os.path.join(place, name), home) for place, _, names in os.walk(home) for name in names]
print(entered, *sorted(seen), open(f"{home}/near/more/module").read(), *os.listdir(f"{home}/link/lib"))
open(f"{folder}/room", "w")
for place in (home, f"{home}/real/lib", f"{home}/real/lib/covered"):
    try: open(f"{place}/left", "w")
    except OSError: continue
    print("written", place)
"""


def test_where_the_kernel_refuses_the_process_goes_on_as_it_was(isolated, tmp_path):
    program = (
        "import os, sys; sys.path.append(sys.argv[1]); from mi204.grading import _isolation\n"
        "entered = _isolation.enter(sys.argv[2], ['/usr'], '')\n"
        "print(entered, os.path.exists(sys.argv[1]), os.getpid() == int(sys.argv[3]))"
    )
    refused = f"echo 0 > /proc/sys/user/max_user_namespaces; exec {sys.executable} -I -c \"$0\" \"$@\" $$"
    arguments = [program, str(Path(grader.__file__).parents[2]), str(tmp_path)]
    finished = subprocess.run(["unshare", "-Ur", "bash", "-c", refused, *arguments], capture_output=True, text=True)
    assert finished.stdout == "False True True\n", finished.stderr


def test_what_is_needed_is_found_through_links_and_what_is_covered_is_not(isolated, tmp_path):
    home, folder = tmp_path / "home", tmp_path / "folder"
    for path in ("real/lib/module", "real/lib/covered/secret", "real/secret", "real/file", "far/more/module"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text("text", encoding="utf-8")
    (home / "link").symlink_to(home / "real")
    (home / "near").symlink_to("real/../far")
    folder.mkdir()
    arguments = [str(path) for path in (Path(grader.__file__).parents[2], home, folder)]
    finished = subprocess.run([sys.executable, "-I", "-c", LINKED, *arguments], capture_output=True, text=True)
    assert finished.stdout == "True far/more/module real/file real/lib/module text covered module\n", finished.stderr
    assert not list(folder.iterdir())


def test_a_classmate_is_not_found_by_the_graders_command_line(isolated, graded, reference, tmp_path):
    (tmp_path / "alice.py").write_text(reference, encoding="utf-8")
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "--summary", tmp_path]) as grading:
        result = graded(
            "import glob\n"
            "words = [word for path in glob.glob('/proc/[0-9]*/cmdline') for word in open(path).read().split('\\0')]\n"
            "print(len(words) > 0)\n"
            f"exec(open(words[words.index({str(tmp_path)!r})] + '/alice.py').read())\n"
        )
        grading.kill()
    assert (result.score, result.printed) == (0, "True\n")
    assert "ValueError" in result.notice


def test_the_way_out_through_the_first_process_is_closed(isolated, graded):
    paths = ["/..", "/proc/1/root", "/proc/1/root/..", "/proc/1/cwd", "/proc/1/cwd/..", "/proc/self/root/.."]
    result = graded(f"import os\nprint(*[path for path in {paths} if os.listdir(path) != os.listdir('/')])\n")
    assert result.printed == "\n"
    # Nor has it the rights to build another.
    call = "ctypes.CDLL(None).mount(b'tmpfs', b'/dev/shm', b'tmpfs', 0, None)"
    assert graded(f"import ctypes\nprint({call})\n").printed == "-1\n"


REMEMBERING = """
words = [8 * word for word in (b"abc", b"YWJj", b"YmNh", b"Y2Fi")]  # as it is, and in base 64
for line in open("/proc/self/maps"):
    addresses, rights, *_, name = line.split(" ")
    if rights.startswith("rw") and "[v" not in name:
        start, end = (int(address, 16) for address in addresses.split("-"))
        with open("/proc/self/mem", "rb") as memory:
            memory.seek(start)
            while start < end and (part := memory.read(min(1 << 22, end - start))):
                start += len(part)
                if any(part.count(word) > 100 for word in words): print("found")
print("searched")
"""


def test_the_submission_before_is_not_found_in_memory(isolated, graded):
    secret = f"secret = '{14_000 * 'abc'}'\n"
    assert "found" in graded(secret + REMEMBERING).printed
    assert graded(REMEMBERING).printed == "searched\n"


def test_python_can_be_started_again(isolated, graded):
    result = graded(
        "import subprocess, sys, os\n"
        "program = [sys.executable, '-c', 'import numpy; print(numpy.ones(2).sum())']\n"
        "print(subprocess.run(program, capture_output=True))\n"
        "print(os.system('exit 3') >> 8)\n"
    )
    assert "returncode=0, stdout=b'2.0\\n'" in result.printed
    assert result.printed.endswith("\n3\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root grades by another user")
def test_files_that_another_user_left_are_removed(tmp_path, monkeypatch):
    from mi204.grading import _harness  # imports torch

    monkeypatch.setattr(_harness, "_SHARED_FOLDERS", [str(tmp_path)])
    (tmp_path / "folder").mkdir()
    for name in ("left", "folder/left", "kept"):
        (tmp_path / name).touch()
    for name in ("left", "folder"):
        os.chown(tmp_path / name, 20_007, 20_007)
    _harness._remove_files(20_007)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_harness_that_is_brought_down_is_started_again(graded, reference):
    result = graded("import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nimport time; time.sleep(3)\n")
    assert result.score == 0
    # Where it has namespaces of its own, it ends itself; where it is another user, it cannot.
    assert any(part in result.report() for part in ("brought down", "SIGKILL", "gradient_norm is not in the file"))
    assert graded(reference).score == 35


@pytest.mark.slow
def test_without_fork_each_attempt_is_a_process_of_its_own(reference, monkeypatch):
    monkeypatch.setattr(_run, "_FORKS", False)
    hanging = reference.replace("    return float(torch.auto", "    while True: pass\n    return float(torch.auto")
    submission = grader.Submission("solution.py", hanging.encode())
    with Harness(Limits(probe_seconds=8, seconds=200)) as harness:
        submission.run(harness)
    result = submission.judged("en")
    assert result.score == 33, result.report()


def test_the_child_is_torch_and_numpy_alone():
    program = (
        "import sys; sys.path.append(sys.argv[1]); from mi204.grading import _harness\n"
        "print(sorted({'keras', 'tensorflow', 'jax', 'pandas', 'matplotlib', 'requests'} & set(sys.modules)))"
    )
    root = str(Path(grader.__file__).parents[2])
    finished = subprocess.run([sys.executable, "-I", "-c", program, root], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "[]"
