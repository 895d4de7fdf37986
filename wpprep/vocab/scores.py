"""Merge scores: how much is gained by making the pair (a, b) one piece.

With counts c over the current segmentation and N their sum, a merge of n occurrences turns c_a into
c_a - n, c_b into c_b - n, the product's count c_s into c_s + n, and N into N - n:

- ``frequency``: n, the count of the pair. Byte pair encoding (Sennrich et al., arXiv 1508.07909).
- ``likelihood``: the exact gain in the unigram log-likelihood L = sum c ln c - N ln N of the corpus, in
  nats; WordPiece as Schuster and Nakajima (ICASSP 2012) describe it. To first order n ln(n N / (c_a c_b)).
- ``ratio``: n / (c_a c_b), the textbooks' p(ab) / (p(a) p(b)), which favours rare pairs.

All three fall (or stay) when c_a or c_b grows, and a positive one falls when n or N does; the merge
kernel's bounds rest on that. Scores go by an integer code, because a function argument would defeat Numba's
cache on disk.

    >>> round(float(merge_score(LIKELIHOOD, 4, 4, 4, 0, 28, False)), 2)
    11.48
"""

from __future__ import annotations

import math

from numba import njit

FREQUENCY, LIKELIHOOD, RATIO = range(3)
SCORES = {"frequency": FREQUENCY, "likelihood": LIKELIHOOD, "ratio": RATIO}

_LN_2 = 0.6931471805599453
_SQRT_HALF = 0.7071067811865476


@njit(cache=True)
def ln(x: float) -> float:
    """The natural logarithm by plain arithmetic, for x > 0.

    The C library's own differs in the last bit from processor to processor, which would let a near-tie
    between two merges fall one way here and the other way there. The relative error stays below 1e-15.
    """
    mantissa, exponent = math.frexp(x)
    if mantissa < _SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    # ln m = 2 artanh((m - 1) / (m + 1)), whose series converges fast for |s| < 0.172.
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square = s * s
    total = 0.0
    for denominator in range(23, 0, -2):
        total = total * square + 1.0 / denominator
    return exponent * _LN_2 + 2.0 * s * total


@njit(cache=True)
def _x_ln_x(x: int) -> float:
    return x * ln(float(x)) if x > 0 else 0.0


@njit(cache=True)
def merge_score(code: int, n: int, c_a: int, c_b: int, c_s: int, total: int, same: bool) -> float:
    """The score of a merge; zero or less means that nothing is gained.

    Args:
        code: one of FREQUENCY, LIKELIHOOD, RATIO.
        n: occurrences that would be merged.
        c_a, c_b: counts of the two pieces.
        c_s: count of their product, which may exist already.
        total: sum of all counts, N.
        same: whether a and b are the same piece, which then loses 2 n.
    """
    if code == FREQUENCY:
        return float(n)
    if code == RATIO:
        return n / (float(c_a) * float(c_b))
    if same:
        gain = _x_ln_x(c_a - 2 * n) - _x_ln_x(c_a)
    else:
        gain = (_x_ln_x(c_a - n) - _x_ln_x(c_a)) + (_x_ln_x(c_b - n) - _x_ln_x(c_b))
    gain += _x_ln_x(c_s + n) - _x_ln_x(c_s)
    return gain + (_x_ln_x(total) - _x_ln_x(total - n))
