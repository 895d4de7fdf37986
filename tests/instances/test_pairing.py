"""Pairing: equal to the slow twin draw by draw, to Google's in distribution, and invariants."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import CLS, SEP, Document, columns, numbered, roles, rows, store, synthetic
from reference.pairing import google_pairs, pair

from wpprep import rng
from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.instances.pairing import PLAN, Instances, make_instances, truncate
from wpprep.shards.format import take_rows

LENGTHS = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=8), min_size=2, max_size=8)
OPTIONS = st.builds(
    ShardOptions,
    max_seq_length=st.integers(8, 40),
    objective=st.sampled_from(["nsp", "nsp", "sop", "single"]),
    short_seq_prob=st.sampled_from([0.0, 0.1, 1.0]),
    random_next_prob=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    seed=st.integers(0, 2**63 - 1),
)


def make(
    corpus: list[Document],
    options: ShardOptions,
    *,
    indices: list[int] | None = None,
    passes: list[int] | None = None,
    marked: bool = False,
    order_key: int | None = None,
) -> Instances:
    """Return the instances of some documents of a corpus (by default all, in order)."""
    indices = list(range(len(corpus))) if indices is None else indices
    passes = [0] * len(indices) if passes is None else passes
    own = columns([corpus[index] for index in indices], marked=marked)
    partners = store(corpus, marked=marked)
    return make_instances(own, np.array(indices), np.array(passes), partners, roles(), options, order_key)


def sides(instances: Instances) -> list[tuple[list[int], list[int]]]:
    """Return A and B of every row, without special tokens; check the positions of these."""
    pairs = []
    for ids, b_start in zip(rows(instances.batch), instances.batch.b_start.tolist(), strict=True):
        assert ids[0] == CLS
        assert ids[-1] == SEP
        assert ids[b_start - 1] == SEP
        assert not {CLS, SEP} & {*ids[1 : b_start - 1], *ids[b_start:-1]}
        pairs.append((ids[1 : b_start - 1], ids[b_start:-1]))
    return pairs


# -- worked by hand ----------------------------------------------------------------------------------


def test_pairs_worked_by_hand() -> None:
    """Without random nexts and short targets the pairs are determined by the lengths.

    8 tokens leave 8 - 3 = 5 for text. The first chunk is 2 + 3 = 5 tokens in two sentences, so A can only be
    the first and B the second. The other chunk is the single sentence of 2, which can be split in one way.
    """
    document = [[10, 11], [12, 13, 14], [15, 16]]
    options = ShardOptions(max_seq_length=8, short_seq_prob=0.0, random_next_prob=0.0)
    made = make([document], options)
    assert rows(made.batch) == [[CLS, 10, 11, SEP, 12, 13, 14, SEP], [CLS, 15, SEP, 16, SEP]]
    assert made.batch.b_start.tolist() == [4, 3]
    assert made.batch.next_sentence_label.tolist() == [0, 0]
    assert made.statistics == {"truncated_tokens": 0, "dropped_tokens": 0}


def test_random_nexts_worked_by_hand() -> None:
    """Sentences displaced by a random next are used again, as A of the next row.

    Again 5 tokens of text. [10 11][12 13 14] reach the target; A is the first, B random, from the only other
    document. [12 13 14] is put back, and with [15 16] has 5 tokens again; then [15 16] is alone, and not split.
    """
    corpus = [[[10, 11], [12, 13, 14], [15, 16]], [[20, 21]]]
    options = ShardOptions(max_seq_length=8, short_seq_prob=0.0, random_next_prob=1.0)
    made = make(corpus, options, indices=[0])
    assert sides(made) == [([10, 11], [20, 21]), ([12, 13, 14], [20, 21]), ([15, 16], [20, 21])]
    assert made.batch.next_sentence_label.tolist() == [1, 1, 1]
    assert made.batch.document.tolist() == [0, 0, 0]


def test_single_segments_worked_by_hand() -> None:
    """Whole sentences are packed up to 8 - 2 = 6 tokens, and one of 8 is continued in the next row.

    2 + 3 = 5 tokens fit, with 8 more they would not; 8 are cut after 6, and the other 2 are followed by 1.
    """
    document = [[10, 11], [12, 13, 14], [20, 21, 22, 23, 24, 25, 26, 27], [30]]
    options = ShardOptions(max_seq_length=8, short_seq_prob=0.0, objective="single")
    made = make([document], options)
    assert rows(made.batch) == [
        [CLS, 10, 11, 12, 13, 14, SEP],
        [CLS, 20, 21, 22, 23, 24, 25, SEP],
        [CLS, 26, 27, 30, SEP],
    ]
    assert made.batch.b_start.tolist() == [7, 8, 5]
    assert made.batch.next_sentence_label.tolist() == [0, 0, 0]


@pytest.mark.parametrize(("prob", "swapped"), [(0.0, False), (1.0, True)])
def test_sentence_order_worked_by_hand(prob: float, swapped: bool) -> None:
    """A and B are adjacent text, swapped where the label is 1; no other document is needed.

    As above: 5 tokens of text, [10 11] and [12 13 14], then the single sentence of 2, split in the only way. A
    single token cannot be split: it is dropped and counted.
    """
    document = [[10, 11], [12, 13, 14], [15, 16]]
    options = ShardOptions(max_seq_length=8, short_seq_prob=0.0, objective="sop", random_next_prob=prob)
    made = make([document, [[20]]], options)
    expected = [([10, 11], [12, 13, 14]), ([15], [16])]
    assert sides(made) == [(b, a) if swapped else (a, b) for a, b in expected]
    assert made.batch.next_sentence_label.tolist() == [swapped, swapped]
    assert made.statistics == {"truncated_tokens": 0, "dropped_tokens": 1}


@pytest.mark.parametrize(
    ("a", "b", "kept"), [(7, 4, (4, 4)), (2, 20, (2, 6)), (9, 9, (4, 4)), (20, 3, (5, 3)), (3, 4, (3, 4))]
)
def test_truncation_worked_by_hand(a: int, b: int, kept: tuple[int, int]) -> None:
    """The longer side loses tokens until 8 are left, B if both are equal.

    7 + 4: A loses 3, then 4 + 4 fit. 2 + 20: B loses 14. 9 + 9: B first, then A, in turn, to 4 + 4. 20 + 3: A
    loses 15. 3 + 4 fit.
    """
    plan = np.zeros(1, PLAN)
    plan["a_stop"], plan["b_start"], plan["b_stop"], plan["partner"] = a, a, a + b, -1
    assert truncate(plan, 8) == a + b - sum(kept)
    row = plan[0]
    assert (row["a_stop"] - row["a_start"], row["b_stop"] - row["b_start"]) == kept
    assert 0 <= row["a_start"] <= row["a_stop"] <= a <= row["b_start"] <= row["b_stop"] <= a + b


def test_equal_sides_lose_b_first() -> None:
    """With an odd number of tokens to keep, A has one more: 9 + 9 cut to 7 leave 4 + 3."""
    plan = np.zeros(1, PLAN)
    plan["a_stop"], plan["b_start"], plan["b_stop"], plan["partner"] = 9, 9, 18, -1
    truncate(plan, 7)
    assert (plan["a_stop"] - plan["a_start"])[0] == 4
    assert (plan["b_stop"] - plan["b_start"])[0] == 3


# -- the twin ----------------------------------------------------------------------------------------


@given(LENGTHS, OPTIONS, st.booleans())
def test_instances_are_the_twins(lengths: list[list[int]], options: ShardOptions, later: bool) -> None:
    """Every instance, in any pass and any order of documents, is that of the slow twin."""
    corpus = numbered(lengths)
    indices = list(range(len(corpus)))[::-1] if later else list(range(len(corpus)))
    passes = [later + (index > 2) for index in indices]
    made = make(corpus, options, indices=indices, passes=passes)
    expected = pair([corpus[index] for index in indices], indices, passes, corpus, options)
    assert sides(made) == [(row.a, row.b) for row in expected]
    assert made.batch.next_sentence_label.tolist() == [row.label for row in expected]
    assert made.batch.document.tolist() == [row.document for row in expected]
    assert made.mask_keys.tolist() == [row.mask_key for row in expected]


@pytest.mark.parametrize("objective", ["nsp", "sop", "single"])
def test_long_documents_are_the_twins(objective: str) -> None:
    """Documents of a realistic size, at BERT's lengths, agree with the twin too."""
    corpus = synthetic(documents=60, sentences=40, words=20, seed=1)
    options = ShardOptions(max_seq_length=128, objective=objective)
    made = make(corpus, options)
    expected = pair(corpus, list(range(60)), [0] * 60, corpus, options)
    assert len(expected) > 300
    assert sides(made) == [(row.a, row.b) for row in expected]


