"""Merge scores: equal to the definition, and the monotonicity that the bounds depend on."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.vocab.merging.scores import FREQUENCY, LIKELIHOOD, RATIO, SCORES, ln, merge_score

COUNTS = st.integers(1, 2**40)


def x_ln_x(x: int) -> float:
    """Return a summand of the log-likelihood."""
    return x * math.log(x) if x else 0.0


def exact_gain(n: int, c_a: int, c_b: int, total: int, *, same: bool) -> float:
    """Return the gain by definition: L after the merge minus L before, of the counts that change."""
    before = x_ln_x(c_a) + (0 if same else x_ln_x(c_b)) - x_ln_x(total)
    after = x_ln_x(c_a - 2 * n) if same else x_ln_x(c_a - n) + x_ln_x(c_b - n)
    return after + x_ln_x(n) - x_ln_x(total - n) - before


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_ln_is_the_natural_logarithm(x: float) -> None:
    """The logarithm by plain arithmetic is the C library's to the last digits."""
    assert ln(x) == pytest.approx(math.log(x), rel=1e-15, abs=1e-16)


def test_ln_is_the_natural_logarithm_of_counts() -> None:
    """The relative error is below 1e-15 for small counts, and below 2e-15 near 1."""
    for x in range(1, 3000):
        assert ln(float(x)) == pytest.approx(math.log(x), rel=1e-15, abs=0)
        assert ln(1 + 1 / x) == pytest.approx(math.log(1 + 1 / x), rel=2e-15, abs=0)


@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 5000), st.booleans())
def test_likelihood_is_the_difference_of_log_likelihoods(
    n: int, more_a: int, more_b: int, rest: int, same: bool
) -> None:
    """The score is L after the merge minus L before it."""
    c_a = (2 * n if same else n) + more_a
    c_b = c_a if same else n + more_b
    total = c_a + (0 if same else c_b) + rest
    score = merge_score(LIKELIHOOD, n, c_a, c_b, total, same)
    assert score == pytest.approx(exact_gain(n, c_a, c_b, total, same=same), rel=1e-9, abs=1e-8)


def test_likelihood_keeps_its_digits_on_a_large_corpus() -> None:
    """At 10**12 pieces a change of the total by one changes the score, unlike differences of x ln x."""
    total = 10**12
    scores = [merge_score(LIKELIHOOD, 1000, 10**9, 10**8, total - i, False) for i in range(50)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > scores[-1]


def test_worked_example_of_the_design() -> None:
    """st gains 11.48 nats and me 6.17; ratio scores nu higher than st."""
    assert merge_score(LIKELIHOOD, 4, 4, 4, 28, False) == pytest.approx(11.48, abs=0.005)
    assert merge_score(LIKELIHOOD, 3, 3, 5, 28, False) == pytest.approx(6.17, abs=0.005)
    assert merge_score(RATIO, 1, 2, 1, 28, False) > merge_score(RATIO, 4, 4, 4, 28, False)


@given(st.sampled_from(sorted(SCORES.values())), COUNTS, COUNTS, COUNTS, COUNTS)
def test_scores_do_not_depend_on_the_sides(code: int, n: int, more_a: int, more_b: int, rest: int) -> None:
    """Exchanging the counts of a and b changes no bit, so that ties are exact."""
    c_a, c_b = n + more_a, n + more_b
    total = c_a + c_b + rest
    assert merge_score(code, n, c_a, c_b, total, False) == merge_score(code, n, c_b, c_a, total, False)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 10**9), st.data())
def test_likelihood_rises_only_when_a_piece_becomes_rarer(
    n: int, more_a: int, more_b: int, rest: int, data: st.DataObject
) -> None:
    """A gain falls when n or N falls or a piece becomes more frequent, as the bounds require."""
    c_a, c_b = n + more_a, n + more_b
    total = c_a + c_b + rest
    gain = merge_score(LIKELIHOOD, n, c_a, c_b, total, False)
    rounding = 1e-12 * (abs(gain) + n)
    fewer = data.draw(st.integers(1, n))
    commoner = c_a + data.draw(st.integers(0, total - c_a - c_b))
    smaller = total - data.draw(st.integers(0, total - c_a - c_b))
    if gain > 0:
        assert merge_score(LIKELIHOOD, fewer, c_a, c_b, total, False) <= gain + rounding
    assert merge_score(LIKELIHOOD, n, commoner, c_b, total, False) <= gain + rounding
    assert merge_score(LIKELIHOOD, n, c_a, c_b, smaller, False) <= gain + rounding


@given(COUNTS, COUNTS, COUNTS)
def test_ratio_and_frequency_are_what_they_say(n: int, c_a: int, c_b: int) -> None:
    """Frequency is the count; ratio is the count over the product of the pieces' counts."""
    assert merge_score(FREQUENCY, n, c_a, c_b, 1, False) == n
    assert merge_score(RATIO, n, c_a, c_b, 1, False) == pytest.approx(float(Fraction(n, c_a * c_b)), rel=1e-15)
