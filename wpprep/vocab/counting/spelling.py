"""Words of counted chunks, spelled character by character in one kernel.

The normal form and the kind of each character come from the `tokenizers` library, which is queried once per
character (`tokenizer.characters`). Under BERT's rules a word is a run of INSIDE characters, or a single ALONE
character; under GPT-2's pattern it is a run of one kind, with the blank before it.

This module does not process chunks with a HARD character, or very long ones: `words` passes these to the
library.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.kernels import inlined, kernel
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.characters import (
    ALONE,
    BREAK,
    HARD,
    KIND,
    LENGTH,
    PREFIX,
    UNPROBED,
    Characters,
    Spellings,
)
from wpprep.tokenizer.utf8 import code_point_at
from wpprep.vocab.counting.counts import ChunkCounts

_LONGEST_CHUNK = 1 << 15  # bytes; of longer ones not all characters may be queried at once
_GROWTH = 8  # maximum number of bytes of words per byte of a chunk
_DONE, _PROBE = range(2)  # reasons for the kernel to return
_NEXT, _BYTES, _WORDS, _STATES = range(4)


def words_of_chunks(counts: ChunkCounts, characters: Characters) -> tuple[ChunkCounts, npt.NDArray[np.bool_]]:
    """Return the words of chunks with the chunks' counts; a word of several chunks is repeated.

    Args:
        counts: the chunks; the counts in the documents to learn from are used.
        characters: normal form and kind of each character; queries the library for new ones.

    Returns:
        The words, and ``bool[chunks]``: the chunks without words here, to pass to the library.
    """
    text = np.empty(_GROWTH * len(counts.chunks), np.uint8)  # memory pages never written cost nothing
    ends, owners = np.empty(len(counts.chunks), np.int64), np.empty(len(counts.chunks), np.int64)
    is_left, state = np.zeros(len(counts), np.bool_), np.zeros(_STATES, np.int64)
    while (
        _spell(
            counts.chunks, counts.ends, characters.spellings, np.uint64(characters.bits), text, ends, owners,
            is_left, state,
        ) == _PROBE
    ):  # fmt: skip
        chunk = int(state[_NEXT])
        start = int(counts.ends[chunk - 1]) if chunk else 0
        characters.ask(counts.chunks, start, len(counts.chunks))
    n_bytes, n_words = int(state[_BYTES]), int(state[_WORDS])
    return ChunkCounts(text[:n_bytes], ends[:n_words], counts.counts[owners[:n_words]]), is_left


@inlined
def _write(text: Bytes, n: int, code_point: Any) -> int:
    """Write a code point as UTF-8 from ``text[n]`` on; return the index after it."""
    if code_point < 0x80:
        text[n] = code_point
        return n + 1
    width = 2 if code_point < 0x800 else 3 if code_point < 0x10000 else 4
    for i in range(width - 1, 0, -1):
        text[n + i] = 0x80 | (code_point & np.uint64(0x3F))
        code_point >>= np.uint64(6)
    text[n] = (0xF00 >> width & 0xFF) | code_point
    return n + width


@kernel
def _spell(
    chunks: Bytes, chunk_ends: Ints, spellings: Spellings, bits: np.uint64,
    text: Bytes, ends: Ints, owners: Ints, is_left: npt.NDArray[np.bool_], state: Ints,
) -> int:  # fmt: skip
    """Spell the words of the chunks from chunk ``state[_NEXT]`` on.

    Args:
        chunks: ``uint8``, the chunks in UTF-8, concatenated.
        chunk_ends: ``int64[chunks]``, the end of each.
        spellings: ``uint64[0x110000]``, normal form and kind of each code point (`tokenizer.characters`).
        bits: bits of one character in a spelling.
        text: ``uint8``, filled with the words in UTF-8.
        ends: ``int64``, filled with the end of each word.
        owners: ``int64``, filled with the chunk of each word.
        is_left: ``bool[chunks]``, set for the chunks to pass to the library.
        state: ``int64[3]``, next chunk, bytes and words so far; updated.

    Returns:
        `_DONE`, or `_PROBE` if the library must be queried for characters of chunk ``state[_NEXT]``.
    """
    n, n_words = state[_BYTES], state[_WORDS]
    code_points = (np.uint64(1) << bits) - np.uint64(1)
    for chunk in range(state[_NEXT], len(chunk_ends)):
        begin = np.uint64(chunk_ends[chunk - 1]) if chunk > 0 else np.uint64(0)
        stop, i = np.uint64(chunk_ends[chunk]), begin
        word, first_word, is_hard, last = n, n_words, stop - begin > _LONGEST_CHUNK, np.uint64(BREAK)
        first = n
        while i < stop and not is_hard:
            code_point, width = np.uint64(chunks[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(chunks, i)
            spelling = spellings[code_point]
            kind = spelling >> np.uint64(KIND)
            if kind == UNPROBED:
                state[_NEXT], state[_BYTES], state[_WORDS] = chunk, first, first_word
                return _PROBE
            is_hard = kind == HARD or (kind >= PREFIX and i > begin)
            if n > word and last != PREFIX and (kind != last or kind == ALONE):
                ends[n_words], owners[n_words] = n, chunk
                word = n
                n_words += 1
            for _ in range(spelling >> np.uint64(LENGTH) & np.uint64(0xFF)):
                n = _write(text, n, spelling & code_points)
                spelling >>= bits
            last = kind
            i += width
        if is_hard:
            is_left[chunk] = True
            n, n_words = first, first_word
        elif n > word:
            ends[n_words], owners[n_words] = n, chunk
            n_words += 1
    state[_BYTES], state[_WORDS] = n, n_words
    return _DONE
