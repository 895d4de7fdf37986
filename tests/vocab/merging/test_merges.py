"""The merge loop: its merges are those of the slow twin and of the trainer of `tokenizers`; exact counts."""

from __future__ import annotations

import gzip
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.merges import DROPPED, Corpus, Twin, Word, greedy, random_corpus, words_of
from reference.merges import corpus_of as twin_corpus
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from wpprep.config import MAX_WORD_CHARACTERS, VocabOptions
from wpprep.tokenizer.normalization import TextRules
from wpprep.vocab.alphabet import choose_alphabet
from wpprep.vocab.counting.words import WordCounts
from wpprep.vocab.greedy import count_usage
from wpprep.vocab.merging.merges import Merger
from wpprep.vocab.merging.scores import FREQUENCY, LIKELIHOOD, SCORES, merge_score
from wpprep.vocab.merging.segmentation import FIRST, LEFT, N_PAIRS, N_PIECES, PAIR, RIGHT, TOTAL

CODES = sorted(SCORES.values())
LETTERS = "abcelmnostu"
MENU = {"best": 2, "cost": 2, "menu": 1, "men": 1, "camel": 1}


def corpus_of(words: dict[str, int]) -> Corpus:
    """Return words over a sorted alphabet, all characters of one kind as with an empty continuation prefix."""
    letters = sorted(set("".join(words)))
    ids = {tuple(letters.index(letter) for letter in word): count for word, count in words.items()}
    return Corpus(ids, len(letters))


def spelled(corpus: Corpus, merger: Merger, letters: str) -> list[str]:
    """Return the products as text, in order."""
    names = list(letters)
    for a, b in merger.merges.tolist():
        names.append(names[a] + names[b])
    return names[corpus.alphabet_size :]


def check_state(merger: Merger, corpus: Corpus) -> None:
    """Check counts of pieces and pairs, and the lists of places, against the words."""
    seg, least = merger.segmentation, merger.least
    words = [(word, count) for word, count in zip(words_of(merger, corpus), corpus.words.values(), strict=True)]
    pieces = Counter[int]()
    pairs = Counter[tuple[int, int]]()
    for word, count in words:
        for piece in word:
            pieces[piece] += count
        for a, b in pairwise(word):
            pairs[a, b] += count
    del pieces[DROPPED]
    n = int(seg.counters[N_PIECES])
    assert seg.piece_counts[:n].tolist() == [pieces[piece] for piece in range(n)]
    assert seg.counters[TOTAL] == pieces.total()
    for p in range(int(seg.counters[N_PAIRS])):
        pair = (int(seg.pairs[p, LEFT]), int(seg.pairs[p, RIGHT]))
        assert seg.pair_counts[p] == pairs[pair]
        listed = [i for i in seg.pool[seg.pairs[p, FIRST] : seg.pairs[p, 3]] if seg.places[i, PAIR] == p]
        assert listed == sorted(set(listed))
        del pairs[pair]
    assert all(count < least for pair, count in pairs.items() if DROPPED not in pair)


@pytest.mark.parametrize("first", range(0, 200, 25))
def test_every_score_equals_the_twin(first: int) -> None:
    """On 200 random corpora, every merge is the one chosen by counting everything from scratch."""
    for seed in range(first, first + 25):
        corpus, least = random_corpus(seed), 1 + seed // 3 % 3
        target = corpus.alphabet_size + (5, 30, 150)[seed % 7 % 3]
        for code in CODES:
            twin, merger = Twin(corpus, code, least), Merger(corpus.counted(), code, least)
            assert merger.run(target) == twin.run(target)
            assert [(a, b) for a, b, _ in twin.merges] == list(map(tuple, merger.merges.tolist())), (seed, code)
            assert [word for word, _ in twin.words] == words_of(merger, corpus)
            check_state(merger, corpus)


@settings(max_examples=40)
@given(
    st.dictionaries(
        st.lists(st.integers(DROPPED, 3), min_size=1, max_size=9).map(tuple),
        st.integers(1, 70_000),
        max_size=12,
    ),
    st.sampled_from(CODES),
    st.integers(1, 4),
    st.lists(st.integers(0, 9), max_size=4),
)
def test_a_run_can_be_continued(
    words: dict[tuple[int, ...], int], code: int, least: int, steps: list[int]
) -> None:
    """Stopping and continuing any number of times gives the merges of one run, which are the twin's."""
    corpus = Corpus(words, 4)
    twin, merger, target = Twin(corpus, code, least), Merger(corpus.counted(), code, least), 4
    for step in [*steps, 100]:
        target += step
        assert merger.run(target) == twin.run(target)
    assert [(a, b) for a, b, _ in twin.merges] == list(map(tuple, merger.merges.tolist()))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["wordpiece", "bpe", "bbpe"])
