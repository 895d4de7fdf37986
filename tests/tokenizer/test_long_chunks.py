"""Chunks of any length without a safe cut: every kernel terminates, with the words and ids of the library."""

from __future__ import annotations

import faulthandler
import random
import string
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from reference.encoding import differences
from tokenizers import Tokenizer

from wpprep.config import CountOptions, VocabOptions
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.normalization import TextRules, counting_rule
from wpprep.tokenizer.utf8 import unknown_characters
from wpprep.vocab.counting.counts import ChunkCounter
from wpprep.vocab.counting.words import count_words

ALGORITHMS = ("wordpiece", "bpe", "bbpe")
UNSEEN = "\u0436\u3042\ud55c\U0001f600\u0e01\u4e2d\u00df\u0301\u200d"
# Lengths at which a kernel, a table or a look-ahead begins to treat a chunk differently.
BOUNDARIES = [
    edge + step
    for edge in (1, 8, 16, 64, 100, 128, 256, 1 << 12, 1 << 13, 1 << 15, 1 << 16, 1 << 17)
    for step in (-1, 0, 1)
]
EVERY_CHARACTER = "".join(
    character
    for character in map(chr, range(0x21, 0x110000))
    if unicodedata.category(character) not in {"Cs", "Cn", "Co"} and not character.isspace()
)


@pytest.fixture(autouse=True)
def watchdog() -> Iterator[None]:
    """Ends the run with the stack of every thread if Python or a kernel hangs."""
    faulthandler.dump_traceback_later(240, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


@pytest.fixture(scope="module", params=ALGORITHMS)
def folder(
    request: pytest.FixtureRequest, sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Folder of a small vocabulary of each algorithm."""
    out = tmp_path_factory.mktemp("long") / request.param
    options = {"vocab_size": 600, "algorithm": request.param, "workers": 1, "holdout": 0.0}
    return Path(train_vocab([sample_corpus / "wiki"], out, **options).folder)


def filler(kind: str, length: int) -> str:
    """Return a chunk of about ``length`` characters in which text may not be cut."""
    if kind == "every character":
        return (EVERY_CHARACTER * (length // len(EVERY_CHARACTER) + 1))[:length]
    alphabet = {"one letter": "a", "dna": "ACGT", "base64": string.ascii_letters, "thai": "\u0e01\u0e32\u0e48"}
    return "".join(random.Random(length).choices(alphabet[kind], k=length))


def theirs(folder: Path) -> Tokenizer:
    """Return the library's tokenizer of the vocabulary."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    return tokenizer


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["one letter", "dna", "base64", "thai", "every character"]),
    length=st.sampled_from(BOUNDARIES),
    place=st.floats(0, 1),
    unseen=st.sampled_from(UNSEEN),
    after=st.sampled_from(["", " end.", "\n\nThe tide rises."]),
)
@example(kind="one letter", length=70_000, place=1.0, unseen="\u0436", after=" end")
@example(kind="every character", length=2 * len(EVERY_CHARACTER), place=0.5, unseen="\u0436", after="")
def test_ids_of_long_chunks(
    folder: Path, kind: str, length: int, place: float, unseen: str, after: str
) -> None:
    """Ids and word starts are the library's, wherever a character not met before is in a chunk."""
    chunk = filler(kind, length)
    at = round(place * length)
    text = chunk[:at] + unseen + chunk[at:] + after
    assert differences(Encoder.from_folder(folder), theirs(folder), [text, text[1:]]) == []


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=20)
@given(
    kind=st.sampled_from(["one letter", "base64", "thai", "every character"]),
    length=st.sampled_from(BOUNDARIES),
    place=st.floats(0, 1),
    unseen=st.sampled_from(UNSEEN),
)
@example(kind="one letter", length=70_000, place=1.0, unseen="\u0436")
def test_words_of_long_chunks(algorithm: str, kind: str, length: int, place: float, unseen: str) -> None:
    """Counting terminates as well, with the words of the whole text."""
    chunk = filler(kind, length)
    at = round(place * length)
    text = f"{chunk[:at]}{unseen}{chunk[at:]} end"
    counter = ChunkCounter(counting_rule(CountOptions(algorithm=algorithm)))
    counter.add_documents([Document("0", text)])
    rules = TextRules(VocabOptions(algorithm=algorithm))
    assert count_words([counter.result()], rules, 1).as_dict() == Counter(rules.words(text))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["one letter", "dna", "base64", "thai", "every character"])
def test_chunks_of_ten_megabytes(folder: Path, kind: str) -> None:
    """A chunk of 10 MB with characters not met before at its end has the library's ids."""
    text = filler(kind, 10_000_000) + UNSEEN
    assert differences(Encoder.from_folder(folder), theirs(folder), [text]) == []


def test_a_probe_searches_twice_as_far_as_the_first_unknown_character() -> None:
    """The search continues after the first unknown character by its distance from the start of the chunk.

    "a" is known. With b after 2,000,000 "a", c 1,500,000 and d 2,500,000 after it, the search from 0 finds b at
    2,000,000 and ends at 4,000,000, so it finds c at 3,500,000 and not d at 4,500,000.
    """
    text = np.full(5_000_000, ord("a"), np.uint8)
    text[[2_000_000, 3_500_000, 4_500_000]] = list(b"bcd")
    table = np.zeros(0x110000, np.uint8)
    table[ord("a")] = 1
    assert unknown_characters(text, 0, len(text), table, 0, 1) == ["b", "c"]
    assert unknown_characters(text, 0, len(text), table, 0, 1) == ["d"]
    assert unknown_characters(text, 0, len(text), table, 0, 1) == []
