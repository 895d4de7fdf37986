"""Kernels compiled without reference counts: none creates an array (Numba checks this) or returns one."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba import TypingError, types
from numba.core.dispatcher import Dispatcher
from numba.core.errors import NumbaError

import wpprep
from wpprep.kernels import inlined, kernel
from wpprep.vocab.merging.heap import keep_live, new_heap
from wpprep.vocab.merging.merges import CountedWords, Merger
from wpprep.vocab.merging.scores import SCORES

_NUMBERS = (types.Number, types.Boolean, types.NoneType)
_ANNOTATIONS = {"None", "int", "float", "bool", "np.int64", "np.uint64", "tuple[int, int]", "Any"}


def uncounted() -> Iterator[Any]:
    """Yield every kernel of the package that is compiled without reference counts."""
    # Extras that may be missing and have no kernels; __main__ runs the command line when imported.
    others = ("wpprep.training", "wpprep.jobs.engines", "wpprep.inspection.html_report", "wpprep.__main__")
    for module in pkgutil.walk_packages(wpprep.__path__, "wpprep."):
        if not module.name.startswith(others):
            for value in vars(importlib.import_module(module.name)).values():
                if isinstance(value, Dispatcher) and value.targetoptions.get("_nrt") is False:
                    yield value


def test_kernels_without_counts_return_numbers() -> None:
    """Annotations and compiled signatures have no arrays as results, which would be freed too early."""
    words = CountedWords(np.array([-1, 0, 1, 0, -1], np.int32), np.array([4]), np.array([2]), 2)
    for code in SCORES.values():
        Merger(words, code, least=1).run(3)
    found = {f.py_func.__qualname__: f for f in uncounted()}
    assert {"_merge", "merge_places", "push", "_choose_words", "_assemble"} <= set(found)
    compiled = 0
    for name, f in found.items():
        assert str(f.py_func.__annotations__.get("return")) in _ANNOTATIONS, name
        for overload in f.overloads.values():
            returned = overload.signature.return_type
            parts: Any = getattr(returned, "types", [returned])  # those of a tuple
            assert all(isinstance(part, _NUMBERS) for part in parts), (name, returned)
            compiled += 1
    assert compiled >= 6


@pytest.mark.parametrize("decorator", [kernel, inlined])
def test_numba_refuses_to_make_an_array_without_counts(decorator: Any) -> None:
    """Creating an array raises when the kernel is compiled, instead of leaking memory."""

    def makes_one(n: int) -> Any:
        return np.empty(n)[0]

    with pytest.raises((NumbaError, TypingError)):
        decorator(makes_one)(3)


def test_arrays_are_neither_kept_nor_freed() -> None:
    """A call from Python does not change reference counts of arrays, in a tuple or as arguments."""
    heap = new_heap(4)
    ids = np.zeros((4, 2), np.int32)
    before = [sys.getrefcount(array) for array in (*heap, ids)]
    for _ in range(3):
        keep_live(heap, np.zeros(4), ids)
    assert [sys.getrefcount(array) for array in (*heap, ids)] == before
