"""Byte-level BPE for new chunks: split into words by GPT-2's pattern, merge the bytes of each word.

The pattern is ``'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+``. It needs
the class of every character: letter, number, blank or other. Letters differ between versions of Unicode, so
beyond ASCII the class is probed with the library, once per character.

Merging (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; on bytes, Radford
et al., "Language Models are Unsupervised Multitask Learners", 2019): the neighbouring symbols with the lowest
rank are merged, the leftmost of equal ones, until no neighbours form a pair. `tokenizers` uses a queue; words
are short, and a search over their few symbols is faster. Its time grows with the square of the length, so the
library encodes chunks with words of more than 100 bytes. So are all chunks of models with options that
`BytePairKernel.of` does not accept.

    pairs  uint64[2 * capacity]   [ left : 32 | right : 32, plus 1 | rank : 32 | merged : 32 ]   0: empty
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer, models

from wpprep.kernels import njit
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.chunk_ids import Encoded, Marks
from wpprep.tokenizer.safe_cuts import PATTERN_BLANKS, Pipe, words_of_lines
from wpprep.tokenizer.utf8 import CODE_POINTS, code_point_at, unknown_characters

_LONGEST_WORD = 100  # bytes; the library encodes longer words
_UNPROBED, _LETTER, _NUMBER, _OTHER, _BLANK = range(5)
_DONE, _PROBE = range(2)
_NEXT, _TOKENS, _STATES = range(3)
_SHIFT, _LOW, _NEVER = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFFFFFFFFFF)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)

Pairs = npt.NDArray[np.uint64]
PieceIds = npt.NDArray[np.int32]


class BytePairs(NamedTuple):
    """The arrays of one tokenizer's byte-level BPE.

    Attributes:
        classes: ``uint8[0x110000]``, the class of every code point; probing fills it in place.
        byte_ids: ``int32[256]``, the id of each single byte.
        pairs: the hash table of the module docstring.
    """

    classes: Bytes
    byte_ids: PieceIds
    pairs: Pairs


@njit(cache=True, nogil=True, inline="always")
def _slot(pairs: Pairs, left: int, right: int) -> np.uint64:
    """Return the slot of a pair, or the empty slot for it."""
    mask = np.uint64(len(pairs) // 2 - 1)
    key = (np.uint64(left) << _SHIFT | np.uint64(right)) + np.uint64(1)
    product = key * _MULTIPLIER
    slot = (product ^ product >> _SHIFT) & mask
    while pairs[2 * slot] != 0 and pairs[2 * slot] != key:
        slot = (slot + np.uint64(1)) & mask
    return slot


@njit(cache=True, nogil=True)
def _fill(merges: npt.NDArray[np.int64], pairs: Pairs) -> None:
    """Insert the rows (left, right, merged), in the order of their ranks; the last of equal pairs is kept."""
    for rank in range(len(merges)):
        left, right, merged = merges[rank]
        slot = _slot(pairs, left, right)
        pairs[2 * slot] = (np.uint64(left) << _SHIFT | np.uint64(right)) + np.uint64(1)
        pairs[2 * slot + np.uint64(1)] = np.uint64(rank) << _SHIFT | np.uint64(merged)


@njit(cache=True, nogil=True, inline="always")
def _merge_of(pairs: Pairs, left: int, right: int) -> np.uint64:
    """Return rank and merged id of a pair as packed in the table; `_NEVER`, above all ranks, if not a pair."""
    slot = _slot(pairs, left, right)
    return pairs[2 * slot + np.uint64(1)] if pairs[2 * slot] != 0 else _NEVER


@njit(cache=True, nogil=True, inline="always")
def _merge(tokens: PieceIds, n: int, length: int, pairs: Pairs, merges: Pairs) -> int:
    """Merge the symbols ``tokens[n:n + length]`` in place and return their number; ``merges`` is scratch."""
    for i in range(length - 1):
        merges[i] = _merge_of(pairs, tokens[n + i], tokens[n + i + 1])
    while True:
        best, place = _NEVER, 0
        for i in range(length - 1):
            if merges[i] < best:
                best, place = merges[i], i
        if best == _NEVER:
            return length
        length -= 1
        tokens[n + place] = np.int32(best & _LOW)
        for i in range(place + 1, length):
            tokens[n + i], merges[i - 1] = tokens[n + i + 1], merges[i]
        if place > 0:
            merges[place - 1] = _merge_of(pairs, tokens[n + place - 1], tokens[n + place])
        if place < length - 1:
            merges[place] = _merge_of(pairs, tokens[n + place], tokens[n + place + 1])


@njit(cache=True, nogil=True, inline="always")
def _class_at(blob: Bytes, i: int, classes: Bytes) -> tuple[np.uint8, int]:
    """Return the class of the character at byte ``i``, and the start of the next one."""
    if blob[i] < 128:
        return classes[blob[i]], i + 1
    code_point, width = code_point_at(blob, np.uint64(i))
    return classes[code_point], i + int(width)


@njit(cache=True, nogil=True, inline="always")
def _word_end(blob: Bytes, i: int, stop: int, classes: Bytes) -> int:
    """Return the end of the pattern's match at ``i``; 0 if a character must be probed."""
    # 1. 's, 't, 'm, 'd, 're, 've, 'll
    if blob[i] == 39 and i + 1 < stop:
        letter, after = blob[i + 1], blob[i + 2] if i + 2 < stop else np.uint8(0)
        if letter == 0x73 or letter == 0x74 or letter == 0x6D or letter == 0x64:  # noqa: PLR1714 (Numba)
            return i + 2
        is_long = (letter == 0x72 and after == 0x65) or (letter == 0x76 and after == 0x65)
        if is_long or (letter == 0x6C and after == 0x6C):
            return i + 3
    # 2. A run of one class, with a space before it, if any.
    class_, end = _class_at(blob, i, classes)
    if blob[i] == 32 and end < stop:
        next_class, next_end = _class_at(blob, end, classes)
        if next_class != _BLANK:
            class_, end = next_class, next_end
    last = i
    while class_ != _UNPROBED and end < stop:
        next_class, next_end = _class_at(blob, end, classes)
        if next_class != class_:
            if next_class == _UNPROBED:
                class_ = next_class
            break
        last, end = end, next_end
    if class_ == _UNPROBED:
        return 0
    # 3. The last of several blanks before a non-blank is not part of the match.
    return last if class_ == _BLANK and end < stop and last > i else end


