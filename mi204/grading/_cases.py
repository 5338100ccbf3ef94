"""The inputs on which the functions of a submission are called, drawn afresh for each grading.

They are drawn so that hardly ever a common mistake gives the right answer.
"""

import numpy as np

Cases = dict[str, tuple[str, dict]]
"""Function and inputs by name of the case."""


def draw(rng: np.random.Generator) -> Cases:
    """Draw the inputs of every case."""
    def integers(low: int, high: int, size: int) -> list[int]:
        return rng.permutation(np.arange(low, high))[:size].tolist()

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype("float32")

    def even(*shape: int) -> np.ndarray:
        """Draw numbers none of which outweighs the others, so that leaving out any of them shows."""
        return (rng.choice([-1, 1], shape) * rng.uniform(0.5, 1.5, shape)).astype("float32")

    def gradient_norm(*shapes: tuple[int, ...]) -> tuple[str, dict]:
        return "gradient_norm", {"tensors": [even(*s) for s in shapes], "weights": [even(*s) for s in shapes]}

    def activation(name: str) -> tuple[str, dict]:
        return "create_activation_function", {"name": name, "x": normal(4, 5)}

    def gradients(*shapes: tuple[int, ...]) -> tuple[str, dict]:
        arrays = {"weights": [even(*s) for s in shapes], "gradients": [2 * even(*s) for s in shapes]}
        return "compute_gradient_norm", arrays

    def evaluate(*batches: int) -> tuple[str, dict]:
        """Draw images and labels of which each batch has another share right, none of them the mean."""
        right = np.concatenate([
            rng.permutation(np.arange(size) < n_right)
            for size, n_right in zip(batches, [*rng.permutation([1, 3, 6]), 2], strict=False)
        ])
        X = normal(len(right), 1, 2, 3)
        first, first_bias, last, last_bias = weights
        classes = (np.tanh(X.reshape(len(X), -1) @ first.T + first_bias) @ last.T + last_bias).argmax(axis=1)
        y = np.where(right, classes, (classes + rng.integers(1, 4, len(X))) % 4)
        return "evaluate", {"weights": weights, "batch_size": 8, "X": X, "y": y}

    weights = [normal(5, 6), normal(5), normal(4, 5), normal(4)]
    batches = [[normal(8, 1, 2, 3), _one_hot(rng.integers(0, 4, 8), 4)] for _ in range(2)]
    return {
        "gradient_norm_one": gradient_norm((4, 3)),
        "gradient_norm_same": gradient_norm((3, 2), (3, 2), (3, 2)),
        "gradient_norm_shapes": gradient_norm((2, 3), (4,), (1, 2, 2)),
        "jacobian_norm_vector": ("jacobian_norm", {"matrix": abs(even(3, 4)), "x": even(4)}),
        "jacobian_norm_matrix": ("jacobian_norm", {"matrix": abs(even(3, 4)), "x": even(4, 2)}),
        "activation_relu": activation("relu"),
        "activation_tanh": activation("tanh"),
        "activation_sigmoid": activation("sigmoid"),
        "mlp": (
            "create_mlp",
            {
                "x": normal(6, 2, 3, 5),
                "configuration": [[3, 4], [3, 3], [1, 1], [0, 0], integers(8, 15, 3)],
                "n_classes": int(rng.choice([4, 5, 7])),
            },
        ),
        "mlp_shallow": (
            "create_mlp",
            {
                "x": normal(6, 1, 4, 5),
                "configuration": [[3], [3], [1], [0], integers(8, 15, 1)],
                "n_classes": int(rng.choice([4, 5, 7])),
            },
        ),
        "cnn": (
            "create_cnn",
            {
                "x": normal(6, 2, 44, 46),
                "larger": normal(6, 2, 50, 47),
                "configuration": [integers(4, 9, 3), [4, 3, 2], [2, 1, 1], [1, 2, 1], integers(10, 16, 2)],
                "n_classes": int(rng.choice([4, 5, 7])),
            },
        ),
        "cnn_shallow": (
            "create_cnn",
            {
                "x": normal(6, 1, 31, 33),
                "larger": normal(6, 1, 37, 32),
                "configuration": [integers(4, 9, 1), [5], [3], [2], integers(10, 16, 1)],
                "n_classes": int(rng.choice([4, 5, 7])),
            },
        ),
        "normalize": ("normalize", {"sets": [_images(rng, n, shift) for n, shift in ((20, 0), (7, 15), (9, -15))]}),
        "one_hot_all": ("one_hot", {"y": rng.permutation(np.arange(12) % 6), "n_classes": 6}),
        "one_hot_absent": ("one_hot", {"y": rng.permutation([1, 0, 3, 4, 1, 3, 5]), "n_classes": 8}),
        "loss": ("compute_loss_and_accuracy", _loss(rng, None)),
        "loss_zero": ("compute_loss_and_accuracy", _loss(rng, 0)),
        "loss_one": ("compute_loss_and_accuracy", _loss(rng, 1)),
        "gradients_one": gradients((3, 4)),
        "gradients_shapes": gradients((3, 2, 2, 2), (3,), (5, 12), (5,)),
        "training_step": (
            "training_step",
            {"weights": weights, "batches": batches, "optimizer_lr": 0.3, "lr": 0.05},
        ),
        "evaluate_whole": evaluate(8, 8, 8),
        "evaluate_ragged": evaluate(8, 8, 8, 3),
    }


def _one_hot(y: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes, dtype="float32")[y]


def _images(rng: np.random.Generator, n: int, shift: float) -> list[np.ndarray]:
    """Draw images whose pixels have means and deviations of their own, and labels."""
    deviations = rng.uniform(2, 20, (3, 4))
    pixels = shift + rng.uniform(50, 200, (3, 4)) + deviations * rng.normal(size=(n, 1, 3, 4))
    return [pixels.astype("float32"), rng.integers(0, 10, n)]


def _loss(rng: np.random.Generator, extreme: int | None) -> dict:
    """Draw probabilities (9, 5) and labels.

    The true class has the ``extreme`` probability, 0 or 1, in three rows, and one less than epsilon away in three more.
    """
    n, n_classes = 9, 5
    epsilon = float(np.round(rng.uniform(0.02, 0.03), 4))
    probabilities = rng.dirichlet(np.full(n_classes, 4.0), n) * 0.8 + 0.04
    y = probabilities.argmax(axis=1)
    wrong = rng.permutation(n)[: rng.integers(3, 6)]
    y[wrong] = probabilities[wrong].argmin(axis=1)
    if extreme is not None:
        rows = rng.permutation(n)[:6]
        away = np.concatenate([np.zeros(3), epsilon * rng.uniform(0.2, 0.5, 3)])
        probabilities[rows] = (0.25, 0.001)[extreme]
        probabilities[rows, y[rows]] = abs(extreme - away)
    compared, by_class = (probabilities > 0.5) == _one_hot(y, n_classes), probabilities.argmax(axis=0)
    told_apart = compared.mean() != (by_class == _one_hot(y, n_classes).argmax(axis=0)).mean()
    true = np.clip(probabilities[np.arange(n), y], epsilon, 1)
    softmax_twice = np.log(np.exp(probabilities).sum(axis=1)) - true
    if not told_apart or abs(np.log(true).mean() / softmax_twice.mean() + 1) < 0.01:
        return _loss(rng, extreme)
    return {
        "probabilities": probabilities.astype("float32"),
        "y": _one_hot(y, n_classes),
        "epsilon": epsilon,
    }
