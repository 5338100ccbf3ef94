"""The Trainer of homework 004: signatures, closed forms, and what it must not do."""

import functools
import inspect

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from mi204.architectures import NetworkConfiguration  # noqa: E402
from mi204.datasets import fashion_mnist  # noqa: E402
from mi204.errors import DataError, SettingError  # noqa: E402
from mi204.interop import torch_trainer  # noqa: E402
from mi204.interop.torch_trainer import Trainer, gradient_norm, jacobian_norm  # noqa: E402

N = {"train": 300, "valid": 50, "test": 70}
SMALL = NetworkConfiguration((4, 6), (3, 3), (1, 1), (0, 0), (12,))


def subset(n, seed):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 7, (n,), generator=generator)  # classes 7 to 9 do not occur
    x = 30 * torch.rand((n, 1, 28, 28), generator=generator) + 20 * y[:, None, None, None]
    x[:, :, 0, 0] = 5.0  # a constant pixel
    return x, y


@pytest.fixture
def make(monkeypatch):
    subsets = tuple(subset(n, seed) for seed, n in enumerate(N.values()))
    monkeypatch.setattr(Trainer, "load_dataset", staticmethod(lambda datapath: subsets))

    def trainer(**settings):
        torch.manual_seed(0)
        return Trainer(**{"net_config": SMALL, "lr": 0.001} | settings)

    return trainer


# --- norms ---


def test_gradient_norm_takes_all_tensors_together():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor(3.0)
    # The gradient of 3 x0^2 + x1 y is (6, 3) and 2: of norm 7.
    assert gradient_norm(lambda x, y: 3 * x[0, 0] ** 2 + x[0, 1] * y, x, y) == pytest.approx(7)
    assert not x.requires_grad
    assert x.grad is None


def test_gradient_norm_of_what_the_value_does_not_depend_on_is_zero():
    x, y = torch.ones(2), torch.ones(3)
    assert gradient_norm(lambda x, y: (x**2).sum(), x, y) == pytest.approx(8**0.5)
    assert gradient_norm(lambda x: torch.tensor(1.0), x) == 0


def test_gradient_norm_wants_a_scalar():
    with pytest.raises(ValueError, match=r"scalar function, received a value of shape \(2,\)"):
        gradient_norm(lambda x: x, torch.ones(2))


def test_jacobian_norm_of_a_linear_map_is_that_of_its_matrix():
    matrix = torch.arange(6.0).reshape(2, 3)
    assert jacobian_norm(lambda x: matrix @ x, torch.ones(3)) == pytest.approx(55**0.5)
    assert jacobian_norm(lambda x: x**2, torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == pytest.approx(120**0.5)


# --- construction ---


def test_the_signatures_are_the_homeworks():
    parameters = inspect.signature(Trainer).parameters
    assert {name: parameter.default for name, parameter in parameters.items()} == {
        "network_type": "mlp", "net_config": NetworkConfiguration(), "datapath": "./data", "n_classes": 10,
        "lr": 0.0001, "batch_size": 128, "activation_name": "relu", "normalization": True,
    }
    expected = {
        "load_dataset": ["datapath"],
        "create_mlp": ["input_dim", "net_config", "n_classes", "activation"],
        "create_cnn": ["in_channels", "net_config", "n_classes", "activation"],
        "create_activation_function": ["activation_str"],
        "one_hot": ["self", "y"],
        "compute_loss_and_accuracy": ["self", "X", "y"],
        "compute_gradient_norm": ["network"],
        "training_step": ["self", "X_batch", "y_batch"],
        "train_loop": ["self", "n_epochs"],
        "evaluate": ["self", "X", "y"],
        "normalize": ["train", "valid", "test"],
        "test_equivariance": ["self"],
    }
    found = {}
    for name in expected:
        attribute = inspect.getattr_static(Trainer, name)
        function = attribute.__func__ if isinstance(attribute, staticmethod) else attribute
        found[name] = list(inspect.signature(function).parameters)
    assert found == expected


def test_layers_of_both_networks():
    mlp = Trainer.create_mlp(784, NetworkConfiguration(), 10, torch.nn.Tanh())
    assert [type(layer).__name__ for layer in mlp] == [
        "Flatten", "Linear", "Tanh", "Linear", "Tanh", "Linear", "Softmax",
    ]
    cnn = Trainer.create_cnn(1, SMALL, 10, torch.nn.ReLU())
    assert [type(layer).__name__ for layer in cnn] == [
        "Conv2d", "ReLU", "MaxPool2d", "Conv2d", "ReLU", "AdaptiveMaxPool2d", "Flatten", "Linear", "ReLU", "Linear",
        "Softmax",
    ]
    x = torch.rand(3, 1, 28, 28)
    for network in (mlp, cnn):
        np.testing.assert_allclose(network(x).detach().sum(dim=1), np.ones(3), rtol=1e-5)
    assert cnn(torch.rand(2, 1, 40, 33)).shape == (2, 10)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network_type": "rnn"}, "Network type not supported"),
        ({"activation_name": "gelu"}, "Activation not supported"),
        ({"network_type": "cnn", "net_config": SMALL._replace(kernel_sizes=(3,))}, "kernel_sizes"),
        ({"network_type": "cnn", "net_config": SMALL._replace(kernel_sizes=(3, 50))}, r"kernel_sizes\[1\]"),
    ],
)
def test_what_cannot_be_built_is_named(make, settings, message):
    with pytest.raises(ValueError, match=message) as raised:
        make(**settings)
    assert isinstance(raised.value, SettingError)


