"""Run by test_backends.py in a process per backend: the course's network with given weights, 20 steps, unshuffled.

And every map, and pictures, of another network.
"""

import inspect
import sys

import keras
import numpy as np
from keras import layers

from mi204 import training
from mi204.backend import gradient, weight_gradients
from mi204.explain import METHODS, Explainer, synthesis
from mi204.models import residual_network


class Unused(layers.Layer):
    """Give back what comes in; its weight has no path to the loss."""

    def build(self, input_shape):
        self.idle = self.add_weight(shape=(3, 2), initializer="ones")

    def call(self, x):
        return x


given, answer = sys.argv[1:]
with np.load(given) as arrays:
    x, y = arrays["x"], arrays["y"]
    weights = [arrays[f"weight_{i}"] for i in range(6)]

model = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
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

normalised = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Conv2D(4, 3, strides=4, activation="tanh"),
        layers.BatchNormalization(),
        Unused(),
        layers.Flatten(),
        layers.Dense(10, activation="softmax"),
    ]
)
normalised.set_weights([0.2 * rng.random(weight.shape) for weight in normalised.get_weights()])
weight_slopes = weight_gradients(normalised, keras.losses.categorical_crossentropy, x[:32], y[:32])

looked_at = keras.Sequential(
    [
        keras.Input((32, 32, 3)),
        layers.Conv2D(5, 3, strides=2, activation="relu", name="early"),
        layers.BatchNormalization(),
        layers.Conv2D(6, 3, activation="relu", name="middle"),
        layers.AveragePooling2D(3),
        layers.Conv2D(4, 2, activation="relu", name="late"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5, activation="softmax"),
    ]
)
looked_at.set_weights(
    [abs(rng.normal(size=w.shape)) + 0.5 if "variance" in w.path else rng.normal(size=w.shape) * 0.5
     for w in looked_at.weights]
)
maps, explainers = {}, {}
for name, method in METHODS.items():
    place = {"layer": "late" if name == "cam" else "middle", "layers": ["early", "middle"]}.get(method.place)
    known = inspect.signature(method.function).parameters
    few = {"samples": 3, "steps": 4, "masks": 20, "patch": 8}
    settings = {setting: value for setting, value in few.items() if setting in known}
    look = explainers.setdefault(str(place), Explainer(looked_at, place))  # what it has compiled is used again
    maps[name] = look(x[:3], name, [0, 1, 3], **settings)

look = Explainer(looked_at)
wide = {"bounds": (-5, 7)}
pictures = {
    "class": synthesis.maximise(look, [0, 3], ascent=synthesis.Ascent(steps=100), **wide),
    "filters": synthesis.filters(look, "middle", [0, 4], ascent=synthesis.Ascent(steps=30), starts=2, **wide),
    "dream": synthesis.deep_dream(look, x[:2], "early", octaves=1, **wide),
    "inverted": synthesis.invert(look, x[:1], "early", steps=20, total_variation=0.01, **wide),
}

np.savez(
    answer, predictions=predictions, gradient=slope, losses=losses,
    weight_slopes=np.concatenate([np.ravel(slope) for slope in weight_slopes]),
    deep_predictions=deep_predictions, deep_trained=deep_trained,
    **{f"raw/{name}": explained.raw for name, explained in maps.items()},
    **{f"map/{name}": explained.maps for name, explained in maps.items()},
    **{f"picture/{name}": made.images for name, made in pictures.items()},
    **{f"scores/{name}": made.scores for name, made in pictures.items()},
)
