"""Which example serves for what."""

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
