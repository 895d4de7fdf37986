"""Masking: equal to the slow twin draw by draw, to Google's in distribution, and invariants."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import CLS, FIRST, MASK, SEP, roles, rows
from reference.masking import google_mask, mask_row, number_to_predict

from wpprep import rng
from wpprep.errors import OptionError, VocabularyError
from wpprep.instances.masking import POLICIES, draw_span_length, mask_batch
from wpprep.records import InstanceBatch, offsets_of

SIDES = st.lists(
    st.tuples(
        st.lists(st.integers(FIRST, 99), min_size=1, max_size=30), st.lists(st.integers(FIRST, 99), max_size=30)
    ),
    min_size=1,
    max_size=5,
)
SHARES = st.sampled_from([(0.8, 0.1), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.5, 0.5)])


def batch_of(pairs: list[tuple[list[int], list[int]]], *, marked: bool = False) -> InstanceBatch:
    """Return unmasked rows with these A and B, or A alone."""
    tokens = [[CLS, *a, SEP, *b, SEP] if b else [CLS, *a, SEP] for a, b in pairs]
    input_ids = np.array([token for row in tokens for token in row], np.uint16)
    return InstanceBatch(
        input_ids=input_ids,
        offsets=offsets_of(np.array([len(row) for row in tokens])),
        b_start=np.array([len(a) + 2 for a, _ in pairs], np.int64),
        next_sentence_label=np.zeros(len(pairs), np.uint8),
        document=np.arange(len(pairs)),
        mlm_positions=np.empty(0, np.uint16),
        mlm_labels=np.empty(0, np.uint16),
        mlm_offsets=np.zeros(len(pairs) + 1, np.int64),
        word_starts=(input_ids % 2 == 1) | (input_ids < FIRST) if marked else None,
    )


def copy_of(batch: InstanceBatch) -> InstanceBatch:
    """Return rows to mask in place; the originals stay."""
    return dataclasses.replace(batch, input_ids=batch.input_ids.copy())


def mask(
    batch: InstanceBatch,
    policy: str = "token",
    *,
    prob: float = 0.15,
    most: int = 77,
    shares: tuple[float, float] = (0.8, 0.1),
    seed: int = 0,
) -> InstanceBatch:
    """Return a masked copy of a batch."""
    keys = np.random.default_rng(seed).integers(0, 2**64, len(batch), np.uint64)
    return mask_batch(copy_of(batch), roles(100), policy, prob, most, *shares, keys)


def predictions(batch: InstanceBatch) -> list[tuple[list[int], list[int]]]:
    """Return positions and labels of every row."""
    inner = batch.mlm_offsets[1:-1]
    positions, labels = np.split(batch.mlm_positions, inner), np.split(batch.mlm_labels, inner)
    return [(p.tolist(), x.tolist()) for p, x in zip(positions, labels, strict=True)]


# -- worked by hand ----------------------------------------------------------------------------------


def test_everything_masked_worked_by_hand() -> None:
    """With masked_lm_prob 1 all tokens except [CLS] and [SEP] are predicted, by position and not by id.

    [CLS] 10 11 [SEP] 12 [SEP] has 6 tokens, so that 6 predictions are wanted and the 3 candidates chosen.
    """
    masked = mask(batch_of([([10, 11], [12])]), prob=1.0, shares=(1.0, 0.0))
    assert rows(masked) == [[CLS, MASK, MASK, SEP, MASK, SEP]]
    assert predictions(masked) == [([1, 2, 4], [10, 11, 12])]


def test_whole_words_worked_by_hand() -> None:
    """A word is masked whole or skipped.

    Ids divisible by 3 continue a word. A is the word 10 12 15 and B the words 13 and 14 18. round(8 * 0.25) = 2
    predictions: the word of 3 never fits; 13 leaves 1, for which no word is short enough; 14 18 uses both.
    """
    batch = batch_of([([10, 12, 15], [13, 14, 18])])
    found = {tuple(predictions(mask(batch, "word", prob=0.25, seed=seed))[0][1]) for seed in range(40)}
    assert found == {(13,), (14, 18)}


def test_a_row_in_which_no_word_fits_is_left_alone() -> None:
    """If each word is longer than the number of predictions, nothing is masked, as in Google's procedure.

    [CLS] 10 12 [SEP] 11 15 [SEP] has max(1, round(7 * 0.15)) = 1 prediction, and both words have 2 pieces.
    """
    batch = batch_of([([10, 12], [11, 15]), ([10], [11])])
    masked = mask(batch, "word")
    assert rows(masked)[0] == rows(batch)[0]
    assert np.diff(masked.mlm_offsets).tolist() == [0, 1]


def test_spans_worked_by_hand() -> None:
    """A span covers whole words up to its drawn length, and never [SEP] or more than the number of predictions.

    A is the words 10 12, 11 and 13, B the word 14; round(8 * 0.25) = 2 predictions. A span starts at any word:
    10 12 uses both; 11 continues to 13, or is alone and then 13 or 14 is a span of its own; 13 is followed by
    [SEP], 14 by the end. The pair 11 13 is also the only one that a single span can make.
    """
    batch = batch_of([([10, 12, 11, 13], [14])])
    found = Counter(tuple(predictions(mask(batch, "span", prob=0.25, seed=seed))[0][1]) for seed in range(300))
    assert found.keys() == {(10, 12), (11, 13), (11, 14), (13, 14)}
    assert max(found, key=lambda labels: found[labels]) == (11, 13)


def test_a_span_shares_one_draw() -> None:
    """Under span all of a span is [MASK], random or kept; the next span has another draw.

    With ten words and 10 predictions all tokens are predicted, in one span or several adjacent ones, and are
    kept or masked in runs. Of the 9 boundaries between 10 words, half are between a kept and a masked token if
    draws are independent (share 0.5); with spans of 3.8 words about one in 3.8 is a boundary of spans, and half
    of these are.
    """
    batch = batch_of([(list(range(10, 20)), [])] * 2000)
    for policy, expected in (("token", 0.5), ("span", 0.5 / 3.0)):
        masked = mask(batch, policy, prob=1.0, shares=(0.5, 0.0))
        is_mask = (masked.input_ids == MASK).reshape(2000, 12)[:, 1:-1]
        assert abs((is_mask[:, 1:] != is_mask[:, :-1]).mean() - expected) < 0.06


def test_span_lengths_are_geometric() -> None:
    """Of 20,000 lengths the fractions are 0.2 * 0.8 ** (n - 1) for n up to 10, over their sum; the mean is 3.8.

    Chi-squared with 9 degrees of freedom is above 27.9 once in a thousand times.
    """
    state = rng.stream(1, 2, 3, 4)
    found = np.bincount([draw_span_length(state) for _ in range(20_000)], minlength=11)
    assert len(found) == 11
    shares = 0.2 * 0.8 ** np.arange(10)
    assert chi_squared(found[1:], 20_000 * shares / shares.sum()) < 27.9
    assert abs(found @ np.arange(11) / 20_000 - 3.797) < 0.06


def test_long_spans_come_out_of_long_rows() -> None:
    """In rows of 500 words, predicted runs have SpanBERT's lengths: 3 words or more on average.

    Adjacent spans look like one, and spans that reach the end or a chosen word are shorter, so the mean is
    checked roughly.
    """
    batch = batch_of([([11] * 250, [13] * 250)] * 200)
    masked = mask(batch, "span", most=77)
    assert np.diff(masked.mlm_offsets).tolist() == [75] * 200
    joined = np.diff(masked.mlm_positions.astype(int)) == 1
    runs = len(masked.mlm_positions) - joined.sum()
    assert 3.2 < len(masked.mlm_positions) / runs < 4.6


def test_shares_hold_under_spans() -> None:
    """Over all tokens 80 % of the predicted become [MASK] and 10 % random, span by span.

    24,000 spans or more; a share of 80 % has a standard deviation below 0.4 * 2 / sqrt(24,000) = 0.005.
    """
    masked = mask(batch_of([([10] * 250, [11] * 250)] * 1500), "span")
    row_of = np.repeat(np.arange(1500), np.diff(masked.mlm_offsets))
    seen = masked.input_ids[masked.offsets[row_of] + masked.mlm_positions]
    assert abs((seen == MASK).mean() - 0.8) < 0.02
    assert abs((seen == masked.mlm_labels).mean() - 0.1 - 0.1 / 95) < 0.015


def test_a_word_ends_at_the_separator() -> None:
    """A continuing piece at the start of B starts a word (in BERT it belongs to A's last word).

    [CLS] 10 [SEP] 12 [SEP]: 12 continues a word, but the 1 prediction is sometimes 10 and sometimes 12.
    """
    batch = batch_of([([10], [12])])
    found = {tuple(predictions(mask(batch, "word", seed=seed))[0][1]) for seed in range(20)}
    assert found == {(10,), (12,)}


@pytest.mark.parametrize(("length", "count"), [(5, 1), (10, 2), (30, 4), (50, 8), (512, 77)])
def test_counts_worked_by_hand(length: int, count: int) -> None:
    """Halves are rounded to even, as by Python: 1.5 to 2, 4.5 to 4, 7.5 to 8; 0.75 to 1, 76.8 to 77."""
    batch = batch_of([([10] * (length - 4), [11])])
    assert len(mask(batch).mlm_positions) == count


def test_counts_are_pythons_at_every_length() -> None:
    """The number of predictions is that of Python's formula for every length, and never above the maximum."""
    batch = batch_of([([10] * (length - 4), [11]) for length in range(5, 513)])
    for prob in (0.0, 0.1, 0.15, 0.3, 0.4):
        for most in (1, 20, 77):
            counts = np.diff(mask(batch, prob=prob, most=most).mlm_offsets)
            assert counts.tolist() == [number_to_predict(length, prob, most) for length in range(5, 513)]


# -- the twin ----------------------------------------------------------------------------------------


@given(SIDES, st.sampled_from(sorted(POLICIES)), st.sampled_from([0.15, 0.5, 1.0]), SHARES, st.booleans())
def test_masks_are_the_twins(
    pairs: list[tuple[list[int], list[int]]],
    policy: str,
    prob: float,
    shares: tuple[float, float],
    marked: bool,
) -> None:
    """Every row is masked as by the slow twin, with word starts from the pieces or from marks."""
    batch = batch_of(pairs, marked=marked)
    keys = np.arange(len(batch), dtype=np.uint64)
    vocabulary = roles(100)
    masked = mask_batch(copy_of(batch), vocabulary, policy, prob, 7, *shares, keys)
    assert vocabulary.starts_word is not None
    starts = vocabulary.starts_word[batch.input_ids] if batch.word_starts is None else batch.word_starts
    for row, tokens in enumerate(rows(batch)):
        first = batch.offsets[row]
        expected = mask_row(
            tokens,
            int(batch.b_start[row]),
            starts[first : first + len(tokens)].tolist() if policy != "token" else None,
            policy == "span",
            number_to_predict(len(tokens), prob, 7),
            shares,
            MASK,
            vocabulary.replacements.tolist(),
            row,
        )
        assert rows(masked)[row] == expected.tokens
        assert predictions(masked)[row] == (expected.positions, expected.labels)


# -- what always holds -------------------------------------------------------------------------------


@given(SIDES, st.sampled_from(sorted(POLICIES)), SHARES)
def test_labels_restore_the_row(
    pairs: list[tuple[list[int], list[int]]], policy: str, shares: tuple[float, float]
) -> None:
    """Restoring the labels gives the unmasked rows; positions are sorted and never those of special tokens."""
    batch = batch_of(pairs)
    before = rows(batch)
    masked = mask(batch, policy, prob=0.5, shares=shares)
    assert rows(batch) == before
    assert masked.word_starts is None
    for tokens, corrupted, (positions, labels), b_start in zip(
        before, rows(masked), predictions(masked), batch.b_start.tolist(), strict=True
    ):
        assert positions == sorted(set(positions))
        assert not {0, b_start - 1, len(tokens) - 1} & set(positions)
        for position, label in zip(positions, labels, strict=True):
            assert corrupted[position] == MASK or corrupted[position] >= FIRST
            corrupted[position] = label
        assert corrupted == tokens


@given(SIDES, st.sampled_from(["word", "span"]))
def test_words_are_masked_whole(pairs: list[tuple[list[int], list[int]]], policy: str) -> None:
    """No word is predicted in part, and no row has more predictions than its maximum."""
    batch = batch_of(pairs, marked=True)
    masked = mask(batch, policy, prob=0.4, most=9)
    for tokens, (positions, _), b_start in zip(
        rows(batch), predictions(masked), batch.b_start.tolist(), strict=True
    ):
        assert len(positions) <= number_to_predict(len(tokens), 0.4, 9)
        for position in range(1, len(tokens) - 1):
            continues = tokens[position] % 2 == 0 and position not in (1, b_start, b_start - 1)
            if continues:
                assert (position in positions) == (position - 1 in positions)


def test_rows_are_masked_alike_in_any_company() -> None:
    """A row's masks depend on its key alone, not on the order or the other rows."""
    pairs = [([10 + i] * (i + 5), [60 + i] * 3) for i in range(20)]
    keys = np.arange(20, dtype=np.uint64)
    together = mask_batch(batch_of(pairs), roles(100), "token", 0.15, 77, 0.8, 0.1, keys)
    backwards = mask_batch(
        copy_of(batch_of(pairs[::-1])), roles(100), "token", 0.15, 77, 0.8, 0.1, keys[::-1].copy()
    )
    assert rows(together) == rows(backwards)[::-1]
    other = mask_batch(batch_of(pairs), roles(100), "token", 0.15, 77, 0.8, 0.1, keys + np.uint64(100))
    assert rows(together) != rows(other)


def test_large_vocabularies_are_masked() -> None:
    """32-bit ids stay 32-bit, in rows and labels."""
    batch = batch_of([([10, 11], [12])])
    wide = dataclasses.replace(batch, input_ids=batch.input_ids.astype(np.uint32) + np.uint32(70_000))
    masked = mask(wide)
    assert masked.input_ids.dtype == masked.mlm_labels.dtype == np.uint32
    assert masked.mlm_labels.min() > 70_000


def test_no_rows_are_masked() -> None:
    """An empty batch stays empty."""
    assert len(mask(batch_of([]))) == 0


def test_whole_words_need_word_starts() -> None:
    """If neither the vocabulary nor the rows mark word starts, the error says what to do."""
    unmarked = roles(100)._replace(starts_word=None)
    with pytest.raises(OptionError, match="mask_policy word"):
        mask_batch(
            copy_of(batch_of([([10], [11])])), unmarked, "word", 0.15, 77, 0.8, 0.1, np.zeros(1, np.uint64)
        )


def test_random_tokens_need_tokens() -> None:
    """A vocabulary without ordinary tokens is refused for random replacements."""
    bare = roles(100)._replace(replacements=np.empty(0, np.int64))
    with pytest.raises(VocabularyError, match="random_share 0"):
        mask_batch(batch_of([([10], [11])]), bare, "token", 0.15, 77, 0.8, 0.1, np.zeros(1, np.uint64))


# -- Google's procedure, in distribution -------------------------------------------------------------


def chi_squared(found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> float:
    """Return the statistic of Pearson's test."""
    return float(((found - expected) ** 2 / expected).sum())


def test_positions_are_all_alike() -> None:
    """Each candidate of a row is predicted as often as any other.

    [CLS] 17 tokens [SEP] 20 tokens [SEP] has round(40 * 0.15) = 6 predictions of 37 candidates; in 10,000 rows
    each has 60,000 / 37 = 1,622. Chi-squared with 36 degrees of freedom is above 68.0 once in a thousand times.
    """
    masked = mask(batch_of([([10] * 17, [11] * 20)] * 10_000))
    found = np.bincount(masked.mlm_positions, minlength=40)
    assert found[[0, 18, 39]].tolist() == [0, 0, 0]
    candidates = np.delete(found, [0, 18, 39])
    assert chi_squared(candidates, np.full(37, 60_000 / 37)) < 68.0


def test_shares_are_googles() -> None:
    """80 % become [MASK], 10 % stay, 10 % become random tokens, each ordinary one equally often.

    Of 60,000 predictions 48,000, 6,000 and 6,000, except that 1 in 95 random ones equals the original.
    Chi-squared is above 13.8 (2 degrees of freedom) or 145 (94) once in a thousand times.
    """
    masked = mask(batch_of([([10] * 17, [11] * 20)] * 10_000))
    row_of = np.repeat(np.arange(10_000), np.diff(masked.mlm_offsets))
    seen = masked.input_ids[masked.offsets[row_of] + masked.mlm_positions]
    is_mask, kept = seen == MASK, seen == masked.mlm_labels
    counts = np.array([is_mask.sum(), kept.sum(), (~is_mask & ~kept).sum()])
    assert chi_squared(counts, np.array([48_000, 6_000 + 6_000 / 95, 6_000 * 94 / 95])) < 13.8
    replaced = np.bincount(seen[~is_mask & ~kept], minlength=100)
    assert replaced[:FIRST].sum() == 0
    others = np.delete(replaced, [*range(FIRST), 10, 11])
    assert chi_squared(others, np.full(93, 6_000 / 95)) < 145


@pytest.mark.parametrize("policy", ["token", "word"])
def test_predictions_are_distributed_as_googles(policy: str) -> None:
    """The numbers of predictions and of predicted word starts per row are distributed as in Google's.

    4,000 rows of words of 1 to 4 pieces, each masked by both; chi-squared of two samples over at most 20 values
    is above 43.8 (19 degrees of freedom) once in a thousand times. B starts with a word: where it does not,
    Google's words reach across [SEP].
    """
    generator = random.Random(5)

    def words(count: int) -> list[int]:
        pieces: list[int] = []
        for _ in range(count):
            pieces.append(generator.choice([10, 11, 13, 14]))
            pieces += [12] * generator.choice([0, 0, 0, 1, 1, 2, 3])
        return pieces

    batch = batch_of([(words(8), words(8)) for _ in range(4000)])
    ours = [(len(p), sum(x != 12 for x in labels)) for p, labels in predictions(mask(batch, policy, prob=0.2))]
    theirs = []
    for tokens in rows(batch):
        quota = number_to_predict(len(tokens), 0.2, 77)
        made = google_mask(tokens, {CLS, SEP}, {12} if policy == "word" else None, quota, MASK, 100, generator)
        theirs.append((len(made.labels), sum(x != 12 for x in made.labels)))
    for what in (0, 1):
        mine, google = Counter(x[what] for x in ours), Counter(x[what] for x in theirs)
        values = [value for value in mine | google if mine[value] + google[value] >= 10]
        assert len(values) <= 20
        distance = sum((mine[v] - google[v]) ** 2 / (mine[v] + google[v]) for v in values)
        assert distance < 43.8
