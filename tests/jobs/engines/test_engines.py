"""Engines: the same results from any number of workers, and loud deaths."""

import functools
import os
import signal
import time

import pytest

from wpprep.config import RunOptions
from wpprep.errors import CorpusError, WorkerError
from wpprep.jobs import engines


def make_square(delay=0.0):
    def square(task):
        time.sleep(delay * (task % 3))
        return task * task

    return square


def make_failing():
    def fail(task):
        if task == 2:
            raise CorpusError("file.txt: byte 7: broken")
        return task

    return fail


def make_dying():
    def die(task):
        if task == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return die


def make_counting():
    seen = []

    def count(task):
        seen.append(task)
        return len(seen)

    return count


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_task_is_done_once(workers):
    """Results come in any order, each with the index of its task."""
    results = dict(
        engines.run(functools.partial(make_square, 0.002), list(range(10)), RunOptions(workers=workers))
    )
    assert results == {i: i * i for i in range(10)}


def test_no_tasks_no_results():
    """Nothing to do is done at once."""
    assert list(engines.run(make_square, [], RunOptions(workers=2))) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_task_is_raised_here(workers):
    """The caller sees the exception itself."""
    with pytest.raises(CorpusError, match=r"file\.txt: byte 7: broken"):
        list(engines.run(make_failing, [0, 1, 2, 3], RunOptions(workers=workers)))


def test_a_killed_worker_is_an_error_and_not_a_hang():
    """A worker that the system kills is reported with the signal and a hint."""
    with pytest.raises(WorkerError, match="SIGKILL.*out of memory"):
        list(engines.run(make_dying, [0, 1, 2, 3], RunOptions(workers=2)))


def test_the_function_is_made_once_a_worker():
    """What is dear to build is built once: a worker's second task finds what the first one left."""
    results = [result for _, result in engines.run(make_counting, list(range(6)), RunOptions(workers=2))]
    assert max(results) > 1
    assert results.count(1) <= 2


def test_workers_end_when_their_parent_is_killed(tmp_path):
    """After a SIGKILL of the parent no worker stays behind."""
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, sys, time\n"
        "from wpprep import engines\nfrom wpprep.config import RunOptions\n"
        "def make():\n"
        "    def work(task):\n"
        "        open(f'{sys.argv[1]}/{os.getpid()}', 'w').close()\n"
        "        time.sleep(0.2)\n"
        "    return work\n"
        "list(engines.run(make, list(range(1000)), RunOptions(workers=2)))\n"
    )
    pids = tmp_path / "pids"
    pids.mkdir()
    import subprocess
    import sys

    parent = subprocess.Popen([sys.executable, str(script), str(pids)])
    _wait_until(lambda: len(list(pids.iterdir())) == 2)
    parent.kill()
    parent.wait()
    workers = [int(path.name) for path in pids.iterdir()]
    _wait_until(lambda: not any(_is_alive(pid) for pid in workers))


def _is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
