"""Which example serves for what."""

from collections.abc import Sequence

import numpy as np

from mi204.errors import SettingError


def draw(n_available: int, *sizes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint subsets of ``sizes`` indices, without replacement, from ``0 … n_available - 1``.

    Raises SettingError when a size is not positive or their sum exceeds what there is.
    """
    if min(sizes) < 1 or sum(sizes) > n_available:
        raise SettingError(
            f"Expected sizes of at least 1 that add up to {n_available:,} at most (the size of the set they are drawn "
            f"from), received {' + '.join(f'{size:,}' for size in sizes)} = {sum(sizes):,}. Ask for fewer examples."
        )
    chosen = rng.choice(n_available, size=sum(sizes), replace=False)
    return np.split(chosen, np.cumsum(sizes)[:-1])


def leave_out(groups: np.ndarray, left_out: str) -> tuple[np.ndarray, np.ndarray]:
    """Give the indices of all but one group, to train on, and of that group, to test on; ``groups`` is ``(n,)``.

    Raises SettingError when there is no such group, or no other.
    """
    test = groups == left_out
    if not test.any() or test.all():
        raise SettingError(
            f"Expected {left_out!r} and at least one other among the groups to split by, received "
            f"{', '.join(map(repr, np.unique(groups).tolist()))}: leave out one of several."
        )
    return np.flatnonzero(~test), np.flatnonzero(test)


def check_classes(labels: np.ndarray, classes: Sequence[str], **subsets: np.ndarray) -> None:
    """Prove that every class has an example in each subset, given by name as indices into ``labels`` ``(n,)``.

    Raises SettingError naming the subset and the classes that it lacks.
    """
    for name, chosen in subsets.items():
        missing = [each for label, each in enumerate(classes) if label not in labels[chosen]]
        if missing:
            raise SettingError(
                f"Expected examples of every class in the {name} set, received none of {', '.join(missing)}: "
                "give more examples, or split them otherwise (another seed, another share)."
            )


def partners(labels: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw for each of ``labels`` ``(n,)`` the index of an example of the same class among ``others`` ``(m,)``.

    Raises SettingError when a class has no example among the others.
    """
    drawn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        candidates = np.flatnonzero(others == label)
        if not len(candidates):
            raise SettingError(f"Expected an example of class {label} to pair with, received none: give some.")
        drawn[labels == label] = rng.choice(candidates, size=np.count_nonzero(labels == label))
    return drawn
