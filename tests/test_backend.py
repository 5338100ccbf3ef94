import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204 import backend, packages
from mi204.errors import SettingError

BACKEND = keras.backend.backend()
ROOT = Path(__file__).parents[1]


@pytest.mark.backend
@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=12))
def test_gradient_of_a_closed_form(values):
    x = np.array(values, dtype="float32")
    found = backend.gradient(lambda t: keras.ops.sum(t**3) + 2 * keras.ops.sum(t), x)
    np.testing.assert_allclose(found, 3 * x**2 + 2, rtol=1e-4, atol=1e-4)


@pytest.mark.backend
def test_gradient_through_a_network_agrees_with_finite_differences():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(3, 3, activation="tanh"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    x = np.random.default_rng(0).normal(size=(2, 6, 6, 2)).astype("float32")

    def score(tensor):
        return keras.ops.sum(model(tensor)[:, 1])

    found = backend.gradient(score, x)
    assert found.shape == x.shape
    direction = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    step = 1e-2
    above, below = (keras.ops.convert_to_numpy(score(x + sign * step * direction)) for sign in (1, -1))
    difference = float(above - below)
    assert np.sum(found * direction) == pytest.approx(difference / (2 * step), rel=2e-2, abs=2e-4)


@pytest.mark.backend
def test_gradient_of_a_constant_is_zero():
    found = backend.gradient(lambda t: keras.ops.sum(keras.ops.ones((3,))), np.ones(5, "float32"))
    np.testing.assert_array_equal(found, np.zeros(5))


@pytest.mark.backend
def test_gradient_of_an_array_is_refused():
    with pytest.raises(ValueError, match=r"scalar, received shape \(5,\)"):
        backend.gradient(lambda t: 2 * t, np.ones(5, "float32"))


@pytest.mark.backend
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 6))
def test_cut_gives_each_pair_in_order_and_never_mixes_two(sizes, batch_size):
    pairs = [(10.0 * i + np.arange(n, dtype="float32"), np.full((n, 2), i, "float32")) for i, n in enumerate(sizes)]
    found = [(np.asarray(x), np.asarray(y)) for x, y in backend.cut(iter(pairs), batch_size)]
    assert [len(x) for x, _ in found] == [min(batch_size, n - at) for n in sizes for at in range(0, n, batch_size)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), np.concatenate([x for x, _ in pairs]))
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), np.concatenate([y for _, y in pairs]))


@pytest.mark.backend
def test_environment_names_the_backend_in_use():
    described = backend.environment()
    assert described["backend"] == keras.backend.backend()
    assert described["keras"] == keras.__version__
    assert described[described["backend"]] != "unknown"


# --- gradients of weights ---


class Unused(keras.layers.Layer):
    """Give back what comes in; its trainable weight has no path to the loss."""

    def build(self, input_shape):
        self.idle = self.add_weight(shape=(3, 2), initializer="ones", name="idle")

    def call(self, x):
        return x


def network(rate=0.5):
    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.BatchNormalization(),
            Unused(),
            keras.layers.Dropout(rate),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def examples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 6)).astype("float32"), np.eye(4, dtype="float32")[rng.integers(0, 4, 8)]


def gradients(model):
    return backend.weight_gradients(model, keras.losses.categorical_crossentropy, *examples())


def state(model):
    """Copy every variable of a model, its optimiser's and its metrics' too, and what torch keeps beside them."""
    variables = [*model.variables, *model.optimizer.variables]
    found = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    if BACKEND == "torch":
        import torch

        found += [torch.get_rng_state().numpy()]
        for variable in model.variables:
            slope = variable.value.grad
            found += [np.array(variable.value.requires_grad), np.zeros(0) if slope is None else slope.numpy().copy()]
    return found


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:Gradients do not exist")  # for the weight without a path
def test_weight_gradients_change_nothing_in_the_model():
    model = network()
    model.compile("adam", "categorical_crossentropy", metrics=["acc"])
    model.train_on_batch(*examples())
    before = state(model)
    first, second = gradients(model), gradients(model)
    for was, found in zip(before, state(model), strict=True):
        np.testing.assert_array_equal(found, was)
    # The same masks of dropout twice, as no generator moved; and masks there are.
    for slope, same in zip(first, second, strict=True):
        np.testing.assert_array_equal(slope, same)
    model.layers[-2].rate = 0.0
    assert np.abs(gradients(model)[0] - first[0]).max() > 1e-3


