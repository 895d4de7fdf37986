"""Merging by the book: everything is counted from scratch before every merge, in plain Python lists."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise

import numpy as np

from wpprep.vocab.merging.merges import CountedWords
from wpprep.vocab.merging.scores import FREQUENCY, merge_score

Word = tuple[int, ...]  # characters; -1 is a dropped one
DROPPED = -1


@dataclass
class Corpus:
    """Distinct words with counts over characters 0, 1, ..., ``alphabet_size`` - 1."""

    words: dict[Word, int]
    alphabet_size: int

    def counted(self) -> CountedWords:
        """The same for `wpprep.vocab.merging.merges.Merger`."""
        return CountedWords(
            np.array([DROPPED, *chain.from_iterable((*word, DROPPED) for word in self.words)], np.int32),
            np.array(list(accumulate(len(word) + 1 for word in self.words)), np.int64),
            np.array(list(self.words.values()), np.int64),
            self.alphabet_size,
        )


def corpus_of(counted: CountedWords) -> Corpus:
    """The same from arrays; words that differ in dropped characters alone become one."""
    words: Counter[Word] = Counter()
    starts = [1, *(counted.ends[:-1] + 1).tolist()]
    for start, end, count in zip(starts, counted.ends.tolist(), counted.counts.tolist(), strict=True):
        words[tuple(counted.characters[start:end].tolist())] += count
    return Corpus(dict(words), counted.alphabet_size)


@dataclass
class Twin:
    """A corpus on its way from characters to pieces.

    Attributes:
        spellings: the characters of every piece, in the order of ids.
        words: each word as pieces, with its count.
        merges: (left, right, product), one for each time that a merge was applied.
    """

    corpus: Corpus
    code: int
    least: int
    spellings: list[Word] = field(default_factory=list)
    words: list[tuple[list[int], int]] = field(default_factory=list)
    merges: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.spellings = [(character,) for character in range(self.corpus.alphabet_size)]
        self.words = [(list(word), count) for word, count in self.corpus.words.items()]

    def run(self, target: int) -> bool:
        """Merge until there are ``target`` pieces; returns whether there are."""
        while len(self.spellings) < target:
            best = self.best()
            if best is None:
                return False
            self.merge(*best)
        return True

    def best(self) -> tuple[int, int] | None:
        """A pair that was merged before, else the one of the highest score; ties go to the smaller ids."""
        pairs, pieces = self.pair_counts(), self.piece_counts()
        known = pairs.keys() & {(a, b) for a, b, _ in self.merges}
        if known:
            return min(known)
        scores = {pair: self.score(*pair, pairs, pieces) for pair, n in pairs.items() if n >= self.least}
        gaining = [pair for pair, score in scores.items() if score > 0]
        return min(gaining, key=lambda pair: (-scores[pair], pair), default=None)

    def score(self, a: int, b: int, pairs: Counter[tuple[int, int]], pieces: Counter[int]) -> float:
        """The score of merging a and b everywhere."""
        n = pairs[a, b]
        if a == b and self.code != FREQUENCY:  # aaa: two pairs (a, a), which frequency means, and one merge
            n = sum(len(places_of(word, a, b)) * count for word, count in self.words)
        return float(merge_score.py_func(self.code, n, pieces[a], pieces[b], pieces.total(), a == b))

    def merge(self, a: int, b: int) -> None:
        """Make (a, b) one piece wherever it stands, from left to right."""
        product = self.spellings[a] + self.spellings[b]
        if product not in self.spellings:
            self.spellings.append(product)
        step = (a, b, self.spellings.index(product))
        self.merges.append(step)
        for word, _ in self.words:
            for place in reversed(places_of(word, a, b)):
                word[place : place + 2] = [step[2]]

    def pair_counts(self) -> Counter[tuple[int, int]]:
        """How often two pieces stand side by side."""
        counts: Counter[tuple[int, int]] = Counter()
        for word, count in self.words:
            for a, b in pairwise(word):
                if DROPPED not in (a, b):
                    counts[a, b] += count
        return counts

    def piece_counts(self) -> Counter[int]:
        """How often each piece stands anywhere."""
        counts: Counter[int] = Counter()
        for word, count in self.words:
            for piece in word:
                if piece != DROPPED:
                    counts[piece] += count
        return counts


def places_of(word: list[int], a: int, b: int) -> list[int]:
    """Where a merge of a and b takes place, left to right and never overlapping."""
    places: list[int] = []
    for i, pair in enumerate(pairwise(word)):
        if pair == (a, b) and (not places or places[-1] < i - 1):
            places.append(i)
    return places


def greedy(word: Word, active: dict[Word, int]) -> list[int] | None:
    """A word as WordPiece encodes it; None where nothing fits."""
    found, start = [], 0
    while start < len(word):
        ends = [end for end in range(len(word), start, -1) if word[start:end] in active]
        if not ends:
            return None
        found.append(active[word[start : ends[0]]])
        start = ends[0]
    return found


def random_corpus(seed: int) -> Corpus:
    """A small corpus full of what is difficult: runs, repeats, ties, dropped characters.

    Its shape follows from the seed: like WordPiece (the first character of a word is of another kind than
    the rest), like BPE with an end-of-word suffix (the last one is), or like byte-level BPE (all are equal).
    """
    generator = random.Random(seed)
    letters, shape = generator.randint(1, 5), seed % 3
    dropped = generator.choice([0.0, 0.0, 0.05, 0.2])
    stems = [generator.choices(range(letters), k=generator.randint(1, 4)) for _ in range(4)]
    words: dict[Word, int] = {}
    for _ in range(generator.randint(1, 25)):
        characters = list(
            chain.from_iterable(
                generator.choice(
                    [generator.choice(stems), [generator.randrange(letters)] * generator.randint(1, 5)]
                )
                for _ in range(generator.randint(1, 4))
            )
        )
        marked = {0: range(1, len(characters)), 1: [len(characters) - 1], 2: []}[shape]
        for place in marked:
            characters[place] += letters
        word = tuple(DROPPED if generator.random() < dropped else character for character in characters)
        words[word] = words.get(word, 0) + generator.choice([1, 1, 2, 3, 10, 1000])
    return Corpus(words, letters * (1 if shape == 2 else 2))
