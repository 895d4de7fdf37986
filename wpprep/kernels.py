"""How the innermost kernels are compiled: without counting references.

    @kernel     machine code of its own
    @inlined    copied into the kernels that call it

Numba counts the references to an array, atomically, wherever a loop hands it to another function, and those to
every array of a tuple that is handed on: that was more than half of the time of merging (`benchmarks/LOG.md`).
These two work on arrays that their caller holds, so that there is nothing to count; Numba's option for that is
``_nrt``, for "Numba runtime". It refuses to compile what makes an array under it, or returns one but for an
argument; that none returns an argument is left to us, and to `tests/test_kernels.py`. Kernels that do make
arrays are plain ``njit(cache=True)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from numba import njit

_Function = TypeVar("_Function", bound=Callable[..., object])


def kernel(function: _Function) -> _Function:
    """Compile a kernel that makes no array and returns none."""
    return njit(cache=True, _nrt=False)(function)  # type: ignore[call-overload, no-any-return]


def inlined(function: _Function) -> _Function:
    """Copy such a kernel into those that call it."""
    return njit(cache=True, inline="always", _nrt=False)(function)  # type: ignore[call-overload, no-any-return]
