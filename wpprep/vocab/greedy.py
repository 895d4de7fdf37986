"""WordPiece encoding of counted words: greedy longest-match-first, from left to right.

The counts show which pieces are ever used: a merge product is unused when longer pieces cover all its places.
Pieces are found by a polynomial hash of their characters (Karp and Rabin, 1987) in an open-addressing table and
compared character by character, so that a collision costs time but never changes a result.

This module only counts; text is encoded by `tokenizer`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.config import MAX_WORD_CHARACTERS
from wpprep.kernels import inlined, kernel, njit
from wpprep.records import Ints
from wpprep.vocab.merging.segmentation import CountedWords, Int32s

_HEADS = 1 << 16  # size of the table of the first two characters of pieces
_BASE = np.uint64(0x9E3779B97F4A7C15)  # base of the polynomial hash of a piece's characters


class PieceTable(NamedTuple):
    """An open-addressing hash table of active pieces by spelling.

    Attributes:
        letters: ``int32``, the characters of all pieces, concatenated.
        starts: ``int64[pieces + 1]``, offsets of the pieces in ``letters``.
        slots: ``int32[size]``, piece + 1 in each slot, 0 where it is free; at most a quarter is used.
        hashes: ``uint64[pieces]``, the hashes of all pieces.
        longest: maximum length of an active piece, in characters.
    """

    letters: Int32s
    starts: Ints
    slots: Int32s
    hashes: npt.NDArray[np.uint64]
    longest: int


def count_usage(words: CountedWords, merges: Int32s, is_active: npt.NDArray[np.bool_]) -> tuple[Ints, int]:
    """Count how often greedy longest-match-first encoding uses each piece.

    >>> words = CountedWords(np.array([-1, 0, 1, 2, -1], np.int32), np.array([4]), np.array([7]), 3)
    >>> usage, unknown = count_usage(words, np.array([[0, 1]], np.int32), np.ones(4, np.bool_))
    >>> usage.tolist()          # a, b, c, ab in abc, seven times
    [0, 0, 7, 7]

    Args:
        words: the words as characters, with counts.
        merges: ``int32[n, 2]``, merge i makes piece ``alphabet_size + i``.
        is_active: ``bool[alphabet_size + n]``, the pieces in the vocabulary.

    Returns:
        ``int64[pieces]``, and the number of words (with repetitions) encoded as [UNK].
    """
    table = piece_table(*_spell(merges, words.alphabet_size), is_active)
    return _count_some(words, np.arange(len(words.ends)), table)


def count_again(
    usage: Ints,
    words: CountedWords,
    merges: Int32s,
    was_active: npt.NDArray[np.bool_],
    is_active: npt.NDArray[np.bool_],
) -> Ints:
    """Update the usage after pieces were added: only words that contain one of them are encoded again.

    Args:
        usage: ``int64[pieces before]``, as `count_usage` returned it.
        words: the words as characters, with counts.
        merges: ``int32[n, 2]``, all merges, those of the added pieces included.
        was_active: ``bool[pieces before]``, the vocabulary that ``usage`` was counted with. Unused products may
            have been removed from it since, characters not (without one, a word may become [UNK]).
        is_active: ``bool[alphabet_size + n]``, ``was_active`` and the added pieces.

    Returns:
        ``int64[pieces]``.
    """
    letters, starts = _spell(merges, words.alphabet_size)
    before = np.zeros_like(is_active)
    before[: len(was_active)] = was_active
    is_new = is_active & ~before
    has_new, heads = np.zeros(len(words.ends), np.bool_), np.zeros(_HEADS, np.bool_)
    _mark(words.characters, words.ends, piece_table(letters, starts, is_new), is_new, heads, has_new)
    which = np.flatnonzero(has_new)
    old, new = (
        _count_some(words, which, piece_table(letters, starts, active))[0] for active in (before, is_active)
    )
    return np.append(usage, np.zeros(len(is_active) - len(usage), np.int64)) - old + new


def _count_some(words: CountedWords, which: Ints, table: PieceTable) -> tuple[Ints, int]:
    """Count the usage by the words numbered ``which``, and how many of these (with repetitions) are [UNK]."""
    usage, found = np.zeros(len(table.hashes), np.int64), np.empty(MAX_WORD_CHARACTERS, np.int64)
    return usage, _count(words.characters, words.ends, words.counts, which, table, found, usage)


def piece_table(letters: Int32s, starts: Ints, is_active: npt.NDArray[np.bool_]) -> PieceTable:
    """Build a hash table of the active pieces by spelling.

    Args:
        letters: ``int32``, the characters of all pieces, concatenated.
        starts: ``int64[pieces + 1]``, offsets of the pieces in ``letters``.
        is_active: ``bool[pieces]``, the pieces to enter.
    """
    slots, hashes = _fill_slots(letters, starts, is_active)
    return PieceTable(letters, starts, slots, hashes, int(np.diff(starts)[is_active].max(initial=0)))


@njit(cache=True)
def _spell(merges: Int32s, alphabet_size: int) -> tuple[Int32s, Ints]:
    """Return the characters of all pieces, concatenated, and the offsets of the pieces in them."""
    starts = np.zeros(alphabet_size + len(merges) + 1, np.int64)
    for character in range(alphabet_size + 1):  # loops: a slice takes three seconds to compile
        starts[character] = character
    for i in range(len(merges)):
        piece, a, b = alphabet_size + i, merges[i, 0], merges[i, 1]
        starts[piece + 1] = starts[piece] + (starts[a + 1] - starts[a]) + (starts[b + 1] - starts[b])
    letters = np.empty(starts[-1], np.int32)
    for character in range(alphabet_size):
        letters[character] = character
    for i in range(len(merges)):
        at = starts[alphabet_size + i]
        for side in range(2):
            part = merges[i, side]
            for j in range(starts[part], starts[part + 1]):
                letters[at] = letters[j]
                at += 1
    return letters, starts


@inlined
def _slot_of(hash_: np.uint64, slots: Int32s) -> np.uint64:
    """Return the slot where the search for a piece starts; spreads the consecutive hashes of characters."""
    return (hash_ * _BASE >> np.uint64(32)) & np.uint64(len(slots) - 1)


@njit(cache=True)
def _fill_slots(
    letters: Int32s, starts: Ints, is_active: npt.NDArray[np.bool_]
) -> tuple[Int32s, npt.NDArray[np.uint64]]:
    """Return ``slots`` and ``hashes`` of a `PieceTable`."""
    size = 2
    while size < 4 * len(is_active):
        size *= 2
    slots, hashes = np.zeros(size, np.int32), np.zeros(len(is_active), np.uint64)
    for piece in range(len(is_active)):
        for i in range(starts[piece], starts[piece + 1]):
            hashes[piece] = hashes[piece] * _BASE + np.uint64(letters[i] + 1)
        if is_active[piece]:
            slot = _slot_of(hashes[piece], slots)
            while slots[slot] > 0:
                slot = (slot + np.uint64(1)) & np.uint64(size - 1)
            slots[slot] = piece + 1
    return slots, hashes


@inlined
def _find(hash_: np.uint64, characters: Int32s, first: int, length: int, table: PieceTable) -> int:
    """Return the piece spelled ``characters[first : first + length]``, or -1."""
    letters, starts, slots, hashes, _ = table
    slot, found = _slot_of(hash_, slots), -1
    while slots[slot] > 0 and found < 0:
        piece = int(slots[slot]) - 1
        if hashes[piece] == hash_ and starts[piece + 1] - starts[piece] == length:
            i = 0
            while i < length and letters[starts[piece] + i] == characters[first + i]:
                i += 1
            if i == length:
                found = piece
        slot = (slot + np.uint64(1)) & np.uint64(len(slots) - 1)
    return found


@kernel
def _count(
    characters: Int32s, ends: Ints, counts: Ints, which: Ints, table: PieceTable, found_here: Ints, usage: Ints
) -> int:
    """Add the usage by the words numbered ``which`` to ``usage``; return how many of these are [UNK].

    ``found_here`` is scratch space for the pieces of a word, ``int64[MAX_WORD_CHARACTERS]``.
    """
    unknown = 0
    for w in which:
        first = ends[w - 1] + 1 if w > 0 else 1
        start, n_found = first, 0
        is_known = ends[w] - first <= MAX_WORD_CHARACTERS
        while is_known and start < ends[w]:
            hash_, best, best_end = np.uint64(0), -1, start
            for end in range(start + 1, min(ends[w], start + table.longest) + 1):
                if characters[end - 1] < 0:
                    break
                hash_ = hash_ * _BASE + np.uint64(characters[end - 1] + 1)
                piece = _find(hash_, characters, start, end - start, table)
                if piece >= 0:
                    best, best_end = piece, end
            is_known = best >= 0
            if is_known:
                found_here[n_found] = best
                n_found += 1
            start = best_end
        if is_known:
            for i in range(n_found):
                usage[found_here[i]] += counts[w]
        else:
            unknown += counts[w]
    return int(unknown)


@inlined
def _head(first: Any, second: Any) -> Any:
    """Return the index in ``heads`` for pieces that start with these two characters."""
    return (np.int64(first) * 31 + second) & (_HEADS - 1)


@kernel
def _mark(
    characters: Int32s,
    ends: Ints,
    table: PieceTable,
    is_active: npt.NDArray[np.bool_],
    heads: npt.NDArray[np.bool_],
    is_marked: npt.NDArray[np.bool_],
) -> None:
    """Mark the words that contain one of the active pieces, all of two characters or more.

    Args:
        characters: the words, as in `CountedWords`.
        ends: their ends, as in `CountedWords`.
        table: the active pieces.
        is_active: ``bool[pieces]``.
        heads: ``bool[_HEADS]``, scratch space, False.
        is_marked: ``bool[words]``, set for these words.
    """
    letters, starts = table.letters, table.starts
    for piece in range(len(is_active)):
        if is_active[piece]:
            heads[_head(letters[starts[piece]], letters[starts[piece] + 1])] = True
    first = 1
    for w in range(len(ends)):
        for start in range(first, ends[w] - 1):
            if is_marked[w] or not heads[_head(characters[start], characters[start + 1])]:
                continue
            hash_ = np.uint64(0)
            for end in range(start + 1, min(ends[w], start + table.longest) + 1):
                if characters[end - 1] < 0:
                    break
                hash_ = hash_ * _BASE + np.uint64(characters[end - 1] + 1)
                if _find(hash_, characters, start, end - start, table) >= 0:
                    is_marked[w] = True
                    break
        first = ends[w] + 1
