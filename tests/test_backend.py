import importlib.util
import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204 import backend
from mi204.errors import SettingError


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=12))
def test_gradient_of_a_closed_form(values):
    x = np.array(values, dtype="float32")
    found = backend.gradient(lambda t: keras.ops.sum(t**3) + 2 * keras.ops.sum(t), x)
    np.testing.assert_allclose(found, 3 * x**2 + 2, rtol=1e-4, atol=1e-4)


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


def test_gradient_of_a_constant_is_zero():
    found = backend.gradient(lambda t: keras.ops.sum(keras.ops.ones((3,))), np.ones(5, "float32"))
    np.testing.assert_array_equal(found, np.zeros(5))


def test_gradient_of_an_array_is_refused():
    with pytest.raises(ValueError, match=r"scalar, received shape \(5,\)"):
        backend.gradient(lambda t: 2 * t, np.ones(5, "float32"))


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=3), st.integers(1, 6))
def test_cut_gives_each_pair_in_order_and_never_mixes_two(sizes, batch_size):
    pairs = [(10.0 * i + np.arange(n, dtype="float32"), np.full((n, 2), i, "float32")) for i, n in enumerate(sizes)]
    found = [(np.asarray(x), np.asarray(y)) for x, y in backend.cut(iter(pairs), batch_size)]
    assert [len(x) for x, _ in found] == [min(batch_size, n - at) for n in sizes for at in range(0, n, batch_size)]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in found]), np.concatenate([x for x, _ in pairs]))
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), np.concatenate([y for _, y in pairs]))


def test_environment_names_the_backend_in_use():
    described = backend.environment()
    assert described["backend"] == keras.backend.backend()
    assert described["keras"] == keras.__version__
    assert described[described["backend"]] != "unknown"


def test_chosen_reads_variable_then_file(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backend.chosen() == "jax"
    monkeypatch.delenv("KERAS_BACKEND")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    assert backend.chosen() == "tensorflow"
    (tmp_path / "keras.json").write_text('{"backend": "torch"}')
    assert backend.chosen() == "torch"


def test_unknown_backend_is_refused(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(SettingError, match="one of tensorflow, jax, torch, received 'theano'"):
        backend.prepare()


@pytest.mark.parametrize("name", ["jax", "torch", "tensorflow"])
def test_a_backend_that_is_not_installed_is_named_with_its_extra(name):
    program = (
        "import importlib.util, runpy, sys\n"
        "find = importlib.util.find_spec\n"
        f"importlib.util.find_spec = lambda n, *a: None if n == {name!r} else find(n, *a)\n"
        "runpy.run_module('labs.cifar_cnn', run_name='__main__')"
    )
    environment = {"KERAS_BACKEND": name, "PATH": ""}
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert f"Expected {name} to be installed" in finished.stderr
    assert ("pip install -e ." if name == "tensorflow" else f'pip install -e ".[{name}]"') in finished.stderr


@pytest.mark.parametrize(
    ("name", "extra"), [("librosa", "audio"), ("soundfile", "audio"), ("torchaudio", "torchaudio"), ("torch", "torch")]
)
def test_a_package_that_is_not_installed_is_named_with_its_extra(monkeypatch, name, extra):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match=rf'Expected {name} to be .* pip install -e "\.\[{extra}\]"'):
        backend.require(name)