@pytest.mark.backend
@pytest.mark.filterwarnings("ignore:Gradients do not exist")
def test_a_training_goes_on_as_if_nobody_had_looked_at_its_gradients():
    seen = []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(gradients(self.model))

    def trained(*callbacks):
        model = network()
        model.compile(keras.optimizers.SGD(0.5), "categorical_crossentropy")
        model.fit(*examples(), batch_size=4, epochs=2, shuffle=False, verbose=0, callbacks=callbacks)
        return model

    alone, model = trained(), trained(Look())
    for weight, same in zip(alone.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    assert len(seen) == 4
    assert np.abs(seen[0][0] - seen[-1][0]).max() > 1e-4  # of the weights at that step, not of the first


@pytest.mark.backend
def test_weight_gradients_are_those_of_the_loss_in_training_and_zero_without_a_path():
    """Against differences along a random direction, with batch normalisation by the batch's own mean and variance."""
    model, (x, y) = network(rate=0.0), examples()
    slopes = gradients(model)
    names = [variable.name for variable in model.trainable_variables]
    assert [slope.shape for slope in slopes] == [tuple(variable.shape) for variable in model.trainable_variables]
    np.testing.assert_array_equal(slopes[names.index("idle")], np.zeros((3, 2)))
    rng = np.random.default_rng(1)
    directions = [rng.normal(size=slope.shape) for slope in slopes]
    start = [keras.ops.convert_to_numpy(variable) for variable in model.trainable_variables]
    step, values = 1e-2, []
    for sign in (1, -1):
        for variable, at, direction in zip(model.trainable_variables, start, directions, strict=True):
            variable.assign(at + sign * step * direction)
        loss = keras.losses.categorical_crossentropy(y, model(x, training=True))
        values.append(float(keras.ops.convert_to_numpy(loss).mean()))
    expected = (values[0] - values[1]) / (2 * step)
    along = sum(float(np.sum(slope * direction)) for slope, direction in zip(slopes, directions, strict=True))
    assert along == pytest.approx(expected, rel=1e-2)
    assert abs(expected) > 0.1


@pytest.mark.backend
def test_weight_gradients_of_a_loss_without_any_path_are_zero():
    found = backend.weight_gradients(network(), lambda y, outputs: keras.ops.sum(y), *examples())
    assert [np.abs(slope).max() for slope in found] == [0.0] * len(found)


# --- what stands around: environment variables, keras.json, what is installed ---


def test_chosen_reads_variable_then_file(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.chosen() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert backend.chosen() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert backend.chosen() == "torch"
    monkeypatch.setenv("KERAS_BACKEND", "  ")
    assert backend.chosen() == "torch"
    (tmp_path / "keras.json").write_text("no JSON")
    assert backend.chosen() == "tensorflow"


def test_spaces_around_the_backend_are_forgiven_and_keras_never_sees_them(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", f" {BACKEND} ")
    backend.prepare()
    assert os.environ["KERAS_BACKEND"] == BACKEND


@pytest.mark.parametrize(
    "content",
    [["jax"], "jax", {"floatx": "bfloat16"}, {"epsilon": 1}, {"image_data_format": None}, {"floatx": ["float32"]}],
)
def test_a_configuration_at_which_keras_would_stop_is_refused(monkeypatch, tmp_path, content):
    monkeypatch.setenv("KERAS_BACKEND", BACKEND)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(json.dumps(content))
    with pytest.raises(SettingError) as refused:
        backend.prepare()
    received = f"received {json.dumps(content)}: correct or delete the file."
    assert refused.value.written("en").startswith(f"Expected in {tmp_path / 'keras.json'} the settings of Keras, such ")
    assert refused.value.written("en").endswith(f'as {{"backend": "jax"}}, {received}')
    assert f"attendus dans {tmp_path / 'keras.json'}, {json.dumps(content)} reçu" in refused.value.written("fr")


def test_a_users_keras_json_changes_no_network(tmp_path):
    """The network of the handout, in a child process whose keras.json wants channels first, and other numbers."""
    foreign = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 1e-3}
    (tmp_path / "keras.json").write_text(json.dumps(foreign))
    program = (
        "import json, keras\n"
        "from mi204 import backend\n"
        "keras.config.set_dtype_policy('mixed_bfloat16')\n"
        "found = backend.keras_settings()\n"
        "backend.use_our_settings()\n"
        "layers = keras.layers\n"
        "model = keras.Sequential([keras.Input((32, 32, 3)), layers.Conv2D(8, 3, padding='same'),\n"
        "    layers.MaxPooling2D(2), layers.Flatten(), layers.Dense(64), layers.Dense(10)])\n"
        "types = sorted({layer.compute_dtype for layer in model.layers} | {weight.dtype for weight in model.weights})\n"
        "print(json.dumps([found, backend.keras_settings(), model.count_params(), types]))"
    )
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": BACKEND, "PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    found, ours, n_parameters, types = json.loads(finished.stdout)
    assert found == {**foreign, "epsilon": "0.001", "dtype_policy": "mixed_bfloat16"}
    assert ours == backend.SETTINGS
    assert n_parameters == 132_010
    assert types == ["float32"]


def test_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(SettingError, match="one of tensorflow, jax, torch, received 'theano'") as refused:
        backend.prepare()
    assert "Backend parmi tensorflow, jax, torch attendu, 'theano' reçu" in refused.value.written("fr")


@pytest.mark.parametrize("name", backend.BACKENDS)
def test_a_backend_that_is_not_installed_is_named_with_its_extra(monkeypatch, name):
    monkeypatch.setenv("KERAS_BACKEND", name)
    monkeypatch.setattr(packages, "installed", lambda name: False)
    with pytest.raises(SettingError, match=f"Expected {name} to be installed") as refused:
        backend.prepare()
    assert ("pip install -e . " if name == "tensorflow" else f'pip install -e ".[{name}]"') in str(refused.value)
    others = ", ".join(f"KERAS_BACKEND={other}" for other in backend.BACKENDS if other != name)
    assert str(refused.value).endswith(f"or choose another: {others}.")


def test_a_lab_says_that_its_backend_is_missing_before_keras_stumbles():
    program = (
        "import importlib.util, runpy\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda n, *a: None if n == 'jax' else find(n, *a)\n"
        "runpy.run_module('labs.mnist_losses', run_name='__main__')"
    )
    environment = {"KERAS_BACKEND": "jax", "PATH": "", "PYTHONPATH": str(ROOT)}
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert "Expected jax to be installed" in finished.stderr


# --- starting ---

ABSL = (
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795622372.595924   29107 port.cc:153] oneDNN custom operations are on. You may see slightly",
)
OTHERS = ("E0000 00:00:1795622372.595924   29107 cuda.cc:7] no CUDA-capable device", "Illegal instruction")


def test_what_is_no_start_up_line_is_handed_on(capfd):
    with backend._without_start_up_lines():
        print("of Python", file=sys.stderr)
        os.write(2, "\n".join((ABSL[0], OTHERS[0], *ABSL, OTHERS[1], "")).encode())
        assert capfd.readouterr().err == "of Python\n"  # at once
    assert capfd.readouterr().err == "\n".join((*OTHERS, ""))
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"


def test_lines_are_handed_on_after_an_error_too(capfd):
    def crash():
        with backend._without_start_up_lines():
            os.write(2, "\n".join((*OTHERS, "")).encode())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        crash()
    assert capfd.readouterr().err == "\n".join((*OTHERS, ""))


@pytest.mark.backend
def test_a_backend_starts_without_a_word():
    program = (
        "from mi204 import backend\n"
        "backend.prepare()\n"
        "import keras\n"
        "keras.utils.set_random_seed(0)\n"  # imports tensorflow on every backend
        "print(keras.backend.backend(), keras.ops.sum(keras.random.normal((3,))).shape)\n"
    )
    started = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": BACKEND}
    )
    assert (started.returncode, started.stderr) == (0, "")
    assert started.stdout.startswith(BACKEND)


