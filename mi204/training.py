"""Train a Keras model so that nothing measured is lost: timed, checkpointed, resumable, repeatable.

The batches are made here with numpy, from the seed and the number of the epoch: the order is the same on every
backend, and a training that was interrupted goes on exactly as if it had not been.
"""

import json
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np

from mi204 import backend, metrics, paths, terminal
from mi204.arithmetic import steps_per_epoch
from mi204.errors import DataError, SettingError
from mi204.language import Text
from mi204.settings import OptimizerName, ScheduleName

# Whatever stands in the user's keras.json: a lab's network and numbers must not depend on it.
backend.use_our_settings()

Augmentation = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]

BATCHES_AT_ONCE = 16
"""Batches that are drawn and augmented together."""
SAVE_EVERY_SECONDS = 30.0
"""At most this much training is lost when the machine stops; Ctrl-C loses only the epoch it interrupts."""


@dataclass
class History:
    """What a training measured, epoch by epoch."""

    metrics: dict[str, list[float]] = field(default_factory=dict)
    """``loss``, ``acc``, ``val_loss``, ``val_acc``, and what callbacks added."""
    epoch_seconds: list[float] = field(default_factory=list)
    """Wall time of each epoch, validation included; what callbacks measure at its end, and saving, not."""
    finished: bool = False

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return len(self.epoch_seconds)


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came during training; the last whole epoch is saved."""

    def __init__(self, epoch: int, epochs: int) -> None:
        """Take the number of epochs done and planned."""
        self.text = Text(
            "Training interrupted after epoch {epoch} of {epochs}.",
            "Apprentissage interrompu après l'époque {epoch} sur {epochs}.",
            {"epoch": epoch, "epochs": epochs},
        )
        super().__init__(self.text.written("en"))


def build_optimizer(
    name: OptimizerName,
    learning_rate: float,
    *,
    momentum: float = 0.9,
    weight_decay: float | None = None,
    schedule: ScheduleName = "constant",
    steps: int | None = None,
) -> keras.optimizers.Optimizer:
    """Build an optimiser by name: ``sgd``, SGD with ``momentum``, with ``nesterov``'s variant of it, or ``adam``.

    ``schedule="cosine"`` raises the learning rate linearly over the first 15 % of ``steps`` and lowers it along a
    half cosine to zero over the rest. Raises SettingError for an unknown name.
    """
    rate: float | keras.optimizers.schedules.LearningRateSchedule = learning_rate
    if schedule == "cosine":
        warmup_steps = max(1, round(0.15 * steps))
        rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warmup_steps), warmup_target=learning_rate, warmup_steps=warmup_steps
        )
    if name == "sgd":
        return keras.optimizers.SGD(rate, weight_decay=weight_decay)
    if name in ("momentum", "nesterov"):
        return keras.optimizers.SGD(rate, momentum, nesterov=name == "nesterov", weight_decay=weight_decay)
    if name == "adam":
        return keras.optimizers.Adam(rate, weight_decay=weight_decay)
    raise SettingError(
        "Expected the optimiser to be one of {names}, received {name!r}: choose one of them.",
        "Optimiseur attendu parmi {names}, {name!r} reçu : en choisir un.",
        names=", ".join(get_args(OptimizerName)), name=name,
    )


def batches(
    x: np.ndarray,
    y: np.ndarray,
    batch_size: int,
    *,
    seed: int,
    epoch: int = 0,
    shuffle: bool = True,
    augmentation: Augmentation | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield batches for ever, from ``epoch`` (counted from 0) on; each epoch covers the set once, in its own order.

    Order and augmentation of an epoch depend on ``(seed, epoch)`` alone.
    """
    while True:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(x)) if shuffle else np.arange(len(x))
        for start in range(0, len(x), batch_size):
            chosen = order[start : start + batch_size]
            batch = x[chosen], y[chosen]
            yield augmentation(*batch, rng) if augmentation else batch
        epoch += 1


