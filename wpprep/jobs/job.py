"""Jobs: one command at work in its output folder.

    with Job.begin(out, "tokens", plan, run, progress) as job:
        if not job.is_finished:
            receipts = job.run_tasks("encode", make, tasks, sizes)
            job.finish(manifest)
    return job.summary("encode", started)

A `Job` carries what every stage needs: the output folder, the run options and the progress callback.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wpprep.config import RunOptions
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan, Receipt
from wpprep.jobs.receipts import Receipts
from wpprep.jobs.resume import run_tasks
from wpprep.jobs.summary import FolderSummary
from wpprep.storage.manifest import Manifest, read_manifest
from wpprep.storage.place import Location

Progress = Callable[[str, int, int], None]  # stage, done, total: bytes of text, entries, or shards


def silence(stage: str, done: int, total: int) -> None:
    """Ignore progress; the default callback."""


class Job:
    """One command, or a part of one, at work in an output folder.

    Attributes:
        folder: the output folder, claimed for the plan.
        run: how the work is done.
        say: called as say(stage, done, total) during the run.
    """

    def __init__(self, folder: OutputFolder, run: RunOptions, say: Progress) -> None:
        """Accept a claimed folder; `begin` claims one."""
        self.folder, self.run, self.say = folder, run, say

    @classmethod
    def begin(
        cls,
        out: str | os.PathLike[str],
        kind: str,
        plan: Plan,
        run: RunOptions,
        progress: Progress | None = None,
    ) -> Job:
        """Claim the output folder for a plan.

        Args:
            out: the folder, a path or a URL.
            kind: the kind of the manifest that finishes it.
            plan: what its bytes depend on.
            run: how the work is done.
            progress: called as progress(stage, done, total) during the run.

        Raises:
            OutputError: the folder holds something else, or another run is at work in it.
        """
        folder = OutputFolder.claim(
            out,
            {"kind": kind, **plan},
            overwrite=run.overwrite,
            node=run.node,
            node_timeout=run.node_timeout,
        )
        return cls(folder, run, progress or silence)

    @property
    def path(self) -> Path:
        """The local output folder."""
        return self.folder.path

    @property
    def place(self) -> Location:
        """The output folder as users name it."""
        return self.folder.place

    @property
    def is_finished(self) -> bool:
        """Whether the same plan had finished the folder before."""
        return self.folder.is_finished

    def run_tasks(
        self,
        stage: str,
        make: Callable[[], Callable[[Any], Receipt]],
        tasks: dict[str, Any],
        sizes: dict[str, int],
    ) -> Receipts:
        """Run the tasks that have no receipt yet; arguments and errors are those of `resume.run_tasks`."""
        return run_tasks(stage, make, tasks, sizes, self.folder, self.run, self.say)

    def elect(self) -> None:
        """Return on the node that is to finish the folder; others wait (`nodes.Nodes.elect`)."""
        self.folder.nodes.elect()

    def inner(self, path: str | os.PathLike[str], kind: str, plan: Plan) -> Job:
        """Begin a part of the work in a folder of its own, which is never replaced."""
        return Job.begin(path, kind, plan, replace(self.run, overwrite=False), self.say)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, which declares the folder finished."""
        self.folder.finish(manifest)

    def summary(self, command: str, started: float) -> FolderSummary:
        """Return the summary of the finished folder; ``started`` is a reading of `time.perf_counter`."""
        seconds = time.perf_counter() - started
        return FolderSummary(
            command=command, seconds=seconds, folder=self.place, manifest=read_manifest(self.place)
        )

    def __enter__(self) -> Self:
        """Begin the work; the folder is held until the end of the block."""
        self.folder.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Release the folder; return whether the error is of no consequence (`OutputFolder`)."""
        return self.folder.__exit__(kind, error, trace)
