"""Train the network that comes with the library: ``python -m mi204.backbones.train_cifar10 FOLDER``.

It wants the real CIFAR-10, takes about half an hour on two cores, goes on where it was stopped, and writes
``cifar10.npz`` into the folder. The file beside this module was made so in November 2026, with seed 0, on tensorflow
2.21.0, keras 3.15.1, numpy 2.4.6 and Linux, on two cores shared with other work: 20 epochs in 3782 s, the first of them
in 74 s while little else ran. It names 91.21 % of the test images right, as many as before its kernels were rounded;
another backend or machine gives other weights.
"""

import hashlib
import sys
from pathlib import Path

import keras
import numpy as np

from mi204 import arithmetic, augment, backend, metrics, paths, training
from mi204.backbones.cifar10 import FILE, network, preprocess, read, write
from mi204.datasets import ImageDataset, cifar10
from mi204.preprocessing import one_hot

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, LABEL_SMOOTHING, SEED = 20, 128, 0.1, 5e-3, 0.1, 0


def _augmentation(
    images: np.ndarray, targets: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    return preprocess(augment.crop(augment.flip(images, rng), 4, rng)), targets


def train(data: ImageDataset, folder: Path) -> keras.Model:
    """Train on all training images and give the network as training left it.

    Nothing is chosen by a measure: the settings were fixed beforehand, and the 1000 images that ``fit`` wants for
    validation are training images. The rate of SGD rises over 15 % of the steps and falls to zero along a half cosine;
    Keras takes weight decay times the rate off each weight at each step. Labels are smoothed so that the probabilities
    stay away from 0 and 1, where gradients vanish.
    """
    labels = one_hot(data.y_train, len(data.classes))
    keras.utils.set_random_seed(SEED)
    model = network()
    model.compile(
        training.build_optimizer(
            "nesterov", LEARNING_RATE, weight_decay=WEIGHT_DECAY, schedule="cosine",
            steps=EPOCHS * arithmetic.steps_per_epoch(len(labels), BATCH_SIZE),
        ),
        keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
        metrics=["acc"],
    )
    training.fit(
        model, (data.x_train, labels), (preprocess(data.x_train[:1000]), labels[:1000]), batch_size=BATCH_SIZE,
        epochs=EPOCHS, seed=SEED, folder=folder, augmentation=_augmentation, verbose=2,
    )
    return model


def test_accuracy(model: keras.Model, data: ImageDataset) -> float:
    """Give the share of the test images that the network names right."""
    return metrics.accuracy(data.y_test, training.predict(model, preprocess(data.x_test)).argmax(axis=1))


def main(folder: Path) -> None:
    """Train in ``folder``, write the weights there, and print what ``cifar10.py`` is to say of them."""
    data = cifar10.load("real")
    trained = train(data, folder)
    file = folder / FILE.name
    paths.write_atomically(file, lambda path: write(trained, path))
    content = file.read_bytes()
    rounded = read(content)
    print(f"SHA-256 {hashlib.sha256(content).hexdigest()}, {len(content):,} bytes")
    print(f"Test accuracy {test_accuracy(rounded, data):.4f}, before rounding {test_accuracy(trained, data):.4f}")
    print(f"{sum(training.read_history(folder).epoch_seconds):,.0f} s, {backend.environment()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
