"""Weights that others trained on ImageNet, as Keras publishes them: found and verified here, read elsewhere."""

import json
from pathlib import Path

from mi204.datasets._fetch import RemoteFile, fetch_with_remark
from mi204.errors import DataError, SettingError
from mi204.language import Word

_SITE = "https://storage.googleapis.com/"
_APPLICATIONS = f"{_SITE}tensorflow/keras-applications/"


def _weights(folder: str, file: str, md5: str = "") -> RemoteFile:
    return RemoteFile(f"models/{file}", f"{folder}{file}", weights=True, md5=md5, keras_folder="")


def _mobilenet(alpha: str) -> RemoteFile:
    return _weights(f"{_APPLICATIONS}mobilenet/", f"mobilenet_{alpha}_224_tf.h5")


def _mobilenet_v2(alpha: str) -> RemoteFile:
    file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{alpha}_224.h5"
    return _weights(f"{_APPLICATIONS}mobilenet_v2/", file)


WEIGHTS = {
    "efficientnet_b0": _weights(
        f"{_SITE}keras-applications/", "efficientnetb0.h5", "902e53a9f72be733fc0bcb005b3ebbac"
    ),
    "mobilenet_0.25": _mobilenet("2_5"),
    "mobilenet_0.5": _mobilenet("5_0"),
    "mobilenet_0.75": _mobilenet("7_5"),
    "mobilenet_1.0": _mobilenet("1_0"),
    "mobilenet_v2_0.35": _mobilenet_v2("0.35"),
    "mobilenet_v2_0.5": _mobilenet_v2("0.5"),
    "mobilenet_v2_0.75": _mobilenet_v2("0.75"),
    "mobilenet_v2_1.0": _mobilenet_v2("1.0"),
    "mobilenet_v2_1.3": _mobilenet_v2("1.3"),
    "mobilenet_v2_1.4": _mobilenet_v2("1.4"),
    "mobilenet_v3_small": _weights(
        f"{_APPLICATIONS}mobilenet_v3/", "weights_mobilenet_v3_small_224_1.0_float.h5",
        "8768d4c2e7dee89b9d02b2d03d65d862",
    ),
    "resnet50": _weights(
        f"{_APPLICATIONS}resnet/", "resnet50_weights_tf_dim_ordering_tf_kernels.h5", "2cb95161c43110f7111970584f804107"
    ),
    "resnet50_v2": _weights(
        f"{_APPLICATIONS}resnet/", "resnet50v2_weights_tf_dim_ordering_tf_kernels.h5",
        "3ef43a0b657b3be2300d5770ece849e0",
    ),
    "vgg16": _weights(
        f"{_APPLICATIONS}vgg16/", "vgg16_weights_tf_dim_ordering_tf_kernels.h5", "64373286793e3c8b2b4e3219cbf3544b"
    ),
}
"""The file with all layers, by network, with its MD5 where Keras' sources hold one: not for MobileNet 1 and 2."""

_CLASSES = RemoteFile(
    "models/imagenet_class_index.json", f"{_SITE}download.tensorflow.org/data/imagenet_class_index.json",
    weights=True, md5="c2c37ea517e94d9795004a39431a14cb", keras_folder="",
)
N_CLASSES = 1000


def weights(name: str, *, insist: bool = True) -> tuple[Path, Word | None]:
    """Give the file of a network's weights, and a remark where it is not proved to be the official one.

    It is looked for as ``models/…`` in the cache, in ``~/.keras/models``, in the mirror and at its official address.
    Raises SettingError for a name that is not in ``WEIGHTS``, FetchError when no place has the file.
    """
    if name not in WEIGHTS:
        raise SettingError(
            "Expected the network to be one of {names}, received {name!r}: choose one of them.",
            "Réseau attendu parmi {names}, {name!r} reçu : en choisir un.",
            names=", ".join(WEIGHTS), name=name,
        )
    return fetch_with_remark(WEIGHTS[name], insist=insist)


def imagenet_classes(*, insist: bool = True) -> tuple[str, ...]:
    """Give the names of the 1000 classes in their order, such as ``African_elephant``; two of them stand twice.

    Raises FetchError when no place has the file ``imagenet_class_index.json``, DataError when it holds something else.
    """
    file, _ = fetch_with_remark(_CLASSES, insist=insist)
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
        return tuple(str(index[str(label)][1]) for label in range(N_CLASSES))
    except (ValueError, KeyError, TypeError, IndexError) as error:  # a SHA256SUMS may vouch for anything
        raise DataError(
            "Expected in {file} the names of 1000 classes by label, received something else ({error!r}). Delete this "
            "file and load it again.",
            "Attendu dans {file} : les noms de 1000 classes par étiquette ; reçu : autre chose ({error!r}). Supprimer "
            "ce fichier et le charger à nouveau.",
            file=file, error=error,
        ) from error
