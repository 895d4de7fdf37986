"""The engine dask: tasks run on the workers of a running Dask scheduler.

    dask scheduler --port 8786                       on one node
    dask worker tcp://node-1:8786 --nthreads 1       on every node, once a core
    wpprep make-shards ... --engine dask --scheduler tcp://node-1:8786

Slurm, Kubernetes, MPI and SSH clusters all provide such an address, or a scheduler file. The workers must
have the same version of wpprep, and see input and output under the same names (a shared folder, or a bucket).

The scheduler holds at most two tasks per thread, so that its memory does not grow with the corpus. Dask
repeats the tasks of a lost worker on another one; this module repeats the unfinished tasks after the
scheduler was lost and has come back. A task that was lost with several workers stops the run (Dask's
``allowed-failures``), since it would end them all.

What this module does not do: start clusters, or write files and receipts (`wpprep.jobs.resume`).
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

_TASKS_PER_THREAD = 2  # one running, one waiting
_LOOK_EVERY = 1.0  # seconds between two counts of the cluster's threads
CONNECT_WITHIN = 30.0  # seconds, enough for a scheduler that is being restarted
_LOSSES_IN_A_ROW = 3  # losses of the scheduler, without a finished task in between, that stop a run

# Errors that Dask raises, or returns in place of a result, when the scheduler is lost.
_LOST_SCHEDULER = (CommClosedError, CancelledError, ConnectionError, TimeoutError)

_own = threading.local()  # one function per thread, since it need not be thread-safe


def run(make: Callable[[], Any], tasks: Iterable[Any], options: EngineOptions) -> Iterator[tuple[int, Any]]:
    """Run the tasks on a cluster; yield (index of the task, result) as tasks finish.

    Args:
        make: returns the function that runs a task; called once in each thread of the workers. Picklable.
        tasks: picklable arguments of the function.
        options: ``scheduler`` or ``scheduler_file`` names the cluster.

    Raises:
        WorkerError: the cluster cannot be reached, its scheduler is lost, a worker has another version of
            wpprep, or one task ended several workers.
        Exception: any error of a task.
    """
    waiting = iter(enumerate(tasks))
    unfinished: dict[int, Any] = {}  # tasks taken from the iterator, to be submitted again after a loss
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
    """Submit tasks so that every thread has some, and yield results until no task is left."""
    _refuse_other_version(client)
    # The common argument of all tasks is the result of a task, so Dask computes it again if its worker is lost.
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
    """Load a Numba kernel while the workers run, since the next stage in this process may need Numba."""
    if "numba" in sys.modules:
        from wpprep import rng  # noqa: PLC0415 (loads Numba, which not every run needs)

        rng.key(0, 0, 0, 0)


class _Width:
    """The maximum number of submitted tasks, which follows the number of threads of the cluster."""

    def __init__(self, client: Any) -> None:
        self._client, self._looked, self._tasks = client, -_LOOK_EVERY, 0

    def now(self) -> int:
        """Return the number; the threads are counted at most once a second."""
        if time.monotonic() - self._looked > _LOOK_EVERY:
            threads = sum(self._client.nthreads().values())
            if not threads:
                _log.warning("the Dask scheduler has no workers yet; waiting for some")
            self._tasks = _TASKS_PER_THREAD * max(1, threads)
            self._looked = time.monotonic()
        return self._tasks


def _raise(future: Any, result: Any) -> None:
    """Raise the error of a task that did not finish."""
    if future.status == "cancelled" or isinstance(result, CancelledError):
        raise ConnectionError(str(result))
    _, error, trace = result
    if not isinstance(error, BaseException):  # a worker that is being lost may answer with text
        raise ConnectionError(str(error))
    if isinstance(error, KilledWorker):
        raise WorkerError(
            f"every worker that took task {error.task} was lost, the last of them {error.last_worker}; they "
            "may be out of memory: give each more, or make tasks smaller (--slice-bytes, --shard-bytes); run "
            "the same command again to go on"
        )
    raise error.with_traceback(trace)


def _hold(make: Callable[[], Any], folder: str) -> tuple[Callable[[], Any], str]:
    """Return the common argument of all tasks, so that it is sent to the workers once."""
    return make, folder


def _call(held: tuple[Callable[[], Any], str], task: Any) -> Any:
    """Run one task on a worker, with the function that was built for this thread."""
    make, folder = held
    if getattr(_own, "make", None) is not make:
        _enter(folder)
        _own.make, _own.function = make, make()
    return _own.function(task)


def _enter(folder: str) -> None:
    """Change to the working directory of the command, or to an empty one if a worker does not see it."""
    try:
        os.chdir(folder)
    except OSError:
        os.chdir(tempfile.mkdtemp(prefix="wpprep-"))


def _version() -> str:
    return __version__


def _refuse_other_version(client: Any) -> None:
    """Raise if a worker has another version of wpprep, which may write other bytes."""
    versions = client.run(_version, on_error="return")
    for worker, version in versions.items():
        if version != __version__:
            raise WorkerError(f"the Dask worker {worker} has wpprep {version}, expected {__version__}")


def _connect(options: EngineOptions) -> Any:
    where = (
        {"scheduler_file": options.scheduler_file} if options.scheduler_file else {"address": options.scheduler}
    )
    try:
        return Client(**where, timeout=CONNECT_WITHIN, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(f"{_address(options)}: no Dask scheduler answers there ({error})") from error


def _address(options: EngineOptions) -> str:
    return str(options.scheduler or options.scheduler_file)
