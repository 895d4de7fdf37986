"""Word counts to a vocabulary: alphabet, merges, and an entry in use for every slot.

WordPiece encodes greedily, not by replaying merges, and leaves a tenth of the merge products unused. These are
dropped, and merging continues until every entry is used (the alphabet excepted).

This module does not count words (`counting`) or write files (`tokenizer.vocabulary`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from wpprep.config import PREFIX, SPECIAL_TOKENS, VocabOptions
from wpprep.errors import VocabularyError
from wpprep.tokenizer.normalization import TextRules
from wpprep.tokenizer.vocabulary import LearnedVocabulary
from wpprep.vocab.alphabet import choose_alphabet
from wpprep.vocab.counting.words import WordCounts
from wpprep.vocab.greedy import count_again, count_usage
from wpprep.vocab.merging.merges import Merger, memory_need
from wpprep.vocab.merging.scores import SCORES
from wpprep.vocab.merging.segmentation import CountedWords, Int32s

_MAX_ROUNDS = 50
_BERT_UNUSED = 99  # [unused0] to [unused98] are between [PAD] = 0 and [UNK] = 100

Progress = Callable[[int], None]


def learn_vocabulary(
    words: WordCounts,
    options: VocabOptions,
    rules: TextRules,
    progress: Progress | None = None,
    tell_need: Callable[[int, int], None] | None = None,
) -> LearnedVocabulary:
    """Learn a vocabulary from counts of words.

    Args:
        words: words as `TextRules.words` returns them; their order does not change the result.
        options: algorithm, score, size and limits of the vocabulary.
        rules: normalisation and pre-tokenization of the vocabulary.
        progress: called with the number of pieces so far during merging.
        tell_need: called once before merging, as tell_need(bytes, number of words), with the estimated memory.

    Raises:
        VocabularyError: there are no words, too few for the vocabulary size, or a special token equals a piece.
    """
    if not len(words):
        raise VocabularyError("the corpus contains no words to learn a vocabulary from")
    first = _first_entries(options)
    room = options.vocab_size - len(first)
    alphabet = choose_alphabet(words, options, rules, room)
    counted = alphabet.spell(words)
    if tell_need is not None:
        tell_need(memory_need(counted), len(words))
    merger = Merger(counted, SCORES[str(options.score)], _min_count(options))
    is_full = merger.run(room, progress)
    chosen: npt.NDArray[np.bool_] = np.ones(merger.piece_count, np.bool_)
    unused = 0
    if options.algorithm == "wordpiece":
        chosen, unused, is_full = _use_every_slot(merger, counted, room, options.keep_unused, progress)
    if not is_full:
        _raise_too_few(int(chosen.sum()) + len(first), options)
    names = _names(alphabet.pieces, merger.merges, options.algorithm)
    kept = [name for name, is_chosen in zip(names, chosen.tolist(), strict=True) if is_chosen]
    _check_distinct(first, kept)
    merges = (
        [] if options.algorithm == "wordpiece" else [(names[a], names[b]) for a, b in merger.merges.tolist()]
    )
    special = [name for name in first if not name.startswith("[unused")]
    return LearnedVocabulary([*first, *kept], merges, special, unused, alphabet.dropped)


def _first_entries(options: VocabOptions) -> list[str]:
    """Return the entries before the pieces: special tokens, with BERT's unused entries among them."""
    pad, *others = SPECIAL_TOKENS
    unused = [f"[unused{i}]" for i in range(_BERT_UNUSED)] if options.bert_ids else []
    return [pad, *unused, *others, *options.special_tokens]


def _raise_too_few(found: int, options: VocabOptions) -> None:
    """Raise that the corpus gives only ``found`` entries, and why merging stopped."""
    min_count = _min_count(options)
    limits = f"no other pair occurs {min_count} times or more" + (
        "" if options.score == "frequency" else f" and gains by {options.score}"
    )
    raise VocabularyError(
        f"the corpus gives only {found:,} entries, vocab_size is {options.vocab_size:,}: {limits}; "
        "lower vocab_size or min_frequency, or add text"
    )


def _check_distinct(first: list[str], kept: list[str]) -> None:
    """Raise if a special token equals a piece."""
    duplicates = sorted(set(first) & set(kept))
    if duplicates:
        raise VocabularyError(
            f"the special token {duplicates[0]!r} equals a piece of words in the corpus, so this piece would "
            "become a special token in every text; choose a spelling that occurs in no word, for example "
            "in brackets"
        )


def _min_count(options: VocabOptions) -> int:
    """Return the minimum count for a pair to be merged."""
    if options.score == "ratio":
        return max(options.min_frequency, options.min_pair_count)
    return options.min_frequency


def _use_every_slot(
    merger: Merger, words: CountedWords, room: int, keep_unused: bool, progress: Progress | None
) -> tuple[npt.NDArray[np.bool_], int, bool]:
    """Drop products that greedy encoding never uses and continue merging, until ``room`` pieces are chosen.

    Returns:
        ``bool[pieces]``, the pieces in the vocabulary; the number of unused ones among them; whether there are
        ``room`` of them.
    """
    chosen: npt.NDArray[np.bool_] = np.ones(merger.piece_count, np.bool_)
    usage, _unknown = count_usage(words, merger.merges, chosen)
    for _ in range(_MAX_ROUNDS):
        is_idle = chosen & (usage == 0)
        is_idle[: words.alphabet_size] = False
        missing = room - int(chosen.sum() - is_idle.sum())
        if keep_unused or missing == 0:
            break
        chosen &= ~is_idle
        has_more = merger.run(merger.piece_count + missing, progress)
        more = np.concatenate([chosen, np.ones(merger.piece_count - len(chosen), np.bool_)])
        usage, chosen = count_again(usage, words, merger.merges, chosen, more), more
        if not has_more:
            break
    return chosen, int((chosen & (usage == 0)).sum()), int(chosen.sum()) == room


def _names(characters: list[str], merges: Int32s, algorithm: str) -> list[str]:
    """Return the spelling of every piece of the merger."""
    names = list(characters)
    skip = len(PREFIX) if algorithm == "wordpiece" else 0
    for left, right in merges.tolist():
        names.append(names[left] + names[right][skip:])
    return names
