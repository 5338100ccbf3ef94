"""Run by test_backends.py in a process per backend: the lab's network with given weights, 20 steps, unshuffled."""

import sys

import keras
import numpy as np

from labs.cifar_cnn import Config, build_model
from mi204 import training
from mi204.backend import gradient
from mi204.models import residual_network

given, answer = sys.argv[1:]
with np.load(given) as arrays:
    x, y = arrays["x"], arrays["y"]
    weights = [arrays[f"weight_{i}"] for i in range(6)]

model = build_model(Config())
model.set_weights(weights)
predictions = training.predict(model, x)
slope = gradient(lambda tensor: keras.ops.sum(model(tensor)[:, 3]), x[:4])

model.compile(training.build_optimizer("sgd", 0.01), "categorical_crossentropy")
losses = []
source = training.batches(x, y, 32, seed=0, shuffle=False)
for _ in range(20):
    model.train_on_batch(*next(source))
    losses.append(float(model.evaluate(x[:64], y[:64], batch_size=64, verbose=0)))

deep = residual_network((32, 32, 3), 10, (4, 8, 8))
rng = np.random.default_rng(1)
# Positive, so that moving variances are; small, so that nothing saturates.
deep.set_weights([0.1 + 0.2 * rng.random(weight.shape) for weight in deep.get_weights()])
deep_predictions = training.predict(deep, x[:50])
deep.compile(training.build_optimizer("nesterov", 0.01), "categorical_crossentropy")
deep.train_on_batch(x[:32], y[:32])
deep_trained = np.concatenate([np.ravel(weight) for weight in deep.get_weights()])

np.savez(
    answer, predictions=predictions, gradient=slope, losses=losses,
    deep_predictions=deep_predictions, deep_trained=deep_trained,
)
