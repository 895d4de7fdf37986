"""A Dask cluster: tasks go to the workers of a scheduler that runs already, wherever these are.

    dask scheduler --port 8786                       on one node
    dask worker tcp://node-1:8786 --nthreads 1       on every node, once a core
    wpprep make-shards ... --engine dask --scheduler tcp://node-1:8786

Slurm, Kubernetes, MPI and SSH clusters all end in such an address, or in a scheduler file. The workers need
wpprep in the same version, and see input and output under the same names (a shared folder, or a bucket).

Only a few tasks for each thread are with the scheduler at a time, so that its memory does not grow with the
corpus. What a worker had begun when it was lost is begun again elsewhere: by Dask, when a worker goes, and by
us, when the scheduler itself was lost and has come back. A task that took several workers with it stops the run
(Dask's ``allowed-failures``): it would take them all.

This room knows nothing of folders and receipts: a run that stops resumes as every run does.
"""

from __future__ import annotations

import itertools
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, KilledWorker, as_completed
from distributed.comm.core import CommClosedError

from wpprep._version import __version__
from wpprep.config import EngineOptions
from wpprep.errors import WorkerError

_log = logging.getLogger(__name__)

_TASKS_PER_THREAD = 2  # one at work, one on its way
_LOOK_EVERY = 1.0  # seconds between two looks at how many threads there are
_CONNECT_WITHIN = 30.0  # seconds, for a scheduler that is being started again
_LOSSES_IN_A_ROW = 3  # of the scheduler, with no task done in between

# What Dask raises, here or in place of a result, when the scheduler has gone.
_LOST_SCHEDULER = (CommClosedError, CancelledError, ConnectionError, TimeoutError)

_own = threading.local()  # one function a thread: what `make` gives need not be safe for several


def run(make: Callable[[], Any], tasks: Iterable[Any], options: EngineOptions) -> Iterator[tuple[int, Any]]:
    """Run the tasks on the cluster that ``options`` name.

    Raises:
        MissingExtraError: Dask is not installed.
        WorkerError: the cluster cannot be reached, is gone for good, or loses its workers over one task.
    """
    waiting = iter(enumerate(tasks))
    unfinished: dict[int, Any] = {}  # tasks that were taken from the iterator: they outlive a scheduler
    losses = 0
    while True:
        client = _connect(options)
        try:
            for index, result in _serve(client, make, waiting, unfinished):
                losses = 0
                yield index, result
            break
        except _LOST_SCHEDULER as error:
            losses += 1
            if losses == _LOSSES_IN_A_ROW:
                raise WorkerError(
                    f"{_address(options)}: the Dask scheduler was lost {losses} times in a row ({error}); "
                    "run the same command again to go on"
                ) from error
            _log.warning("%s: the Dask scheduler was lost; waiting for it to come back", _address(options))
        finally:
            client.close(timeout=5)


def _serve(
    client: Any, make: Callable[[], Any], waiting: Iterator[tuple[int, Any]], unfinished: dict[int, Any]
) -> Iterator[tuple[int, Any]]:
    """Keep every thread of the cluster busy and yield results until no task is left."""
    _refuse_other_version(client)
    # What every task needs is the result of a task: lost with a worker, it is made again.
    held = client.submit(_hold, make, os.getcwd(), pure=False)
    indices: dict[str, int] = {}
    done = as_completed(loop=client.loop, with_results=True, raise_errors=False)

    def submit(index: int, task: Any) -> None:
        future = client.submit(_call, held, task, pure=False)
        indices[future.key] = index
        unfinished[index] = task
        done.add(future)

    for index, task in list(unfinished.items()):
        submit(index, task)
    width = _Width(client)
    for index, task in itertools.islice(waiting, max(0, width.now() - len(indices))):
        submit(index, task)
    if not indices:
        return
    _load_kernels()
    for future, result in done:
        index = indices.pop(future.key)
        if future.status != "finished":
            _raise(future, result)
        del unfinished[index]
        for new, task in itertools.islice(waiting, max(0, width.now() - len(indices))):
            submit(new, task)
        yield index, result


def _load_kernels() -> None:
    """Start Numba while the workers are at work: who deals shards after them would wait for it."""
    if "numba" in sys.modules:
        from wpprep import rng  # noqa: PLC0415 (loads Numba, which not every run needs)

        rng.key(0, 0, 0, 0)


class _Width:
    """How many tasks to have with the scheduler: it follows workers that come and go."""

    def __init__(self, client: Any) -> None:
        self._client, self._looked, self._tasks = client, -_LOOK_EVERY, 0

    def now(self) -> int:
        if time.monotonic() - self._looked > _LOOK_EVERY:
            threads = sum(self._client.nthreads().values())
            if not threads:
                _log.warning("the Dask scheduler has no workers yet; waiting for some")
            self._tasks = _TASKS_PER_THREAD * max(1, threads)
            self._looked = time.monotonic()
        return self._tasks


def _raise(future: Any, result: Any) -> None:
    """Raise what a task that did not finish ended in."""
    if future.status == "cancelled" or isinstance(result, CancelledError):
        raise ConnectionError(str(result))
    _, error, trace = result
    if isinstance(error, KilledWorker):
        raise WorkerError(
            f"every worker that took task {error.task} was lost, the last of them {error.last_worker}; all "
            "may be out of memory: give each more, or the tasks less (--slice-bytes, --shard-bytes); run the "
            "same command again to go on"
        )
    raise error.with_traceback(trace)


def _hold(make: Callable[[], Any], folder: str) -> tuple[Callable[[], Any], str]:
    """Bring to the workers once, not with every task, what all tasks need."""
    return make, folder


def _call(held: tuple[Callable[[], Any], str], task: Any) -> Any:
    """On a worker: do one task with the function that this thread has built."""
    make, folder = held
    if getattr(_own, "make", None) is not make:
        _enter(folder)
        _own.make, _own.function = make, make()
    return _own.function(task)


def _enter(folder: str) -> None:
    """Let relative names mean what they mean where the command was given, or nothing without that folder."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir(tempfile.mkdtemp(prefix="wpprep-"))


def _version() -> str:
    return __version__


def _refuse_other_version(client: Any) -> None:
    """Workers with another wpprep might write other bytes."""
    versions = client.run(_version, on_error="return")
    for worker, version in versions.items():
        if version != __version__:
            raise WorkerError(f"the Dask worker {worker} has wpprep {version}, expected {__version__}")


def _connect(options: EngineOptions) -> Any:
    where = (
        {"scheduler_file": options.scheduler_file} if options.scheduler_file else {"address": options.scheduler}
    )
    try:
        return Client(**where, timeout=_CONNECT_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(f"{_address(options)}: no Dask scheduler answers there ({error})") from error


def _address(options: EngineOptions) -> str:
    return str(options.scheduler or options.scheduler_file)
