import gc
import itertools
import os
import shutil
import subprocess
import sys
import weakref
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204 import training
from mi204.errors import DataError, SettingError, StorageError

pytestmark = pytest.mark.backend

EPOCHS = 4


def build(seed=1):
    keras.utils.set_random_seed(seed)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )


def train(model, data, folder, **changes):
    """Train on 200 of the images, validate on the others."""
    x, y = data
    optimizer = changes.pop("optimizer", None) or training.build_optimizer(
        "momentum", 0.01, schedule="cosine", steps=10 * EPOCHS, weight_decay=1e-3
    )
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["acc"])
    options = {"batch_size": 20, "epochs": EPOCHS, "seed": 3, **changes}
    return training.fit(model, (x[:200], y[:200]), (x[200:], y[200:]), folder=folder, **options)


class StopAt(training._Recorder):
    """Raise an error at the start of a step: Ctrl-C, or one that the training does not know."""

    step = 0
    stop = 0
    error = KeyboardInterrupt

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(batch, logs)
        StopAt.step += 1
        if StopAt.step == StopAt.stop:
            raise StopAt.error


# --- batches ---


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_covers_the_set_once(n, batch_size, seed, epoch):
    x = np.arange(n)
    steps = -(-n // batch_size)
    source = training.batches(x, -x, batch_size, seed=seed, epoch=epoch)
    seen = [next(source) for _ in range(steps)]
    assert sorted(np.concatenate([batch for batch, _ in seen])) == list(range(n))
    assert all((batch == -targets).all() for batch, targets in seen)
    assert [len(batch) for batch, _ in seen[:-1]] == [batch_size] * (steps - 1)


def test_batches_depend_on_seed_and_epoch_alone():
    x = np.arange(50)
    source = training.batches(x, x, 50, seed=1)
    first, second = next(source)[0], next(source)[0]
    assert (first != second).any()
    np.testing.assert_array_equal(next(training.batches(x, x, 50, seed=1, epoch=1))[0], second)
    assert (next(training.batches(x, x, 50, seed=2))[0] != first).any()
    np.testing.assert_array_equal(next(training.batches(x, x, 50, seed=1, shuffle=False))[0], x)


def test_augmentation_gets_the_generator_of_its_epoch():
    x = np.zeros((6, 1))

    def jitter(images, targets, rng):
        return images + rng.random(images.shape), targets

    once = next(training.batches(x, x, 3, seed=1, epoch=2, augmentation=jitter))[0]
    again = next(training.batches(x, x, 3, seed=1, epoch=2, augmentation=jitter))[0]
    other = next(training.batches(x, x, 3, seed=1, epoch=3, augmentation=jitter))[0]
    np.testing.assert_array_equal(once, again)
    assert (once != other).all()


# --- fit ---


def test_training_learns_and_records_every_epoch(quadrants, tmp_path):
    history = train(build(), quadrants, tmp_path)
    assert sorted(history.metrics) == ["acc", "loss", "val_acc", "val_loss"]
    assert all(len(values) == EPOCHS for values in (*history.metrics.values(), history.epoch_seconds))
    assert history.finished
    assert history.metrics["val_acc"][-1] > 0.6  # chance is 0.25


def test_validation_is_a_true_mean_without_dropout(quadrants, tmp_path):
    x, y = quadrants
    model = build()
    history = train(model, quadrants, tmp_path)
    probabilities = training.predict(model, x[200:])
    cross_entropy = -np.log(np.clip((probabilities * y[200:]).sum(axis=1), 1e-7, 1))
    assert history.metrics["val_loss"][-1] == pytest.approx(cross_entropy.mean(), rel=1e-4)
    assert history.metrics["val_acc"][-1] == pytest.approx(
        (probabilities.argmax(axis=1) == y[200:].argmax(axis=1)).mean(), abs=1e-6
    )


def test_training_is_repeatable(quadrants, tmp_path):
    first = train(build(), quadrants, tmp_path / "a")
    second = train(build(), quadrants, tmp_path / "b")
    assert first.metrics == second.metrics
    other = train(build(), quadrants, tmp_path / "c", seed=4)
    assert other.metrics != first.metrics


def test_the_best_epoch_is_saved_not_the_last(quadrants, tmp_path):
    x, y = quadrants
    # A learning rate far too large makes accuracy go up and down.
    optimizer = training.build_optimizer("sgd", 2.0)
    history = train(build(), quadrants, tmp_path, optimizer=optimizer, epochs=8)
    accuracies = history.metrics["val_acc"]
    assert max(accuracies) > accuracies[-1], "choose another rate: this test needs a last epoch that is not the best"
    best = keras.models.load_model(tmp_path / "best.keras")
    found = (training.predict(best, x[200:]).argmax(axis=1) == y[200:].argmax(axis=1)).mean()
    assert found == pytest.approx(max(accuracies), abs=1e-6)


def test_asked_epochs_are_kept(quadrants, tmp_path):
    model = build()
    initial = [np.array(w) for w in model.get_weights()]
    train(model, quadrants, tmp_path, keep_epochs=(0, 2, EPOCHS))
    assert {path.name for path in tmp_path.glob("epoch_*")} == {f"epoch_{n}.keras" for n in (0, 2, EPOCHS)}
    last = [np.array(w) for w in model.get_weights()]
    for epoch, expected in ((0, initial), (EPOCHS, last)):
        other = build(seed=9)
        training.load_weights(other, training.epoch_file(tmp_path, epoch))
        for found, weight in zip(other.get_weights(), expected, strict=True):
            np.testing.assert_array_equal(found, weight)


@pytest.mark.parametrize("stop", [5, 25])
def test_interrupted_training_goes_on_as_if_it_had_not_been(quadrants, tmp_path, monkeypatch, stop):
    whole, model = tmp_path / "whole", build()
    expected = train(model, quadrants, whole)
    broken = tmp_path / "broken"
    with monkeypatch.context() as patch:
        patch.setattr(training, "_Recorder", StopAt)
        StopAt.step, StopAt.stop = 0, stop
        with pytest.raises(training.Interrupted, match=f"after epoch {(stop - 1) // 10} of {EPOCHS}"):
            train(build(), quadrants, broken)
    resumed_model = build()
    resumed = train(resumed_model, quadrants, broken)
    assert resumed.metrics == expected.metrics
    for found, weight in zip(resumed_model.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_a_killed_training_goes_on_from_its_last_save(quadrants, tmp_path, monkeypatch):
    expected = train(build(), quadrants, tmp_path / "whole")
    monkeypatch.setattr(training, "SAVE_EVERY_SECONDS", -1.0)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_Recorder", StopAt)
        patch.setattr(StopAt, "error", MemoryError)
        StopAt.step, StopAt.stop = 0, 35
        with pytest.raises(MemoryError):
            train(build(), quadrants, tmp_path / "broken")
    assert training.read_history(tmp_path / "broken").epochs == 3
    assert train(build(), quadrants, tmp_path / "broken").metrics == expected.metrics


def test_finished_training_is_not_done_again(quadrants, tmp_path):
    model = build()
    first = train(model, quadrants, tmp_path)
    again = build(seed=5)
    assert train(again, quadrants, tmp_path).epoch_seconds == first.epoch_seconds
    for found, weight in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_early_stopping_stops_and_restores_the_best(quadrants, tmp_path):
    x, y = quadrants
    model = build()
    optimizer = training.build_optimizer("sgd", 2.0)
    history = train(model, quadrants, tmp_path, optimizer=optimizer, epochs=40, patience=2)
    losses = history.metrics["val_loss"]
    assert history.epochs < 40
    assert history.epochs - 1 - int(np.argmin(losses)) == 2
    found = (training.predict(model, x[200:]).argmax(axis=1) == y[200:].argmax(axis=1)).mean()
    assert found == pytest.approx(max(history.metrics["val_acc"]), abs=1e-6)


@pytest.mark.parametrize("patience", [None, 1])
def test_the_final_model_is_kept_as_training_left_it(quadrants, tmp_path, patience):
    model = build()
    optimizer = training.build_optimizer("sgd", 2.0)
    train(model, quadrants, tmp_path, optimizer=optimizer, patience=patience)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.keras", "final.keras", "history.json"]
    other = build(seed=5)
    training.load_weights(other, training.final_file(tmp_path))
    for found, weight in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


def test_a_training_whose_final_model_was_deleted_is_done_again(quadrants, tmp_path):
    first = train(build(), quadrants, tmp_path)
    training.final_file(tmp_path).unlink()
    again = train(build(), quadrants, tmp_path)
    assert again.metrics == first.metrics
    assert again.epoch_seconds != first.epoch_seconds
    assert training.final_file(tmp_path).exists()


def test_a_stop_between_the_last_epoch_and_the_final_model_loses_nothing(quadrants, tmp_path, monkeypatch):
    def stop(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training, "final_file", stop)
        with pytest.raises(KeyboardInterrupt):
            train(build(), quadrants, tmp_path)
    done = training.read_history(tmp_path)
    assert done.finished
    model = build(seed=5)
    assert train(model, quadrants, tmp_path).epoch_seconds == done.epoch_seconds
    whole = build()
    train(whole, quadrants, tmp_path / "whole")
    for found, weight in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(found, weight)


# --- what is left, and what runs meanwhile ---


def test_after_a_training_nothing_holds_its_data(quadrants, tmp_path):
    """While the network lives; and once nobody holds it, nothing holds the network."""
    copies = [np.array(array) for array in quadrants]
    train_set, validation = tuple(array[:200] + 0 for array in copies), tuple(array[200:] + 0 for array in copies)
    held = [weakref.ref(array) for array in (*train_set, *validation)]
    model = build()
    optimizer = training.build_optimizer("momentum", 0.01)
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["acc"])
    training.fit(
        model, train_set, validation, batch_size=20, epochs=2, seed=0, folder=tmp_path,
        augmentation=lambda x, y, rng: (x, y), callbacks=[training.TrainingSetMeasures(*train_set)],
    )
    del train_set, validation
    gc.collect()
    assert [array() is None for array in held] == [True] * 4
    network = [weakref.ref(model), weakref.ref(optimizer)]
    del model, optimizer
    gc.collect()
    assert [part() is None for part in network] == [True] * 2


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the graphs of tensorflow")
def test_the_graphs_of_a_training_go_with_its_network(quadrants, tmp_path):
    import tensorflow

    graphs = []

    def loss(y_true, y_pred):
        graphs.append(weakref.ref(tensorflow.compat.v1.get_default_graph()))
        return keras.losses.categorical_crossentropy(y_true, y_pred)

    model, (x, y) = build(), quadrants
    model.compile(optimizer=training.build_optimizer("adam", 0.01), loss=loss, metrics=["acc"])
    training.fit(model, (x, y), (x, y), batch_size=20, epochs=1, seed=0, folder=tmp_path)
    assert len({graph() for graph in graphs} - {None}) >= 2  # of the steps, and of validation
    del model
    gc.collect()
    assert {graph() for graph in graphs} == {None}


def test_threads_are_chosen_by_the_network_and_the_batch_for_steps_validation_and_prediction(
    quadrants, tmp_path, monkeypatch
):
    inside, seen = [], []

    @contextmanager
    def threads_for(model, batch_size):
        inside.append((model, batch_size))
        yield
        inside.pop()

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(inside[-1])

        on_test_batch_end = on_predict_batch_end = on_train_batch_end

    monkeypatch.setattr(training.backend, "threads_for", threads_for)
    model = build()
    train(model, quadrants, tmp_path, epochs=1, callbacks=[Look()])
    assert set(seen) == {(model, 20)}
    assert len(seen) == 11
    asked = []
    monkeypatch.setattr(model, "predict", lambda x, **options: asked.append((inside[-1], options["batch_size"])))
    training.predict(model, quadrants[0])
    assert asked == [((model, 250), 250)]


# --- what is refused ---


def test_a_model_that_is_not_compiled_is_refused(quadrants, tmp_path):
    x, y = quadrants
    with pytest.raises(ValueError, match=r"call model\.compile"):
        training.fit(build(), (x, y), (x, y), batch_size=20, epochs=1, seed=0, folder=tmp_path)


@pytest.mark.parametrize("batch_size", [-1, 0, 201])
def test_batch_sizes_out_of_range_are_refused(quadrants, tmp_path, batch_size):
    with pytest.raises(SettingError, match=f"from 1 to 200 .* received {batch_size}"):
        train(build(), quadrants, tmp_path, batch_size=batch_size)


def test_no_epoch_is_refused(quadrants, tmp_path):
    with pytest.raises(SettingError, match="at least 1 epoch, received 0"):
        train(build(), quadrants, tmp_path, epochs=0)


def test_unknown_optimizer_is_refused():
    with pytest.raises(SettingError, match="sgd, momentum, nesterov, adam, received 'lion'"):
        training.build_optimizer("lion", 0.1)


def test_weights_of_another_architecture_are_refused(quadrants, tmp_path):
    keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)]).save(tmp_path / "x.keras")
    model = build()
    with pytest.raises(DataError, match=r"sequential.*x\.keras.*does not fit"):
        training.load_weights(model, tmp_path / "x.keras")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_damaged_weights_are_refused(tmp_path, content):
    (tmp_path / "x.keras").write_bytes(content)
    with pytest.raises(DataError, match="does not fit"):
        training.load_weights(build(), tmp_path / "x.keras")


