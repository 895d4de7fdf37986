"""The engine local: tasks run in worker processes of this machine, each of which gets a task when it is free.

On Linux workers are forked, so that they start at once and share loaded modules and the objects that ``make``
builds; elsewhere they are spawned. A worker that dies stops the run with an error; results already yielded are
valid.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NoReturn

from wpprep.errors import WorkerError

_PATIENCE = 2.0  # seconds in which a worker ends after SIGTERM


def run(make: Callable[[], Any], tasks: Iterable[Any], workers: int) -> Iterator[tuple[int, Any]]:
    """Run the tasks in ``workers`` processes; arguments, results and errors are those of `engines.run`."""
    import multiprocess  # noqa: PLC0415 (slow to load, and only several processes need it)

    can_fork = sys.platform == "linux"
    context = multiprocess.get_context("fork" if can_fork else "spawn")
    if can_fork:
        make = partial(_as_it_is, make())
    processes: dict[Any, Any] = {}  # by the parent's end of the pipe
    try:
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(make, theirs, [*processes, ours]), daemon=True)
            process.start()
            theirs.close()
            processes[ours] = process
        yield from _serve(tasks, processes)
    finally:
        for ours, process in processes.items():
            ours.close()
            process.terminate()
        for process in processes.values():
            _end(process)


def _end(process: Any) -> None:
    """Wait for a process that was sent SIGTERM; one that is stopped or does not react is killed."""
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()


def _as_it_is(function: Any) -> Any:
    return function


def _serve(tasks: Iterable[Any], processes: dict[Any, Any]) -> Iterator[tuple[int, Any]]:
    """Send the next task to each free worker, and yield results."""
    from multiprocess import connection  # noqa: PLC0415

    waiting = iter(enumerate(tasks))
    busy: dict[Any, int] = {}

    def hand_out(pipe: Any) -> None:
        index, task = next(waiting, (-1, None))
        if index >= 0:
            busy[pipe] = index
            _send(pipe, task, processes[pipe])

    for pipe in processes:
        hand_out(pipe)
    while busy:
        for pipe in connection.wait(list(busy)):
            index = busy.pop(pipe)
            try:
                is_good, value = pipe.recv()
            except (EOFError, ConnectionResetError):
                _raise_death(processes[pipe])
            if not is_good:
                raise value
            hand_out(pipe)
            yield index, value


def _send(pipe: Any, task: Any, process: Any) -> None:
    try:
        pipe.send(task)
    except OSError:
        _raise_death(process)


def _raise_death(process: Any) -> NoReturn:
    _end(process)
    code = process.exitcode
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    hint = "; the system may be out of memory: try fewer workers" if code == -signal.SIGKILL else ""
    raise WorkerError(
        f"a worker process ended {how} before its task was done{hint}; run the same command again to go on"
    )


def _work(make: Callable[[], Callable[[Any], Any]], pipe: Any, others: list[Any]) -> None:
    """Receive tasks and send (True, result) or (False, exception), until the pipe is closed."""
    for other in others:
        other.close()  # forked copies, which would keep the pipes of a dead parent open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles it and ends the workers
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    gc.freeze()  # a collection of the parent's objects would copy their memory pages
    try:
        function = None
        while True:
            task = pipe.recv()
            try:
                function = function or make()
                answer = (True, function(task))
            except Exception as error:  # noqa: BLE001 - the parent raises it
                error.add_note("".join(traceback.format_exc()))
                answer = (False, error)
            pipe.send(answer)
    except (EOFError, OSError):
        os._exit(0)  # the parent has ended or closed the pipe
