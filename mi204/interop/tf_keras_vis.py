"""Explanation maps by tf-keras-vis, to compare with those of ``mi204.explain``; on tensorflow alone.

tf-keras-vis 0.8.7 is older than Keras 3. Called here are those of its methods that still hold, so that their defects do
not show: from logits, behind whichever softmax; without the exponential at which Grad-CAM++ overflows; through a model
of its own, with the same layers. Networks that it cannot take apart are refused.
"""

import importlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from mi204 import backend, packages
from mi204.errors import SettingError
from mi204.explain.maps import normalised

METHODS = {
    "gradcam": ("gradcam", "Gradcam"),
    "gradcam++": ("gradcam_plus_plus", "GradcamPlusPlus"),
    "layercam": ("layercam", "Layercam"),
    "scorecam": ("scorecam", "Scorecam"),
    "saliency": ("saliency", "Saliency"),
}
"""Where tf-keras-vis keeps each method: its module and class.

Grad-CAM++ is the variant of its authors' code, whose alphas sum to 1; Score-CAM weighs a channel by the probability of
the class, without a softmax over channels; the saliency is the greatest of the channels' absolute gradients.
"""


def maps(model: Any, images: np.ndarray, targets: Sequence[int], method: str, layer: str | None = None) -> np.ndarray:
    """Give the maps of ``raw_maps`` at the size of the images, each in [0, 1]: ``(n, h, w)``.

    Interpolation is tf-keras-vis' own: corners meet corners. A constant map gives zeros.
    """
    return normalised(_visualised(model, images, targets, method, layer, expand=True))


def raw_maps(
    model: Any, images: np.ndarray, targets: Sequence[int], method: str, layer: str | None = None
) -> np.ndarray:
    """Explain the logits of ``targets``, a class for each image, by a method of ``METHODS``: float32 ``(n, h', w')``.

    ``images`` are ``(n, h, w, c)``, as the model takes them; the maps have the size of the named ``layer``'s output, or
    of the images for the saliency, which needs no layer. The model is unchanged afterwards. Raises SettingError when
    the backend is not tensorflow, when tf-keras-vis is not installed, and for a model, layer or class that it cannot
    take: a subclassed model, several inputs or outputs, a layer inside a nested model.
    """
    return _visualised(model, images, targets, method, layer, expand=False)


def _visualised(
    model: Any, images: np.ndarray, targets: Sequence[int], method: str, layer: str | None, *, expand: bool
) -> np.ndarray:
    if method not in METHODS:
        raise SettingError(
            "Expected method to be one of {names}, received {method!r}: choose one of them.",
            "method attendue parmi {names}, {method!r} reçu : en choisir une.",
            names=", ".join(METHODS), method=method,
        )
    if backend.chosen() != "tensorflow":
        raise SettingError(
            "Expected the backend to be tensorflow for tf-keras-vis, received {backend}: take mi204.explain, which "
            "runs on it, or set KERAS_BACKEND=tensorflow.",
            "Backend tensorflow attendu pour tf-keras-vis, {backend} reçu : prendre mi204.explain, qui l'accepte, ou "
            "poser KERAS_BACKEND=tensorflow.",
            backend=backend.chosen(),
        )
    packages.require("tf_keras_vis")
    import keras

    images, targets = np.asarray(images, "float32"), [int(target) for target in targets]
    head = _head(model)
    _check(model, head, images, targets, method)
    settings = {"normalize_map": False}
    if method != "saliency":
        settings = {
            "penultimate_layer": _layer(model, layer), "seek_penultimate_conv_layer": False,
            "expand_cam": expand, "normalize_cam": False,
        }
    logits = [head.input] if isinstance(head, keras.layers.Softmax) else model.outputs
    network = keras.Model(model.inputs, logits)
    # Its progress bar is nobody's.
    network.predict = partial(network.predict, verbose=0)
    visualise = _imported(*METHODS[method])(network, clone=False)
    with _without_activation(head):
        if method == "scorecam":
            # Image by image: every channel of every image is a masked image.
            score = _imported("utils.scores", "CategoricalScore")
            found = [
                visualise(score([target]), images[[index]], **settings) for index, target in enumerate(targets)
            ]
            return np.concatenate(found).astype("float32")
        return np.asarray(visualise(_score(targets), images, **settings), "float32")


