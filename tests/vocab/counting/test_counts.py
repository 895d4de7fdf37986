"""Chunk counts: for any order and division of the documents they are those of the whole text."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.counts import RULES, TEXTS, counted, counter_of, words_of

from wpprep.config import CountOptions
from wpprep.records import Document, fingerprint
from wpprep.tokenizer.normalization import counting_rule
from wpprep.vocab.counting.counts import ChunkCounter, ChunkCounts, CorpusFacts


@pytest.mark.parametrize("algorithm", sorted(RULES))
@given(texts=TEXTS, seed=st.integers(0, 999))
def test_order_and_splitting_do_not_matter(algorithm: str, texts: list[str], seed: int) -> None:
    """Counters of parts of the documents, added in any order, give the counts of one counter of all."""
    rules, generator = RULES[algorithm], random.Random(seed)
    whole = counter_of(texts, algorithm, read_ahead=True)
    shuffled = generator.sample(texts, len(texts))
    cut = generator.randint(0, len(texts))
    total, facts = counter_of([], algorithm), CorpusFacts()
    for part in (shuffled[cut:], shuffled[:cut]):
        counter = counter_of(part, algorithm)
        total.add(counter.result())
        facts += counter.learned
    assert words_of(total.result(), rules) == words_of(whole.result(), rules)
    assert facts == whole.learned


def test_held_out_documents_are_counted_apart() -> None:
    """Each chunk has a count for each kind of document, and words have only the counts to learn from."""
    counter = ChunkCounter(counting_rule(CountOptions()))
    texts = ["a b a", "b c"]
    marks = [fingerprint(text.encode()) for text in texts]
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)], marks[1:].__contains__)
    counts = counter.result()
    found = dict(zip(counts.strings(), zip(counts.counts, counts.held_out, strict=True), strict=True))
    assert found == {"a": (2, 0), "b": (1, 1), "c": (0, 1)}
    assert (counter.learned, counter.held_out) == (
        CorpusFacts(1, 5, 0, marks[0]),
        CorpusFacts(1, 3, 0, marks[1]),
    )
    assert words_of(counts, RULES["wordpiece"]) == {"a": 2, "b": 1}


def test_counts_are_64_bit() -> None:
    """Counts beyond 2**32 stay exact when results are added."""
    part = counted(["of"])
    huge = ChunkCounts(part.chunks, part.ends, np.array([2**40 + 1]))
    total = counter_of([])
    total.add(huge)
    total.add(huge)
    assert words_of(total.result(), RULES["wordpiece"]) == {"of": 2**41 + 2}
