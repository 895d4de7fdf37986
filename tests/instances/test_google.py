"""Real text through wpprep and Google's procedure: equal in distribution, except for intended differences.

Every token is replaced by its number in the corpus, so that the source of A and B can be read from a row. All
seeds are fixed: the statistics below are the same in every run. The largest gap between two empirical
distributions (Kolmogorov-Smirnov) of n and m values of one distribution is above 1.95 * sqrt(1/n + 1/m) once in
a thousand times.
"""

from __future__ import annotations

import gzip
import itertools
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from reference import CLS, FIRST, MASK, SEP, roles
from reference.masking import google_mask, number_to_predict
from reference.pairing import google_pairs

from wpprep.config import ShardOptions
from wpprep.instances.masking import mask_batch
from wpprep.instances.pairing import make_instances
from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import TokenizedDocuments
from wpprep.shards.format import read_shard
from wpprep.shards.token_store import Part, TokenStore
from wpprep.storage.manifest import Shard

Sizes = npt.NDArray[Any]
PASSES = 3


class Row(NamedTuple):
    """A row: numbers of tokens of A and B, whether B is random, whether its chunk was a single sentence."""

    a: int
    b: int
    is_random: bool
    is_lone: bool


@dataclass(frozen=True)
class Text:
    """Documents with numbers as tokens."""

    documents: TokenizedDocuments

    def as_lists(self) -> list[list[list[int]]]:
        """Return the documents as lists of sentences."""
        ends, edges = self.documents.sentences.tolist(), self.documents.documents.tolist()
        return [
            [list(range(FIRST + ends[s], FIRST + ends[s + 1])) for s in range(first, last)]
            for first, last in itertools.pairwise(edges)
        ]

    def is_lone(self, first: int, last: int, target: int) -> bool:
        """Return whether two tokens are of one sentence that was a chunk of its own."""
        ends = self.documents.sentences
        sentence = int(np.searchsorted(ends, first - FIRST, side="right")) - 1
        if last - FIRST >= ends[sentence + 1]:
            return False
        is_last = sentence + 1 in self.documents.documents
        return is_last or bool(ends[sentence + 1] - ends[sentence] >= target)

    def row(self, a: list[int], b: list[int], target: int, *, is_random: bool) -> Row:
        """Return the row of A and B; a single sentence is in A alone if B is random, else in both."""
        lone_ours = not is_random and self.is_lone(a[0], b[-1], target)
        return Row(len(a), len(b), is_random, lone_ours or self.is_lone(a[0], a[-1], target))


def numbered(tokens: Path, step: int) -> Text:
    """Return every ``step``-th document of a token store, with numbers as tokens."""
    store = TokenStore.open(tokens)
    documents = store.take(np.arange(0, len(store), step))
    numbers = np.arange(FIRST, FIRST + len(documents.tokens), dtype=np.uint32)
    return Text(replace(documents, tokens=numbers, word_starts=None))


def store_of(documents: TokenizedDocuments) -> TokenStore:
    """Return a token store of one part, in memory."""
    offsets = documents.sentences.astype(np.int32), documents.documents.astype(np.int32)
    return TokenStore([Part(None, documents.tokens, *offsets, None)].__getitem__, [len(documents)])


def ours(text: Text, options: ShardOptions) -> list[Row]:
    """Return the rows of all passes by wpprep."""
    own = text.documents
    store = store_of(own)
    rows = []
    for pass_ in range(PASSES):
        passes = np.full(len(own), pass_)
        batch = make_instances(own, np.arange(len(own)), passes, store, roles(), options).batch
        for ids, b, label in zip(
            np.split(batch.input_ids, batch.offsets[1:-1]),
            batch.b_start,
            batch.next_sentence_label,
            strict=True,
        ):
            a_side, b_side = ids[1 : b - 1].tolist(), ids[b:-1].tolist()
            rows.append(text.row(a_side, b_side, options.max_seq_length - 3, is_random=bool(label)))
    return rows