def _head(model: Any) -> Any:
    """Find the last layer of a model that tf-keras-vis can take apart."""
    inputs = getattr(model, "inputs", None)
    if not inputs:
        raise SettingError(
            "Expected model to be functional, or Sequential with an Input, received {name}, whose layers tf-keras-vis "
            "cannot tell apart: take mi204.explain, which does.",
            "model attendu fonctionnel, ou Sequential avec un Input, {name} reçu, dont tf-keras-vis ne distingue pas "
            "les couches : prendre mi204.explain, qui le fait.",
            name=type(model).__name__,
        )
    outputs = model.outputs
    if len(inputs) > 1 or len(outputs) > 1:
        raise SettingError(
            "Expected model to have one input and one output, received {n_inputs} and {n_outputs}: take mi204.explain.",
            "model à une entrée et une sortie attendu, {n_inputs} et {n_outputs} reçu : prendre mi204.explain.",
            n_inputs=len(inputs), n_outputs=len(outputs),
        )
    head = model.layers[-1]
    if hasattr(head, "layers") or head.output is not outputs[0] or len(outputs[0].shape) != 2:
        raise SettingError(
            "Expected model to end in a layer of its own that answers (n, classes), received the layer {name}: take "
            "mi204.explain.",
            "model se terminant par une couche à lui qui répond (n, classes) attendu, la couche {name} reçue : "
            "prendre mi204.explain.",
            name=head.name,
        )
    return head


def _check(model: Any, head: Any, images: np.ndarray, targets: list[int], method: str) -> None:
    first = [each.name for each in model.layers if getattr(each, "data_format", None) == "channels_first"]
    if first:
        raise SettingError(
            "Expected model to have its channels last, received the layer {name}, whose channels are first: take "
            "mi204.explain.",
            "model aux canaux en dernier attendu, la couche {name} reçue, aux canaux en premier : prendre "
            "mi204.explain.",
            name=first[0],
        )
    shape = tuple(model.input_shape[1:])
    fits = images.ndim == 4 and len(images) and all(
        size in (None, found) for size, found in zip(shape, images.shape[1:], strict=False)
    )
    if len(shape) != 3 or not fits:
        raise SettingError(
            "Expected images of shape {expected}, one or more, received {received}: resize them.",
            "images de forme {expected} attendues, une au moins, {received} reçu : les redimensionner.",
            expected=str((None, *shape)).replace("None", "n", 1), received=str(images.shape),
        )
    classes = head.output.shape[-1]
    if len(targets) != len(images) or not all(0 <= target < classes for target in targets):
        raise SettingError(
            "Expected targets to be a class from 0 to {most} for each of the images, {n}, received {targets}.",
            "targets : une classe de 0 à {most} pour chacune des images, {n}, attendue, {targets} reçu.",
            most=classes - 1, n=len(images), targets=str(targets),
        )
    if method == "scorecam" and getattr(getattr(head, "activation", None), "__name__", "") == "sigmoid":
        raise SettingError(
            "Expected a model that ends in a softmax, or in logits, for scorecam, received a sigmoid, which "
            "tf-keras-vis would take for logits of a softmax: take mi204.explain.",
            "model se terminant par un softmax, ou par des logits, attendu pour scorecam, une sigmoïde reçue, que "
            "tf-keras-vis prendrait pour les logits d'un softmax : prendre mi204.explain.",
        )


def _layer(model: Any, name: str | None) -> Any:
    """Find a layer of the model itself whose output is ``(n, h, w, c)``."""
    found = [
        each for each in model.layers
        # Keras' own count: of a layer that is called twice, its output is that of the first call.
        if not hasattr(each, "layers") and len(each._inbound_nodes) == 1 and len(getattr(each.output, "shape", ())) == 4
    ]
    for each in found:
        if each.name == name:
            return each
    raise SettingError(
        "Expected layer to be one of the model's own that answers (n, h, w, c) and is called once, such as {names}, "
        "received {name!r}: choose one of them; inside a nested model, take mi204.explain.",
        "layer : une des couches de model lui-même qui répond (n, h, w, c) et n'est appelée qu'une fois, telle que "
        "{names}, attendue, {name!r} reçu : en choisir une ; à l'intérieur d'un modèle emboîté, prendre mi204.explain.",
        names=", ".join(each.name for each in found[-3:]) or "-", name=name,
    )


def _imported(module: str, name: str) -> Any:
    with warnings.catch_warnings():
        # It imports from a name of scipy that is to go in scipy 2.
        warnings.filterwarnings("ignore", "Please import `zoom`", DeprecationWarning)
        return getattr(importlib.import_module(f"tf_keras_vis.{module}"), name)


def _score(targets: list[int]) -> Callable[[Any], Any]:
    """Make the score whose value is 0, as only gradients are asked for: the exponential in Grad-CAM++ is then 1."""
    import tensorflow as tf

    def score(logits):
        chosen = tf.gather(logits, targets, axis=1, batch_dims=1)
        return chosen - tf.stop_gradient(chosen)

    return score


@contextmanager
def _without_activation(head: Any) -> Iterator[None]:
    """Let the last layer answer logits meanwhile; what is compiled already, such as the model's ``predict``, stays."""
    import keras

    activation = getattr(head, "activation", None)
    if activation in (keras.activations.softmax, keras.activations.log_softmax, keras.activations.sigmoid):
        head.activation = keras.activations.linear
    try:
        yield
    finally:
        if activation:
            head.activation = activation
