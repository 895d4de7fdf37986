"""Keyed random streams with the same values inside Numba kernels and in Python.

Every draw comes from a stream identified by (seed, purpose, pass, index), so a draw depends neither on
the worker that makes it nor on earlier draws from other streams. A stream is SplitMix64 (Steele, Lea and
Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014): a counter incremented by the golden
ratio, followed by a 64-bit mixer. It is not cryptographically secure.

Streams are one-element ``uint64`` arrays, which kernels advance in place:

    >>> state = stream(12345, MASKING, 0, 7)
    >>> [int(below(state, 10)) for _ in range(5)]
    [3, 4, 3, 8, 5]

A permutation of ``range(n)`` is a Feistel network over the smallest even power of two that is at least n,
applied repeatedly until the result is below n (cycle walking; Black and Rogaway, "Ciphers with Arbitrary
Finite Domains", 2002). The image of one index takes a few nanoseconds, and no table is stored.

    >>> sorted(int(permuted(i, 5, 99)) for i in range(5))
    [0, 1, 2, 3, 4]
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit

State = npt.NDArray[np.uint64]
Uint64 = np.uint64 | int  # Python integers outside kernels, machine words inside

# Purposes of streams. The numbers are part of the output format: never reuse or renumber them.
DOCUMENT_ORDER, PAIRING, MASKING, ROW_ORDER, BATCH_ORDER, DYNAMIC_MASKING, HOLDOUT, SAMPLING = range(1, 9)
MIXING, LIMITING = 9, 10

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_FEISTEL_ROUNDS = 6


@njit(cache=True)
def mix(value: Uint64) -> np.uint64:
    """Return the mixed bits of a ``uint64`` (SplitMix64's finalizer, a bijection)."""
    z = np.uint64(value)
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


@njit(cache=True)
def key(seed: Uint64, purpose: int, pass_: Uint64, index: Uint64) -> np.uint64:
    """Return the ``uint64`` that identifies one stream."""
    z = mix(np.uint64(seed) + _GOLDEN)
    z = mix(z ^ (np.uint64(purpose) * _MIX_1))
    z = mix(z ^ (np.uint64(pass_) * _MIX_2 + _GOLDEN))
    return mix(z ^ (np.uint64(index) * _GOLDEN + _MIX_1))


@njit(cache=True)
def keys(seed: Uint64, purpose: int, pass_: Uint64, indices: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Return the `key` of each index, ``uint64[n]``."""
    found = np.empty(len(indices), np.uint64)
    for i in range(len(indices)):
        found[i] = key(seed, purpose, pass_, indices[i])
    return found


@njit(cache=True)
def stream(seed: Uint64, purpose: int, pass_: Uint64, index: Uint64) -> State:
    """Return a new stream, ``uint64[1]``, which the draws below advance in place."""
    state = np.empty(1, np.uint64)
    state[0] = key(seed, purpose, pass_, index)
    return state


@njit(cache=True)
def draw(state: State) -> np.uint64:
    """Draw the next ``uint64`` of a stream."""
    state[0] += _GOLDEN
    return mix(state[0])


@njit(cache=True)
def uniform(state: State) -> float:
    """Draw the next float of a stream, uniform in [0, 1) with 53 bits."""
    return float(draw(state) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True)
def below(state: State, bound: int) -> np.int64:
    """Draw the next integer of a stream, uniform in [0, bound) without bias; ``bound`` must be at least 1."""
    n = np.uint64(bound)
    value = draw(state)
    # The highest 2**64 mod n values would make small results more likely: draw again on one of them. There are
    # fewer than n of them, so the division that counts them is almost never needed.
    if value > np.uint64(0xFFFFFFFFFFFFFFFF) - n:
        excess = (np.uint64(0xFFFFFFFFFFFFFFFF) % n + np.uint64(1)) % n
        while value > np.uint64(0xFFFFFFFFFFFFFFFF) - excess:
            value = draw(state)
    return np.int64(value % n)


@njit(cache=True)
def permuted(index: int, size: int, permutation_key: Uint64) -> np.int64:
    """Return the image of ``index`` under the permutation of ``range(size)`` that the key identifies."""
    half_bits = np.uint64(1)
    while (np.uint64(1) << (np.uint64(2) * half_bits)) < np.uint64(size):
        half_bits += np.uint64(1)
    mask = (np.uint64(1) << half_bits) - np.uint64(1)
    value = np.uint64(index)
    while True:
        left = value >> half_bits
        right = value & mask
        for round_ in range(_FEISTEL_ROUNDS):
            scrambled = mix(right ^ np.uint64(permutation_key) ^ (np.uint64(round_ + 1) * _GOLDEN))
            left, right = right, left ^ (scrambled & mask)
        value = (left << half_bits) | right
        if value < np.uint64(size):
            return np.int64(value)


@njit(cache=True)
def permuted_all(indices: npt.NDArray[np.int64], size: int, permutation_key: Uint64) -> npt.NDArray[np.int64]:
    """Return the image of each index, ``int64[n]``, as `permuted` does."""
    images = np.empty(len(indices), np.int64)
    for i in range(len(indices)):
        images[i] = permuted(indices[i], size, permutation_key)
    return images


@njit(cache=True)
def permutation(size: int, permutation_key: Uint64) -> npt.NDArray[np.int64]:
    """Return the whole permutation as ``int64[size]``, for sizes that fit in memory."""
    order = np.empty(size, np.int64)
    for index in range(size):
        order[index] = permuted(index, size, permutation_key)
    return order
