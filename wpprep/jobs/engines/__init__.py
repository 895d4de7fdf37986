"""Engines: where the tasks of a stage run; the results are the same.

    serial   in this process, one task after another
    local    in ``workers`` processes of this machine (`processes`)
    dask     on the workers of a Dask cluster (`cluster`) at ``scheduler`` or ``scheduler_file``

    for index, result in run(partial(EncodeSlices, ...), tasks, RunOptions(workers=2)):
        ...

Stages use `run` only. ``make`` returns the function that runs a task and builds its expensive objects (an
encoder with its table of chunks): once before workers are forked, which then share them, else once in each
worker. Results are yielded as tasks finish, each with the index of its task. Tasks may be an iterator: the
next one is taken when a worker is free. A result must depend on the task alone, so that neither the worker
nor a repetition changes a byte. A worker that dies stops the run with an error.

What this module does not do: write files or receipts (`wpprep.jobs.resume`).
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
    """Run a function on every task; yield (index of the task, result) as tasks finish.

    Args:
        make: returns the function; called as described in the module's docstring.
        tasks: the arguments; a sequence or an iterator.
        options: the engine and its workers.

    Raises:
        WorkerError: a worker died, or the cluster is gone; results already yielded are valid.
        MissingExtraError: the engine's package is not installed.
        Exception: any error of a task, with the worker's traceback as a note.
    """
    yield from ENGINES[str(options.engine)](make, tasks, options)


def spread(function: Callable[[Task], Result], tasks: Sequence[Task], options: EngineOptions) -> list[Result]:
    """Return the results of a function in the order of the tasks; the function must be picklable.

    Raises the errors of `run`.
    """
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
