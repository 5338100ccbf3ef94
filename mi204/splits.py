"""Which example serves for what."""

from collections.abc import Sequence

import numpy as np

from mi204.errors import SettingError
from mi204.language import Word


def draw(n_available: int, *sizes: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw disjoint subsets of ``sizes`` indices, without replacement, from ``0 … n_available - 1``.

    Raises SettingError when a size is not positive or their sum exceeds what there is.
    """
    if min(sizes) < 1 or sum(sizes) > n_available:
        named = {f"size_{i}": size for i, size in enumerate(sizes)}
        received = " + ".join(f"{{{name}:,}}" for name in named) + " = {total:,}"
        raise SettingError(
            "Expected sizes of at least 1 that add up to {available:,} at most (the size of the set they are drawn "
            f"from), received {received}. Ask for fewer examples.",
            "Tailles d'au moins 1 attendues, de somme {available:,} au plus (la taille du corpus dont elles sont "
            f"tirées), {received} reçu. Demander moins d'exemples.",
            available=n_available,
            total=sum(sizes),
            **named,
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
            "Expected {left_out!r} and at least one other among the groups to split by, received {groups}: "
            "leave out one of several.",
            "{left_out!r} et au moins un autre attendus parmi les groupes à séparer, {groups} reçu : "
            "en laisser un de côté parmi plusieurs.",
            left_out=left_out,
            groups=", ".join(map(repr, np.unique(groups).tolist())),
        )
    return np.flatnonzero(~test), np.flatnonzero(test)


def check_classes(labels: np.ndarray, classes: Sequence[str], **subsets: np.ndarray) -> None:
    """Prove that every class has an example in each subset, given as indices into ``labels`` ``(n,)``.

    Their names, such as ``training``, are keys of words.toml. Raises SettingError naming the subset and the classes
    that it lacks.
    """
    for name, chosen in subsets.items():
        missing = [each for label, each in enumerate(classes) if label not in labels[chosen]]
        if missing:
            raise SettingError(
                "Expected examples of every class in the {name} set, received none of {missing}: "
                "give more examples, or split them otherwise (another seed, another share).",
                "Exemples de chaque classe attendus dans le corpus « {name} », aucun de {missing} reçu : "
                "donner plus d'exemples, ou les séparer autrement (autre graine, autre part).",
                name=Word(name),
                missing=", ".join(missing),
            )


def partners(labels: np.ndarray, others: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw for each of ``labels`` ``(n,)`` the index of an example of the same class among ``others`` ``(m,)``.

    Raises SettingError when a class has no example among the others.
    """
    drawn = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        candidates = np.flatnonzero(others == label)
        if not len(candidates):
            raise SettingError(
                "Expected an example of class {label} to pair with, received none: give some.",
                "Exemple de la classe {label} attendu pour former une paire, aucun reçu : en donner.",
                label=label,
            )
        drawn[labels == label] = rng.choice(candidates, size=np.count_nonzero(labels == label))
    return drawn