# -- what always holds -------------------------------------------------------------------------------


@given(LENGTHS, OPTIONS)
def test_rows_hold_their_promises(lengths: list[list[int]], options: ShardOptions) -> None:
    """Rows fit, sides are not empty, B of label 0 follows A in its document, B of label 1 is of another."""
    corpus = numbered(lengths)
    home = {token: d for d, document in enumerate(corpus) for sentence in document for token in sentence}
    made = make(corpus, options)
    batch = made.batch
    assert np.diff(batch.offsets).max(initial=0) <= options.max_seq_length
    assert not len(batch.mlm_positions)
    for (a, b), label, document in zip(sides(made), batch.next_sentence_label, batch.document, strict=True):
        assert {home[token] for token in a} == {document}
        assert a == list(range(a[0], a[-1] + 1))
        if options.objective == "single":
            assert not b
            continue
        assert b == list(range(b[0], b[-1] + 1))
        whole = len(a) + len(b) < options.max_seq_length - 3
        if options.objective == "sop":
            assert {home[token] for token in b} == {document}
            first, second = (b, a) if label else (a, b)
            assert second[0] == first[-1] + 1 if whole else second[0] > first[-1]
        elif label:
            assert len({home[token] for token in b} - {document}) == 1
        else:
            assert {home[token] for token in b} == {document}
            assert b[0] == a[-1] + 1 if whole else b[0] > a[-1]


