"""Networks as numbers: what can be built, and with how many parameters."""

import re

import numpy as np
import pytest

from mi204.architectures import NetworkConfiguration, check, check_activation, count_parameters, sides
from mi204.errors import SettingError

FASHION = (28, 28, 1)


def convolutions(*n_channels, kernel_size):
    n = len(n_channels)
    return NetworkConfiguration(n_channels, (kernel_size,) * n, (1,) * n, (0,) * n)


def test_the_defaults_are_the_homeworks():
    assert NetworkConfiguration() == ((16, 32, 48), (3, 3, 3), (1, 1, 1), (0, 0, 0), (256, 256))


@pytest.mark.parametrize(
    ("network_type", "network", "expected"),
    [
        ("mlp", NetworkConfiguration(), 269_322),
        ("mlp", NetworkConfiguration(dense_hiddens=(64,) * 53), 267_210),
        ("mlp", NetworkConfiguration(dense_hiddens=(64,) * 54), 271_370),
        ("mlp", NetworkConfiguration(dense_hiddens=()), 7850),
        ("cnn", NetworkConfiguration(), 283_898),
        ("cnn", convolutions(16, 32, 45, kernel_size=3), 270_743),
        ("cnn", convolutions(16, 32, 45, kernel_size=2), 260_903),
        ("cnn", convolutions(8, 16, 32, 64, kernel_size=1), 333_578),
        ("cnn", convolutions(41, kernel_size=28), 268_739),
        ("cnn", convolutions(42, kernel_size=28), 273_620),
    ],
)
def test_parameters_are_those_counted_by_hand(network_type, network, expected):
    assert count_parameters(network_type, network, FASHION, 10) == expected


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (convolutions(16, 32, 45, kernel_size=3), [28, 26, 13, 11, 5, 3]),
        (convolutions(8, 16, 32, 64, kernel_size=1), [28, 28, 14, 14, 7, 7, 3, 3]),
        (convolutions(41, kernel_size=28), [28, 1]),
        (NetworkConfiguration((16, 32), (4, 5), (1, 2), (1, 0)), [28, 27, 13, 5]),
    ],
)
def test_sides_of_the_maps(network, expected):
    assert sides(network, 28) == expected


@pytest.mark.parametrize(
    ("network_type", "changes", "message", "french"),
    [
        ("rnn", {}, "Network type not supported: expected one of mlp, cnn, received 'rnn'",
         "Type de réseau inconnu : mlp, cnn attendu, 'rnn' reçu"),
        ("cnn", {"paddings": (0, 0)}, r"paddings to have one entry for each of the 3 convolutions.*received 2",
         r"paddings attendu avec une entrée .* ici 3, 2 reçu \(\(0, 0\)\)"),
        ("cnn", {"strides": (1,) * 4}, "strides to have one entry for each of the 3",
         "strides attendu avec une entrée"),
        ("cnn", {"n_channels": (), "kernel_sizes": (), "strides": (), "paddings": ()}, "n_channels to have one entry",
         "n_channels attendu avec une entrée"),
        ("cnn", {"kernel_sizes": (3, 14, 3)}, r"kernel_sizes\[1\] of at most 13 .*received 14",
         r"kernel_sizes\[1\] d'au plus 13 attendu .* 14 reçu"),
        ("cnn", {"strides": (28, 1, 1)}, "at least 2 pixels for the pooling after convolution 1, received 1",
         "Au moins 2 pixels attendus pour le pooling après la convolution 1, 1 reçu"),
        ("cnn", {"strides": (0, 1, 1)}, "strides to be a tuple of integers of at least 1, received",
         "strides attendu sous forme de tuple d'entiers d'au moins 1"),
        ("cnn", {"paddings": (-1, 0, 0)}, "paddings to be a tuple of integers of at least 0",
         "paddings attendu sous forme de tuple d'entiers d'au moins 0"),
        ("cnn", {"n_channels": (16.0, 32, 48)}, "n_channels to be a tuple of integers",
         r"n_channels attendu.*\(16.0, 32, 48\) reçu"),
        ("cnn", {"n_channels": (np.True_, 32, 48)}, "n_channels to be a tuple of integers", "n_channels attendu"),
        ("mlp", {"dense_hiddens": (True,)}, r"dense_hiddens to be a tuple of integers.*\(True,\)", r"\(True,\) reçu"),
        ("mlp", {"dense_hiddens": (256, 0)}, "dense_hiddens to be a tuple of integers of at least 1",
         "dense_hiddens attendu"),
        ("mlp", {"dense_hiddens": 256}, "dense_hiddens to be a tuple of integers", "dense_hiddens attendu.*256 reçu"),
    ],
)
def test_what_cannot_be_built_is_named_in_both_languages(network_type, changes, message, french):
    with pytest.raises(SettingError, match=message) as refused:
        check(network_type, NetworkConfiguration()._replace(**changes), FASHION)
    assert re.search(french, refused.value.written("fr"))


def test_a_perceptron_does_not_look_at_the_convolutions():
    check("mlp", NetworkConfiguration(kernel_sizes=(99,)), FASHION)


def test_sizes_may_be_numpy_integers():
    check("cnn", NetworkConfiguration(tuple(np.array([16, 32, 48]))), FASHION)


def test_both_sides_of_the_image_must_hold_the_kernels():
    with pytest.raises(SettingError, match="kernel_sizes"):
        check("cnn", NetworkConfiguration(), (28, 4, 1))


def test_unknown_activation_is_named():
    with pytest.raises(SettingError, match=r"not supported: expected one of relu, tanh, sigmoid.*'gelu'") as refused:
        check_activation("gelu")
    assert "Activation inconnue : relu, tanh, sigmoid attendu, 'gelu' reçu" in refused.value.written("fr")
