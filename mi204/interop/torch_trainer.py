"""Part 1 of homework 004: a classifier's training in torch, with the homework's signatures.

Torch and numpy alone: no Keras. ``mi204.models`` builds the same networks for the other backends.
"""

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mi204 import architectures
from mi204.architectures import NetworkConfiguration
from mi204.arithmetic import steps_per_epoch
from mi204.datasets import fashion_mnist

__all__ = ["NetworkConfiguration", "Trainer", "gradient_norm", "jacobian_norm", "keras_weights", "train"]

N_VALIDATION = 2000
"""Images of the official test set that serve for validation, the first ones; training is logged on as many."""

Subset = tuple[Tensor, Tensor]

_log = logging.getLogger(__name__)


def gradient_norm(function: Callable, *tensor_list: Tensor) -> float:
    """Give the Euclidean norm of the gradient of ``function(*tensor_list)`` with respect to all the tensors together.

    ``sqrt(sum_i ||d f / d x_i||^2)``; a tensor that the value does not depend on counts as zero. The tensors may have
    any shapes and are left as they are. Raises ValueError when the value is not a scalar. Handout 004, question 1.1.
    """
    inputs = [tensor.detach().clone().requires_grad_() for tensor in tensor_list]
    value = function(*inputs)
    if value.numel() != 1:
        raise ValueError(f"Expected a scalar function, received a value of shape {tuple(value.shape)}: sum it first.")
    if not value.requires_grad:
        return 0.0
    return _norm(torch.autograd.grad(value.reshape(()), inputs, allow_unused=True))


def jacobian_norm(function: Callable, input_tensor: Tensor) -> float:
    """Give the Frobenius norm of the Jacobian matrix of ``function`` at ``input_tensor``, of any shapes.

    Handout 004, question 1.2.
    """
    return float(torch.autograd.functional.jacobian(function, input_tensor).norm())


def _norm(gradients: Iterable[Tensor | None]) -> float:
    # Not stacked: the gradients have different shapes.
    return float(nn.utils.get_total_norm([gradient for gradient in gradients if gradient is not None]))


