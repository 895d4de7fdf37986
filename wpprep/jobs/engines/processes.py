"""Worker processes of this machine: each takes a task when it is free.

Forked where the system can, so that they start at once and share what is loaded and what ``make`` builds. A
worker that dies stops the run with a line that says how; what others finished meanwhile is not lost.
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


def run(make: Callable[[], Any], tasks: Iterable[Any], workers: int) -> Iterator[tuple[int, Any]]:
    """Run the tasks in so many processes, as `engines.run` says."""
    import multiprocess  # noqa: PLC0415 (slow to load, and only several processes need it)

    # Forked workers start at once and share what is loaded and built; elsewhere they must be spawned.
    can_fork = sys.platform == "linux"
    context = multiprocess.get_context("fork" if can_fork else "spawn")
    if can_fork:
        make = partial(_as_it_is, make())
    processes: dict[Any, Any] = {}  # from our end of its pipe to the process
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
            process.join()


def _as_it_is(function: Any) -> Any:
    return function


def _serve(tasks: Iterable[Any], processes: dict[Any, Any]) -> Iterator[tuple[int, Any]]:
    """Hand out tasks, the next one to whoever is free, and yield results."""
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
    process.join()
    code = process.exitcode
    how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
    hint = "; the system may be out of memory: try fewer workers" if code == -signal.SIGKILL else ""
    raise WorkerError(
        f"a worker process ended {how} before its task was done{hint}; run the same command again to go on"
    )


def _work(make: Callable[[], Callable[[Any], Any]], pipe: Any, others: list[Any]) -> None:
    """The life of a worker: take a task, send (True, result) or (False, exception), until the pipe closes."""
    for other in others:
        other.close()  # forked copies, which would keep the pipes of a dead parent open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    gc.freeze()  # to look for garbage in what the parent has loaded would copy it all
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
        os._exit(0)  # the parent is gone, or has no more use for us