def fit(
    model: keras.Model,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    folder: Path,
    shuffle: bool = True,
    augmentation: Augmentation | None = None,
    patience: int | None = None,
    keep_epochs: tuple[int, ...] = (),
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int = 0,
) -> History:
    """Train a compiled ``model``; go on from ``folder`` where an earlier call stopped.

    The model is compiled with ``metrics=["acc"]``. ``folder`` receives ``best.keras`` (highest validation accuracy so
    far, saved per epoch), ``history.json``, the state to resume from, ``epoch_<n>.keras`` for each n of
    ``keep_epochs`` (0 = before training), and ``final.keras``, the model as this function leaves it. With
    ``patience``, training ends when the validation loss has not improved for that many epochs, and the model gets the
    weights of ``best.keras``. What ``callbacks`` add to the logs at the end of an epoch is recorded too.
    ``x`` is ``(n, h, w, c)``, ``y`` one-hot ``(n, k)``.

    Ctrl-C raises Interrupted after the last whole epoch was saved. Raises SettingError for sizes out of range,
    DataError when the folder belongs to another network, StorageError when it cannot be written, ValueError for a
    model that is not compiled.
    """
    x, y = train
    if not model.compiled:
        raise ValueError(f"Expected the network {model.name!r} to be compiled: call model.compile(…) before fit.")
    if not 1 <= batch_size <= len(x):
        raise SettingError(
            "Expected a batch size from 1 to {n:,} (the size of the training set), received {batch_size:,}: choose "
            "another batch size.",
            "Taille de lot de 1 à {n:,} attendue (la taille de l'ensemble d'apprentissage), {batch_size:,} reçue : "
            "en choisir une autre.",
            n=len(x), batch_size=batch_size,
        )
    if epochs < 1:
        raise SettingError(
            "Expected at least 1 epoch, received {epochs}: ask for more.",
            "Au moins 1 époque attendue, {epochs} reçue : en demander davantage.",
            epochs=epochs,
        )
    model.optimizer.build(model.trainable_variables)
    backend.let_go_of_graphs(model.optimizer)
    recorder = _Recorder(folder, _history_to_go_on_from(folder), epochs, seed, patience, keep_epochs)
    done = recorder.history
    if done.finished and final_file(folder).exists():
        load_weights(model, final_file(folder))
        return done
    if done.epochs:
        _restore(model, _state_file(folder, done.epochs))
    if not done.finished:
        if done.epochs == 0 and 0 in keep_epochs:
            save(model, epoch_file(folder, 0))
        chunks = batches(
            x, y, BATCHES_AT_ONCE * batch_size, seed=seed, epoch=done.epochs, shuffle=shuffle, augmentation=augmentation
        )
        try:
            with backend.threads_for(model, batch_size):
                model.fit(
                    backend.cut(chunks, batch_size),
                    steps_per_epoch=steps_per_epoch(len(x), batch_size),
                    initial_epoch=done.epochs,
                    epochs=epochs,
                    shuffle=False,  # the generator does it
                    validation_data=validation,
                    validation_batch_size=250,
                    callbacks=[recorder.clock, *callbacks, recorder],
                    verbose=verbose,
                )
        except KeyboardInterrupt:
            recorder.save_last_whole_epoch()
            raise Interrupted(recorder.history.epochs, epochs) from None
    if patience is not None:
        load_weights(model, best_file(folder))
    save(model, final_file(folder))
    _state_file(folder, recorder.history.epochs).unlink(missing_ok=True)
    return recorder.history


def _history_to_go_on_from(folder: Path) -> History:
    """Give what was trained in ``folder``; where its last state was deleted, nothing, and the folder is emptied."""
    history = read_history(folder)
    there = final_file(folder).exists() if history.finished else False
    if history.epochs and not (there or _state_file(folder, history.epochs).exists()):
        shutil.rmtree(folder)
        return History()
    return history


class TrainingSetMeasures(keras.callbacks.Callback):
    """Log, after each epoch, ``train_loss`` and ``train_acc`` over the whole training set, without dropout.

    Keras' own ``loss`` is the mean over the steps of the epoch, each measured before the change it causes and with
    dropout. For networks whose outputs are logits.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        """Take the training set, labels one-hot."""
        super().__init__()
        self.x, self.labels = x, y.argmax(axis=1)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Add to the logs what ``fit`` records with its own."""
        logits = predict(self.model, self.x)
        logs["train_loss"] = metrics.cross_entropy(self.labels, logits)
        logs["train_acc"] = metrics.accuracy(self.labels, logits.argmax(axis=1))


