"""Verifying: finished folders against their manifests, file by file, by any engine.

What this module does not do: know what a file should hold (`manifest` has checksums, `audit` rules).
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from wpprep.config import EngineOptions, build, refuse_unknown
from wpprep.jobs import engines
from wpprep.storage.manifest import verify


def verify_folder(folder: str | os.PathLike[str], *, deep: bool = False, **options: Any) -> list[str]:
    """Everything that is wrong with a finished folder, one line each.

    Args:
        folder: a folder of any kind; folders inside are verified too.
        deep: check the columns of shards row by row too.
        **options: fields of `EngineOptions`.
    """
    refuse_unknown(options, EngineOptions)
    engine = build(EngineOptions, options)
    on_cluster = engine.engine == "dask"
    problems = verify(folder, engine.workers, partial(engines.spread, options=engine) if on_cluster else None)
    if deep:
        from wpprep.shards.audit import find_faults  # noqa: PLC0415 (loads Numba)

        problems += [fault for fault in find_faults(folder, engine) if fault not in problems]
    return problems
