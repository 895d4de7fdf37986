"""Assigning documents to splits and shards: every document once, in equal shares."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.shards.split import Selection, documents_of, share_out, split_documents


def everything(n: int) -> Selection:
    """All documents of a store of n."""
    return Selection(0, n, n, 0)


COUNTS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@given(COUNTS, st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**40))
def test_every_document_is_in_one_shard_once_a_pass(
    counts: list[int], dupe_factor: int, shards: int, seed: int
) -> None:
    """All shards together have every document once per pass, and no shard is empty."""
    shards = min(shards, len(counts) * dupe_factor)
    options = ShardOptions(dupe_factor=dupe_factor, shards=shards, seed=seed)
    bounds = share_out(np.array(counts, np.uint32), everything(len(counts)), options, "uint16")
    taken: list[tuple[int, int]] = []
    for first, last in itertools.pairwise(bounds):
        assert last > first
        passes, documents = documents_of(first, last, len(counts), seed)
        taken += list(zip(passes.tolist(), documents.tolist(), strict=True))
    expected = [(pass_, document) for pass_ in range(dupe_factor) for document in range(len(counts))]
    assert sorted(taken) == expected


def test_shares_have_equal_numbers_of_tokens() -> None:
    """Of 2,000 documents of 50 to 150 tokens in 10 shards, the sizes differ by less than 1 %."""
    counts = np.random.default_rng(1).integers(50, 150, 2000).astype(np.uint32)
    options = ShardOptions(dupe_factor=2, shards=10)
    bounds = share_out(counts, everything(2000), options, "uint16")
    tokens = [
        counts[documents_of(first, last, len(counts), options.seed)[1]].sum()
        for first, last in itertools.pairwise(bounds)
    ]
    assert max(tokens) / min(tokens) < 1.01


def test_a_pass_has_an_order_of_its_own() -> None:
    """Two passes have the same documents in different orders."""
    _, first = documents_of(0, 50, 50, 1)
    _, second = documents_of(50, 100, 50, 1)
    assert sorted(first) == sorted(second)
    assert first.tolist() != second.tolist()


def test_more_shards_than_documents_are_refused() -> None:
    """Three documents in two passes can fill at most six shards."""
    with pytest.raises(OptionError, match="shards is 7, expected at most 6"):
        share_out(
            np.array([5, 5, 5], np.uint32), everything(3), ShardOptions(dupe_factor=2, shards=7), "uint16"
        )


@given(COUNTS, st.floats(0.2, 0.8), st.integers(1, 3), st.integers(1, 9), st.integers(0, 2**40))
def test_shares_are_those_of_plain_sums(
    counts: list[int], holdout: float, dupe_factor: int, shards: int, seed: int
) -> None:
    """The bounds are equal to those from cumulative sums over all documents that are trained on."""
    if round(holdout * len(counts)) in {0, len(counts)}:
        return
    options = ShardOptions(dupe_factor=dupe_factor, seed=seed, holdout=holdout, objective="single")
    trained, _ = split_documents(len(counts), options)
    n = trained.size * dupe_factor
    shards = min(shards, n)
    options = ShardOptions(dupe_factor=dupe_factor, seed=seed, shards=shards, objective="single")
    _, order = documents_of(0, n, trained.size, seed)
    tokens = np.array(counts)[trained.of(order)]
    middles = np.cumsum(tokens) - tokens // 2
    cuts = [int(np.searchsorted(middles, k * (int(tokens.sum()) / shards))) for k in range(1, shards)]
    bounds = share_out(np.array(counts, np.uint32), trained, options, "uint16")
    expected = [0, *cuts, n]
    for k in range(1, shards + 1):  # no shard is empty
        expected[k] = max(expected[k], expected[k - 1] + 1)
    expected = [min(bound, n - shards + k) for k, bound in enumerate(expected)]
    assert bounds.tolist() == expected


@given(st.integers(2, 300), st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_every_document_is_trained_on_or_held_out(n: int, holdout: float, seed: int) -> None:
    """The two selections share no document and together have all of them."""
    held = round(holdout * n)
    if not 0 < held < n:
        return
    options = ShardOptions(holdout=holdout, objective="single", seed=seed)
    both = [part.of(np.arange(part.size)).tolist() for part in split_documents(n, options)]
    assert len(both[1]) == held
    assert sorted(both[0] + both[1]) == list(range(n))


@pytest.mark.parametrize(("n", "objective", "least"), [(9, "single", 1), (9, "nsp", 2)])
def test_too_few_documents_for_a_split_are_refused(n: int, objective: str, least: int) -> None:
    """A split needs one document, or two if B is drawn from another one: 1 % of 9 is none."""
    with pytest.raises(OptionError, match=f"holdout 0.01 of 9 documents is 0, expected {least} to {n - least}"):
        split_documents(n, ShardOptions(holdout=0.01, objective=objective))