@pytest.mark.parametrize("folder", ["wiki-en", "wiki-de", "wiki-ja", "wiki-ko", "wiki-zh", "books-ru"])
def test_languages_equal_the_twins(data: Path, folder: str, algorithm: str) -> None:
    """On a stretch of each language every score merges, and greedy encoding uses, what the slow twins do."""
    with gzip.open(min((data / folder).glob("*.gz")), "rt") as file:
        text = file.read(12_000)
    for score, code in SCORES.items():
        options = VocabOptions(algorithm=algorithm, score=score)
        rules = TextRules(options)
        words = WordCounts.of(Counter(rules.words(text)))
        counted = choose_alphabet(words, options, rules, options.vocab_size).spell(words)
        corpus = twin_corpus(counted)
        twin, merger = Twin(corpus, code, 2), Merger(counted, code, 2)
        target = corpus.alphabet_size + 150
        assert merger.run(target) == twin.run(target)
        assert [(a, b) for a, b, _ in twin.merges] == list(map(tuple, merger.merges.tolist()))
        assert len(twin.merges) > 50
        usage, _ = count_usage(counted, merger.merges, np.ones(merger.piece_count, np.bool_))
        active, expected = {spelling: i for i, spelling in enumerate(twin.spellings)}, Counter[int]()
        for word, count in corpus.words.items():
            for piece in (greedy(word, active) or []) if len(word) <= MAX_WORD_CHARACTERS else []:
                expected[piece] += count
        assert usage.tolist() == [expected[i] for i in range(len(twin.spellings))]


def test_random_corpora_hold_what_is_difficult() -> None:
    """The seeds above have runs of three or more, ties and dropped characters."""
    corpora = [random_corpus(seed) for seed in range(200)]
    words = [word for corpus in corpora for word in corpus.words]
    assert sum(DROPPED in word[1:-1] for word in words) > 20
    assert sum(any(len(set(word[i : i + 3])) == 1 for i in range(len(word) - 2)) for word in words) > 100
    ties = 0
    for corpus in corpora:
        counts = Twin(corpus, FREQUENCY, 1).pair_counts()
        ties += len(counts) > 1 and len(set(counts.values())) < len(counts)
    assert ties > 100


def test_every_merge_makes_a_new_piece_and_no_pair_comes_up_again() -> None:
    """Products and pairs of all merges differ, also in a twin that would merge a pair twice."""
    for seed in range(200):
        corpus = random_corpus(seed)
        twin = Twin(corpus, CODES[seed % 3], 1)
        twin.run(corpus.alphabet_size + 60)
        products = [product for _, _, product in twin.merges]
        assert products == list(range(corpus.alphabet_size, corpus.alphabet_size + len(products)))
        assert len({(a, b) for a, b, _ in twin.merges}) == len(twin.merges)


def test_tables_grow_and_the_heap_is_cleared_without_changing_a_merge() -> None:
    """With little room at first, pairs, pieces and heap grow, and the merges stay the same."""
    generator = np.random.default_rng(5)
    stems = [generator.integers(0, 30, length).tolist() for length in (2, 3, 4, 5) for _ in range(60)]
    words = {
        tuple(letter for stem in generator.choice(len(stems), 3) for letter in stems[stem]): int(count)
        for count in generator.integers(1, 9, 3000)
    }
    corpus = Corpus(words, 30)
    roomy = [Merger(corpus.counted(), code, 1) for code in CODES]
    assert all(merger.run(3000) for merger in roomy)
    for code, merger in zip(CODES, roomy, strict=True):
        tight = Merger(corpus.counted(), code, 1, room=950)
        assert len(tight.segmentation.pairs) == 950
        tight.heap = tight.heap._replace(keys=tight.heap.keys[:970], pairs=tight.heap.pairs[:970])
        for target in (100, 400, 3000):
            tight.run(target)
        assert len(tight.segmentation.pairs) > 3_000
        assert tight.merges.tolist() == merger.merges.tolist()
        check_state(tight, corpus)


def test_worked_example_of_the_design() -> None:
    """frequency merges st, me, then be by the tie rule; likelihood st first; ratio nu first."""
    corpus = corpus_of(MENU)
    made = {}
    for name, code in SCORES.items():
        merger = Merger(corpus.counted(), code, 1)
        merger.run(corpus.alphabet_size + 3)
        made[name] = spelled(corpus, merger, LETTERS)
    assert made["frequency"] == ["st", "me", "be"]
    assert made["likelihood"][0] == "st"
    assert made["ratio"][0] == "nu"


def test_worked_example_has_the_gains_of_the_design() -> None:
    """st gains 11.48 nats, the runner-up me 6.17; there are 28 characters."""
    twin = Twin(corpus_of(MENU), LIKELIHOOD, 1)
    pairs, pieces = twin.pair_counts(), twin.piece_counts()
    gains = sorted((twin.score(a, b, pairs, pieces) for a, b in pairs), reverse=True)
    assert sum(twin.piece_counts().values()) == 28
    assert gains[:2] == [pytest.approx(11.48, abs=0.005), pytest.approx(6.17, abs=0.005)]


