"""The alphabet: the characters of a vocabulary, and their forms.

Every kept character is included in each form it can take (WordPiece: c, and ##c unless c is always a word of
its own; BPE: c, and c</w>; byte-level BPE: all 256 bytes), so that no word of kept characters is [UNK].
Characters that are too rare are dropped, and no merge crosses them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tokenizers import pre_tokenizers

from wpprep.config import PREFIX, SUFFIX, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.kernels import kernel
from wpprep.records import Bytes, Ints
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.utf8 import CODE_POINTS, FIRST_BYTES, code_point_at
from wpprep.vocab.counting.words import WordCounts
from wpprep.vocab.merging.segmentation import EDGE, CountedWords, Int32s


@dataclass(frozen=True)
class Alphabet:
    """Characters as pieces.

    Attributes:
        pieces: single characters in all their forms, in the order of ids.
        plain: ``int32[0x110000]``, piece of each code point without a mark; -1 where it is not kept.
        marked: ``int32[0x110000]``, the same with the mark of the algorithm (## before it, or </w> after it).
        marks_last: whether a word's last character is marked (</w>), or all but its first (##).
        dropped: number of distinct characters of the corpus that are not kept.
    """

    pieces: list[str]
    plain: Int32s
    marked: Int32s
    marks_last: bool
    dropped: int

    def spell(self, words: WordCounts) -> CountedWords:
        """Return words as ids of single-character pieces."""
        n_characters = int(np.count_nonzero(words.text.view(np.int8) >= FIRST_BYTES))
        characters, ends = np.empty(n_characters + len(words) + 1, np.int32), np.empty(len(words), np.int64)
        _spell(words.text, words.ends, self.plain, self.marked, self.marks_last, characters, ends)
        return CountedWords(characters, ends, words.counts, len(self.pieces))


@kernel
def _spell(
    text: Bytes,
    word_ends: Ints,
    plain: Int32s,
    marked: Int32s,
    marks_last: bool,
    characters: Int32s,
    ends: Ints,
) -> None:
    """Fill ``characters`` and ``ends`` of `CountedWords`."""
    characters[0], n, i = EDGE, 1, np.uint64(0)
    for w in range(len(word_ends)):
        stop, is_first = np.uint64(word_ends[w]), True
        while i < stop:
            code_point, width = np.uint64(text[i]), np.uint64(1)
            if code_point >= 128:
                code_point, width = code_point_at(text, i)
            i += width
            is_marked = i == stop if marks_last else not is_first
            characters[n] = marked[code_point] if is_marked else plain[code_point]
            n += 1
            is_first = False
        characters[n] = EDGE
        ends[w] = n
        n += 1


def choose_alphabet(words: WordCounts, options: VocabOptions, rules: TextRules, room: int) -> Alphabet:
    """Choose the alphabet of counted words: the rarest characters are dropped, ties go by code point.

    Args:
        words: the words; their order does not change the result.
        options: `algorithm`, `min_char_count`, `limit_alphabet` and `initial_alphabet`.
        rules: normalisation of the vocabulary, applied to `initial_alphabet`.
        room: number of entries of the vocabulary that are not special tokens.

    Raises:
        VocabularyError: no character is frequent enough, or `initial_alphabet` alone is too large.
    """
    if options.algorithm == "bbpe":
        return _number(sorted(pre_tokenizers.ByteLevel.alphabet()), set(), 0, options.algorithm)
    counts = character_counts(words)
    wanted = sorted(set("".join(rules.words(" ".join(options.initial_alphabet or "")))))
    frequent = [c for c, count in counts.items() if count >= options.min_char_count and c not in wanted]
    frequent.sort(key=lambda c: (-counts[c], c))
    kept = wanted + frequent[: max(0, int(options.limit_alphabet or 0) - len(wanted))]
    if not kept:
        raise VocabularyError(
            f"no character occurs {options.min_char_count} times or more: lower min_char_count, or add text"
        )
    is_wordpiece = options.algorithm == "wordpiece"
    marked = {c for c in kept if not is_wordpiece or rules.words("a" + c) != ["a", c]}
    forms = len(kept) + len(marked)
    while forms > room and len(kept) > len(wanted):
        last = kept.pop()
        forms -= 1 + (last in marked)
    if forms > room:
        raise VocabularyError(
            f"initial_alphabet has {forms:,} entries in all its forms, vocab_size leaves room for {room:,}: "
            "raise vocab_size or shorten initial_alphabet"
        )
    dropped = len(counts.keys() - set(kept))
    return _number(sorted(kept), marked & set(kept), dropped, options.algorithm)


def character_counts(words: WordCounts) -> dict[str, int]:
    """Count how often each character occurs in counted words."""
    totals = words.characters()
    return {chr(code): int(totals[code]) for code in np.flatnonzero(totals).tolist()}


def _number(kept: list[str], marked: set[str], dropped: int, algorithm: str) -> Alphabet:
    """Number the kept characters, first without, then with the mark, each in code point order."""
    pieces = list(kept)
    plain, with_mark = np.full(CODE_POINTS, EDGE, np.int32), np.full(CODE_POINTS, EDGE, np.int32)
    for i, character in enumerate(kept):
        plain[ord(character)] = with_mark[ord(character)] = i
    for character in kept:
        if character in marked:
            with_mark[ord(character)] = len(pieces)
            pieces.append(PREFIX + character if algorithm == "wordpiece" else character + SUFFIX)
    return Alphabet(pieces, plain, with_mark, algorithm != "wordpiece", dropped)