def logs_of_test(history: History) -> dict[str, list[float]]:
    """Name the logs of a training whose validation set is the test set: ``running_loss``, ``test_loss``, …

    ``train_loss`` and ``train_accuracy`` are there where TrainingSetMeasures took them.
    """
    names = {
        "loss": "running_loss",
        "train_loss": "train_loss",
        "val_loss": "test_loss",
        "acc": "running_accuracy",
        "train_acc": "train_accuracy",
        "val_acc": "test_accuracy",
    }
    return {name: history.metrics[key] for key, name in names.items() if key in history.metrics}


class _Recorder(keras.callbacks.Callback):
    """Time the epochs, keep the best model, and save the state from which training can go on."""

    def __init__(
        self,
        folder: Path,
        history: History,
        epochs: int,
        seed: int,
        patience: int | None,
        keep_epochs: tuple[int, ...],
    ) -> None:
        super().__init__()
        self.seed = seed
        self.folder = folder
        self.whole_epoch: tuple[History, list[np.ndarray]] = history, []
        self.planned_epochs = epochs
        self.patience = patience
        self.keep_epochs = keep_epochs
        self.saved_epochs = history.epochs
        self.saved_at = time.monotonic()
        # Stops before the other callbacks measure; this one comes after them, to record what they add.
        self.clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: self._stop_clock())

    def _stop_clock(self) -> None:
        self.epoch_seconds = time.perf_counter() - self.epoch_start

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.epoch = epoch
        self.epoch_start = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        terminal.raise_if_stopped()
        if batch == 0:
            backend.seed_dropout(int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1)[0]))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        done = self.history
        history = History(
            {name: [*done.metrics.get(name, []), float(value)] for name, value in logs.items()},
            [*done.epoch_seconds, self.epoch_seconds],
        )
        if history.metrics["val_acc"][-1] > max(history.metrics["val_acc"][:-1], default=-1.0):
            save(self.model, best_file(self.folder))
        if history.epochs in self.keep_epochs:
            save(self.model, epoch_file(self.folder, history.epochs))
        validation_loss = history.metrics["val_loss"]
        if self.patience is not None and history.epochs - metrics.best_epoch(validation_loss) >= self.patience:
            self.model.stop_training = True
        history.finished = self.model.stop_training or history.epochs == self.planned_epochs
        # One assignment: Ctrl-C finds the epoch recorded with its state, or not at all.
        self.whole_epoch = history, _state(self.model)
        if history.finished or time.monotonic() - self.saved_at > SAVE_EVERY_SECONDS:
            self.save_last_whole_epoch()

    @property
    def history(self) -> History:
        """What was measured up to the last whole epoch."""
        return self.whole_epoch[0]

    def save_last_whole_epoch(self) -> None:
        """Write the state at the end of the last whole epoch, from which training goes on."""
        history, state = self.whole_epoch
        if history.epochs == self.saved_epochs:
            return
        # The history names its own state file, so that a stop between the two writes loses nothing.
        paths.write_atomically(_state_file(self.folder, history.epochs), lambda path: np.savez(path, *state))
        text = json.dumps(asdict(history))
        paths.write_atomically(self.folder / "history.json", lambda path: path.write_text(text, encoding="utf-8"))
        if self.saved_epochs:
            _state_file(self.folder, self.saved_epochs).unlink(missing_ok=True)
        self.saved_epochs = history.epochs
        self.saved_at = time.monotonic()


def _state_file(folder: Path, epochs: int) -> Path:
    return folder / f"state_{epochs}.npz"


def _variables(model: keras.Model) -> list[keras.Variable]:
    # Keras' own files leave out the state of dropout's random generator, without which a training goes on differently.
    return [*model.variables, *model.optimizer.variables]


