"""Fashion-MNIST: 60,000 training and 10,000 test images of ten kinds of clothes, 28 x 28 pixels, in grey."""

from pathlib import Path

from mi204.datasets import DataChoice, ImageDataset, _idx, samples
from mi204.datasets._choice import choose, sample_of

CLASSES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_REPOSITORY = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/b2617bb6d3ffa2e429640350f613e3291e10b141"

OFFICIAL = _idx.described(
    address=f"{_REPOSITORY}/data/fashion",
    # Ours and Keras', torchvision's, a clone's of the repository, and the files alone.
    folders=("fashion-mnist", "FashionMNIST/raw", "fashion-mnist/data/fashion", "."),
    sha256s={
        "train-images-idx3-ubyte": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "train-labels-idx1-ubyte": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "t10k-images-idx3-ubyte": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "t10k-labels-idx1-ubyte": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    npz={},
)


def load(
    data: DataChoice = "auto", folder: Path | None = None, *, n_train: int = 60_000, n_test: int = 10_000
) -> ImageDataset:
    """Load Fashion-MNIST: uint8 images (n, 28, 28, 1) and int64 labels (n,), in the official order.

    ``folder`` is looked in first, for the four files themselves or as torchvision lays them out. ``auto`` gives the
    procedural sample, with its notice set, only when one of them cannot be reached or verified; ``real`` raises
    DataError then. The sample is of ``n_train`` and ``n_test`` images; the real data always come whole. Raises
    DataError when a verified file does not hold what it should, StorageError when the cache cannot be written,
    SettingError for another ``data``.
    """
    return choose(
        data,
        lambda insist: _idx.load("Fashion-MNIST", CLASSES, OFFICIAL, insist, [folder] if folder else []),
        lambda: sample_of("Fashion-MNIST", CLASSES, samples.garments, n_train, n_test),
    )