@pytest.mark.parametrize(("name", "at_one"), [("relu", 1.0), ("tanh", 0.76159), ("sigmoid", 0.73106)])
def test_activations(name, at_one):
    values = Trainer.create_activation_function(name)(torch.tensor([1.0, -1.0]))
    assert float(values[0]) == pytest.approx(at_one, abs=1e-5)


# --- the data ---


def test_normalization_uses_the_training_images_alone_and_keeps_constant_pixels_finite(make):
    trainer, raw = make(), make(normalization=False)
    mean, deviation = raw.train[0].mean(dim=0), raw.train[0].std(dim=0)
    deviation[:, 0, 0] = 1.0
    for normalised, (x, y) in zip(
        (trainer.train, trainer.valid, trainer.test), (raw.train, raw.valid, raw.test), strict=True
    ):
        torch.testing.assert_close(normalised[0], (x - mean) / deviation)
        assert normalised[1] is y
    assert torch.isfinite(trainer.valid[0]).all()


def test_the_sample_stands_in_for_the_data_and_says_so(monkeypatch, tmp_path, caplog):
    for variable in ("MI204_DATASETS_CACHE", "KERAS_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("MI204_MIRROR", str(tmp_path))
    monkeypatch.setattr("mi204.datasets._fetch._download", unreachable)
    small = functools.partial(fashion_mnist.load, n_train=300, n_test=2100)  # the whole sample takes seconds to draw
    monkeypatch.setattr(fashion_mnist, "load", small)
    train, valid, test = Trainer.load_dataset(str(tmp_path))
    assert [tuple(x.shape) for x, _ in (train, valid, test)] == [(300, 1, 28, 28), (2000, 1, 28, 28), (100, 1, 28, 28)]
    assert train[0].dtype == torch.float32
    assert train[0].max() > 200
    assert "sample" in caplog.text


def unreachable(*_):
    raise DataError("no network", "pas de réseau")


@pytest.mark.data
def test_the_real_images_are_split_as_the_homework_says():
    data = fashion_mnist.load("real")
    train, valid, test = Trainer.load_dataset("./data")
    np.testing.assert_array_equal(train[0][:100, 0].numpy(), data.x_train[:100, :, :, 0])
    np.testing.assert_array_equal(valid[0][:, 0].numpy(), data.x_test[:2000, :, :, 0])
    np.testing.assert_array_equal(test[1].numpy(), data.y_test[2000:])


def test_one_hot_has_a_column_for_every_class(make):
    coded = make().one_hot(torch.tensor([1, 0, 3]))
    np.testing.assert_array_equal(coded, np.eye(10)[[1, 0, 3]])


# --- loss, gradient, steps ---


def test_loss_and_accuracy_are_those_of_the_formula(make):
    trainer = make()
    x, y = trainer.train
    loss, accuracy = trainer.compute_loss_and_accuracy(x, trainer.one_hot(y))
    probabilities = trainer.network(x).detach().double().numpy()
    assert float(loss.detach()) == pytest.approx(-np.log(probabilities[np.arange(len(y)), y]).mean(), rel=1e-5)
    assert accuracy == pytest.approx((probabilities.argmax(axis=1) == y.numpy()).mean())
    assert isinstance(accuracy, float)
    assert loss.requires_grad


def test_a_probability_of_zero_costs_no_more_than_epsilon(make):
    trainer = make(n_classes=2)
    trainer.network = torch.nn.Identity()
    loss, accuracy = trainer.compute_loss_and_accuracy(torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx(-np.log(1e-9), rel=1e-6)
    assert accuracy == 0


def test_a_step_returns_the_gradient_norm_before_it_and_forgets_the_last_gradient(make):
    trainer = make()
    x, y = trainer.train[0][:64], trainer.one_hot(trainer.train[1][:64])
    parameters = list(trainer.network.parameters())
    for _ in range(2):
        loss, _ = trainer.compute_loss_and_accuracy(x, y)
        expected = torch.cat([slope.flatten() for slope in torch.autograd.grad(loss, parameters)]).norm()
        norm = trainer.training_step(x, y)
        assert norm == pytest.approx(float(expected), rel=1e-5)
    assert isinstance(norm, float)
    assert float(trainer.compute_loss_and_accuracy(x, y)[0].detach()) < float(loss.detach())


def test_parameters_without_gradient_do_not_count():
    network = torch.nn.Linear(2, 1)
    assert Trainer.compute_gradient_norm(network) == 0
    network.weight.grad = torch.tensor([[3.0, 4.0]])
    assert Trainer.compute_gradient_norm(network) == pytest.approx(5)


def test_fields_that_do_not_fit_each_other_are_named_before_anything_is_built():
    sizes = NetworkConfiguration((4, 4), (3, 3), (1, 1), (0,), (8,))
    with pytest.raises(ValueError, match="paddings to have one entry for each of the 2 convolutions"):
        Trainer.create_cnn(1, sizes, 10, torch.nn.ReLU())


def test_train_loop_logs_before_and_after_each_epoch(make):
    trainer = make(batch_size=128)
    seen = []
    step = trainer.training_step
    trainer.training_step = lambda x, y: seen.append(x) or step(x, y)
    first = trainer.compute_loss_and_accuracy(trainer.train[0], trainer.one_hot(trainer.train[1]))
    logs = trainer.train_loop(2)
    assert logs is trainer.train_logs
    assert {name: len(values) for name, values in logs.items()} == {
        "train_accuracy": 3, "validation_accuracy": 3, "train_loss": 3, "validation_loss": 3, "train_gradient_norm": 2,
    }
    assert logs["train_loss"][0] == pytest.approx(float(first[0].detach()))
    assert [len(x) for x in seen] == [128, 128, 44] * 2
    torch.testing.assert_close(torch.cat(seen[:3]), trainer.train[0])  # in order, not shuffled
    assert logs["train_loss"][2] < logs["train_loss"][1] < logs["train_loss"][0]


def test_evaluate_weighs_batches_by_their_images(make):
    trainer = make(batch_size=32)  # 70 test images: 32, 32 and 6
    x, y = trainer.test
    loss, accuracy = trainer.compute_loss_and_accuracy(x, trainer.one_hot(y))
    assert trainer.evaluate(x, y) == (pytest.approx(float(loss.detach()), rel=1e-5), pytest.approx(accuracy))


def test_convolution_commutes_with_a_shift_inside_and_not_with_a_rotation(make):
    for seed in range(3):
        torch.manual_seed(seed)
        found = make().test_equivariance()
        if found["features"].any():
            break
    assert found["original"].shape == (28, 28)
    assert found["original"].max() <= 1
    assert {found[name].shape for name in ("features", "shift", "rotation")} == {(24, 24)}
    np.testing.assert_allclose(found["shift"][5:, 5:], 0, atol=1e-6)
    assert found["rotation"].max() > 1e-3


def test_train_counts_and_times_every_epoch():
    subsets = {
        name: (x.permute(0, 2, 3, 1).numpy(), y.numpy())
        for name, (x, y) in zip(("train", "validation", "test"), (subset(64, 0), subset(20, 1), subset(20, 2)),
                                strict=True)
    }
    ended = []
    settings = {"epochs": 3, "batch_size": 32, "learning_rate": 1e-3, "activation": "tanh", "normalization": True}
    runs = [
        torch_trainer.train(subsets, "cnn", SMALL, seed=seed, on_epoch=lambda: ended.append(1), **settings)
        for seed in (0, 0, 1)
    ]
    assert len(ended) == 9
    trainer, seconds = runs[0]
    assert len(seconds) == 3
    assert trainer.train_logs == runs[1][0].train_logs != runs[2][0].train_logs
    np.testing.assert_array_equal(trainer.test[1], subsets["test"][1])
