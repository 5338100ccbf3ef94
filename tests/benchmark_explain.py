"""Time maps beside forward passes of the same network, on each backend: python -P tests/benchmark_explain.py

``-P``, for beside this file lies a folder ``labs`` too. What is compared runs by turns in one process, so that a busy
machine is busy for all; each number is the median ratio of the rounds, with the quartiles. The networks have random
weights, which cost as much as any.

Grad-CAM and its family: 4 images of 224 x 224 through MobileNetV2, beside the compiled forward pass that gives the same
probabilities. Score-CAM: one image of 96 x 96 through MobileNetV2 0.35, whose last layer has 1280 maps, beside as many
forward passes, in batches of the same size. Memory: what Grad-CAM of 8 and of 64 images adds to the peak of the
process. tf-keras-vis, where it is installed: its Grad-CAM, made once and called again, on tensorflow.
"""

import importlib.util
import os
import resource
import subprocess
import sys
import warnings
from statistics import quantiles
from time import perf_counter

ROUNDS = 9
FAMILY = ("gradcam", "gradcam++", "xgradcam", "layercam", "hirescam")


def child(what: str) -> None:
    from mi204 import backend

    backend.prepare()
    import keras
    import numpy as np

    from mi204.explain import Explainer

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)

    def forward_of(model):
        compiled = backend.compiled(model, lambda given: {"answer": model(given["x"], training=False)})
        return lambda x: compiled({"x": x})

    if what == "memory":
        explainer = Explainer(keras.applications.MobileNetV2(weights=None))
        images = rng.normal(size=(64, 224, 224, 3)).astype(np.float32)
        explainer(images[:1])
        for n in (8, 64):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            explainer(images[:n])
            after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            print(f"Grad-CAM of {n} images adds to the peak of memory\t{(after - before) / 1024:.0f} MB")
        return
    if what == "family":
        model = keras.applications.MobileNetV2(weights=None)
        images = rng.normal(size=(4, 224, 224, 3)).astype(np.float32)
        explainer, forward = Explainer(model, chunk_size=4), forward_of(model)
        compared = {name: lambda name=name: explainer(images, name) for name in FAMILY}
        if keras.backend.backend() == "tensorflow" and importlib.util.find_spec("tf_keras_vis"):
            with warnings.catch_warnings(action="ignore"):  # it is older than scipy
                from tf_keras_vis.gradcam import Gradcam

            other = Gradcam(model, clone=False)
            compared["tf-keras-vis gradcam"] = lambda: other(lambda p: p[:, 0], images, penultimate_layer="out_relu")
        _by_turns(lambda: forward(images), compared, "a forward pass", ROUNDS)
    else:
        model = keras.applications.MobileNetV2((96, 96, 3), alpha=0.35, weights=None)
        image = rng.normal(size=(1, 96, 96, 3)).astype(np.float32)
        # Before its activation no map is zero everywhere, and left out.
        explainer, forward = Explainer(model, "Conv_1", chunk_size=32), forward_of(model)
        masked = np.repeat(image, 32, axis=0)
        _by_turns(
            lambda: [forward(masked) for _ in range(40)], {"scorecam": lambda: explainer(image, "scorecam")},
            "its 1280 forward passes", ROUNDS,
        )


def _by_turns(reference, compared, name: str, rounds: int) -> None:
    for function in (reference, *compared.values()):
        function()  # compiles
    ratios = {each: [] for each in compared}
    for _ in range(rounds):
        for each, function in compared.items():
            seconds = []
            for run in (reference, function):
                start = perf_counter()
                run()
                seconds.append(perf_counter() - start)
            ratios[each].append(seconds[1] / seconds[0])
    for each, found in ratios.items():
        low, middle, high = quantiles(found, n=4)
        print(f"{each} / {name}\t{middle:.2f} ({low:.2f} to {high:.2f})")


def main() -> None:
    for name in (each for each in ("tensorflow", "jax", "torch") if importlib.util.find_spec(each)):
        for what in ("family", "scorecam", "memory"):
            finished = subprocess.run(
                [sys.executable, "-P", __file__, what], env={**os.environ, "KERAS_BACKEND": name},
                stdout=subprocess.PIPE, text=True, check=True,
            )
            for line in finished.stdout.splitlines():
                print(f"{name:<12}{line}".expandtabs(60), flush=True)


if __name__ == "__main__":
    child(sys.argv[1]) if len(sys.argv) > 1 else main()