def googles(text: Text, options: ShardOptions) -> list[Row]:
    """Return the rows of all passes by Google's procedure."""
    generator, documents = random.Random(2018), text.as_lists()
    made = (
        google_pairs(documents, options.max_seq_length, options.short_seq_prob, generator)
        for _ in range(PASSES)
    )
    target = options.max_seq_length - 3
    return [text.row(a, b, target, is_random=label) for a, b, label in itertools.chain.from_iterable(made)]


def largest_gap(x: Sizes, y: Sizes) -> float:
    """Return the Kolmogorov-Smirnov statistic: the largest distance between two empirical distributions."""
    places = np.union1d(x, y)
    mine = np.searchsorted(np.sort(x), places, side="right") / len(x)
    return float(np.abs(mine - np.searchsorted(np.sort(y), places, side="right") / len(y)).max())


def allowed(x: Sizes, y: Sizes) -> float:
    """Return the gap that two samples of one distribution exceed once in a thousand times."""
    return float(1.95 * np.sqrt(1 / len(x) + 1 / len(y)))


def sizes(rows: list[Row], *, is_random: bool) -> Sizes:
    """Return ``int[n, 2]``, tokens of A and B in the rows of one label, without chunks of a single sentence."""
    return np.array([row[:2] for row in rows if row.is_random == is_random and not row.is_lone])


def check_pairs(text: Text, length: int) -> None:
    """Check that lengths, splits and the number of rows agree, and that random nexts differ as intended."""
    options = ShardOptions(max_seq_length=length, short_seq_prob=0.0)
    mine, theirs = ours(text, options), googles(text, options)
    assert abs(len(mine) / len(theirs) - 1) < 0.01
    for is_random in (False, True):
        x, y = sizes(mine, is_random=is_random), sizes(theirs, is_random=is_random)
        assert largest_gap(x[:, 0], y[:, 0]) < allowed(x, y)
        assert largest_gap(x[:, 1], y[:, 1]) < allowed(x, y)
        assert largest_gap(x.sum(axis=1), y.sum(axis=1)) < allowed(x, y)
        assert largest_gap(x[:, 0] / x.sum(axis=1), y[:, 0] / y.sum(axis=1)) < allowed(x, y)
    # Intended: the next of a single sentence is always random in Google's procedure, and half of the time here.
    lone = float(np.mean([row.is_lone for row in theirs]))
    share = float(np.mean([row.is_random for row in theirs]))
    assert all(row.is_random for row in theirs if row.is_lone)
    assert abs(share - (1 + lone) / 2) < 4 * 0.5 / np.sqrt(len(theirs))
    assert abs(np.mean([row.is_random for row in mine]) - 0.5) < 0.005
    assert not all(row.is_random for row in mine if row.is_lone)


def check_short_targets(text: Text) -> None:
    """Check that with a tenth of short targets, rows of random nexts are as long as Google's."""
    options = ShardOptions(max_seq_length=128)
    x, y = (
        np.array([row.a + row.b for row in rows if row.is_random])
        for rows in (ours(text, options), googles(text, options))
    )
    assert (y < 100).sum() > 20
    # Targets are drawn once per document, so the sample size is the number of documents, not of rows.
    documents = PASSES * len(text.documents)
    assert largest_gap(x, y) < 1.95 * np.sqrt(2 / documents)