def _state(model: keras.Model) -> list[np.ndarray]:
    """Copy all that training changes: weights, statistics, random generators, the optimiser."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in _variables(model)]


_UNREADABLE = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile)
"""What numpy, zipfile, Keras and h5py (RuntimeError) raise for a damaged file."""


def _restore(model: keras.Model, path: Path) -> None:
    """Give the model the state that ``_Recorder`` saved."""
    variables = _variables(model)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            state = [archive[f"arr_{i}"] for i in range(len(archive.files))]
        if [array.shape for array in state] != [tuple(variable.shape) for variable in variables]:
            raise ValueError("the shapes of its arrays differ")
    except _UNREADABLE as error:
        raise DataError(
            "Expected in {path} the state of a training of the network {network!r} ({parameters:,} parameters), "
            "received a file that does not fit: {error}. Delete the folder {folder} to train again from the start.",
            "État d'un apprentissage du réseau {network!r} ({parameters:,} paramètres) attendu dans {path}, reçu un "
            "fichier qui ne convient pas : {error}. Supprimer le dossier {folder} pour recommencer l'apprentissage.",
            path=path, folder=path.parent, network=model.name, parameters=model.count_params(), error=error,
        ) from error
    for variable, array in zip(variables, state, strict=True):
        variable.assign(array)


def best_file(folder: Path) -> Path:
    """Give the file in which ``fit`` keeps the model of the highest validation accuracy."""
    return folder / "best.keras"


def final_file(folder: Path) -> Path:
    """Give the file in which ``fit`` keeps the model as training left it."""
    return folder / "final.keras"


def epoch_file(folder: Path, epoch: int) -> Path:
    """Give the file in which ``fit`` keeps the model after ``epoch`` epochs."""
    return folder / f"epoch_{epoch}.keras"


def read_history(folder: Path) -> History:
    """Read what ``fit`` recorded in ``folder``; an empty History where it never saved."""
    path = folder / "history.json"
    if not path.exists():
        return History()
    try:
        return History(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise DataError(
            "Expected the history of a training in {path}, received something else ({error}). "
            "Delete the folder {folder} to train again from the start.",
            "Historique d'un apprentissage attendu dans {path}, reçu autre chose ({error}). "
            "Supprimer le dossier {folder} pour recommencer l'apprentissage.",
            path=path, folder=folder, error=error,
        ) from error


def save(model: keras.Model, path: Path) -> None:
    """Write a model (``.keras``), the optimiser's state with it, whole or not at all."""
    # Never a bare .weights.h5: HDF5 ends the process on a full disk, and reads damaged numbers as if they were whole.
    paths.write_atomically(path, model.save)


def load_weights(model: keras.Model, path: Path) -> None:
    """Give ``model`` the weights of a ``.keras`` or ``.weights.h5`` file; no code of the file is run.

    Raises DataError when the file is missing, damaged, or of another architecture. The numbers of a ``.weights.h5``
    have no checksum: damage among them alone is not seen.
    """
    try:
        if path.suffix == ".keras":
            _check_parts(path)
        model.load_weights(path)
    except _UNREADABLE as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)  # EOFError says nothing
        raise DataError(
            "Expected weights for the network {network!r} ({layers} layers, {parameters:,} parameters) in {path}, "
            "received a file that does not fit: {reason} Give a file saved from the same architecture.",
            "Poids pour le réseau {network!r} ({layers} couches, {parameters:,} paramètres) attendus dans {path}, reçu "
            "un fichier qui ne convient pas : {reason} Donner un fichier issu de la même architecture.",
            network=model.name, layers=len(model.layers), parameters=model.count_params(), path=path, reason=reason,
        ) from error


def _check_parts(path: Path) -> None:
    """Read a ``.keras`` file whole: where h5py jumps about in it, Python 3.13 compares no checksum."""
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise ValueError(f"its part {damaged} is damaged.")


def predict(model: keras.Model, x: np.ndarray) -> Any:
    """Give the model's outputs for ``x`` ``(n, …)`` as a numpy array, or a dict of them, without dropout."""
    with backend.threads_for(model, 250):
        return model.predict(x, batch_size=250, verbose=0)
