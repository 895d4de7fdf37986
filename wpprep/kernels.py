"""Decorators that compile the innermost kernels without reference counting.

    @kernel     compiled as a function
    @inlined    inlined into the kernels that call it

Numba counts the references to an array, atomically, wherever a loop passes it to another function, and for a
tuple those to every array in it: that took more than half of the time of merging (`benchmarks/LOG.md`). Kernels
compiled with these two decorators work on arrays that their caller holds, so counting is not needed; Numba's
option for that is ``_nrt``, for "Numba runtime". With it, Numba refuses to compile a function that creates an
array, or returns one that is not an argument. It does not detect a function that returns an argument, which
`tests/test_kernels.py` checks. Kernels that create arrays use plain ``njit(cache=True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def kernel(function: _Function) -> _Function:
    """Compile a kernel that neither creates nor returns an array."""
    return njit(cache=True, _nrt=False)(function)  # type: ignore[call-overload, no-any-return]


def inlined(function: _Function) -> _Function:
    """Compile a kernel that neither creates nor returns an array, inlined into its callers."""
    return njit(cache=True, inline="always", _nrt=False)(function)  # type: ignore[call-overload, no-any-return]
