"""Verify finished folders against their manifests, file by file, with any engine.

The checks themselves are elsewhere: checksums in `wpprep.storage.manifest`, rules for rows in
`wpprep.shards.audit`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Unpack

from wpprep.config import EngineOptions, build, refuse_unknown
from wpprep.config.keywords import VerifyKeywords
from wpprep.jobs import engines
from wpprep.jobs.summary import Summary
from wpprep.storage.manifest import find_damage


@dataclass(frozen=True, kw_only=True, repr=False)
class VerifySummary(Summary):
    """Problems found in some folders.

    Attributes:
        problems: one line for every file that is damaged, missing or foreign; empty if there are none.
    """

    problems: list[str]

    @property
    def headline(self) -> str:
        """The number of problems."""
        return f"{len(self.problems):,} problems"


def verify(
    folders: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    deep: bool = False,
    **options: Unpack[VerifyKeywords],
) -> VerifySummary:
    """Compare every file of finished folders with the manifests.

    Args:
        folders: one folder of any kind, or several; subfolders are verified too.
        deep: check the columns of shards row by row as well.
        **options: fields of `EngineOptions`.

    Raises:
        OptionError: an option is unknown or out of range.
    """
    started = time.perf_counter()
    refuse_unknown(options, EngineOptions)
    engine = build(EngineOptions, options)
    spread = partial(engines.spread, options=engine) if engine.engine == "dask" else None
    problems: list[str] = []
    for folder in [folders] if isinstance(folders, str | os.PathLike) else folders:
        of_folder = find_damage(folder, engine.workers, spread)
        if deep:
            from wpprep.shards.audit import find_faults  # noqa: PLC0415 (loads Numba)

            of_folder += [fault for fault in find_faults(folder, engine) if fault not in of_folder]
        problems += of_folder
    return VerifySummary(command="verify", seconds=time.perf_counter() - started, problems=problems)
