"""Which example serves for what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi204 import splits
from mi204.errors import SettingError
from mi204.splits import draw

SIZES = st.lists(st.integers(1, 30), min_size=1, max_size=4)
SEEDS = st.integers(0, 2**32 - 1)


@settings(deadline=None)
@given(sizes=SIZES, left=st.integers(0, 40), seed=SEEDS)
def test_subsets_are_disjoint_of_the_sizes_asked_for_and_repeatable(sizes, left, seed):
    n_available = sum(sizes) + left
    subsets = draw(n_available, *sizes, rng=np.random.default_rng(seed))
    assert [len(subset) for subset in subsets] == sizes
    together = np.concatenate(subsets)
    assert len(set(together.tolist())) == sum(sizes)
    assert set(together.tolist()) <= set(range(n_available))
    again = draw(n_available, *sizes, rng=np.random.default_rng(seed))
    for subset, same in zip(subsets, again, strict=True):
        np.testing.assert_array_equal(subset, same)


def test_subsets_are_drawn_from_everywhere_and_differ_with_the_seed():
    first, second = (draw(1000, 100, 100, rng=np.random.default_rng(seed)) for seed in (0, 1))
    assert set(first[0].tolist()) != set(second[0].tolist())
    for subset in first:
        assert subset.min() < 100
        assert subset.max() >= 900


@settings(deadline=None)
@given(sizes=SIZES, missing=st.integers(1, 40), seed=SEEDS)
def test_more_than_there_is_cannot_be_drawn(sizes, missing, seed):
    n_available = max(sum(sizes) - missing, 0)
    with pytest.raises(SettingError, match=rf"add up to {n_available} at most.* = {sum(sizes)}\."):
        draw(n_available, *sizes, rng=np.random.default_rng(seed))


def test_large_numbers_read_well():
    with pytest.raises(SettingError, match=r"10,000 at most.*9,000 \+ 1,001 = 10,001\.") as refused:
        draw(10_000, 9_000, 1_001, rng=np.random.default_rng(0))
    french = refused.value.written("fr").replace("\u202f", " ")
    assert "somme 10 000 au plus" in french
    assert "9 000 + 1 001 = 10 001 reçu" in french


@pytest.mark.parametrize("sizes", [(0,), (5, 0), (-1, 3)])
def test_a_subset_has_at_least_one_example(sizes):
    with pytest.raises(SettingError, match="at least 1"):
        draw(10, *sizes, rng=np.random.default_rng(0))


SPEAKERS = np.array(["a", "b", "a", "c", "b"])


def test_leave_out_tests_on_one_group_and_trains_on_the_others():
    train, test = splits.leave_out(SPEAKERS, "b")
    assert train.tolist() == [0, 2, 3]
    assert test.tolist() == [1, 4]


@pytest.mark.parametrize(("groups", "left_out"), [(SPEAKERS, "d"), (np.array(["a", "a"]), "a")])
def test_a_group_that_leaves_nothing_is_refused(groups, left_out):
    with pytest.raises(SettingError, match=f"Expected '{left_out}' and at least one other .* received 'a'") as refused:
        splits.leave_out(groups, left_out)
    assert refused.value.written("fr").startswith(f"'{left_out}' et au moins un autre attendus")


def test_every_class_is_needed_in_every_subset():
    labels, classes = np.array([0, 1, 2, 0, 1, 2]), ("zero", "one", "two")
    splits.check_classes(labels, classes, training=np.array([0, 1, 2]), test=np.array([3, 4, 5]))
    with pytest.raises(SettingError, match="in the training set, received none of zero, two") as refused:
        splits.check_classes(labels, classes, training=np.array([4]), test=np.array([0, 1, 2]))
    assert "dans le corpus « apprentissage », aucun de zero, two reçu" in refused.value.written("fr")


@given(SEEDS, st.integers(1, 50))
def test_partners_are_of_the_same_class(seed, n):
    rng = np.random.default_rng(seed)
    labels, others = rng.integers(0, 4, n), rng.permutation(np.arange(4).repeat(3))
    assert (others[splits.partners(labels, others, rng)] == labels).all()


def test_a_class_without_partner_is_refused():
    with pytest.raises(SettingError, match="class 2") as refused:
        splits.partners(np.array([0, 2]), np.array([0, 1]), np.random.default_rng(0))
    assert "Exemple de la classe 2 attendu" in refused.value.written("fr")