def damaged(path, start, replacement):
    content = bytearray(path.read_bytes())
    content[start : start + len(replacement)] = replacement
    path.write_bytes(content)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_model_with_a_hole_is_refused(tmp_path, share):
    model, path = build(), tmp_path / "x.keras"
    training.save(model, path)
    damaged(path, int(share * path.stat().st_size), b"hole")
    with pytest.raises(DataError, match=r"x\.keras.*does not fit: its part \S+ is damaged") as refused:
        training.load_weights(build(), path)
    assert f"attendus dans {path}, reçu un fichier qui ne convient pas" in refused.value.written("fr")


def test_weights_whose_tables_have_a_hole_are_refused(tmp_path):
    path = tmp_path / "x.weights.h5"
    build().save_weights(path)
    training.load_weights(build(), path)
    damaged(path, path.read_bytes().index(b"SNOD"), bytes(64))  # HDF5's list of what a group holds
    with pytest.raises(DataError, match=r"x\.weights\.h5.*does not fit: Unable to"):
        training.load_weights(build(), path)


def test_an_error_without_words_is_named(tmp_path, monkeypatch):
    def end(path):
        raise EOFError

    model = build()
    monkeypatch.setattr(model, "load_weights", end)
    with pytest.raises(DataError, match="does not fit: EOFError"):
        training.load_weights(model, tmp_path / "x.weights.h5")


