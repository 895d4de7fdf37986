"""How kernels are compiled, and where their machine code is cached.

    @njit(cache=True)   compiled with Numba's reference counting; for kernels that create arrays
    @kernel             compiled without it
    @inlined            the same, inlined into the kernels that call it

Numba counts the references to an array, atomically, wherever a loop passes it to another function, and for a
tuple those to every array in it: that took more than half of the time of merging (`benchmarks/LOG.md`). Kernels
compiled with these two decorators work on arrays that their caller holds, so counting is not needed; Numba's
option for that is ``_nrt``, for "Numba runtime". With it, Numba refuses to compile a function that creates an
array, or returns one that is not an argument. It does not detect a function that returns an argument, which
`tests/test_kernels.py` checks.

Machine code is cached next to the source, else in the user's cache folder, or where NUMBA_CACHE_DIR says. If
none of these can be written (a read-only installation, a container run as a user without a home), Numba refuses
to compile; this module then chooses a private temporary folder, which is removed at the end.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba import njit

__all__ = ["inlined", "kernel", "njit"]

_log = logging.getLogger(__name__)
_Function = TypeVar("_Function", bound=Callable[..., object])


def kernel(function: _Function) -> _Function:
    """Compile a kernel that neither creates nor returns an array."""
    return njit(cache=True, _nrt=False)(function)  # type: ignore[call-overload, no-any-return]


def inlined(function: _Function) -> _Function:
    """Compile a kernel that neither creates nor returns an array, inlined into its callers."""
    return njit(cache=True, inline="always", _nrt=False)(function)  # type: ignore[call-overload, no-any-return]


def _can_be_written(folder: Path) -> bool:
    """Return whether a folder can be written; it is made if it is not there, as Numba would."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


def _user_cache() -> Path:
    """Return the folder in which Numba keeps a user's machine code."""
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home at all
        home = Path("/nonexistent")
    return home / "numba"


def _remove(folder: str, owner: int) -> None:
    """Remove the temporary folder in the process that made it, not in those that were forked from it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def choose_cache() -> str | None:
    """Make a temporary folder for machine code if Numba has no other; return it, or None if it has one."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return None
    if _can_be_written(Path(__file__).parent / "__pycache__") or _can_be_written(_user_cache()):
        return None
    folder = tempfile.mkdtemp(prefix="wpprep-numba-")  # of mode 700: machine code of others is never run
    atexit.register(_remove, folder, os.getpid())
    os.environ["NUMBA_CACHE_DIR"] = folder
    config: Any = numba.config
    config.CACHE_DIR = folder
    _log.warning(
        "no folder for compiled kernels can be written: compiling them for this run only; set NUMBA_CACHE_DIR"
    )
    return folder


choose_cache()
