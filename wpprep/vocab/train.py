"""From word counts to a vocabulary: alphabet, merges, and a use for every slot.

WordPiece encodes greedily, not by replaying merges, and leaves a tenth of the merge products idle; these are
dropped, and merging goes on until every slot is in use.
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

_MOST_ROUNDS = 50
_BERT_UNUSED = 99  # [unused0] to [unused98] stand between [PAD] = 0 and [UNK] = 100

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
        words: words as `TextRules.words` makes them; their order changes nothing.
        progress: is told the number of pieces so far.
        tell_need: is told, before merging starts, about how many bytes it will take, and the number of words.

    Raises:
        VocabularyError: there are no words, or too few for the vocabulary size.
    """
    if not len(words):
        raise VocabularyError("the corpus holds no words to learn a vocabulary from")
    first = _first_entries(options)
    room = options.vocab_size - len(first)
    alphabet = choose_alphabet(words, options, rules, room)
    counted = alphabet.spell(words)
    if tell_need is not None:
        tell_need(memory_need(counted), len(words))
    merger = Merger(counted, SCORES[str(options.score)], _least_count(options))
    is_full = merger.run(room, progress)
    chosen: npt.NDArray[np.bool_] = np.ones(merger.piece_count, np.bool_)
    unused = 0
    if options.algorithm == "wordpiece":
        chosen, unused, is_full = _use_every_slot(merger, counted, room, options.keep_unused, progress)
    if not is_full:
        _refuse_size(int(chosen.sum()) + len(first), options)
    names = _names(alphabet.pieces, merger.merges, options.algorithm)
    kept = [name for name, is_chosen in zip(names, chosen.tolist(), strict=True) if is_chosen]
    _refuse_doubles(first, kept)
    merges = (
        [] if options.algorithm == "wordpiece" else [(names[a], names[b]) for a, b in merger.merges.tolist()]
    )
    special = [name for name in first if not name.startswith("[unused")]
    return LearnedVocabulary([*first, *kept], merges, special, unused, alphabet.dropped)


def _first_entries(options: VocabOptions) -> list[str]:
    """What stands before the pieces: special tokens, and BERT's unused entries between them."""
    pad, *others = SPECIAL_TOKENS
    unused = [f"[unused{i}]" for i in range(_BERT_UNUSED)] if options.bert_ids else []
    return [pad, *unused, *others, *options.special_tokens]


def _refuse_size(found: int, options: VocabOptions) -> None:
    least = _least_count(options)
    limits = f"no other pair occurs {least} times or more" + (
        "" if options.score == "frequency" else f" and gains by {options.score}"
    )
    raise VocabularyError(
        f"the corpus gives only {found:,} entries, vocab_size asks for {options.vocab_size:,}: {limits}; "
        "lower vocab_size or min_frequency, or add text"
    )


def _refuse_doubles(first: list[str], kept: list[str]) -> None:
    doubles = sorted(set(first) & set(kept))
    if doubles:
        raise VocabularyError(
            f"the special token {doubles[0]!r} is spelled like a piece of words in the corpus, which would "
            "become special wherever it stands; spell it so that no word holds it, for example in brackets"
        )


def _least_count(options: VocabOptions) -> int:
    if options.score == "ratio":
        return max(options.min_frequency, options.min_pair_count)
    return options.min_frequency


def _use_every_slot(
    merger: Merger, words: CountedWords, room: int, keep_unused: bool, progress: Progress | None
) -> tuple[npt.NDArray[np.bool_], int, bool]:
    """Drop products that greedy encoding never uses and merge on, until ``room`` pieces are in use.

    Returns:
        ``bool[pieces]``, which pieces the vocabulary takes; how many of them are unused; whether it is full.
    """
    chosen: npt.NDArray[np.bool_] = np.ones(merger.piece_count, np.bool_)
    usage, _unknown = count_usage(words, merger.merges, chosen)
    for _ in range(_MOST_ROUNDS):
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
    """What every piece of the merger is called."""
    names = list(characters)
    skip = len(PREFIX) if algorithm == "wordpiece" else 0
    for left, right in merges.tolist():
        names.append(names[left] + names[right][skip:])
    return names
