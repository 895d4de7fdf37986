"""Byte-level BPE for chunks never seen before, where a chunk is plainly one word to GPT-2's pattern.

Such are runs of ASCII letters, of digits, or of other characters but the apostrophe, with or without one
space before. They are merged here: of all neighbours the pair of the lowest rank, the leftmost of equals,
until no neighbours are a pair. That is what `tokenizers` does with a queue; words are short, and a walk
over their few symbols is cheaper. All other chunks are left to the library.

    pairs  uint64[2 * capacity]   [ left : 32 | right : 32, plus 1 | rank : 32 | merged : 32 ]   0: empty
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from tokenizers import Tokenizer, models

from wpprep.records import Bytes, Ints

_LONGEST_CHUNK = 64  # bytes; longer ones are left to the library
_MIXED, _LETTERS, _DIGITS, _OTHERS = range(4)
_SHIFT, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Pairs = npt.NDArray[np.uint64]
PieceIds = npt.NDArray[np.int32]


@njit(cache=True, nogil=True, inline="always")
def _slot(pairs: Pairs, left: int, right: int) -> np.uint64:
    """The slot of a pair, or the free one for it."""
    mask = np.uint64(len(pairs) // 2 - 1)
    key = (np.uint64(left) << _SHIFT | np.uint64(right)) + np.uint64(1)
    product = key * _MULTIPLIER
    slot = (product ^ product >> _SHIFT) & mask
    while pairs[2 * slot] != 0 and pairs[2 * slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _fill(merges: npt.NDArray[np.int64], pairs: Pairs) -> None:
    """Enter the rows (left, right, merged); their order is their rank, of equal pairs the last one counts."""
    for rank in range(len(merges)):
        left, right, merged = merges[rank]
        slot = _slot(pairs, left, right)
        pairs[2 * slot] = (np.uint64(left) << _SHIFT | np.uint64(right)) + np.uint64(1)
        pairs[2 * slot + np.uint64(1)] = np.uint64(rank) << _SHIFT | np.uint64(merged)


@njit(cache=True, nogil=True)
def _encode(
    blob: Bytes, starts: Ints, kinds: Bytes, byte_ids: PieceIds, pairs: Pairs, tokens: PieceIds, ends: Ints,
    is_left: npt.NDArray[np.bool_],
) -> int:  # fmt: skip
    """Encode the chunks ``blob[starts[c]:starts[c + 1]]``; returns the number of ids.

    ``tokens`` and ``ends`` are filled; chunks for the library get no tokens and are marked in ``is_left``.
    """
    n = 0
    for chunk in range(len(starts) - 1):
        start, stop = starts[chunk], starts[chunk + 1]
        # 1. Is it one word?
        first = start + 1 if blob[start] == 32 and stop - start > 1 else start
        kind = kinds[blob[first]]
        is_word = kind != _MIXED and stop - start <= _LONGEST_CHUNK
        for i in range(first, stop):
            is_word = is_word and kinds[blob[i]] == kind
        if not is_word:
            is_left[chunk], ends[chunk] = True, n
            continue
        # 2. Merge the pair of the lowest rank as long as there is one.
        length = stop - start
        for i in range(length):
            tokens[n + i] = byte_ids[blob[start + i]]
        while True:
            best, place = ~np.uint64(0), -1
            for i in range(n, n + length - 1):
                slot = _slot(pairs, tokens[i], tokens[i + 1])
                if pairs[2 * slot] != 0 and pairs[2 * slot + np.uint64(1)] < best:
                    best, place = pairs[2 * slot + np.uint64(1)], i
            if place < 0:
                break
            tokens[place] = np.int32(best & _LOW)
            length -= 1
            for i in range(place + 1, n + length):
                tokens[i] = tokens[i + 1]
        n += length
        ends[chunk] = n
    return n


class BytePairKernel:
    """Byte-level BPE of one tokenizer, for chunks given as bytes.

    Args:
        byte_ids: ``int32[256]``, the id of each byte alone.
        merges: ``int64[n, 3]``: left, right and what they become, in the order of their rank.
    """

    def __init__(self, byte_ids: PieceIds, merges: npt.NDArray[np.int64]) -> None:
        self._byte_ids = byte_ids
        self._pairs = np.zeros(2 << (2 * len(merges) + 1).bit_length(), np.uint64)
        _fill(merges, self._pairs)
        self._kinds = np.array([_kind(chr(code)) for code in range(256)], np.uint8)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> BytePairKernel | None:
        """The kernel for a tokenizer, None if its model has rules that are not known here."""
        if not isinstance(tokenizer.model, models.BPE) or tokenizer.normalizer is not None:
            return None
        model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
        unknown = (
            "dropout",
            "continuing_subword_prefix",
            "end_of_word_suffix",
            "ignore_merges",
            "byte_fallback",
        )
        ids = model["vocab"]
        if any(model.get(name) for name in unknown) or not ids.keys() >= set(_BYTES):
            return None
        merges = [
            tuple(merge) if isinstance(merge, list) else tuple(merge.split(" ")) for merge in model["merges"]
        ]
        rows = [(ids[left], ids[right], ids[left + right]) for left, right in merges]
        return cls(
            np.array([ids[character] for character in _BYTES], np.int32),
            np.array(rows, np.int64).reshape(len(rows), 3),
        )

    def encode(self, blob: Bytes, starts: Ints) -> tuple[PieceIds, Ints, npt.NDArray[np.bool_]]:
        """Encode the chunks ``blob[starts[c]:starts[c + 1]]``, each as one word.

        Returns:
            All ids one after another, where each chunk's end, and which chunks are left to the library.
        """
        n_chunks = len(starts) - 1
        tokens = np.empty(int(starts[-1] - starts[0]) + 1, np.int32)
        ends, is_left = np.empty(n_chunks, np.int64), np.zeros(n_chunks, np.bool_)
        n = _encode(blob, starts, self._kinds, self._byte_ids, self._pairs, tokens, ends, is_left)
        return tokens[:n], ends, is_left


def _kind(character: str) -> int:
    if not character.isascii() or character in "'\t\n\x0b\x0c\r ":
        return _MIXED
    return _LETTERS if character.isalpha() else _DIGITS if character.isdigit() else _OTHERS


def _bytes_as_characters() -> list[str]:
    """GPT-2's printable form of each of the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(code) if code in printable else chr(next(others)) for code in range(256)]


_BYTES = _bytes_as_characters()
