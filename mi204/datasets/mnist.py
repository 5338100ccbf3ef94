"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels, in grey."""

from mi204.datasets import DataChoice, ImageDataset, _idx, samples
from mi204.datasets._choice import choose, sample_of
from mi204.datasets._fetch import RemoteFile

CLASSES = tuple("0123456789")

# The mirror of LeCun's files, byte for byte, from which torchvision downloads too.
_ADDRESS = "https://ossci-datasets.s3.amazonaws.com/mnist"

OFFICIAL = tuple(
    RemoteFile(name=f"mnist/{name}", url=f"{_ADDRESS}/{name}", sha256=sha256)
    for name, sha256 in (
        ("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        ("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        ("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        ("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    )
)


def load(data: DataChoice = "auto", *, n_train: int = 60_000, n_test: int = 10_000) -> ImageDataset:
    """Load MNIST: uint8 images (n, 28, 28, 1) and int64 labels (n,), in the official order.

    ``auto`` gives the procedural sample, with its notice set, only when a file cannot be reached or verified; ``real``
    raises DataError then. The sample is of ``n_train`` and ``n_test`` images; the real data always come whole. Raises
    DataError when a verified file does not hold what it should, StorageError when the cache cannot be written,
    SettingError for another ``data``.
    """
    return choose(
        data,
        lambda: _idx.load("MNIST", CLASSES, OFFICIAL),
        lambda: sample_of("MNIST", CLASSES, samples.digits, n_train, n_test),
    )
