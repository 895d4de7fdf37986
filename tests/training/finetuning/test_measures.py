"""Measures: by hand, and against scikit-learn, SciPy and a second reading of conlleval's rules."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.measures import (
    exact_match,
    f1,
    macro_f1,
    matthews,
    mean_and_deviation,
    pearson,
    span_f1,
    spearman,
    words_of,
)

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=30)
NUMBERS = st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=2, max_size=30)


@pytest.mark.filterwarnings("ignore:A single label")
@given(LABELS)
def test_labels_are_measured_as_by_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    """F1 of a label, macro F1 and Matthews' correlation equal scikit-learn's."""
    metrics = pytest.importorskip("sklearn.metrics", reason="compared with scikit-learn")
    gold, found = (list(side) for side in zip(*pairs, strict=True))
    theirs = metrics.f1_score(gold, found, average="macro", zero_division=0)
    assert macro_f1(gold, found) == pytest.approx(theirs)
    assert f1(gold, found, "a") == pytest.approx(
        metrics.f1_score(gold, found, labels=["a"], average="macro", zero_division=0)
    )
    assert matthews(gold, found) == pytest.approx(metrics.matthews_corrcoef(gold, found))


@given(NUMBERS)
def test_numbers_are_measured_as_by_scipy(pairs: list[tuple[int, int]]) -> None:
    """Pearson's and Spearman's correlation equal SciPy's, ties included; for constant numbers they are 0."""
    stats = pytest.importorskip("scipy.stats", reason="compared with SciPy")
    gold, found = (list(side) for side in zip(*pairs, strict=True))
    if len(set(gold)) == 1 or len(set(found)) == 1:
        assert pearson(gold, found) == spearman(gold, found) == 0.0
        return
    assert pearson(gold, found) == pytest.approx(stats.pearsonr(gold, found).statistic, abs=1e-9)
    assert spearman(gold, found) == pytest.approx(stats.spearmanr(gold, found).statistic, abs=1e-9)


def test_matthews_by_hand() -> None:
    """Three of four correct, two labels: c s - t.p = 12 - (2*1 + 2*3) = 4; below sqrt((16-10)(16-8)) = 6.93."""
    assert matthews("aabb", "abbb") == pytest.approx(4 / math.sqrt(48))


def test_answers_are_compared_as_squad_does() -> None:
    """Case, punctuation and English articles are ignored; Korean is compared by character."""
    assert exact_match("The Sioux-Falls!", ["sioux falls", "siouxfalls"]) == 1.0
    assert exact_match("Sioux", ["Sioux Falls"]) == 0.0
    assert span_f1("a city in Dakota", ["Dakota", "the city"]) == pytest.approx(2 * 1 / (3 + 1))
    assert span_f1("", []) == exact_match("", []) == 1.0
    assert span_f1("x", []) == 0.0
    # 3 of 3 said and of 4 true characters shared
    assert span_f1("서울시", ["서울시에"]) == pytest.approx(2 * 3 / (3 + 4))
    assert words_of("2019년") == ["2019", "년"]


def test_the_deviation_is_that_of_a_sample() -> None:
    """Of 1, 2, 6: mean 3, squares 4 + 1 + 9 over n - 1 = 2."""
    assert mean_and_deviation([1, 2, 6]) == pytest.approx((3.0, math.sqrt(7)))
    assert mean_and_deviation([5]) == (5.0, 0.0)
