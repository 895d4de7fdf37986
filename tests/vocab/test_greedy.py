"""Greedy encoding of counted words: equal to the slow twin and to WordPiece of `tokenizers`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from reference.merges import Corpus, Word, greedy, random_corpus
from tokenizers import Tokenizer, models

from wpprep.config import MAX_WORD_CHARACTERS
from wpprep.vocab.greedy import count_again, count_usage, piece_table
from wpprep.vocab.merging.merges import Merger
from wpprep.vocab.merging.scores import LIKELIHOOD


@pytest.mark.parametrize("inactive", [0.0, 0.3])
def test_usage_equals_the_twin(inactive: float) -> None:
    """Every piece is used as often as in the slow twin, also if some pieces are inactive."""
    for seed in range(120):
        corpus, generator = random_corpus(seed), np.random.default_rng(seed)
        merger = Merger(corpus.counted(), seed % 3, 1)
        merger.run(corpus.alphabet_size + 30)
        is_active = generator.random(merger.piece_count) >= inactive
        spellings: list[Word] = [(character,) for character in range(corpus.alphabet_size)]
        for a, b in merger.merges.tolist():
            spellings.append(spellings[a] + spellings[b])
        active = {spelling: i for i, spelling in enumerate(spellings) if is_active[i]}
        expected, unknown = Counter[int](), 0
        for word, count in corpus.words.items():
            found = greedy(word, active)
            unknown += count if found is None else 0
            for piece in found or []:
                expected[piece] += count
        usage, unknown_here = count_usage(corpus.counted(), merger.merges, is_active)
        assert usage.tolist() == [expected[i] for i in range(len(spellings))]
        assert unknown_here == unknown


def test_usage_after_more_pieces_is_that_of_counting_anew() -> None:
    """In rounds as in training, updating the usage equals counting all words again."""
    for seed in range(120):
        words = random_corpus(seed).counted()
        merger = Merger(words, seed % 3, 1)
        merger.run(words.alphabet_size + 15)
        active = np.ones(merger.piece_count, np.bool_)
        usage, _ = count_usage(words, merger.merges, active)
        for more in (9, 4, 0, 1):
            active[words.alphabet_size :] &= usage[words.alphabet_size :] > 0
            merger.run(merger.piece_count + more)
            before, active = active, np.append(active, np.ones(merger.piece_count - len(active), np.bool_))
            usage = count_again(usage, words, merger.merges, before, active)
            assert usage.tolist() == count_usage(words, merger.merges, active)[0].tolist()


def test_usage_equals_wordpiece_of_tokenizers() -> None:
    """WordPiece of `tokenizers`, with an empty prefix, uses the same pieces equally often."""
    generator = np.random.default_rng(3)
    words = {"".join(generator.choice(list("abcde"), generator.integers(1, 15))): int(n) for n in range(1, 400)}
    letters = "abcde"
    corpus = Corpus({tuple(map(letters.index, word)): count for word, count in words.items()}, 5)
    merger = Merger(corpus.counted(), LIKELIHOOD, 1)
    merger.run(80)
    names = list(letters)
    for a, b in merger.merges.tolist():
        names.append(names[a] + names[b])
    tokenizer = Tokenizer(
        models.WordPiece(
            {name: i for i, name in enumerate([*names, "?"])}, unk_token="?", continuing_subword_prefix=""
        )
    )
    expected = np.zeros(len(names), np.int64)
    for word, count in words.items():
        np.add.at(expected, tokenizer.encode(word).ids, count)
    usage, unknown = count_usage(corpus.counted(), merger.merges, np.ones(len(names), np.bool_))
    assert usage.tolist() == expected.tolist()
    assert unknown == 0


def test_words_over_the_limit_are_unknown() -> None:
    """A word of 101 characters is [UNK] as a whole, one of 100 is not."""
    words = {(0,) * MAX_WORD_CHARACTERS: 2, (0,) * (MAX_WORD_CHARACTERS + 1): 3}
    usage, unknown = count_usage(Corpus(words, 1).counted(), np.empty((0, 2), np.int32), np.ones(1, np.bool_))
    assert usage.tolist() == [2 * MAX_WORD_CHARACTERS]
    assert unknown == 3


def test_pieces_of_large_alphabets_lie_apart() -> None:
    """20,000 characters with consecutive ids do not form long runs in the hash table.

    They use less than a sixth of the table; at random slots there would be no run of 64.
    """
    n = 20_000
    slots = piece_table(np.arange(n, dtype=np.int32), np.arange(n + 1), np.ones(n, np.bool_)).slots
    edges = np.flatnonzero(np.diff((slots > 0).astype(np.int8), prepend=0, append=0))
    assert int((slots > 0).sum()) == n
    assert int((edges[1::2] - edges[::2]).max()) < 64