def test_missing_weights_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"absent\.keras"):
        training.load_weights(build(), tmp_path / "absent.keras")


def test_state_of_another_network_is_refused(quadrants, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_Recorder", StopAt)
    StopAt.step, StopAt.stop = 0, 15
    with pytest.raises(training.Interrupted):
        train(build(), quadrants, tmp_path)
    other = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
    with pytest.raises(DataError, match="does not fit"):
        train(other, quadrants, tmp_path)


@pytest.mark.parametrize(
    ("start", "replacement", "reason"),
    [(8, b"\x63", "compression method"), (6, b"\x01", "encrypted"), (0, b"", "File is not a zip file")],
    ids=["compression", "encryption", "empty"],
)
def test_damaged_state_is_refused(quadrants, tmp_path, monkeypatch, start, replacement, reason):
    monkeypatch.setattr(training, "_Recorder", StopAt)
    StopAt.step, StopAt.stop = 0, 15
    with pytest.raises(training.Interrupted):
        train(build(), quadrants, tmp_path)
    (state,) = tmp_path.glob("state_*.npz")
    if replacement:
        # What zipfile believes is the list at the end, where these fields stand two bytes later.
        damaged(state, state.read_bytes().index(b"PK\x01\x02") + 2 + start, replacement)
    else:
        state.write_bytes(b"PK\x03\x04")
    with pytest.raises(DataError, match=f"does not fit: .*{reason}"):
        train(build(), quadrants, tmp_path)


def test_damaged_history_is_refused(quadrants, tmp_path):
    (tmp_path / "history.json").write_text('{"metrics": 1')
    with pytest.raises(DataError, match="Delete the folder"):
        train(build(), quadrants, tmp_path)


SAVE_ON_A_FULL_DISK = """
import resource, signal, sys, keras
from pathlib import Path
from mi204 import training
from mi204.errors import StorageError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
path = Path(sys.argv[1]) / "kept.keras"
path.write_bytes(b"what was there")
model = keras.Sequential([keras.Input((100,)), keras.layers.Dense(200)])
try:
    training.save(model, path)
except StorageError as error:
    print(error)
print(path.read_text(), [each.name for each in path.parent.iterdir()])
"""
FULL = "mount -t tmpfs -o size=12k none"


@pytest.mark.skipif(sys.platform == "win32", reason="there, the size of files cannot be limited")
@pytest.mark.parametrize("disk", ["limited", "full"])
def test_full_disk_while_saving_keeps_what_was_there(tmp_path, disk):
    """In a child that may write files of 20 kB, or on a disk of 12, a larger model cannot replace the small one."""
    save = [sys.executable, "-c", SAVE_ON_A_FULL_DISK, tmp_path]
    if disk == "full":
        own = ["unshare", "--map-root-user", "--mount", "sh", "-c", f'{FULL} "$0" && exec "$@"', tmp_path]
        if shutil.which("unshare") is None or subprocess.run([*own, "true"], capture_output=True).returncode:
            pytest.skip("this system lends no disk to fill")
        save = [*own, *save]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    finished = subprocess.run(save, capture_output=True, text=True, env=environment, check=True)
    reason = {"limited": "File too large", "full": "No space left on device"}[disk]
    assert f"kept.keras, but the system answered: {reason}. What was there before is untouched." in finished.stdout
    assert finished.stdout.endswith("what was there ['kept.keras']\n")
    assert "Traceback" not in finished.stderr


def test_folder_that_cannot_be_written_is_named(quadrants, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="MI204_FIGURES"):
        train(build(), quadrants, tmp_path / "file" / "run")


# --- optimisers ---


def steps_by_hand(name, rates, gradients, weight, momentum=0.9, weight_decay=0.0):
    """Give the weight after each step of an optimiser, as its authors write it; the decay comes before the step."""
    velocity, first, second, weights = 0.0, 0.0, 0.0, []
    for step, (rate, gradient) in enumerate(zip(rates, gradients, strict=True), start=1):
        weight = weight - rate * weight_decay * weight
        if name == "adam":
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            weight = weight - rate * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-7)
        elif name == "sgd":
            weight = weight - rate * gradient
        else:
            velocity = momentum * velocity - rate * gradient
            weight = weight + (momentum * velocity - rate * gradient if name == "nesterov" else velocity)
        weights.append(weight)
    return np.array(weights)