class Trainer:
    """Train a classifier of Fashion-MNIST and log what it does (handout 004, part 1)."""

    def __init__(
        self,
        network_type: str = "mlp",
        net_config: NetworkConfiguration = NetworkConfiguration(),  # noqa: B008 - immutable, and imposed
        datapath: str = "./data",
        n_classes: int = 10,
        lr: float = 0.0001,
        batch_size: int = 128,
        activation_name: str = "relu",
        normalization: bool = True,
    ) -> None:
        """Load the data, build the network and its optimiser.

        Raises SettingError (a ValueError) for a type of network, an activation or sizes that cannot be built.
        """
        self.train, self.valid, self.test = self.load_dataset(datapath)
        if normalization:
            self.train, self.valid, self.test = self.normalize(self.train, self.valid, self.test)
        self.network_type = network_type
        activation = self.create_activation_function(activation_name)
        channels, height, width = self.train[0].shape[1:]
        architectures.check(network_type, net_config, (height, width, channels))
        if network_type == "mlp":
            self.network = self.create_mlp(channels * height * width, net_config, n_classes, activation)
        else:
            self.network = self.create_cnn(channels, net_config, n_classes, activation)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=lr)
        self.datapath = datapath
        self.n_classes = n_classes
        self.lr = lr
        self.batch_size = batch_size
        self.epsilon = 1e-9
        self.train_logs: dict[str, list[float]] = {
            "train_accuracy": [],
            "validation_accuracy": [],
            "train_loss": [],
            "validation_loss": [],
            "train_gradient_norm": [],
        }

    @staticmethod
    def load_dataset(datapath: str) -> tuple[Subset, Subset, Subset]:
        """Give the training, validation and test images (n, 1, 28, 28), float32 from 0 to 255, and labels (n,).

        Validation: the first 2000 images of the official test set; test: the other 8000. The files are looked for in
        ``datapath``, then wherever mi204 looks; without them the procedural sample serves, and the log says so.
        """
        data = fashion_mnist.load("auto", Path(datapath))
        if data.notice:
            _log.warning("The procedural sample replaces %s. %s", data.name, data.notice.written("en"))

        n = N_VALIDATION
        return (
            _tensors(data.x_train, data.y_train),
            _tensors(data.x_test[:n], data.y_test[:n]),
            _tensors(data.x_test[n:], data.y_test[n:]),
        )

    @staticmethod
    def create_mlp(
        input_dim: int, net_config: NetworkConfiguration, n_classes: int, activation: nn.Module
    ) -> nn.Module:
        """Build ``Flatten, [Linear, activation]*, Linear, Softmax`` for images of ``input_dim`` numbers."""
        return nn.Sequential(nn.Flatten(), *_dense(input_dim, net_config, n_classes, activation))

    @staticmethod
    def create_cnn(
        in_channels: int, net_config: NetworkConfiguration, n_classes: int, activation: nn.Module
    ) -> nn.Module:
        """Build ``[Conv2d, activation, MaxPool2d(2)]*``, the last one pooled to 4x4 instead, then the dense layers.

        Raises SettingError (a ValueError) naming the field that does not fit the others.
        """
        architectures.check_fields("cnn", net_config)
        layers: list[nn.Module] = []
        sizes = zip(
            net_config.n_channels, net_config.kernel_sizes, net_config.strides, net_config.paddings, strict=True
        )
        for filters, kernel_size, stride, padding in sizes:
            layers += [nn.Conv2d(in_channels, filters, kernel_size, stride, padding), activation, nn.MaxPool2d(2)]
            in_channels = filters
        side = architectures.POOLED_SIDE
        layers[-1] = nn.AdaptiveMaxPool2d((side, side))
        return nn.Sequential(
            *layers, nn.Flatten(), *_dense(side * side * in_channels, net_config, n_classes, activation)
        )

    @staticmethod
    def create_activation_function(activation_str: str) -> nn.Module:
        """Give the module of ``relu``, ``tanh`` or ``sigmoid``; raises SettingError for another name."""
        architectures.check_activation(activation_str)
        return {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}[activation_str]()

    def one_hot(self, y: Tensor) -> Tensor:
        """Code integer labels (n,) as rows (n, n_classes) with a single 1."""
        return nn.functional.one_hot(y.long(), self.n_classes).float()

    def compute_loss_and_accuracy(self, X: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Give the mean cross-entropy ``-mean_i sum_k y_ik log p_ik``, with its graph, and the accuracy.

        ``X`` is (n, c, h, w), ``y`` one-hot (n, n_classes); probabilities are clipped to [epsilon, 1 - epsilon].
        """
        probabilities = self.network(X).clamp(self.epsilon, 1 - self.epsilon)
        loss = -(y * probabilities.log()).sum(dim=1).mean()
        accuracy = (probabilities.argmax(dim=1) == y.argmax(dim=1)).float().mean()
        return loss, float(accuracy)

    @staticmethod
    def compute_gradient_norm(network: nn.Module) -> float:
        """Give the Euclidean norm of all the gradients that backpropagation left in the parameters of ``network``."""
        return _norm(parameter.grad for parameter in network.parameters())

    def training_step(self, X_batch: Tensor, y_batch: Tensor) -> float:
        """Take one step of the optimiser on a batch (``y_batch`` one-hot); give the norm of the gradient before it."""
        self.optimizer.zero_grad()
        loss, _ = self.compute_loss_and_accuracy(X_batch, y_batch)
        loss.backward()
        norm = self.compute_gradient_norm(self.network)
        self.optimizer.step()
        return norm

    def log_metrics(self, X_train: Tensor, y_train: Tensor, X_valid: Tensor, y_valid: Tensor) -> None:
        """Append loss and accuracy on both sets (labels one-hot) to the logs."""
        self.network.eval()
        with torch.inference_mode():
            for name, X, y in (("train", X_train, y_train), ("validation", X_valid, y_valid)):
                loss, accuracy = self.compute_loss_and_accuracy(X, y)
                self.train_logs[f"{name}_loss"].append(float(loss))
                self.train_logs[f"{name}_accuracy"].append(accuracy)

    def train_loop(self, n_epochs: int) -> dict[str, list[float]]:
        """Train for ``n_epochs`` over consecutive batches, not shuffled, and give the logs.

        Loss and accuracy, on the first 2000 training images and all validation images, are logged before the first
        epoch and after each; the gradient norm, that of the last batch, after each.
        """
        X_train, y_train = self.train[0], self.one_hot(self.train[1])
        X_valid, y_valid = self.valid[0], self.one_hot(self.valid[1])
        logged = X_train[:N_VALIDATION], y_train[:N_VALIDATION], X_valid, y_valid
        self.log_metrics(*logged)
        for _ in range(n_epochs):
            self.network.train()
            for i in range(steps_per_epoch(len(X_train), self.batch_size)):
                batch = slice(i * self.batch_size, (i + 1) * self.batch_size)
                norm = self.training_step(X_train[batch], y_train[batch])
            self.train_logs["train_gradient_norm"].append(norm)
            self.log_metrics(*logged)
        return self.train_logs

    def evaluate(self, X: Tensor, y: Tensor) -> tuple[float, float]:
        """Give the mean loss and the mean accuracy over a set, ``y`` being integer labels (n,).

        Batches weigh as many images as they hold: the last one may be smaller.
        """
        self.network.eval()
        losses, accuracies = 0.0, 0.0
        with torch.inference_mode():
            for start in range(0, len(X), self.batch_size):
                labels = y[start : start + self.batch_size]
                loss, accuracy = self.compute_loss_and_accuracy(
                    X[start : start + self.batch_size], self.one_hot(labels)
                )
                losses += float(loss) * len(labels)
                accuracies += accuracy * len(labels)
        return losses / len(X), accuracies / len(X)

    @staticmethod
    def normalize(train: Subset, valid: Subset, test: Subset) -> tuple[Subset, Subset, Subset]:
        """Centre and scale each pixel by its mean and (unbiased) standard deviation over the training images.

        A pixel that is constant in training is only centred.
        """
        mean, deviation = train[0].mean(dim=0), train[0].std(dim=0)
        deviation = torch.where(deviation > 0, deviation, 1.0)
        return tuple(((X - mean) / deviation, y) for X, y in (train, valid, test))

    def test_equivariance(self) -> dict[str, Tensor]:
        """Compare a small convolutional network before and after a shift and a rotation of its input (question 2.1).

        The network applies one 3x3 convolution twice, each time with ReLU, to the first training image over 255. Gives
        ``original`` (28, 28), ``features`` (24, 24), and the absolute differences ``shift`` = |g(f(x)) - f(g(x))|
        for g a shift by 5 pixels right and down, zeros entering, and ``rotation`` for a quarter turn clockwise.
        """
        image = self.load_dataset(self.datapath)[0][0][:1] / 255
        convolution = nn.Conv2d(1, 1, 3)

        def network(x: Tensor) -> Tensor:
            return torch.relu(convolution(torch.relu(convolution(x))))

        def shift(x: Tensor) -> Tensor:
            return nn.functional.pad(x, (5, -5, 5, -5))

        def rotation(x: Tensor) -> Tensor:
            return torch.rot90(x, -1, dims=(2, 3))

        with torch.inference_mode():
            features = network(image)
            differences = {
                g.__name__: (g(features) - network(g(image))).abs()[0, 0] for g in (shift, rotation)
            }
        return {"original": image[0, 0], "features": features[0, 0], **differences}


def _dense(
    features: int, configuration: NetworkConfiguration, n_classes: int, activation: nn.Module
) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for units in configuration.dense_hiddens:
        layers += [nn.Linear(features, units), activation]
        features = units
    return [*layers, nn.Linear(features, n_classes), nn.Softmax(dim=1)]


class _Timed(Trainer):
    """A Trainer that takes its data as given, times its epochs and says when one ends."""

    def __init__(self, subsets: tuple[Subset, Subset, Subset], on_epoch: Callable[[], None], **settings) -> None:
        self.load_dataset = lambda datapath: subsets
        super().__init__(**settings)
        self.on_epoch = on_epoch
        self.epoch_seconds: list[float] = []

    def log_metrics(self, *sets: Tensor) -> None:
        super().log_metrics(*sets)
        if len(self.train_logs["train_loss"]) > 1:
            self.epoch_seconds.append(time.perf_counter() - self.epoch_start)
            self.on_epoch()
        self.epoch_start = time.perf_counter()


def train(
    subsets: dict[str, tuple[np.ndarray, np.ndarray]],
    network_type: str,
    configuration: NetworkConfiguration,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    activation: str,
    normalization: bool,
    on_epoch: Callable[[], None],
) -> tuple[Trainer, list[float]]:
    """Train a Trainer's network on the given ``train``, ``validation`` and ``test`` images (n, h, w, c) and labels.

    Calls ``on_epoch`` after each epoch; gives the Trainer, with its logs, and the wall time of each epoch in seconds,
    logging included.
    """
    torch.manual_seed(seed)
    trainer = _Timed(
        tuple(_tensors(*subsets[name]) for name in ("train", "validation", "test")),
        on_epoch,
        network_type=network_type,
        net_config=configuration,
        lr=learning_rate,
        batch_size=batch_size,
        activation_name=activation,
        normalization=normalization,
    )
    trainer.train_loop(epochs)
    return trainer, trainer.epoch_seconds


def _tensors(images: np.ndarray, labels: np.ndarray) -> Subset:
    x = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2), dtype=np.float32))
    return x, torch.from_numpy(labels)


def keras_weights(network: nn.Module) -> list[np.ndarray]:
    """Give the weights of a Trainer's network in the order and layout of its Keras port, for ``set_weights``.

    Kernels (filters, channels, h, w) become (h, w, channels, filters) and matrices (outputs, inputs) become
    (inputs, outputs). What follows the maps of a CNN reads them channel by channel in torch, pixel by pixel in Keras;
    an MLP is taken to read images of one channel.
    """
    weights, channels = [], 0
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernel, channels = module.weight.permute(2, 3, 1, 0), module.out_channels
        elif isinstance(module, nn.Linear):
            kernel = module.weight.T
            if channels:
                kernel = kernel.reshape(channels, -1, module.out_features).transpose(0, 1)
                kernel, channels = kernel.reshape(module.in_features, module.out_features), 0
        else:
            continue
        weights += [kernel.detach().numpy().copy(), module.bias.detach().numpy().copy()]
    return weights