@given(LENGTHS, OPTIONS)
def test_no_token_is_lost_silently(lengths: list[list[int]], options: ShardOptions) -> None:
    """Each token of the documents is once in an A or its own B, or is counted as truncated or dropped."""
    corpus = numbered(lengths)
    made = make(corpus, options)
    labels = made.batch.next_sentence_label
    own = Counter(
        token
        for (a, b), label in zip(sides(made), labels, strict=True)
        for token in (a if label and options.objective == "nsp" else a + b)
    )
    assert set(own.values()) <= {1}
    lost = made.statistics["truncated_tokens"] + made.statistics["dropped_tokens"]
    assert len(own) + lost == sum(map(sum, lengths))
    if options.objective == "single":
        assert lost == 0


@given(LENGTHS, OPTIONS)
def test_word_starts_stay_beside_their_tokens(lengths: list[list[int]], options: ShardOptions) -> None:
    """Marks stay with their tokens in pairing and truncation; special tokens start words."""
    batch = make(numbered(lengths), options, marked=True).batch
    assert batch.word_starts is not None
    expected = [token in (CLS, SEP) or token % 2 == 1 for token in batch.input_ids.tolist()]
    assert batch.word_starts.tolist() == expected


def test_a_document_alone_and_in_company_is_paired_alike() -> None:
    """Without random nexts a document's rows do not depend on other documents of the shard.

    (With them, the balance of labels depends on the whole shard, which is the same for any number of workers.)
    """
    corpus = synthetic(documents=20, sentences=15, words=10, seed=3)
    options = ShardOptions(max_seq_length=64, random_next_prob=0.0)
    alone = [row for index in range(20) for row in sides(make(corpus, options, indices=[index]))]
    assert sides(make(corpus, options)) == alone


def test_passes_differ() -> None:
    """Each pass has other pairs and other mask keys."""
    corpus = synthetic(documents=20, sentences=15, words=10, seed=3)
    options = ShardOptions(max_seq_length=64)
    first, second = (make(corpus, options, passes=[pass_] * 20) for pass_ in (0, 1))
    assert sides(first) != sides(second)
    assert not set(first.mask_keys.tolist()) & set(second.mask_keys.tolist())


