"""MNIST: 60,000 training and 10,000 test images of handwritten digits, 28 x 28 pixels, in grey."""

from mi204.datasets import DataChoice, ImageDataset, _idx, samples
from mi204.datasets._choice import choose, sample_of

CLASSES = tuple("0123456789")

OFFICIAL = _idx.described(
    # The copies of LeCun's files, byte for byte, from which torchvision downloads too.
    address="https://ossci-datasets.s3.amazonaws.com/mnist",
    # Ours, torchvision's, and the files alone.
    folders=("mnist", "MNIST/raw", "."),
    sha256s={
        "train-images-idx3-ubyte": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        "train-labels-idx1-ubyte": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        "t10k-images-idx3-ubyte": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        "t10k-labels-idx1-ubyte": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
    # All four in one, as Keras downloads them.
    npz={"mnist.npz": "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"},
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
        lambda insist: _idx.load("MNIST", CLASSES, OFFICIAL, insist),
        lambda: sample_of("MNIST", CLASSES, samples.digits, n_train, n_test),
    )
