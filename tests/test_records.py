"""Records between stages: lengths, dtypes, offsets, fingerprints."""

from __future__ import annotations

import numpy as np
import pytest

from wpprep.records import InstanceBatch, TokenizedDocuments, fingerprint, in_batches, offsets_of, token_dtype


@pytest.mark.parametrize(("vocab_size", "dtype"), [(1, np.uint16), (65_536, np.uint16), (65_537, np.uint32)])
def test_token_dtype_is_the_narrowest(vocab_size: int, dtype: type) -> None:
    """65,536 ids fit in 16 bits, one more needs 32."""
    assert token_dtype(vocab_size) is dtype


def test_offsets_of_no_lengths() -> None:
    """Without parts the only offset is 0, and offsets are int64 for any dtype of lengths."""
    assert offsets_of(np.zeros(0, np.uint8)).tolist() == [0]
    assert offsets_of(np.array([200, 100], np.uint8)).tolist() == [0, 200, 300]
    assert offsets_of(np.array([True, False, True])).tolist() == [0, 1, 1, 2]


def test_lengths_of_batches() -> None:
    """The length of a batch is its number of documents or rows, also 0."""
    ids, none = np.arange(9, dtype=np.uint16), np.zeros(0, np.int64)
    documents = TokenizedDocuments(["a", "b"], ids, np.array([0, 3, 5, 9]), np.array([0, 2, 3]))
    assert len(documents) == 2
    assert len(TokenizedDocuments([], ids[:0], np.zeros(1, np.int64), np.zeros(1, np.int64))) == 0
    rows = InstanceBatch(
        ids, np.array([0, 4, 9]), np.array([2, 5]), np.zeros(2, np.uint8), np.array([0, 1]),
        none.astype(np.uint16), ids[:0], np.zeros(3, np.int64),
    )  # fmt: skip
    assert len(rows) == 2


def test_fingerprint_is_fixed() -> None:
    """The 64-bit hash of a text is part of the output format: these values never change."""
    assert fingerprint(b"") == 0xB4B2797457A0A6E4
    assert fingerprint(b"a") != fingerprint(b"b")
    assert 0 <= fingerprint(b"text") < 2**64


def test_in_batches_yields_no_empty_batch() -> None:
    """No items make no batch, and an item that fills a batch alone is one batch."""
    assert list(in_batches([], len, 4)) == []
    assert list(in_batches(["abcd", "ab", "cd"], len, 4)) == [["abcd"], ["ab", "cd"]]
