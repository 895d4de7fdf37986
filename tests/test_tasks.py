"""What a worker does with one task: shares of the corpus, documents of a share."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.tasks import documents_of, share_out

COUNTS = st.lists(st.integers(1, 400), min_size=1, max_size=60)


@given(COUNTS, st.integers(1, 4), st.integers(1, 12), st.integers(0, 2**40))
def test_every_document_is_in_one_shard_once_a_pass(counts, dupe_factor, shards, seed):
    """The shards together hold every document once for each pass, and no shard is empty."""
    shards = min(shards, len(counts) * dupe_factor)
    options = ShardOptions(dupe_factor=dupe_factor, shards=shards, seed=seed)
    bounds = share_out(np.array(counts), options, "uint16")
    taken = []
    for first, last in itertools.pairwise(bounds):
        assert last > first
        passes, documents = documents_of(first, last, len(counts), seed)
        taken += list(zip(passes.tolist(), documents.tolist(), strict=True))
    everything = [(pass_, document) for pass_ in range(dupe_factor) for document in range(len(counts))]
    assert sorted(taken) == everything


def test_shares_have_equal_numbers_of_tokens():
    """2,000 documents of 50 to 150 tokens in 10 shards: none is off by more than 1 %."""
    counts = np.random.default_rng(1).integers(50, 150, 2000)
    options = ShardOptions(dupe_factor=2, shards=10)
    bounds = share_out(counts, options, "uint16")
    tokens = [
        counts[documents_of(first, last, len(counts), options.seed)[1]].sum()
        for first, last in itertools.pairwise(bounds)
    ]
    assert max(tokens) / min(tokens) < 1.01


def test_a_pass_has_an_order_of_its_own():
    """The documents of two passes come in different orders."""
    _, first = documents_of(0, 50, 50, 1)
    _, second = documents_of(50, 100, 50, 1)
    assert sorted(first) == sorted(second)
    assert first.tolist() != second.tolist()


def test_more_shards_than_documents_are_refused():
    """Three documents in two passes fill six shards at most."""
    with pytest.raises(OptionError, match="shards is 7, expected at most 6"):
        share_out(np.array([5, 5, 5]), ShardOptions(dupe_factor=2, shards=7), "uint16")
