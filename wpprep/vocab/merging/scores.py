"""Merge scores: the gain of replacing the pair (a, b) by one piece.

With counts c over the current segmentation and N their sum, a merge of n occurrences turns c_a into
c_a - n, c_b into c_b - n, and N into N - n; the product, a new piece, gets the count n:

- ``frequency``: n, the count of the pair. Byte pair encoding (Sennrich et al., arXiv 1508.07909).
- ``likelihood``: the exact gain in the unigram log-likelihood L = sum c ln c - N ln N of the corpus, in
  nats; WordPiece as Schuster and Nakajima (ICASSP 2012) describe it.
- ``ratio``: n / (c_a c_b), p(ab) / (p(a) p(b)) up to a factor, as textbooks describe WordPiece; favours rare
  pairs.

All three fall or stay equal when c_a or c_b grows, and a positive score falls when n or N falls; the bounds in
`best_pair` depend on this. Scores are selected by an integer code, because Numba cannot cache kernels on disk
that take functions as arguments.

The gain is computed as n ln(n N / (c_a c_b)), its first-order part, plus (c_a - n) ln(1 - n / c_a) and the
same terms of b and N: differences of x ln x would lose, on a large corpus, the digits that distinguish pairs.

    >>> round(float(merge_score(LIKELIHOOD, 4, 4, 4, 28, False)), 2)
    11.48
"""

from __future__ import annotations

import math

from wpprep.kernels import inlined, kernel

FREQUENCY, LIKELIHOOD, RATIO = range(3)
SCORES = {"frequency": FREQUENCY, "likelihood": LIKELIHOOD, "ratio": RATIO}

_LN_2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476
_NEAR_ONE = 0.171573  # |s| below which a number lies between the square roots of 1/2 and 2


@inlined
def _ln_by_s(s: float) -> float:
    """Compute ln((1 + s) / (1 - s)) = 2 artanh s for |s| up to _NEAR_ONE, by its series."""
    square = s * s
    total = 0.0
    if square < 1e-4:  # the next term is below 1e-16 of the first
        total = 1.0 + square * (1.0 / 3 + square * (1.0 / 5 + square * (1.0 / 7)))
    else:
        total = 1.0 / 23
        for denominator in range(21, 0, -2):
            total = total * square + 1.0 / denominator
    return 2.0 * s * total


@kernel
def ln(x: float) -> float:
    """Compute the natural logarithm of x > 0 by plain arithmetic; the relative error is below 1e-15.

    The C library's logarithm differs in the last bit between processors, so that a near-tie between two merges
    could be decided differently on two machines.
    """
    mantissa, exponent = math.frexp(x)
    if mantissa < _SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    return exponent * _LN_2 + _ln_by_s((mantissa - 1.0) / (mantissa + 1.0))


@kernel
def rest_times_ln(c: int, n: int) -> float:
    """Compute (c - n) ln((c - n) / c), the contribution of a count c beyond first order; 0 if n = c."""
    rest = float(c - n)
    if n == c:
        return 0.0
    s = -n / (float(c) + rest)
    if s > -_NEAR_ONE:
        return rest * _ln_by_s(s)
    return rest * ln(rest / c)


@kernel
def merge_score(code: int, n: int, c_a: int, c_b: int, total: int, same: bool) -> float:
    """Compute the score of a merge; zero or less means no gain.

    Args:
        code: one of FREQUENCY, LIKELIHOOD, RATIO.
        n: number of occurrences that would be merged.
        c_a: count of the left piece.
        c_b: count of the right piece.
        total: sum of all counts, N.
        same: whether a and b are the same piece; its count then falls by 2 n.
    """
    if code == FREQUENCY:
        return float(n)
    if code == RATIO:
        return n / (float(c_a) * float(c_b))
    if n == 0:
        return 0.0
    gain = n * ln((float(n) * float(total)) / (float(c_a) * float(c_b))) - rest_times_ln(total, n)
    if same:
        return gain + rest_times_ln(c_a, 2 * n)
    return gain + (rest_times_ln(c_a, n) + rest_times_ln(c_b, n))