@given(lengths=LENGTHS, options=OPTIONS, order_key=st.integers(0, 2**64 - 1))
def test_a_key_only_orders_the_rows(lengths: list[list[int]], options: ShardOptions, order_key: int) -> None:
    """All columns and the mask keys are in the order of the permutation that the key names."""
    corpus = numbered(lengths)
    plain, ordered = (make(corpus, options, marked=True, order_key=key) for key in (None, order_key))
    order = rng.permutation(len(plain.batch), np.uint64(order_key))
    wanted = take_rows(plain.batch, order)
    for name, values in vars(wanted).items():
        assert np.array_equal(values, getattr(ordered.batch, name)), name
    assert np.array_equal(plain.mask_keys[order], ordered.mask_keys)
    assert plain.statistics == ordered.statistics


def test_mask_keys_are_all_different() -> None:
    """No two rows of a shard share a key, even within a document."""
    made = make(synthetic(documents=50, sentences=30, words=6, seed=4), ShardOptions(max_seq_length=16))
    assert len(set(made.mask_keys.tolist())) == len(made.batch) > 500


# -- the balance of labels ---------------------------------------------------------------------------

CORPORA = {
    "sentences of all lengths": synthetic(documents=300, sentences=15, words=8, seed=5),
    "lone sentences only": [[list(range(10, 20))] for _ in range(1500)],
    "long sentences, always alone in a chunk": synthetic(documents=150, sentences=10, words=60, seed=6),
    "many that cannot be cut": [[[10, 11, 12]] if d % 3 else [[10]] for d in range(2000)],
}


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
@pytest.mark.parametrize("prob", [0.0, 0.05, 0.5, 0.9, 1.0])
def test_the_share_of_random_nexts_is_held(corpus: list[Document], prob: float) -> None:
    """At any row of any shard the number of random nexts differs by less than five from its expectation.

    With 1,000 rows that is half a percentage point. (Documents of one token, which have a random next or none,
    can raise the number for a while; for them it is checked at the end, and for shares that leave room.)
    """
    made = make(corpus, ShardOptions(max_seq_length=32, random_next_prob=prob))
    labels = made.batch.next_sentence_label
    assert len(labels) >= 1000
    ahead = np.cumsum(labels) - prob * np.arange(1, len(labels) + 1)
    if [[10]] not in corpus:
        assert np.abs(ahead).max() < 5
    elif prob >= 0.5 or prob == 0.0:
        assert abs(ahead[-1]) < 5


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=CORPORA)
@pytest.mark.parametrize("prob", [0.0, 0.3, 0.5, 1.0])
def test_the_share_of_swapped_pairs_is_held(corpus: list[Document], prob: float) -> None:
    """Under sop the number of rows of label 1 differs by less than five too; single tokens make no row."""
    made = make(corpus, ShardOptions(max_seq_length=32, random_next_prob=prob, objective="sop"))
    labels = made.batch.next_sentence_label
    assert len(labels) >= 1000
    assert np.abs(np.cumsum(labels) - prob * np.arange(1, len(labels) + 1)).max() < 5


def test_order_cannot_be_told_from_lengths() -> None:
    """Lengths of rows, of their longer and of their shorter sides have one distribution, swapped or not.

    Two samples of one distribution are further apart than 1.95 * sqrt(1/n + 1/m) once in a thousand times.
    """
    corpus = synthetic(documents=400, sentences=20, words=8, seed=12)
    options = ShardOptions(max_seq_length=64, objective="sop")
    passes = [pass_ for pass_ in range(5) for _ in range(400)]
    made = make(corpus, options, indices=list(range(400)) * 5, passes=passes)
    labels = made.batch.next_sentence_label
    sizes = np.array([(len(a), len(b)) for a, b in sides(made)])
    allowed = 1.95 * np.sqrt(1 / (labels == 0).sum() + 1 / (labels == 1).sum())
    for measure in (sizes.min(axis=1), sizes.max(axis=1), sizes.sum(axis=1)):
        assert largest_gap(measure[labels == 0], measure[labels == 1]) < allowed < 0.06


