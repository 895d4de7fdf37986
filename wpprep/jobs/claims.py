"""Claims: several nodes share the tasks of one folder, with no broker but the file system.

    with Claims(folder, node="2/4", lost_after=120) as claims:
        for name in claims.order(names):
            if claims.take(name):
                ...                      # the task is ours, until we are lost

Node 2 of 4 takes every fourth task first and then whatever nobody has begun, so a job ends when its slowest
task does, and a node that never starts holds nobody up. Each node keeps a file that a process of its own
touches; a claim names its node, and holds as long as that file is young, by the clock of the shared folder
alone. Claims only save work: tasks write the same bytes under atomic names, so two nodes that do one of them
do no harm.
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

_BEAT = 2.0  # seconds between two signs of life


class Claims:
    """What one node has taken of the tasks of a folder.

    Args:
        folder: where claims and signs of life are kept; on storage that all nodes see.
        node: ``I/N``, this node's number from 1 and how many there are.
        lost_after: seconds without a sign of life after which a node's tasks are free again.
    """

    def __init__(self, folder: Path, node: str, lost_after: float) -> None:
        number, count = map(int, node.split("/"))
        self._number, self._count = number - 1, count
        self._folder, self._lost_after = folder, lost_after
        self._name = f"node-{number}-{uuid4().hex[:12]}"

    def __enter__(self) -> Self:
        import multiprocess  # noqa: PLC0415 (slow to load, and most runs have one node)

        make_folder(self._folder)
        alive = self._folder / self._name
        alive.touch()
        # A process, not a thread: workers are forked from here, and a fork wants a process of one thread.
        self._beat = multiprocess.get_context("fork").Process(
            target=_beat, args=(alive, os.getpid()), daemon=True
        )
        self._beat.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._beat.terminate()
        self._beat.join()
        (self._folder / self._name).unlink(missing_ok=True)

    def own(self, names: Iterable[str]) -> list[str]:
        """This node's share of the tasks: each N-th, from the I-th."""
        return list(names)[self._number :: self._count]

    def order(self, names: Iterable[str]) -> list[str]:
        """The tasks in the order in which this node wants them: its own share, then that of the next node."""
        numbered = enumerate(names)
        return [
            name for _, _, name in sorted(((i - self._number) % self._count, i, name) for i, name in numbered)
        ]

    def take(self, name: str) -> bool:
        """Claim a task; False if a node that lives has it."""
        claim = self._folder / f"{name}.claim"
        try:
            with open(claim, "x") as file:
                file.write(self._name)
        except FileExistsError:
            return self._take_over(claim)
        return True

    def is_taken(self, name: str) -> bool:
        """Whether another node that lives has claimed a task."""
        claim = self._folder / f"{name}.claim"
        try:
            owner = claim.read_text()
            return owner != self._name and self._lives(owner, claim)
        except FileNotFoundError:
            return False

    def first_word(self, name: str, word: str) -> str:
        """What the first node said under a name; this one's own word where it is the first."""
        said, ours = self._folder / f"{name}.word", self._folder / f"{name}.{self._name}"
        ours.write_text(word)
        with contextlib.suppress(FileExistsError):
            os.link(ours, said)  # whole or not at all
        ours.unlink()
        return said.read_text()

    def _take_over(self, claim: Path) -> bool:
        """Claim the task of a node that is lost, or of an earlier run of this one."""
        try:
            owner = claim.read_text()
            if self._lives(owner, claim):
                return False
            taken = claim.with_suffix(f".{self._name}")
            taken.write_text(self._name)
            os.replace(taken, claim)
        except FileNotFoundError:  # the folder is finished, just now
            return False
        return True

    def _lives(self, owner: str, claim: Path) -> bool:
        if owner == self._name:
            return True
        now = self._now()
        try:
            # A claim without a name is being written; one without a node was left by a node that ended.
            return now - (self._folder / owner if owner else claim).stat().st_mtime < self._lost_after
        except FileNotFoundError:
            return False

    def _now(self) -> float:
        """The time by the clock of the folder: nodes need not agree on theirs."""
        return (self._folder / self._name).stat().st_mtime


def _beat(alive: Path, parent: int) -> None:
    """Give signs of life for as long as the parent lives."""
    while os.getppid() == parent:
        try:
            os.utime(alive)
        except FileNotFoundError:
            return  # the folder is finished
        time.sleep(_BEAT)
