"""Slow twin of merging: everything is counted from scratch before every merge, in plain Python lists."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import accumulate, chain, pairwise
from typing import cast

import numpy as np
from numba.core.dispatcher import Dispatcher

from wpprep.vocab.merging.merges import CountedWords, Merger
from wpprep.vocab.merging.scores import FREQUENCY, merge_score
from wpprep.vocab.merging.segmentation import PIECE

Word = tuple[int, ...]  # characters; -1 is a dropped one
DROPPED = -1
_merge_score = cast("Dispatcher", merge_score).py_func  # not compiled


@dataclass
class Corpus:
    """Distinct words with counts over characters 0, 1, ..., ``alphabet_size`` - 1."""

    words: dict[Word, int]
    alphabet_size: int

    def counted(self) -> CountedWords:
        """Convert to the arrays that `wpprep.vocab.merging.merges.Merger` takes."""
        return CountedWords(
            np.array([DROPPED, *chain.from_iterable((*word, DROPPED) for word in self.words)], np.int32),
            np.array(list(accumulate(len(word) + 1 for word in self.words)), np.int64),
            np.array(list(self.words.values()), np.int64),
            self.alphabet_size,
        )


def corpus_of(counted: CountedWords) -> Corpus:
    """Convert arrays to a corpus; words that differ only in which characters were dropped become one."""
    words: Counter[Word] = Counter()
    starts = [1, *(counted.ends[:-1] + 1).tolist()]
    for start, end, count in zip(starts, counted.ends.tolist(), counted.counts.tolist(), strict=True):
        words[tuple(counted.characters[start:end].tolist())] += count
    return Corpus(dict(words), counted.alphabet_size)


@dataclass
class Twin:
    """A corpus that is merged step by step.

    Attributes:
        spellings: the characters of every piece, in the order of ids.
        words: each word as pieces, with its count.
        merges: (left, right, product) of each merge that was applied, in order.
    """

    corpus: Corpus
    code: int
    least: int
    spellings: list[Word] = field(default_factory=list)
    words: list[tuple[list[int], int]] = field(default_factory=list)
    merges: list[tuple[int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Start with words of single characters."""
        self.spellings = [(character,) for character in range(self.corpus.alphabet_size)]
        self.words = [(list(word), count) for word, count in self.corpus.words.items()]

    def run(self, target: int) -> bool:
        """Merge until there are ``target`` pieces; return whether there are."""
        while len(self.spellings) < target:
            best = self.best()
            if best is None:
                return False
            self.merge(*best)
        return True

    def best(self) -> tuple[int, int] | None:
        """Return the pair with the highest score, a pair merged before first; ties go to the smaller ids."""
        pairs, pieces = self.pair_counts(), self.piece_counts()
        known = pairs.keys() & {(a, b) for a, b, _ in self.merges}
        if known:
            return min(known)
        scores = {pair: self.score(*pair, pairs, pieces) for pair, n in pairs.items() if n >= self.least}
        gaining = [pair for pair, score in scores.items() if score > 0]
        return min(gaining, key=lambda pair: (-scores[pair], pair), default=None)

    def score(self, a: int, b: int, pairs: Counter[tuple[int, int]], pieces: Counter[int]) -> float:
        """Return the score of merging a and b everywhere."""
        n = pairs[a, b]
        if a == b and self.code != FREQUENCY:  # aaa: two pairs (a, a), the count of frequency, but one merge
            n = sum(len(places_of(word, a, b)) * count for word, count in self.words)
        return float(_merge_score(self.code, n, pieces[a], pieces[b], pieces.total(), a == b))

    def merge(self, a: int, b: int) -> None:
        """Replace (a, b) by one piece in all words, from left to right."""
        product = self.spellings[a] + self.spellings[b]
        if product not in self.spellings:
            self.spellings.append(product)
        step = (a, b, self.spellings.index(product))
        self.merges.append(step)
        for word, _ in self.words:
            for place in reversed(places_of(word, a, b)):
                word[place : place + 2] = [step[2]]

    def pair_counts(self) -> Counter[tuple[int, int]]:
        """Count adjacent pieces."""
        counts: Counter[tuple[int, int]] = Counter()
        for word, count in self.words:
            for a, b in pairwise(word):
                if DROPPED not in (a, b):
                    counts[a, b] += count
        return counts

    def piece_counts(self) -> Counter[int]:
        """Count the occurrences of each piece."""
        counts: Counter[int] = Counter()
        for word, count in self.words:
            for piece in word:
                if piece != DROPPED:
                    counts[piece] += count
        return counts


def words_of(merger: Merger, corpus: Corpus) -> list[list[int]]:
    """Return the pieces of every word, from the places of a merger of the corpus."""
    places, lengths = merger.segmentation.places, merger.segmentation.lengths
    segmented, place = [], 1
    for word in corpus.words:
        end, pieces = place + len(word), []
        while place < end:
            pieces.append(int(places[place, PIECE]))
            place += int(lengths[pieces[-1]]) if pieces[-1] >= 0 else 1
        segmented.append(pieces)
        place += 1
    return segmented


def places_of(word: list[int], a: int, b: int) -> list[int]:
    """Return the indices at which a and b are merged, left to right and without overlap."""
    places: list[int] = []
    for i, pair in enumerate(pairwise(word)):
        if pair == (a, b) and (not places or places[-1] < i - 1):
            places.append(i)
    return places


def greedy(word: Word, active: dict[Word, int]) -> list[int] | None:
    """Encode a word as WordPiece does; None if no piece fits."""
    found, start = [], 0
    while start < len(word):
        ends = [end for end in range(len(word), start, -1) if word[start:end] in active]
        if not ends:
            return None
        found.append(active[word[start : ends[0]]])
        start = ends[0]
    return found


def random_corpus(seed: int) -> Corpus:
    """Make a small corpus with difficult cases: runs, repeats, ties, dropped characters.

    The seed decides its shape: as for WordPiece (the first character of a word is of another kind than the
    rest), as for BPE with an end-of-word suffix (the last one is), or as for byte-level BPE (all are equal).
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