def check_masks(text: Text, most: int) -> None:
    """Check that every row has as many predictions as Google's, 80/10/10, at equally distributed positions."""
    own, options = text.documents, ShardOptions(max_seq_length=128)
    store = store_of(own)
    made = make_instances(own, np.arange(len(own)), np.zeros(len(own), np.int64), store, roles(), options)
    unmasked = made.batch.input_ids.copy()
    batch = mask_batch(made.batch, roles(), "token", 0.15, 19, 0.8, 0.1, made.mask_keys)
    generator = random.Random(2018)
    mine: list[tuple[int, float]] = []  # per prediction: 0 [MASK], 1 kept, 2 random; relative position
    theirs: list[tuple[int, float]] = []
    for r in range(min(most, len(batch))):
        plain = unmasked[batch.offsets[r] : batch.offsets[r + 1]].tolist()
        seen = batch.input_ids[batch.offsets[r] : batch.offsets[r + 1]]
        positions = batch.mlm_positions[batch.mlm_offsets[r] : batch.mlm_offsets[r + 1]].tolist()
        quota = number_to_predict(len(plain), 0.15, 19)
        google = google_mask(plain, {CLS, SEP}, None, quota, MASK, 30_000, generator)
        assert len(positions) == len(google.positions) == quota
        mine += [(fate(int(seen[p]), plain[p]), p / len(plain)) for p in positions]
        theirs += [(fate(google.tokens[p], plain[p]), p / len(plain)) for p in google.positions]
    for found in (mine, theirs):
        counts = np.bincount([what for what, _ in found], minlength=3)
        expected = np.array([0.8, 0.1, 0.1]) * len(found)
        assert ((counts - expected) ** 2 / expected).sum() < 13.8  # chi-squared, 2 degrees: once in a thousand
    places = [np.array([place for _, place in found]) for found in (mine, theirs)]
    assert largest_gap(*places) < allowed(*places)


def fate(seen: int, original: int) -> int:
    """Return 0 for [MASK], 1 for a kept and 2 for a random token."""
    return 0 if seen == MASK else 1 if seen == original else 2


@pytest.fixture(scope="module")
def tokens(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Encode the sample corpus."""
    folder = tmp_path_factory.mktemp("google") / "tokens"
    return Path(encode([sample_corpus / "wiki", sample_corpus / "books"], vocab, folder, workers=1).folder)


@pytest.mark.parametrize("length", [32, 128])
def test_pairs_of_the_sample_are_distributed_as_googles(tokens: Path, length: int) -> None:
    """Lengths and splits agree in distribution, and the intended differences have their expected size."""
    check_pairs(numbered(tokens, 1), length)


def test_masks_of_the_sample_are_distributed_as_googles(tokens: Path) -> None:
    """Number, replacement and position of predictions agree."""
    check_masks(numbered(tokens, 1), 1000)


@pytest.mark.slow
def test_wikipedia_is_distributed_as_googles(data: Path, tmp_path: Path) -> None:
    """On a fifth of wiki-en, at BERT's lengths and a short one, pairs, short targets and masks agree."""
    corpus = tmp_path / "wiki-en.txt"
    texts = (gzip.decompress(path.read_bytes()) for path in sorted((data / "wiki-en").glob("*.gz")))
    corpus.write_bytes(b"".join(texts))
    vocab = train_vocab([corpus], tmp_path / "vocab", workers=2).folder
    text = numbered(Path(encode([corpus], vocab, tmp_path / "tokens", workers=2).folder), 5)
    for length in (64, 128, 512):
        check_pairs(text, length)
    check_short_targets(text)
    check_masks(text, 5000)


@pytest.mark.parametrize("length", [32, 64, 128, 512])
@pytest.mark.parametrize("prob", [0.0, 0.15, 0.5, 0.8, 1.0])
def test_shards_hold_the_share_of_random_nexts(tokens: Path, tmp_path: Path, length: int, prob: float) -> None:
    """Every shard of 1,000 rows or more is within half a percentage point, at any length and probability."""
    # Enough passes for shards of 1,000 rows at every length.
    options: dict[str, Any] = {"max_seq_length": length, "random_next_prob": prob, "masking": "dynamic"}
    options |= {"dupe_factor": max(2, length // 8), "shards": 3, "workers": 1}
    made = make_shards(out=tmp_path / "out", from_tokens=tokens, **options)
    for file in made.manifest.files:
        if isinstance(file, Shard):
            labels = read_shard(Path(made.folder) / file.name).next_sentence_label
            assert len(labels) >= 1000
            assert abs(labels.mean() - prob) <= 0.005
