"""Engines: run one function over many tasks, here, in worker processes or on a cluster, with the same results.

    for index, result in run(partial(EncodeSlices, ...), tasks, RunOptions(workers=2)):
        ...

The whole interface is `run`; stages know nothing else of it. ``make`` gives the function that takes tasks, and
what is dear to build (an encoder with its table of chunks) is built with it: once for workers that are forked
here, which then share it, else once in every worker. Results come as they are done, each with the number of its
task. Tasks may be an iterator: the next one is taken when a worker is free. A task's result depends on the task
alone, so which worker did it, or how often it was begun, changes no byte. A worker that dies, dies loudly.

    serial   in this process, one task after another
    local    in processes of this machine (`processes`), as many as ``workers``
    dask     on the workers of a Dask cluster (`cluster`), reached by ``scheduler`` or ``scheduler_file``
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from wpprep.config import EngineOptions
from wpprep.errors import MissingExtraError
from wpprep.jobs.engines import processes

Task = TypeVar("Task")
Result = TypeVar("Result")


def run(
    make: Callable[[], Callable[[Task], Result]], tasks: Iterable[Task], options: EngineOptions
) -> Iterator[tuple[int, Result]]:
    """Run the function that ``make`` gives on every task.

    Raises:
        WorkerError: a worker died, or the cluster is gone; a finished task's result is not lost, the rest is
            not done.
        MissingExtraError: the engine's package is not installed.
        Exception: whatever a task raised, with the worker's traceback as a note.
    """
    yield from ENGINES[str(options.engine)](make, tasks, options)


def spread(function: Callable[[Task], Result], tasks: Sequence[Task], options: EngineOptions) -> list[Result]:
    """What a function gives for every task, in their order; it must be one that can be sent to workers."""
    results = dict(run(partial(_hand_out, function), tasks, options))
    return [results[index] for index in range(len(tasks))]


def _hand_out(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return function


def _run_here(
    make: Callable[[], Any], tasks: Iterable[Any], options: EngineOptions
) -> Iterator[tuple[int, Any]]:
    function = None
    for index, task in enumerate(tasks):
        function = function or make()
        yield index, function(task)


def _run_in_processes(
    make: Callable[[], Any], tasks: Iterable[Any], options: EngineOptions
) -> Iterator[tuple[int, Any]]:
    workers = int(options.workers or 1)
    if isinstance(tasks, Sequence):
        workers = min(workers, len(tasks))
    if workers <= 1:
        yield from _run_here(make, tasks, options)
    else:
        yield from processes.run(make, tasks, workers)


def _run_on_cluster(
    make: Callable[[], Any], tasks: Iterable[Any], options: EngineOptions
) -> Iterator[tuple[int, Any]]:
    try:
        cluster = importlib.import_module("wpprep.jobs.engines.cluster")
    except ImportError as error:
        raise MissingExtraError("the engine dask needs its package: pip install 'wpprep[dask]'") from error
    yield from cluster.run(make, tasks, options)


ENGINES = {"serial": _run_here, "local": _run_in_processes, "dask": _run_on_cluster}
