"""Statistics of tokenizers: worked by hand on a small text."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from wpprep.config import CountOptions
from wpprep.records import Document
from wpprep.tokenizer.normalization import counting_rule
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.vocab.counting.counts import ChunkCounter
from wpprep.vocab.quality import Measured, compare, measure, measure_counts, subject_of, table


def small() -> Tokenizer:
    """Return a WordPiece of six entries."""
    entries = ["[UNK]", "ab", "a", "##b", "##c", "idle"]
    tokenizer = Tokenizer(models.WordPiece({entry: i for i, entry in enumerate(entries)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def test_figures_are_those_counted_by_hand() -> None:
    """Two whole words, one of three pieces, one unknown, in twelve bytes."""
    quality = measure(small(), ["ab ab", "acb z\u00e9"])
    assert (quality.words, quality.tokens, quality.text_bytes, quality.entries) == (4, 6, 12, 6)
    assert quality.tokens_per_word == 6 / 4
    assert quality.bytes_per_token == 12 / 6
    assert quality.unk_share == 1 / 6
    assert quality.whole_words == 2 / 4
    assert quality.unused == 1
    entropy = 2 * math.log2(6 / 2) + 4 * math.log2(6)
    assert quality.bits_per_byte == pytest.approx((entropy + 8 * 3) / 12)


def test_texts_measured_together_are_measured_apart() -> None:
    """Words do not continue across texts, though their numbers are equal: 3 ``ab``, 2 [UNK], 4 ``acb``."""
    together, apart = Measured(subject_of(small())), Measured(subject_of(small()))
    texts = [("ab", 3), ("b", 2), ("", 5), (" ", 1), ("acb", 4)]
    together.add(texts)
    for text in texts:
        apart.add([text])
    assert together.quality() == apart.quality()
    quality = together.quality()
    assert (quality.words, quality.tokens) == (3 + 2 + 4, 3 + 2 + 3 * 4)
    assert quality.whole_words == 3 / 9


def test_tables_have_a_line_for_each_tokenizer() -> None:
    """compare measures each tokenizer on the same texts, and table has a line for each."""
    subjects = {"one": subject_of(small()), "another": subject_of(small())}
    measured = compare(subjects, iter(["ab acb"]))
    qualities = {name: each.quality() for name, each in measured.items()}
    assert measured["one"].counts.tolist() == [0, 1, 1, 1, 1, 0]
    assert measured["one"].lengths.tolist()[:4] == [0, 3, 1, 0]
    assert qualities["one"] == qualities["another"]
    lines = table(qualities)
    assert [line.split()[0] for line in lines[1:]] == ["one", "another"]


def test_an_empty_text_is_no_error() -> None:
    """All fractions are 0 for an empty text."""
    quality = measure(small(), [])
    assert (quality.tokens, quality.bits_per_byte, quality.unk_share) == (0, 0.0, 0.0)


def test_counted_chunks_give_the_figures_of_the_text(vocab: Path) -> None:
    """Encoding each distinct chunk once, weighted by its count, gives the same statistics."""
    texts = ["The moon pulls the sea, the sea follows.", "Łódź and the moon: 12 kilometres, zzqx!"]
    counter = ChunkCounter(counting_rule(CountOptions()))
    counter.add_documents([Document(str(i), text) for i, text in enumerate(texts)], lambda _: True)
    tokenizer = Vocabulary.from_folder(vocab).tokenizer
    text_bytes = counter.held_out.text_bytes
    assert measure_counts(tokenizer, [counter.result()], text_bytes) == measure(tokenizer, texts)