def test_a_backend_that_cannot_be_imported_is_told(monkeypatch):
    def broken(name):
        raise ImportError("libsomething.so: cannot open shared object file")

    monkeypatch.setattr(backend.importlib, "import_module", broken)
    with pytest.raises(SettingError, match=f"Expected {BACKEND} to start, but Python says: libsomething.so") as told:
        backend.prepare()
    assert "devait démarrer, mais Python dit : libsomething.so" in told.value.written("fr")


@pytest.mark.backend
@pytest.mark.skipif(BACKEND != "jax", reason="a variable of jax")
def test_a_device_that_jax_does_not_find_is_one_message():
    ended = subprocess.run(
        [sys.executable, "-m", "labs.mnist_losses", "--preset", "quick", "--data", "sample", "--language", "fr"],
        capture_output=True, text=True, env=os.environ | {"KERAS_BACKEND": BACKEND, "JAX_PLATFORMS": "cuda"}, cwd=ROOT,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.startswith("Erreur : JAX_PLATFORMS doit nommer un appareil que jax trouve ici, 'cuda' reçu")


# --- a machine that others use too ---


@pytest.fixture
def no_c_library(monkeypatch):
    """Leave the memory of the process that runs the tests as it is."""
    monkeypatch.setattr(backend, "_c_function", lambda name: None)
    for variable in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(variable, "")  # so that what is set is undone
        monkeypatch.delenv(variable)


def test_the_machine_is_shared_before_anything_is_imported(monkeypatch):
    done = []
    monkeypatch.setattr(backend, "_share_the_machine", done.append)
    monkeypatch.setattr(backend, "_prepare_jax", lambda: None)
    monkeypatch.setattr(backend.importlib, "import_module", lambda name: done.append(f"import {name}"))
    monkeypatch.setenv("KERAS_BACKEND", BACKEND)
    backend.prepare()
    assert done[:2] == [BACKEND, f"import {BACKEND}"]


def test_threads_of_torch_sleep_soon_while_they_wait(no_c_library, monkeypatch):
    for name in ("tensorflow", "jax"):
        backend._share_the_machine(name)
        assert "GOMP_SPINCOUNT" not in os.environ
    backend._share_the_machine("torch")
    assert os.environ["GOMP_SPINCOUNT"] == "1000"


@pytest.mark.parametrize(("variable", "value"), [("GOMP_SPINCOUNT", "5"), ("OMP_WAIT_POLICY", "active")])
def test_a_users_way_of_waiting_wins(no_c_library, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    backend._share_the_machine("torch")
    assert os.environ[variable] == value
    assert os.environ.get("GOMP_SPINCOUNT") in (None, "5")


MEMORY = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from mi204 import backend

def held():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 1e6

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

backend._share_the_machine(sys.argv[1])

def step():
    # 120 MB that nobody keeps.
    del [np.ones(5_000_000) for _ in range(3)][:]

worker = ThreadPoolExecutor(1)  # as jax computes
worker.submit(step).result()
before = faults()
for _ in range(5):
    worker.submit(step).result()
given_back = faults() - before > 1000
parts = [np.ones(5_000_000) for _ in range(5)]
parts.append(parts)
del parts  # which holds itself
backend.give_back_memory()
print(given_back, held() < 100)
"""


@pytest.mark.skipif(
    not (sys.platform == "linux" and hasattr(os, "confstr") and "CS_GNU_LIBC_VERSION" in os.confstr_names),
    reason="only glibc can be told to keep what is freed",
)
@pytest.mark.parametrize(
    ("name", "variables", "given_back"),
    [
        ("torch", {}, False),
        ("jax", {}, False),
        ("tensorflow", {}, True),
        ("jax", {"MALLOC_TRIM_THRESHOLD_": "131072"}, True),
        ("jax", {"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=131072"}, True),
    ],
)
def test_freed_memory_is_kept_until_it_is_given_back_unless_the_user_says_otherwise(name, variables, given_back):
    ours = ("MALLOC_", "GLIBC_TUNABLES")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    finished = subprocess.run(
        [sys.executable, "-c", MEMORY, name], capture_output=True, text=True, check=True,
        env={**environment, "PYTHONPATH": str(ROOT), **variables},
    )
    assert finished.stdout.split() == [str(given_back), "True"]


def test_other_c_libraries_and_systems_are_left_alone(monkeypatch):
    class Musl:
        def __init__(self, name):
            pass

    def nothing(name):
        raise OSError("Dynamic loading not supported")

    for library in (Musl, nothing):
        monkeypatch.setattr(backend.ctypes, "CDLL", library)
        assert backend._c_function("mallopt") is None
        backend._share_the_machine("jax")
        backend.give_back_memory()
    monkeypatch.undo()
    for system in ("win32", "darwin"):
        monkeypatch.setattr(sys, "platform", system)
        assert backend._c_function("malloc") is None


def test_an_older_glibc_gets_the_highest_threshold_that_it_accepts(monkeypatch):
    for most in (2**40, 2**25):
        thresholds = []

        def mallopt(parameter, value, most=most, thresholds=thresholds):
            if parameter == -3 and value <= most:
                thresholds.append(value)
            return int(value <= most)

        monkeypatch.setattr(backend, "_c_function", lambda name, mallopt=mallopt: mallopt)
        for variable in [name for name in os.environ if name.startswith(("MALLOC_", "GLIBC_TUNABLES"))]:
            monkeypatch.delenv(variable)
        backend._share_the_machine("jax")
        assert thresholds == [min(most, 2**26)]


def convolutional(side):
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((side, side, 3)), layers.Conv2D(8, 5, strides=2), layers.MaxPooling2D(2), layers.Flatten(),
         layers.Dense(10), layers.Dense(4)]
    )


@pytest.mark.backend
def test_multiplications_are_those_of_every_weight_at_every_place():
    # 20 -> 8 places each way, pooled to 4.
    assert backend._multiplications(convolutional(20)) == 8 * 8 * (5 * 5 * 3 * 8) + 4 * 4 * 8 * 10 + 10 * 4
    anywhere = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 5)])
    assert backend._multiplications(anywhere) == float("inf")


@pytest.mark.backend
@pytest.mark.skipif(BACKEND != "torch", reason="the threads of torch")
@pytest.mark.parametrize(
    ("batch_size", "variables", "expected"), [(2400, {}, 1), (2600, {}, 2), (2400, {"OMP_NUM_THREADS": "2"}, 2)]
)
def test_a_small_network_has_one_thread_unless_the_user_says_otherwise(monkeypatch, batch_size, variables, expected):
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that what is set is undone
    monkeypatch.delenv("OMP_NUM_THREADS")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    model, usual = convolutional(20), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found = []
        with pytest.raises(ZeroDivisionError), backend.threads_for(model, batch_size):
            found.append(1 / (torch.get_num_threads() - expected))
        assert (found, torch.get_num_threads()) == ([], 2)
    finally:
        torch.set_num_threads(usual)


@pytest.mark.backend
@pytest.mark.skipif(BACKEND != "tensorflow", reason="the devices of tensorflow")
@pytest.mark.parametrize(("n_devices", "replaced"), [(1, True), (2, False)])
def test_only_a_single_device_needs_no_sum_of_gradients(n_devices, replaced, monkeypatch):
    import tensorflow

    strategy = SimpleNamespace(num_replicas_in_sync=n_devices)
    monkeypatch.setattr(tensorflow.distribute, "get_strategy", lambda: strategy)
    optimizer = keras.optimizers.SGD()
    keras_s_own = optimizer._all_reduce_sum_gradients
    backend.let_go_of_graphs(optimizer)
    assert (optimizer._all_reduce_sum_gradients != keras_s_own) is replaced