@njit(cache=True, nogil=True)
def _encode(
    blob: Bytes, starts: Ints, model: BytePairs, tokens: PieceIds, marks: Marks, ends: Ints,
    is_left: npt.NDArray[np.bool_], state: Ints,
) -> int:  # fmt: skip
    """Encode the chunks ``blob[starts[c]:starts[c + 1]]``, continuing from ``state``.

    Writes ``tokens``, ``marks`` (where words start) and ``ends``. Chunks for the library get no tokens and are
    marked in ``is_left``.

    Returns:
        DONE, or PROBE if a character must be probed.
    """
    classes, byte_ids, pairs = model
    merges = np.empty(_LONGEST_WORD, np.uint64)
    n = state[_TOKENS]
    for chunk in range(state[_NEXT], len(starts) - 1):
        i, stop, begin = starts[chunk], starts[chunk + 1], n
        while i < stop:
            end = _word_end(blob, i, stop, classes)
            if end == 0:
                state[_NEXT], state[_TOKENS] = chunk, begin
                return _PROBE
            if end - i > _LONGEST_WORD:
                is_left[chunk], n = True, begin
                break
            for j in range(end - i):
                tokens[n + j] = byte_ids[blob[i + j]]
            length = _merge(tokens, n, end - i, pairs, merges)
            for j in range(length):
                marks[n + j] = j == 0
            n += length
            i = end
        ends[chunk] = n
    state[_TOKENS] = n
    return _DONE


class BytePairKernel:
    """Byte-level BPE of one tokenizer, for chunks given as bytes.

    Args:
        byte_ids: ``int32[256]``, the id of each single byte.
        merges: ``int64[n, 3]``, ids of left, right and merged symbol, in the order of ranks.
        pipe: the tokenizer's function from text to words.
    """

    def __init__(self, byte_ids: PieceIds, merges: npt.NDArray[np.int64], pipe: Pipe) -> None:
        """Build the table of pairs and the classes of ASCII."""
        self._pipe = pipe
        pairs = np.zeros(2 << (2 * len(merges) + 1).bit_length(), np.uint64)
        _fill(merges, pairs)
        classes = np.full(CODE_POINTS, _UNPROBED, np.uint8)
        classes[list(map(ord, PATTERN_BLANKS))] = _BLANK
        for character in map(chr, range(128)):
            if character not in PATTERN_BLANKS:
                is_one = (character.isalpha(), character.isdigit())
                classes[ord(character)] = {(1, 0): _LETTER, (0, 1): _NUMBER}.get(is_one, _OTHER)
        self._model = BytePairs(classes, byte_ids, pairs)

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> BytePairKernel | None:
        """Return the kernel for a tokenizer, None if its model has options not implemented here."""
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
            lambda text: [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)],
        )

    def encode(self, blob: Bytes, starts: Ints) -> tuple[Encoded, npt.NDArray[np.bool_]]:
        """Encode the chunks ``blob[starts[c]:starts[c + 1]]``.

        Returns:
            The ids and word starts, and ``bool[n_chunks]``, true for chunks that the library must encode.
        """
        n_chunks, n_bytes = len(starts) - 1, int(starts[-1] - starts[0])
        tokens, marks = np.empty(n_bytes, np.int32), np.empty(n_bytes, np.bool_)
        ends, is_left = np.empty(n_chunks, np.int64), np.zeros(n_chunks, np.bool_)
        classes, state = self._model.classes, np.zeros(_STATES, np.int64)
        while _encode(blob, starts, self._model, tokens, marks, ends, is_left, state) == _PROBE:
            start = int(starts[state[_NEXT]])
            new = unknown_characters(blob, start, int(starts[-1]), classes, _UNPROBED, _OTHER)
            classes[list(map(ord, new))] = self._probe(new)
        n = state[_TOKENS]
        return Encoded(tokens[:n], ends, marks[:n]), is_left

    def _probe(self, characters: list[str]) -> list[int]:
        """Return the classes of non-blank characters: letters join a letter in one word, numbers a number."""
        with_letter, with_number = (self._are_one_word(before, characters) for before in "a1")
        return [
            _LETTER if is_letter else _NUMBER if is_number else _OTHER
            for is_letter, is_number in zip(with_letter, with_number, strict=True)
        ]

    def _are_one_word(self, before: str, characters: list[str]) -> list[bool]:
        """Return, for each character, whether it forms one word with the character ``before``."""
        lines = [before + character for character in characters]
        return [len(words) == 1 for words in words_of_lines(lines, self._pipe)]


def _bytes_as_characters() -> list[str]:
    """Return GPT-2's printable form of each of the 256 bytes."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(code) if code in printable else chr(next(others)) for code in range(256)]


_BYTES = _bytes_as_characters()
