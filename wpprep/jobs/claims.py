"""Claims: several nodes share the tasks of one folder through its file system, without a broker.

    with Claims(folder, node="2/4", lost_after=120) as claims:
        for name in claims.order(names):
            if claims.take(name):
                ...                      # run the task: no other node runs it while this node lives

    node-2-1f3b...         modified every 2 seconds by a process of node 2, as a sign of life
    shard-00001.claim      the name of the node that has claimed this task

Node 2 of 4 takes every fourth task first and then all tasks that no node has claimed. So a job ends with its
slowest task, and a node that never starts delays no other. A claim holds while the file of its node is less
than ``lost_after`` seconds old by the clock of the shared folder, so the clocks of nodes need not agree. Claims
only save work: tasks write the same bytes under atomic names, so that a task run by two nodes does no harm.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

from wpprep.storage.files import make_folder

BEAT = 2.0  # seconds between signs of life


class Claims:
    """The claims of one node on the tasks of a folder.

    Args:
        folder: folder of claims and signs of life, on storage that all nodes see.
        node: ``I/N``, this node's number from 1 and the number of nodes.
        lost_after: seconds without a sign of life after which a node's tasks are free again.
    """

    def __init__(self, folder: Path, node: str, lost_after: float) -> None:
        """Choose a name for the node; ``with`` creates the files."""
        number, count = map(int, node.split("/"))
        self._number, self._count = number - 1, count
        self._folder, self._lost_after = folder, lost_after
        self._name = f"node-{number}-{uuid4().hex[:12]}"

    def __enter__(self) -> Self:
        """Begin to give signs of life."""
        import multiprocess  # noqa: PLC0415 (slow to load, and most runs have one node)

        make_folder(self._folder)
        alive = self._folder / self._name
        alive.touch()
        # A process, not a thread: workers are forked from this process, which must have one thread for that.
        self._beat = multiprocess.get_context("fork").Process(
            target=_beat, args=(alive, os.getpid()), daemon=True
        )
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop giving signs of life, which frees the tasks of this node."""
        self._beat.terminate()
        self._beat.join()
        (self._folder / self._name).unlink(missing_ok=True)

    def own(self, names: Iterable[str]) -> list[str]:
        """Return this node's share of the tasks: every N-th, from the I-th."""
        return list(names)[self._number :: self._count]

    def order(self, names: Iterable[str]) -> list[str]:
        """Return the tasks in the order of this node's claims: its own share, then that of each next node."""
        numbered = enumerate(names)
        return [
            name for _, _, name in sorted(((i - self._number) % self._count, i, name) for i, name in numbered)
        ]

    def take(self, name: str) -> bool:
        """Claim a task; return False if a living node has claimed it, this one included."""
        claim = self._folder / f"{name}.claim"
        try:
            with open(claim, "x") as file:
                file.write(self._name)
        except FileExistsError:
            return self._take_over(claim)
        return True

    def is_taken(self, name: str) -> bool:
        """Return whether another node that lives has claimed a task."""
        claim = self._folder / f"{name}.claim"
        try:
            owner = claim.read_text()
            return owner != self._name and self._lives(owner, claim)
        except FileNotFoundError:
            return False

    def first_word(self, name: str, word: str) -> str:
        """Return the word that the first of the nodes gave for a name: ``word`` if this node is the first."""
        said, ours = self._folder / f"{name}.word", self._folder / f"{name}.{self._name}"
        ours.write_text(word)
        with contextlib.suppress(FileExistsError):
            os.link(ours, said)  # atomic, and fails if the file exists
        ours.unlink()
        return said.read_text()

    def _take_over(self, claim: Path) -> bool:
        """Claim a task of a lost node; return False if its node lives."""
        try:
            owner = claim.read_text()
            if self._lives(owner, claim):
                return False
            taken = claim.with_suffix(f".{self._name}")
            taken.write_text(self._name)
            os.replace(taken, claim)
        except FileNotFoundError:  # another node has just finished the folder
            return False
        return True

    def _lives(self, owner: str, claim: Path) -> bool:
        if owner == self._name:
            return True
        now = self._now()
        try:
            # A claim without a name is being written; one without a node's file belongs to a node that ended.
            return now - (self._folder / owner if owner else claim).stat().st_mtime < self._lost_after
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """Return the time of this node's last sign of life, by the clock of the folder."""
        return (self._folder / self._name).stat().st_mtime


def _beat(alive: Path, parent: int) -> None:
    """Give signs of life while the parent process lives."""
    while os.getppid() == parent:
        try:
            os.utime(alive)
        except FileNotFoundError:
            return  # the folder is finished
        time.sleep(BEAT)
