"""Resumable execution of the tasks of a stage.

A task is identified by the name of the file it writes. A finished task has a receipt and is not run again; of
several nodes that fill a folder, each runs the tasks it can claim. Receipts are read from the folder when they
are needed, so that the statistics of a hundred thousand shards are not kept in memory.
"""

from __future__ import annotations

import itertools
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from wpprep.config import RunOptions
from wpprep.errors import OutputError
from wpprep.jobs import engines
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Receipt
from wpprep.jobs.receipts import Receipts
from wpprep.storage.files import UNFINISHED


def run_tasks(
    stage: str,
    make: Callable[[], Callable[[Any], Receipt]],
    tasks: dict[str, Any],
    sizes: dict[str, int],
    folder: OutputFolder,
    run: RunOptions,
    say: Callable[[str, int, int], None],
) -> Receipts:
    """Run the tasks that have no receipt yet; return all receipts in the order of the tasks.

    With several nodes, run the tasks that this node can claim, and wait for those that others have begun.

    Args:
        stage: the name of the stage, for progress.
        make: returns the function that runs a task; called once before forking, else once in each worker.
        tasks: the tasks by the names of the files they write.
        sizes: the weight of each task in the progress, such as bytes, by the same names.
        folder: the output folder.
        run: how the work is done.
        say: called as say(stage, done, total) after each task.

    Raises:
        FinishedElsewhere: another node has finished the folder.
        OutputError: a worker does not see the folder, or another node has other tasks.
        WorkerError: a worker died, or the cluster is gone.
        Exception: any error of a task.
    """
    finished: set[str] = set()
    total, done = sum(sizes.values()), 0

    def collect(name: str, receipt: Receipt | None) -> None:
        nonlocal done
        if receipt is not None and name not in finished:
            finished.add(name)
            done += sizes[name]

    folder.nodes.agree(stage, tasks)
    seeing = partial(_make_where_seen, make, folder.path)
    own = folder.nodes.own(tasks)
    with ThreadPoolExecutor(run.workers) as pool:  # its threads end before workers are forked
        for name, receipt in zip(
            own, pool.map(lambda name: folder.receipts.read(name, tasks[name]), own), strict=True
        ):
            collect(name, receipt)
    say(stage, done, total)
    while missing := [name for name in tasks if name not in finished]:
        begun: list[str] = []
        for index, receipt in engines.run(seeing, _begin(missing, tasks, folder, begun), run):
            name = begun[index]
            folder.receipts.write(name, tasks[name], receipt)
            collect(name, receipt)
            say(stage, done, total)
        if folder.nodes.is_shared:
            for name in missing:
                collect(name, folder.receipts.read(name, tasks[name], is_trusted=True))
            say(stage, done, total)
    return Receipts(folder.receipts, tasks)


def _make_where_seen(make: Callable[[], Any], folder: Path) -> Any:
    """Return what ``make`` returns, on a worker that sees the output folder."""
    if not (folder / UNFINISHED).is_dir():
        raise OutputError(
            f"{folder}: not visible from {platform.node()}; the output must be a folder that all workers "
            "share (for a bucket: WPPREP_CACHE must be)"
        )
    return make()


def _begin(missing: list[str], tasks: dict[str, Any], folder: OutputFolder, begun: list[str]) -> Iterable[Any]:
    """Return the tasks to run here; their names are appended to ``begun`` in the same order."""
    if not folder.nodes.is_shared:
        begun.extend(missing)
        return [tasks[name] for name in missing]
    share = _claim(missing, tasks, folder, begun)
    for first in share:
        return itertools.chain([first], share)
    folder.nodes.wait()
    return []


def _claim(missing: list[str], tasks: dict[str, Any], folder: OutputFolder, begun: list[str]) -> Iterator[Any]:
    """Yield tasks that no other node has finished or claimed; each is claimed when a worker is free."""
    for name in folder.nodes.share(missing):
        if folder.receipts.read(name, tasks[name], is_trusted=True) is None:
            begun.append(name)
            yield tasks[name]
