"""WordPiece for new chunks: normalise, split into words, match the longest piece first.

Greedy longest match first, as in BERT (Devlin et al., 2019): a word begins with the longest piece that fits,
followed by the longest continuing piece, and so on. A word that cannot be matched to its end becomes the
unknown token.

Characters are normalised and classified by the table of `characters`. Chunks with a HARD character, and those
of more than 256 bytes, are not encoded here but by the library.

A match follows a trie over code points, with one root for pieces that begin a word and one for pieces that
continue it. All edges are in one hash table, which is as small as possible, because access to it takes most of
the time. This restricts the trie to 2**21 nodes (`fits`).

    edges  uint64[capacity]   [ node : 21 | code point : 21 | a piece ends : 1 | child : 21 bits ]   0: empty
    ids    int32[nodes]       id of the piece that ends at a node, -1 if none
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.characters import (
    ALONE,
    BERT_BITS,
    HARD,
    INSIDE,
    KIND,
    LENGTH,
    LONGEST_SPELLING,
    UNPROBED,
    Characters,
    Spellings,
)
from wpprep.tokenizer.chunk_ids import Encoded
from wpprep.tokenizer.utf8 import code_point_at

_DONE, _PROBE = range(2)  # reasons for which the kernel returns
_NEXT, _TOKENS, _STATES = range(3)
_WORD_BEGINS, _WORD_GOES_ON, _FIRST_NODE = range(3)  # the two roots
_LONGEST_CHUNK = 256  # bytes; the library encodes longer chunks
_MOST_NODES = 1 << 21
_NODE, _PIECE, _KEY = np.uint64(_MOST_NODES - 1), np.uint64(_MOST_NODES), np.uint64(22)
_CODE_POINT = np.uint64(0xFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Edges = npt.NDArray[np.uint64]
PieceIds = npt.NDArray[np.int32]
CodePoints = npt.NDArray[np.uint32]


class Trie(NamedTuple):
    """The pieces, laid out as in the module docstring, and how words are matched with them.

    Attributes:
        edges: ``uint64[capacity]``.
        ids: ``int32[nodes]``.
        max_characters: words of more code points become the unknown token.
        unknown: id of the unknown token.
    """

    edges: Edges
    ids: PieceIds
    max_characters: int
    unknown: int


@njit(cache=True, nogil=True, inline="always")
def _slot(edges: Edges, key: np.uint64) -> np.uint64:
    """Return the slot of the edge with this node and code point, or the empty slot for it."""
    mask = np.uint64(len(edges) - 1)
    slot = ((key + np.uint64(1)) * _MULTIPLIER >> np.uint64(32)) & mask
    while edges[slot] != 0 and edges[slot] >> _KEY != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _plant(
    spelled: CodePoints, ends: Ints, piece_ids: PieceIds, roots: Ints, edges: Edges, ids: PieceIds, n_nodes: int
) -> int:
    """Add the strings ``spelled[ends[i - 1]:ends[i]]`` to the trie and return the number of nodes."""
    for i in range(len(ends)):
        node, slot = np.uint64(roots[i]), np.uint64(0)
        begin = ends[i - 1] if i else 0
        if begin == ends[i]:  # the prefix alone, which never matches
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
    """Insert all edges into another table."""
    for edge in edges:
        if edge != 0:
            smaller[_slot(smaller, edge >> _KEY)] = edge


@njit(cache=True, nogil=True, inline="always")
def _match(
    word: CodePoints, length: int, edges: Edges, ids: PieceIds, max_characters: int, unknown: int,
    tokens: PieceIds, n: int,
) -> int:  # fmt: skip
    """Write the pieces of one word from ``tokens[n]`` on and return their end."""
    begin, start, root = n, 0, np.uint64(_WORD_BEGINS)
    is_known = length <= max_characters
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
    blob: Bytes, starts: Ints, spellings: Spellings, trie: Trie, tokens: PieceIds, ends: Ints,
    is_left: npt.NDArray[np.bool_], state: Ints,
) -> int:  # fmt: skip
    """Encode the chunks ``blob[starts[c]:starts[c + 1]]``, continuing from ``state``.

    Writes ``tokens`` and ``ends``. Chunks for the library get no tokens and are marked in ``is_left``.

    Returns:
        DONE, or PROBE if a character must be probed.
    """
    edges, ids, max_characters, unknown = trie
    word = np.empty(LONGEST_SPELLING * (_LONGEST_CHUNK + 1), np.uint32)
    n = state[_TOKENS]
    for chunk in range(state[_NEXT], len(starts) - 1):
        i, stop, length, begin = np.uint64(starts[chunk]), np.uint64(starts[chunk + 1]), 0, n
        is_hard = stop - i > _LONGEST_CHUNK
        while i < stop and not is_hard:
            code_point, width = np.uint64(blob[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(blob, i)
            spelling = spellings[code_point]
            kind = spelling >> np.uint64(KIND)
            if kind == UNPROBED:
                state[_NEXT], state[_TOKENS] = chunk, begin
                return _PROBE
            if kind != INSIDE and length > 0:
                n = _match(word, length, edges, ids, max_characters, unknown, tokens, n)
                length = 0
            is_hard = kind == HARD
            for _ in range((spelling >> np.uint64(LENGTH)) & np.uint64(0xFF)):
                word[length] = spelling & _CODE_POINT
                spelling >>= np.uint64(BERT_BITS)
                length += 1
            i += width
            if length > 0 and (kind == ALONE or i == stop):
                n = _match(word, length, edges, ids, max_characters, unknown, tokens, n)
                length = 0
        if is_hard:
            is_left[chunk], n = True, begin
        ends[chunk] = n
    state[_TOKENS] = n
    return _DONE


class WordPieceKernel:
    """WordPiece of one tokenizer, for chunks given as bytes.

    Args:
        pieces: the id of every piece.
        model: the library's WordPiece, for its prefix, unknown token and maximum length of words.
        characters: table of the characters under the tokenizer's normaliser and pre-tokenizer.
    """

    def __init__(self, pieces: dict[str, int], model: Any, characters: Characters) -> None:
        """Build the trie."""
        self._characters = characters
        edges, ids = _trie(pieces, str(model.continuing_subword_prefix))
        self._trie = Trie(edges, ids, int(model.max_input_chars_per_word), pieces[model.unk_token])

    def encode(self, blob: Bytes, starts: Ints) -> tuple[Encoded, npt.NDArray[np.bool_]]:
        """Encode the chunks ``blob[starts[c]:starts[c + 1]]``.

        Returns:
            The ids (no word starts), and ``bool[n_chunks]``, true for chunks that the library must encode.
        """
        n_chunks, n_bytes = len(starts) - 1, int(starts[-1] - starts[0])
        tokens = np.empty(LONGEST_SPELLING * n_bytes + 1, np.int32)  # pages never written use no memory
        ends, is_left = np.empty(n_chunks, np.int64), np.zeros(n_chunks, np.bool_)
        state = np.zeros(_STATES, np.int64)
        spellings = self._characters.spellings
        while _encode(blob, starts, spellings, self._trie, tokens, ends, is_left, state) == _PROBE:
            self._characters.ask(blob, int(starts[state[_NEXT]]), int(starts[-1]))
        return Encoded(tokens[: state[_TOKENS]], ends, None), is_left


def fits(pieces: dict[str, int]) -> bool:
    """Return whether these pieces are few enough for the 21-bit node numbers of the trie."""
    return 2 * sum(map(len, pieces)) + _FIRST_NODE <= _MOST_NODES


def _trie(pieces: dict[str, int], prefix: str) -> tuple[Edges, PieceIds]:
    """Return edges and ids of the trie of all pieces; those with the prefix are also under the second root."""
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
