"""The alphabet: which characters a vocabulary knows, and in which forms.

Every kept character enters in each form it can take (WordPiece: c, and ##c unless c always stands alone;
BPE: c, and c</w>; byte-level BPE: all 256 bytes), so that no word of known characters is [UNK]. Characters
that are too rare are dropped, and what stands on their two sides is never glued.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import pre_tokenizers

from wpprep.config import VocabOptions
from wpprep.errors import VocabularyError
from wpprep.vocab.normalization import TextRules
from wpprep.vocab.segmentation import EDGE, CountedWords, Int32s

PREFIX = "##"
SUFFIX = "</w>"

_SEPARATOR = "\n"  # no word holds a line feed; it becomes EDGE


@dataclass(frozen=True)
class Alphabet:
    """Characters as pieces.

    Attributes:
        pieces: single characters in all their forms, in the order of ids.
        plain, marked: ``int32[0x110000]``, piece of a character without and with the mark of the
            algorithm (## in front, or </w> behind), -1 where it is not kept.
        marks_last: whether the mark goes to a word's last character (</w>), or to all but its first (##).
        dropped: distinct characters of the corpus that are not kept.
    """

    pieces: list[str]
    plain: Int32s
    marked: Int32s
    marks_last: bool
    dropped: int

    def spell(self, words: Mapping[str, int]) -> CountedWords:
        """Words as ids of single-character pieces."""
        text = _SEPARATOR + _SEPARATOR.join(words) + _SEPARATOR
        code_points = _code_points(text)
        edges = np.flatnonzero(code_points == ord(_SEPARATOR))
        is_marked = np.full(len(code_points), not self.marks_last)
        is_marked[edges[1:] - 1 if self.marks_last else edges[:-1] + 1] = self.marks_last
        characters = np.where(is_marked, self.marked[code_points], self.plain[code_points])
        characters[edges] = EDGE
        counts = np.fromiter(words.values(), np.int64, len(words))
        return CountedWords(characters, edges[1:], counts, len(self.pieces))


def choose_alphabet(words: Mapping[str, int], options: VocabOptions, rules: TextRules, room: int) -> Alphabet:
    """The alphabet of counted words: the rarest characters are dropped, ties by code point.

    Args:
        room: entries of the vocabulary that are not special tokens.

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


def character_counts(words: Mapping[str, int]) -> dict[str, int]:
    """How often each character occurs in counted words."""
    code_points = _code_points("".join(words))
    lengths = np.fromiter(map(len, words), np.int64, len(words))
    weights = np.repeat(np.fromiter(words.values(), np.int64, len(words)), lengths)
    totals = np.zeros(0x110000, np.int64)
    np.add.at(totals, code_points, weights)  # unlike bincount exact above 2**53
    return {chr(code): int(totals[code]) for code in np.flatnonzero(totals).tolist()}


def _code_points(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _number(kept: list[str], marked: set[str], dropped: int, algorithm: str) -> Alphabet:
    """Give ids to the kept characters, first plain, then with the mark, each in code point order."""
    pieces = list(kept)
    plain, with_mark = np.full(0x110000, EDGE, np.int32), np.full(0x110000, EDGE, np.int32)
    for i, character in enumerate(kept):
        plain[ord(character)] = with_mark[ord(character)] = i
    for character in kept:
        if character in marked:
            with_mark[ord(character)] = len(pieces)
            pieces.append(PREFIX + character if algorithm == "wordpiece" else character + SUFFIX)
    return Alphabet(pieces, plain, with_mark, algorithm != "wordpiece", dropped)