def cosine_by_hand(rate, steps):
    """Linear over the first 15 % of the steps, then half a cosine to zero."""
    warmup = round(0.15 * steps)
    falling = [rate * (1 + np.cos(np.pi * step / (steps - warmup))) / 2 for step in range(steps - warmup)]
    return [rate * step / warmup for step in range(warmup)] + falling


def steps_of(optimizer, gradients, weight):
    variable = keras.Variable(np.array(weight, "float32"))
    weights = []
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        weights.append(np.array(keras.ops.convert_to_numpy(variable)))
    return np.array(weights)


GRADIENTS = np.random.default_rng(0).normal(size=(12, 2)).astype("float32")
WEIGHT = np.array([1.0, -2.0])


@pytest.mark.parametrize(
    ("name", "schedule", "weight_decay"),
    [
        *itertools.product(["sgd", "momentum", "nesterov", "adam"], ["constant"], [None, 0.3]),
        ("nesterov", "cosine", 0.3), ("adam", "cosine", 0.3),
    ],
)
def test_twelve_steps_of_each_optimizer_by_hand(name, schedule, weight_decay):
    """Not one: at the first step there is no momentum, and a schedule has not begun."""
    optimizer = training.build_optimizer(name, 0.1, weight_decay=weight_decay, schedule=schedule, steps=12)
    rates = [0.1] * 12 if schedule == "constant" else cosine_by_hand(0.1, 12)
    expected = steps_by_hand(name, rates, GRADIENTS, WEIGHT, weight_decay=weight_decay or 0.0)
    np.testing.assert_allclose(steps_of(optimizer, GRADIENTS, WEIGHT), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_momentum_can_be_chosen(name):
    optimizer = training.build_optimizer(name, 0.1, momentum=0.5)
    expected = steps_by_hand(name, [0.1] * 12, GRADIENTS, WEIGHT, momentum=0.5)
    np.testing.assert_allclose(steps_of(optimizer, GRADIENTS, WEIGHT), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [7, 20])
def test_every_rate_of_the_cosine_schedule(steps):
    """Plain SGD on a slope of 1 moves by the rate."""
    optimizer = training.build_optimizer("sgd", 0.2, schedule="cosine", steps=steps)
    weights = steps_of(optimizer, np.ones((steps + 1, 1), "float32"), np.zeros(1))[:, 0]
    np.testing.assert_allclose(-np.diff(weights, prepend=0), [*cosine_by_hand(0.2, steps), 0], atol=2e-6)


def test_training_set_is_measured_whole_and_without_dropout(quadrants, tmp_path):
    """260 images: no multiple of the batches of training or of prediction."""
    x, y = quadrants[0][:260], quadrants[1][:260]
    model = build()
    model.pop()
    model.add(keras.layers.Dense(4))
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=loss, metrics=["acc"])
    done = training.fit(
        model, (x, y), (quadrants[0][260:], quadrants[1][260:]), batch_size=32, epochs=2, seed=0, folder=tmp_path,
        callbacks=[training.TrainingSetMeasures(x, y)],
    )
    logits = keras.ops.convert_to_numpy(model(x, training=False)).astype(np.float64)
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(260), y.argmax(axis=1)])
    assert done.metrics["train_loss"][-1] == pytest.approx(loss, rel=1e-5)
    assert done.metrics["train_acc"][-1] == np.mean(logits.argmax(axis=1) == y.argmax(axis=1))
    assert done.metrics["loss"] != done.metrics["train_loss"]