def test_labels_cannot_be_told_from_their_place() -> None:
    """Rows at any place are random half of the time, and after any two labels between a third and two thirds.

    500 shards of the same documents with different seeds; the share at one place has a standard deviation of
    sqrt(0.25 / 500) = 0.022, so that 0.1 is more than four of them.
    """
    corpus = synthetic(documents=8, sentences=10, words=8, seed=7)
    shards = [
        make(corpus, ShardOptions(max_seq_length=32, short_seq_prob=0.0, seed=seed)).batch.next_sentence_label
        for seed in range(500)
    ]
    shortest = min(map(len, shards))
    labels = np.stack([labels[:shortest] for labels in shards])
    assert np.abs(labels.mean(axis=0) - 0.5).max() < 0.1
    for before in ((0, 0), (0, 1), (1, 0), (1, 1)):
        follows = (labels[:, :-2] == before[0]) & (labels[:, 1:-1] == before[1])
        assert 1 / 3 < labels[:, 2:][follows].mean() < 2 / 3


def test_labels_cannot_be_told_from_the_number_of_sentences() -> None:
    """Half of the nexts of single sentences are random, as of others; in Google's procedure all are."""
    corpus = numbered([[40] * 4] * 400)
    made = make(corpus, ShardOptions(max_seq_length=32, short_seq_prob=0.0))
    assert abs(made.batch.next_sentence_label.mean() - 0.5) < 0.005
    google = google_pairs(corpus, 32, 0.0, random.Random(1))
    assert all(is_random for _, _, is_random in google)


def test_partners_are_all_other_documents_alike() -> None:
    """Each other document is equally likely, and so is each of its sentences.

    4 documents of 1, 2, 3 and 4 sentences that fill a row each: of the Bs of document 0, in 6,000 rows, a third
    is from each of the others, and within them evenly. Chi-squared with 8 degrees of freedom is above 26.1 once
    in a thousand times.
    """
    corpus = numbered([[13], [13] * 2, [13] * 3, [13] * 4])
    options = ShardOptions(max_seq_length=16, short_seq_prob=0.0, random_next_prob=1.0)
    made = make(corpus, options, indices=[0] * 6000, passes=list(range(6000)))
    sentence_of = {
        token: (d, s) for d, document in enumerate(corpus) for s, x in enumerate(document) for token in x
    }
    found = Counter(sentence_of[b[0]] for _, b in sides(made))
    expected = {(d, s): 6000 / 3 / (d + 1) for d in (1, 2, 3) for s in range(d + 1)}
    assert found.keys() == expected.keys()
    assert sum((found[place] - n) ** 2 / n for place, n in expected.items()) < 26.1


# -- edges -------------------------------------------------------------------------------------------


def test_one_document_has_no_random_nexts() -> None:
    """A corpus of one document is refused, and each remedy that the message names works."""
    corpus = [[[10, 11], [12, 13]]]
    with pytest.raises(OptionError, match="--random-next-prob 0, or --objective sop or single"):
        make(corpus, ShardOptions(max_seq_length=16))
    assert len(make(corpus, ShardOptions(max_seq_length=16, random_next_prob=0.0)).batch) == 1
    assert len(make(corpus, ShardOptions(max_seq_length=16, objective="single")).batch) == 1
    assert len(make(corpus, ShardOptions(max_seq_length=16, objective="sop")).batch) == 1


def test_a_lone_token_is_dropped_and_counted_without_random_nexts() -> None:
    """One token has no B of its own: without random nexts it is in no row, and is counted as dropped."""
    made = make([[[10]], [[11, 12]]], ShardOptions(max_seq_length=16, random_next_prob=0.0))
    assert sides(made) == [([11], [12])]
    assert made.statistics == {"truncated_tokens": 0, "dropped_tokens": 1}


def test_no_documents_make_no_rows() -> None:
    """A shard without documents is empty, not an error."""
    made = make_instances(
        columns([]),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        store([[[10]], [[11]]]),
        roles(),
        ShardOptions(),
    )
    assert len(made.batch) == 0


def test_a_sentence_of_a_million_tokens_is_truncated() -> None:
    """A single sentence far longer than a row becomes one full row; the rest is counted as truncated."""
    endless = [list(range(10, 60)) * 20_000]
    made = make([endless, [[10]]], ShardOptions(max_seq_length=512, random_next_prob=0.0), indices=[0])
    assert np.diff(made.batch.offsets).tolist() == [512]
    assert made.statistics["truncated_tokens"] == 1_000_000 - 509


