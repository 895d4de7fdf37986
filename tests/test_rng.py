"""Random streams and permutations."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wpprep import rng

KEYS = st.integers(0, 2**63 - 1)


@given(st.integers(1, 300), KEYS)
def test_permuted_is_a_permutation(size: int, key: int) -> None:
    """Every index has one image, and every index is the image of one."""
    images = [int(rng.permuted(i, size, np.uint64(key))) for i in range(size)]
    assert sorted(images) == list(range(size))


@given(st.integers(1, 50), KEYS)
def test_permutation_and_permuted_all_agree_with_permuted(size: int, key: int) -> None:
    """The three functions return the same images."""
    one_by_one = [int(rng.permuted(i, size, np.uint64(key))) for i in range(size)]
    assert rng.permutation(size, np.uint64(key)).tolist() == one_by_one
    assert rng.permuted_all(np.arange(size), size, np.uint64(key)).tolist() == one_by_one


def test_permutations_of_a_large_range_look_random() -> None:
    """The mean distance of the images of neighbours is about a third of the range, as for random numbers."""
    size = 100_000
    images = rng.permutation(size, np.uint64(7))
    assert abs(np.abs(np.diff(images)).mean() / size - 1 / 3) < 0.01


@given(st.integers(1, 2**62), KEYS)
def test_below_stays_below(bound: int, seed: int) -> None:
    """A draw below a bound is in [0, bound)."""
    state = rng.stream(seed, rng.PAIRING, 0, 0)
    assert all(0 <= int(rng.below(state, bound)) < bound for _ in range(5))


def test_below_is_uniform() -> None:
    """60,000 draws below 6 give every value 10,000 times within four standard deviations (about 91 each)."""
    state = rng.stream(1, rng.MASKING, 0, 0)
    counts = np.bincount([int(rng.below(state, 6)) for _ in range(60_000)], minlength=6)
    assert np.abs(counts - 10_000).max() < 4 * np.sqrt(60_000 * 1 / 6 * 5 / 6)


def test_uniform_has_the_moments_of_the_uniform_distribution() -> None:
    """The mean of 50,000 draws is about 1/2 and their variance about 1/12."""
    state = rng.stream(2, rng.MASKING, 0, 0)
    draws = np.array([float(rng.uniform(state)) for _ in range(50_000)])
    assert draws.min() >= 0
    assert draws.max() < 1
    assert abs(draws.mean() - 0.5) < 0.005
    assert abs(draws.var() - 1 / 12) < 0.002


def test_streams_differ_in_every_part_of_their_key() -> None:
    """Another seed, purpose, pass or index identifies another stream."""
    names = [(1, 1, 1, 1), (2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2)]
    first = {int(rng.draw(rng.stream(*name))) for name in names}
    assert len(first) == len(names)


def test_streams_are_the_same_on_every_machine() -> None:
    """The first draws of a stream are these fixed numbers, which are part of the output format."""
    state = rng.stream(12345, rng.MASKING, 0, 7)
    assert [int(rng.draw(state)) for _ in range(2)] == [14_943_700_876_335_854_753, 6_104_952_384_094_660_214]
