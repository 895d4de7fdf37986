"""Several nodes that fill one output folder: how they share its tasks, and which of them finishes it.

`Alone` is the case of one node and never waits. Several nodes claim tasks (`wpprep.jobs.claims`); of those that
see the last receipt one is elected to write the manifest, and the others wait for it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wpprep.errors import OutputError
from wpprep.jobs.claims import Claims
from wpprep.storage.files import MANIFEST

_LOOKS = (0.02, 0.5)  # seconds between checks of the other nodes' work: the first pause, and the longest


class FinishedElsewhere(Exception):  # noqa: N818 (no error: only OutputFolder catches it)
    """Raised when another node has finished the folder."""


class Alone:
    """The only node: all tasks are its own."""

    is_shared = False

    def own(self, names: Iterable[str]) -> list[str]:
        """Return the tasks whose files this node verifies when a run is resumed."""
        return list(names)

    def agree(self, stage: str, tasks: dict[str, Any]) -> None:
        """Raise OutputError if other nodes have other tasks; alone, do nothing."""

    def share(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the tasks; several nodes claim each when it is requested."""
        yield from names

    def elect(self) -> None:
        """Return on the node that is to finish the folder; alone, at once."""

    def wait(self) -> None:
        """Give other nodes time; alone, do nothing."""


class Nodes(Alone):
    """Several nodes.

    Args:
        folder: the output folder, on storage that all nodes see.
        claims: the claims of this node.
    """

    is_shared = True

    def __init__(self, folder: Path, claims: Claims) -> None:
        """Start with the shortest pause."""
        self._folder, self.claims = folder, claims
        self._pause = _LOOKS[0]

    def own(self, names: Iterable[str]) -> list[str]:
        """Return this node's share of the tasks."""
        return self.claims.own(names)

    def agree(self, stage: str, tasks: dict[str, Any]) -> None:
        """Raise if another node has other tasks for the stage.

        Raises:
            OutputError: its command has other options or paths.
        """
        digest = hashlib.sha256(repr(tasks).encode()).hexdigest()
        if self.claims.first_word(stage, digest) != digest:
            raise OutputError(
                f"{self._folder}: another node cuts the work into other tasks; give every node the same "
                "command, including --slice-bytes and the paths"
            )

    def share(self, names: Iterable[str]) -> Iterator[str]:
        """Yield the tasks that this node can claim; each is claimed when it is requested.

        Raises:
            FinishedElsewhere: another node has finished the folder.
        """
        for name in self.claims.order(names):
            self.refuse_finished()
            if self.claims.take(name):
                self._pause = _LOOKS[0]
                yield name

    def elect(self) -> None:
        """Return on the node that is to finish the folder; on the others, wait until it has.

        Raises:
            FinishedElsewhere: another node has finished it.
        """
        while True:
            self.refuse_finished()
            if self.claims.take(MANIFEST):
                return
            self.wait()

    def wait(self) -> None:
        """Pause before the next check of the other nodes' work; pauses grow until this node claims a task."""
        time.sleep(self._pause)
        self._pause = min(1.125 * self._pause, _LOOKS[1])  # at most about an eighth of the wait is too long

    def refuse_finished(self) -> None:
        """Raise FinishedElsewhere if another node has finished the folder."""
        if self.is_finished():
            raise FinishedElsewhere

    def is_finished(self) -> bool:
        """Return whether the folder has its manifest."""
        return (self._folder / MANIFEST).exists()

    def wait_for_finish(self) -> bool:
        """Return whether the folder is finished, after a node that is finishing it has done so or is lost."""
        while not self.is_finished() and self.claims.is_taken(MANIFEST):
            self.wait()
        return self.is_finished()