def test_sentences_must_not_be_empty() -> None:
    """An empty sentence, which the encoder never makes, fails before a kernel runs."""
    with pytest.raises(AssertionError, match="sentence without tokens"):
        make([[[10], []], [[11]]], ShardOptions(max_seq_length=16))


# -- Google's procedure, in distribution -------------------------------------------------------------


def largest_gap(x: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """Return the Kolmogorov-Smirnov statistic: the largest distance between two empirical distributions."""
    places = np.union1d(x, y)
    return float(
        np.abs(
            np.searchsorted(np.sort(x), places, side="right") / len(x)
            - np.searchsorted(np.sort(y), places, side="right") / len(y)
        ).max()
    )


def test_pairs_are_distributed_as_googles() -> None:
    """The lengths of A and of B, by label, and the number of rows are distributed as Google's.

    Chunks of one sentence, which differ intentionally, are excluded; as sentences are short, these are the rows
    with A in the last sentence of a document. Two samples of n rows of one distribution are further apart
    than 1.95 * sqrt(2 / n) once in a thousand times.
    """
    generator = random.Random(8)
    corpus = numbered([[generator.randint(1, 14) for _ in range(40)] for _ in range(100)])
    last = {token for document in corpus for token in document[-1]}
    options = ShardOptions(max_seq_length=64, short_seq_prob=0.0)
    made = make(
        corpus, options, indices=list(range(100)) * 20, passes=[p for p in range(20) for _ in range(100)]
    )
    ours = [(a, b, bool(y)) for (a, b), y in zip(sides(made), made.batch.next_sentence_label, strict=True)]
    google = [row for _ in range(20) for row in google_pairs(corpus, 64, 0.0, generator)]
    assert abs(len(ours) / len(google) - 1) < 0.02
    for label in (False, True):
        mine, theirs = (
            np.array([(len(a), len(b)) for a, b, is_random in made if is_random == label and a[0] not in last])
            for made in (ours, google)
        )
        assert abs(len(mine) / len(theirs) - 1) < 0.03
        allowed = 1.95 * np.sqrt(1 / len(mine) + 1 / len(theirs))
        assert largest_gap(mine[:, 0], theirs[:, 0]) < allowed < 0.06
        assert largest_gap(mine[:, 1], theirs[:, 1]) < allowed
        assert largest_gap(mine.sum(axis=1), theirs.sum(axis=1)) < allowed


def test_targets_are_distributed_as_googles() -> None:
    """Short targets are drawn once for a document and pass, from 2 to the longest, as Google's.

    In 130 sentences of one token some chunk is always full, so that a document's longest row is its target.
    Two samples of 1,500 targets are further apart than 1.95 * sqrt(2 / 1500) = 0.071 once in a thousand times.
    At 10 %, 150 * 59/60 = 147.5 of 1,500 are short; four standard deviations of 11.5 lead to 100 and 195.
    """
    corpus = numbered([[1] * 130] * 30)
    generator = random.Random(1)

    def targets(short_seq_prob: float) -> npt.NDArray[np.int64]:
        options = ShardOptions(max_seq_length=64, short_seq_prob=short_seq_prob)
        batches = [make(corpus, options, passes=[pass_] * 30).batch for pass_ in range(50)]
        return np.array([np.diff(x.offsets)[x.document == d].max() - 3 for x in batches for d in range(30)])

    google = [google_pairs([corpus[0], corpus[1]], 64, 1.0, generator) for _ in range(1500)]
    longest = np.array([max(len(a) + len(b) for a, b, _ in made if a[0] < corpus[1][0][0]) for made in google])
    assert largest_gap(targets(1.0), longest) < 0.071
    assert 100 < (targets(0.1) < 61).sum() < 195


def test_google_drifts_where_we_hold() -> None:
    """With long sentences two thirds of Google's nexts are random, and half of wpprep's."""
    corpus = synthetic(documents=150, sentences=15, words=20, seed=9)
    google = google_pairs(corpus, 32, 0.1, random.Random(12345))
    assert np.mean([is_random for _, _, is_random in google]) > 0.65
    made = make(corpus, ShardOptions(max_seq_length=32))
    assert abs(made.batch.next_sentence_label.mean() - 0.5) < 0.005
