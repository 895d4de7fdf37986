"""Byte-level BPE for new chunks: order of merges, the pattern's words, chunks for the library."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from wpprep.tokenizer.bytepairs import BytePairKernel

MERGES = [("l", "l"), ("Ġ", "h"), ("Ġh", "e"), ("ll", "o"), ("a", "b"), ("b", "c"), ("a", "a")]


def tokenizer_of(**model: Any) -> Tokenizer:
    """Return a byte-level tokenizer of single bytes and the merges."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {piece: i for i, piece in enumerate([*alphabet, *("".join(merge) for merge in MERGES)])}
    tokenizer = Tokenizer(models.BPE(pieces, MERGES, **model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def encoded(chunks: list[str]) -> tuple[list[str], list[bool]]:
    """Return the pieces of every chunk, "|" before each word, and which chunks are left to the library."""
    tokenizer = tokenizer_of()
    kernel = BytePairKernel.of(tokenizer)
    assert kernel is not None
    data = [chunk.encode() for chunk in chunks]
    blob = np.frombuffer(b"".join(data) + bytes(72), np.uint8)
    (tokens, ends, marks), is_left = kernel.encode(blob, np.cumsum([0, *map(len, data)]))
    assert marks is not None
    pieces = [
        ("|" if mark else "") + str(tokenizer.id_to_token(i))
        for i, mark in zip(tokens.tolist(), marks.tolist(), strict=True)
    ]
    rows = [pieces[a:b] for a, b in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]
    return [" ".join(row) for row in rows], is_left.tolist()


@pytest.mark.parametrize(
    ("chunk", "pieces"),
    [
        (" hello", "|Ġhe llo"),
        ("abc", "|ab c"),  # (a, b) has a lower rank than (b, c)
        ("aaa", "|aa a"),  # the leftmost of equal pairs
        ("aaab", "|aa ab"),  # (a, b) first, then (a, a)
        ("lll", "|ll l"),
        ("it's", "|i t |' s"),
        ("a1", "|a |1"),
        ("  a", "|Ġ |Ġ a"),
        ("é", "|Ã ©"),
    ],
)
def test_merges_and_words(chunk: str, pieces: str) -> None:
    """The pair of the lowest rank is merged first, within the words of GPT-2's pattern."""
    assert encoded([chunk])[0] == [pieces]


def test_long_words_are_left_to_the_library() -> None:
    """A word of 100 bytes is encoded by the kernel; a chunk with one of 101 bytes gets no tokens."""
    rows, is_left = encoded(["x" * 100, "a " + "x" * 101, "a"])
    assert is_left == [False, True, False]
    assert [len(row.split()) for row in rows] == [100, 0, 1]


def test_models_with_other_options_have_no_kernel() -> None:
    """Models with dropout, a prefix, another type or a normaliser are encoded by the library."""
    assert BytePairKernel.of(tokenizer_of()) is not None
    assert BytePairKernel.of(tokenizer_of(dropout=0.5)) is None
    assert BytePairKernel.of(tokenizer_of(ignore_merges=True)) is None
    assert BytePairKernel.of(Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))) is None
    normalized = tokenizer_of()
    normalized.normalizer = normalizers.NFC()
    assert BytePairKernel.of(normalized) is None
