"""Jobs: the tasks of a stage, run so that none is done twice, and what a command gives back.

    receipts = run_resumable("encode", make, tasks, sizes, folder, run, say)

A task is known by the file it writes. Finished ones have left a receipt (`output`) and are not done again; of
several nodes that fill a folder, each does what it can claim. Receipts lie in the folder and are read when they
are asked for: of a hundred thousand shards no statistics are kept in memory.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from wpprep.config import RunOptions
from wpprep.errors import OutputError
from wpprep.jobs import engines
from wpprep.jobs.output import OutputFolder
from wpprep.storage.files import UNFINISHED, Place
from wpprep.storage.manifest import Manifest

Progress = Callable[[str, int, int], None]  # stage, done, total: bytes of text, entries, or shards


@dataclass(frozen=True)
class Summary:
    """What a command did: its folder, the manifest in there, and how long it took in seconds."""

    folder: Place
    manifest: Manifest
    seconds: float


def silence(stage: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""


class Receipts:
    """What the tasks of a stage have noted, in their order; may be read more than once."""

    def __init__(self, folder: OutputFolder, tasks: dict[str, Any]) -> None:
        self._folder, self._tasks = folder, tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for name, task in self._tasks.items():
            receipt = self._folder.receipt(name, task, is_trusted=True)
            assert receipt is not None, name
            yield receipt


def run_resumable(
    stage: str,
    make: Callable[[], Callable[[Any], dict[str, Any]]],
    tasks: dict[str, Any],
    sizes: dict[str, int],
    folder: OutputFolder,
    run: RunOptions,
    say: Progress,
) -> Receipts:
    """Run the tasks, named by the files they write, that have no receipt yet; returns all receipts in order.

    Of several nodes that fill the folder, this one does what it can claim; it waits for what others have begun.

    Raises:
        FinishedElsewhere: another node has finished the folder.
    """
    finished: set[str] = set()
    total, done = sum(sizes.values()), 0

    def collect(name: str, receipt: dict[str, Any] | None) -> None:
        nonlocal done
        if receipt is not None and name not in finished:
            finished.add(name)
            done += sizes[name]

    folder.agree(stage, tasks)
    seeing = partial(_make_where_seen, make, folder.path)
    own = folder.own(tasks)
    with ThreadPoolExecutor(run.workers) as pool:  # which ends before workers are forked
        for name, receipt in zip(
            own, pool.map(lambda name: folder.receipt(name, tasks[name]), own), strict=True
        ):
            collect(name, receipt)
    say(stage, done, total)
    while missing := [name for name in tasks if name not in finished]:
        begun: list[str] = []
        for index, receipt in engines.run(seeing, _begin(missing, tasks, folder, begun), run):
            name = begun[index]
            folder.note(name, tasks[name], receipt)
            collect(name, receipt)
            say(stage, done, total)
        if folder.claims is not None:
            for name in missing:
                collect(name, folder.receipt(name, tasks[name], is_trusted=True))
            say(stage, done, total)
    return Receipts(folder, tasks)


def _make_where_seen(make: Callable[[], Any], folder: Path) -> Any:
    """What ``make`` gives, on a worker that sees the output folder."""
    if not (folder / UNFINISHED).is_dir():
        raise OutputError(
            f"{folder}: not to be seen from {platform.node()}; the output must be a folder that all workers "
            "share (of a bucket: WPPREP_CACHE must be)"
        )
    return make()


def _begin(missing: list[str], tasks: dict[str, Any], folder: OutputFolder, begun: list[str]) -> Iterable[Any]:
    """The tasks to do here, whose names are put into ``begun`` in the same order."""
    if folder.claims is None:
        begun.extend(missing)
        return [tasks[name] for name in missing]
    share = _claim(missing, tasks, folder, begun)
    for first in share:
        return itertools.chain([first], share)
    folder.wait()
    return []


def _claim(missing: list[str], tasks: dict[str, Any], folder: OutputFolder, begun: list[str]) -> Iterator[Any]:
    """Tasks that no other node has done or begun, each claimed when a worker is free for it."""
    for name in folder.share(missing):
        if folder.receipt(name, tasks[name], is_trusted=True) is None:
            begun.append(name)
            yield tasks[name]
