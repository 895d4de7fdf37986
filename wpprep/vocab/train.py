"""From word counts to a vocabulary: alphabet, merges, and a use for every slot.

Every kept character enters the vocabulary in each form it can take (WordPiece: c, and ##c unless c always
stands alone; BPE: c, and c</w>; byte-level BPE: all 256 bytes), so that no word of known characters is
[UNK]. WordPiece encodes greedily, not by replaying merges, and leaves a tenth of the merge products idle;
these are dropped, and merging goes on until every slot is in use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import pre_tokenizers

from wpprep.config import SPECIAL_TOKENS, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.records import Ints
from wpprep.vocab.merges import CountedWords, Int32s, Merger
from wpprep.vocab.normalization import TextRules
from wpprep.vocab.scores import SCORES

PREFIX = "##"
SUFFIX = "</w>"
_MOST_ROUNDS = 50

Progress = Callable[[int], None]


@dataclass(frozen=True)
class LearnedVocabulary:
    """What training found.

    Attributes:
        pieces: every entry in the order of ids, special tokens first.
        merges: pairs of pieces in the order in which BPE applies them; empty for WordPiece.
        unused: entries that encoding the counted words never uses (WordPiece; else 0).
        dropped_characters: distinct characters that were too rare to be kept.
    """

    pieces: list[str]
    merges: list[tuple[str, str]]
    unused: int
    dropped_characters: int


def learn_vocabulary(
    words: Mapping[str, int], options: VocabOptions, rules: TextRules, progress: Progress | None = None
) -> LearnedVocabulary:
    """Learn a vocabulary from counts of words.

    Args:
        words: words as `TextRules.words` makes them, sorted, with counts.
        progress: is told the number of pieces so far.

    Raises:
        VocabularyError: there are no words, or too few for the vocabulary size.
    """
    if not words:
        raise VocabularyError("the corpus holds no words to learn a vocabulary from")
    room = options.vocab_size - len(SPECIAL_TOKENS)
    alphabet, dropped = _alphabet(words, options, rules, room)
    counted = _spell(words, alphabet)
    merger = Merger(counted, SCORES[str(options.score)], _least_count(options))
    is_full = merger.run(room, progress)
    chosen = np.ones(merger.piece_count, np.bool_)
    unused = 0
    if options.algorithm == "wordpiece":
        chosen, unused, is_full = _use_every_slot(merger, counted, room, options.keep_unused, progress)
    if not is_full:
        raise VocabularyError(
            f"the corpus gives only {int(chosen.sum()) + len(SPECIAL_TOKENS):,} entries, vocab_size asks for "
            f"{options.vocab_size:,}: lower vocab_size or min_frequency, or add text"
        )
    names = _names(alphabet.pieces, merger.merges, options.algorithm)
    kept = [name for name, is_chosen in zip(names, chosen.tolist(), strict=True) if is_chosen]
    merges = (
        [] if options.algorithm == "wordpiece" else [(names[a], names[b]) for a, b, _ in merger.merges.tolist()]
    )
    return LearnedVocabulary([*SPECIAL_TOKENS, *kept], merges, unused, dropped)


@dataclass(frozen=True)
class _Alphabet:
    """Characters as pieces.

    Attributes:
        pieces: single characters in all their forms, in the order of ids.
        plain, marked: ``int32[0x110000]``, piece of a character without and with the mark of the
            algorithm (## in front, or </w> behind), -1 where it is not kept.
        marks_last: whether the mark goes to a word's last character (</w>), or to all but its first (##).
    """

    pieces: list[str]
    plain: Int32s
    marked: Int32s
    marks_last: bool


def _alphabet(
    words: Mapping[str, int], options: VocabOptions, rules: TextRules, room: int
) -> tuple[_Alphabet, int]:
    """The alphabet and how many characters were dropped from it: the rarest, ties by code point."""
    counts = _character_counts(words)
    if options.algorithm == "bbpe":
        kept = sorted(pre_tokenizers.ByteLevel.alphabet())
        return _number(kept, set(), "", marks_last=False), 0
    frequent = [c for c, count in counts.items() if count >= options.min_char_count]
    frequent.sort(key=lambda c: (-counts[c], c))
    kept = frequent[: options.limit_alphabet]
    is_wordpiece = options.algorithm == "wordpiece"
    marked = {c for c in kept if not is_wordpiece or rules.words("a" + c) != ["a", c]}
    while len(kept) + sum(c in marked for c in kept) > room:
        marked.discard(kept.pop())
    if not kept:
        raise VocabularyError(
            f"no character occurs {options.min_char_count} times or more: lower min_char_count, or add text"
        )
    alphabet = _number(sorted(kept), marked, PREFIX if is_wordpiece else SUFFIX, marks_last=not is_wordpiece)
    return alphabet, len(counts) - len(kept)


def _character_counts(words: Mapping[str, int]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word, count in words.items():
        for character in word:
            counts[character] = counts.get(character, 0) + count
    return counts


def _number(kept: list[str], marked: set[str], mark: str, *, marks_last: bool) -> _Alphabet:
    pieces = list(kept)
    plain, with_mark = np.full(0x110000, -1, np.int32), np.full(0x110000, -1, np.int32)
    for i, character in enumerate(kept):
        plain[ord(character)] = with_mark[ord(character)] = i
    for character in kept:
        if character in marked:
            with_mark[ord(character)] = len(pieces)
            pieces.append(character + mark if marks_last else mark + character)
    return _Alphabet(pieces, plain, with_mark, marks_last)


def _spell(words: Mapping[str, int], alphabet: _Alphabet) -> CountedWords:
    """Words as ids of single-character pieces."""
    code_points = np.frombuffer("".join(words).encode("utf-32-le", "surrogatepass"), np.uint32)
    ends = np.cumsum(np.fromiter(map(len, words), np.int64, len(words)))
    is_marked = np.full(len(code_points), not alphabet.marks_last)
    edges = ends - 1 if alphabet.marks_last else np.concatenate([[0], ends[:-1]])
    is_marked[edges] = alphabet.marks_last
    characters = np.where(is_marked, alphabet.marked[code_points], alphabet.plain[code_points])
    counts = np.fromiter(words.values(), np.int64, len(words))
    return CountedWords(characters, ends, counts, len(alphabet.pieces))


def _least_count(options: VocabOptions) -> int:
    if options.score == "ratio":
        return max(options.min_frequency, options.min_pair_count)
    return options.min_frequency


def _use_every_slot(
    merger: Merger, words: CountedWords, room: int, keep_unused: bool, progress: Progress | None
) -> tuple[Ints, int, bool]:
    """Drop products that greedy encoding never uses and merge on, until ``room`` pieces are in use.

    Returns:
        ``bool[pieces]``, which pieces the vocabulary takes; how many of them are unused; whether it is full.
    """
    chosen = np.ones(merger.piece_count, np.bool_)
    for _ in range(_MOST_ROUNDS):
        usage, _unknown = merger.usage(words, chosen)
        is_idle = chosen & (usage == 0)
        is_idle[: words.alphabet_size] = False
        missing = room - int(chosen.sum() - is_idle.sum())
        if keep_unused or missing == 0:
            break
        chosen &= ~is_idle
        has_more = merger.run(merger.piece_count + missing, progress)
        chosen = np.concatenate([chosen, np.ones(merger.piece_count - len(chosen), np.bool_)])
        if not has_more:
            break
    usage, _unknown = merger.usage(words, chosen)
    return chosen, int((chosen & (usage == 0)).sum()), int(chosen.sum()) == room


def _names(characters: list[str], merges: Int32s, algorithm: str) -> list[str]:
    """What every piece of the merger is called."""
    names = list(characters)
    skip = len(PREFIX) if algorithm == "wordpiece" else 0
    for left, right, product in merges.tolist():
        if product == len(names):
            names.append(names[left] + names[right][skip:])
    return names
