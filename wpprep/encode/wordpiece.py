"""WordPiece for chunks never seen before: normalise, cut into words, take the longest piece that fits.

`tokenizers` spends microseconds on a chunk: it makes objects, aligns offsets, allocates a string a
look-up. Yet of most characters the normaliser and the pre-tokenizer make the same thing wherever they
stand; what that is, the library is asked once a character:

    INSIDE  "acb" becomes one word a...b: c is spelled by what stands between (A -> a, U+200B -> nothing)
    ALONE   "acb" becomes a, a word, b: punctuation, ideographs
    BREAK   "acb" becomes a, b: white space
    HARD    anything else, and every character whose neighbours can change it under this normaliser

A chunk with a HARD character is left to the library. Which characters those are, says `is_hard`:
nothing but Unicode's normal forms looks at neighbours, and these leave a text of starters alone unless
a mark or a conjoining jamo follows (Unicode Standard Annex 15, quick check).

The longest match walks a trie over characters, one root for pieces that begin a word and one for those
that continue it, all edges in one hash table, as small as can be: what costs time is waiting for it.

    edges  uint64[capacity]   [ node : 21 | code point : 21 | a piece ends : 1 | child : 21 bits ]   0: empty
    ids    int32[nodes]       the piece that ends in a node, -1 if none
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.encode.cuts import Normalize, Pipe, words_between
from wpprep.encode.memory import Encoded
from wpprep.encode.utf8 import CODE_POINTS, code_point_at, unknown_characters
from wpprep.records import Bytes, Ints

# What a character does, and why the kernel came back.
_UNPROBED, _INSIDE, _ALONE, _BREAK, _HARD = range(5)
_DONE, _PROBE = range(2)
_NEXT, _TOKENS, _STATES = range(3)
_WORD_BEGINS, _WORD_GOES_ON, _FIRST_NODE = range(3)  # the two roots
_LONGEST_CHUNK = 256  # bytes; longer ones are left to the library
_LONGEST_SPELLING = 2  # code points; with its length and its kind, a character's spelling is one uint64
_LOOK_AHEAD = 1 << 16  # bytes of chunks in which characters to probe are looked for at once
_MOST_NODES = 1 << 21
_NODE, _PIECE, _KEY = np.uint64(_MOST_NODES - 1), np.uint64(_MOST_NODES), np.uint64(22)
_CODE_POINT = np.uint64(0xFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Edges = npt.NDArray[np.uint64]
PieceIds = npt.NDArray[np.int32]
CodePoints = npt.NDArray[np.uint32]


@njit(cache=True, nogil=True, inline="always")
def _slot(edges: Edges, key: np.uint64) -> np.uint64:
    """The slot of the edge with this node and code point, or the free one for it."""
    mask = np.uint64(len(edges) - 1)
    slot = ((key + np.uint64(1)) * _MULTIPLIER >> np.uint64(32)) & mask
    while edges[slot] != 0 and edges[slot] >> _KEY != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _plant(
    spelled: CodePoints, ends: Ints, piece_ids: PieceIds, roots: Ints, edges: Edges, ids: PieceIds, n_nodes: int
) -> int:
    """Add to the trie the strings ``spelled[ends[i - 1]:ends[i]]``; returns the number of nodes."""
    for i in range(len(ends)):
        node, slot = np.uint64(roots[i]), np.uint64(0)
        begin = ends[i - 1] if i else 0
        if begin == ends[i]:  # the prefix alone, which continues no word
            continue
        for j in range(begin, ends[i]):
            key = node << np.uint64(21) | np.uint64(spelled[j])
            slot = _slot(edges, key)
            if edges[slot] == 0:
                edges[slot] = key << _KEY | np.uint64(n_nodes)
                n_nodes += 1
            node = edges[slot] & _NODE
        ids[node] = piece_ids[i]
        edges[slot] |= _PIECE
    return n_nodes


@njit(cache=True, nogil=True)
def _copy(edges: Edges, smaller: Edges) -> None:
    """Enter all edges into another table."""
    for edge in edges:
        if edge != 0:
            smaller[_slot(smaller, edge >> _KEY)] = edge


@njit(cache=True, nogil=True, inline="always")
def _match(
    word: CodePoints, length: int, edges: Edges, ids: PieceIds, most_characters: int, unknown: int,
    tokens: PieceIds, n: int,
) -> int:  # fmt: skip
    """Write the pieces of one word from ``tokens[n]`` on; returns where they end."""
    begin, start, root = n, 0, np.uint64(_WORD_BEGINS)
    is_known = length <= most_characters
    while is_known and start < length:
        node, best, best_end = root, np.uint64(0), start
        for i in range(start, length):
            edge = edges[_slot(edges, node << np.uint64(21) | np.uint64(word[i]))]
            if edge == 0:
                break
            node = edge & _NODE
            if edge & _PIECE:
                best, best_end = node, i + 1
        is_known = best_end > start
        tokens[n] = ids[best]
        n += 1
        start, root = best_end, np.uint64(_WORD_GOES_ON)
    if not is_known:
        n = begin + 1
        tokens[begin] = unknown
    return n


@njit(cache=True, nogil=True)
def _encode(
    blob: Bytes, starts: Ints, characters: npt.NDArray[np.uint64], edges: Edges, ids: PieceIds,
    most_characters: int, unknown: int, tokens: PieceIds, ends: Ints,
    is_left: npt.NDArray[np.bool_], state: Ints,
) -> int:  # fmt: skip
    """Encode the chunks ``blob[starts[c]:starts[c + 1]]`` from where ``state`` says on.

    ``tokens`` and ``ends`` are filled; chunks for the library get no tokens and are marked in ``is_left``.
    """
    word = np.empty(_LONGEST_SPELLING * (_LONGEST_CHUNK + 1), np.uint32)
    n = state[_TOKENS]
    for chunk in range(state[_NEXT], len(starts) - 1):
        i, stop, length, begin = np.uint64(starts[chunk]), np.uint64(starts[chunk + 1]), 0, n
        is_hard = stop - i > _LONGEST_CHUNK
        while i < stop and not is_hard:
            code_point, width = np.uint64(blob[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(blob, i)
            spelling = characters[code_point]
            kind = spelling >> np.uint64(56)
            if kind == _UNPROBED:
                state[_NEXT], state[_TOKENS] = chunk, begin
                return _PROBE
            if kind != _INSIDE and length > 0:
                n = _match(word, length, edges, ids, most_characters, unknown, tokens, n)
                length = 0
            is_hard = kind == _HARD
            for _ in range((spelling >> np.uint64(48)) & np.uint64(0xFF)):
                word[length] = spelling & _CODE_POINT
                spelling >>= np.uint64(24)
                length += 1
            i += width
            if length > 0 and (kind == _ALONE or i == stop):
                n = _match(word, length, edges, ids, most_characters, unknown, tokens, n)
                length = 0
        if is_hard:
            is_left[chunk], n = True, begin
        ends[chunk] = n
    state[_TOKENS] = n
    return _DONE


class WordPieceKernel:
    """WordPiece of one tokenizer, for chunks given as bytes.

    Args:
        pieces: from piece to id.
        model: the library's WordPiece, for its prefix, its [UNK] and its limit on the length of words.
        pipe: the tokenizer's own way from text to words.
        normalize: the first half of it.
        has_form: whether its normaliser begins with a Unicode normal form.
        strips_accents: whether it decomposes text to take the accents off.
    """

    def __init__(
        self,
        pieces: dict[str, int],
        model: Any,
        pipe: Pipe,
        normalize: Normalize,
        *,
        has_form: bool,
        strips_accents: bool,
    ) -> None:
        self._pipe, self._normalize, self._has_form, self._strips_accents = (
            pipe,
            normalize,
            has_form,
            strips_accents,
        )
        self._characters = np.zeros(CODE_POINTS, np.uint64)
        self._unknown = pieces[model.unk_token]
        self._most_characters = int(model.max_input_chars_per_word)
        self._edges, self._ids = _trie(pieces, str(model.continuing_subword_prefix))

    def encode(self, blob: Bytes, starts: Ints) -> tuple[Encoded, npt.NDArray[np.bool_]]:
        """Encode the chunks ``blob[starts[c]:starts[c + 1]]``; also says which are left to the library."""
        n_chunks, n_bytes = len(starts) - 1, int(starts[-1] - starts[0])
        tokens = np.empty(_LONGEST_SPELLING * n_bytes + 1, np.int32)  # pages never written cost nothing
        ends, is_left = np.empty(n_chunks, np.int64), np.zeros(n_chunks, np.bool_)
        state = np.zeros(_STATES, np.int64)
        while (
            _encode(
                blob, starts, self._characters, self._edges, self._ids, self._most_characters, self._unknown,
                tokens, ends, is_left, state,
            ) == _PROBE
        ):  # fmt: skip
            start = int(starts[state[_NEXT]])
            stop = min(int(starts[-1]), start + _LOOK_AHEAD)
            new = unknown_characters(blob, start, stop, self._characters, _UNPROBED, _HARD << 56)
            self._characters[list(map(ord, new))] = self._probe(new)
        return Encoded(tokens[: state[_TOKENS]], ends, None), is_left

    def _probe(self, characters: list[str]) -> npt.NDArray[np.uint64]:
        between = words_between(characters, self._pipe, self._normalize)
        return np.array(
            [
                _HARD << 56 if self._is_hard(character) else _spelling(between[character])
                for character in characters
            ],
            np.uint64,
        )

    def _is_hard(self, character: str) -> bool:
        """Whether neighbours can change what becomes of a character, or Python does not know it."""
        if not (self._has_form or self._strips_accents) or character.isascii():
            return False
        if unicodedata.category(character) == "Cn":
            return True
        if self._has_form:
            decomposed = unicodedata.normalize("NFKD", character)
            return _joins(character) or (not _is_syllable(character) and _joins(decomposed[0]))
        decomposed = unicodedata.normalize("NFD", character)
        return any(unicodedata.combining(c) and unicodedata.category(c) != "Mn" for c in decomposed)


def _joins(character: str) -> bool:
    """Whether a character may compose with, or move around, what stands before it."""
    return unicodedata.category(character)[0] == "M" or any(first <= character <= last for first, last in _JAMO)


_JAMO = (("\u1100", "\u11ff"), ("\ua960", "\ua97f"), ("\ud7b0", "\ud7ff"))


def _is_syllable(character: str) -> bool:
    return "\uac00" <= character <= "\ud7a3"


def _spelling(words: Sequence[str]) -> int:
    """What a character does, from the words of "acb", as one number: kind, length and bytes of its spelling."""
    if len(words) == 1 and words[0][0] == "a" and words[0][-1] == "b" and len(words[0]) > 1:
        kind, spelled = _INSIDE, words[0][1:-1]
    elif len(words) in {2, 3} and (words[0], words[-1]) == ("a", "b"):
        kind, spelled = (_BREAK, "") if len(words) == 2 else (_ALONE, words[1])
    else:
        return _HARD << 56
    if len(spelled) > _LONGEST_SPELLING:
        return _HARD << 56
    return kind << 56 | len(spelled) << 48 | sum(ord(c) << 24 * i for i, c in enumerate(spelled))


def fits(pieces: dict[str, int]) -> bool:
    """Whether the trie has numbers enough for these pieces."""
    return 2 * sum(map(len, pieces)) + _FIRST_NODE <= _MOST_NODES


def _trie(pieces: dict[str, int], prefix: str) -> tuple[Edges, PieceIds]:
    """Edges and ids of the trie over all pieces, those with the prefix under the second root too."""
    places = [*pieces, *(piece.removeprefix(prefix) for piece in pieces if piece.startswith(prefix))]
    ids = [*pieces.values(), *(i for piece, i in pieces.items() if piece.startswith(prefix))]
    roots = np.full(len(places), _WORD_GOES_ON, np.int64)
    roots[: len(pieces)] = _WORD_BEGINS
    ends = np.cumsum(np.fromiter(map(len, places), np.int64, len(places)))
    n_characters = int(ends[-1])
    edges = np.zeros(1 << (2 * n_characters).bit_length(), np.uint64)
    node_ids = np.full(n_characters + _FIRST_NODE, -1, np.int32)
    spelled = np.frombuffer("".join(places).encode("utf-32-le"), np.uint32)
    n_nodes = _plant(spelled, ends, np.array(ids, np.int32), roots, edges, node_ids, _FIRST_NODE)
    smaller = np.zeros(1 << (3 * n_nodes // 2).bit_length(), np.uint64)
    _copy(edges, smaller)
    return smaller, node_ids[:n_nodes].copy()