def test_worked_example_encodes_as_the_design_says() -> None:
    """With st, me and men: mean is me a n, men is men, bear is b e a [UNK]; stem is st ##e ##m."""
    pieces = ["[UNK]", *"abcelmnostu", "st", "me", "men"]
    merges = [("s", "t"), ("m", "e"), ("me", "n")]
    bpe = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, merges, unk_token="[UNK]"))
    assert bpe.encode("mean").tokens == ["me", "a", "n"]
    assert bpe.encode("men").tokens == ["men"]
    assert bpe.encode("bear").tokens == ["b", "e", "a", "[UNK]"]
    both = ["[UNK]", *"abcelmnostu", *(f"##{letter}" for letter in "abcelmnostu"), "st"]
    wordpiece = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(both)}, unk_token="[UNK]"))
    assert wordpiece.encode("stem").tokens == ["st", "##e", "##m"]


def test_likelihood_stops_when_nothing_gains() -> None:
    """Merging stops where the twin does, and at once if the only pair is rarer than expected by chance."""
    merger = Merger(Corpus({(0, 0, 0, 1): 1}, 2).counted(), LIKELIHOOD, 1)
    merger.run(50)
    twin = Twin(Corpus({(0, 0, 0, 1): 1}, 2), LIKELIHOOD, 1)
    twin.run(50)
    assert len(merger.merges) == len(twin.merges)
    assert merge_score(LIKELIHOOD, 1, 10, 10, 20, False) < 0
    lone = Merger(Corpus({(0, 1): 1, (0,): 9, (1,): 9}, 2).counted(), LIKELIHOOD, 1)
    assert not lone.run(3)


def test_neighbours_of_a_dropped_character_are_never_glued() -> None:
    """a?b is never merged, however frequent."""
    merger = Merger(Corpus({(0, DROPPED, 1): 1000, (0, 0): 1}, 2).counted(), FREQUENCY, 1)
    merger.run(10)
    assert merger.merges.tolist() == [[0, 0]]


def test_counts_above_32_bits_are_exact() -> None:
    """Counts of 2**40 and 2**40 + 1 decide a merge."""
    words: dict[Word, int] = {(0, 1): 2**40, (2, 3): 2**40 + 1}
    merger = Merger(Corpus(words, 4).counted(), FREQUENCY, 1)
    merger.run(6)
    assert merger.merges.tolist() == [[2, 3], [0, 1]]


def trained(words: dict[str, int], size: int, **options: Any) -> list[tuple[str, str]]:
    """Return the merges of `tokenizers`' BpeTrainer for counted words."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, **options)
    tokenizer.train_from_iterator((" ".join([word] * count) for word, count in words.items()), trainer)
    import json

    return [tuple(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]]


def ours(words: dict[str, int], size: int, least: int, letters: list[str]) -> list[tuple[str, str]]:
    """Return the merges of wpprep's kernel for counted words."""
    ids = {letter: i for i, letter in enumerate(letters)}
    corpus = Corpus({tuple(ids[letter] for letter in word): n for word, n in words.items()}, len(letters))
    merger = Merger(corpus.counted(), FREQUENCY, least)
    merger.run(size)
    names, pairs = list(letters), []
    for a, b in merger.merges.tolist():
        pairs.append((names[a], names[b]))
        names.append(names[a] + names[b])
    return pairs


@pytest.mark.parametrize("byte_level", [False, True])
def test_frequency_equals_the_trainer_of_tokenizers_on_random_words(byte_level: bool) -> None:
    """Merge by merge, ties and runs included, over a small alphabet or over all bytes."""
    for seed in range(60):
        generator = np.random.default_rng(seed)
        words = {
            "".join(generator.choice(list("abcd"), generator.integers(1, 12))): int(generator.integers(1, 6))
            for _ in range(40)
        }
        letters = sorted(pre_tokenizers.ByteLevel.alphabet()) if byte_level else sorted(set("".join(words)))
        least, size = 1 + seed % 3, len(letters) + 60
        expected = trained(words, size, min_frequency=least, initial_alphabet=letters)
        assert ours(words, size, least, letters) == expected


@pytest.mark.parametrize("folder", ["wiki-en", "wiki-ko"])
def test_frequency_equals_the_trainer_of_tokenizers_on_real_text(data: Path, folder: str) -> None:
    """2,000 merges of a stretch of Wikipedia are the trainer's, one by one."""
    with gzip.open(min((data / folder).iterdir()), "rt") as file:
        words = dict(Counter(file.read(400_000).split()))
    letters = sorted(set("".join(words)))
    size = len(letters) + 2000
    assert ours(words, size, 2, letters) == trained(words, size, min_frequency=2)
