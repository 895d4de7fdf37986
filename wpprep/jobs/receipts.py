"""Receipts: records in the output folder of the tasks that have written their files.

    .unfinished/<name>.json      {"task": repr of the task, "receipt": {...}}

A task with a receipt and files that match it is not run again.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wpprep.errors import OutputError
from wpprep.jobs.plans import Entry, Receipt, entries_of
from wpprep.jobs.upload import KEPT_HERE, Mirror
from wpprep.storage.cache import fetch_entry
from wpprep.storage.files import UNFINISHED, sha256_of, write_text

LATE = (1, 2, 4, 8, 16)  # pauses in seconds until a network file system shows files of another machine


class ReceiptStore:
    """The receipts of finished tasks in one output folder.

    Args:
        folder: the output folder, local.
        mirror: the bucket that it is uploaded to, if there is one.
    """

    def __init__(self, folder: Path, mirror: Mirror | None = None) -> None:
        """Accept the folder; reads nothing."""
        self._folder, self._mirror = folder, mirror

    def read(self, name: str, task: Any, *, is_trusted: bool = False) -> Receipt | None:
        """Return the receipt of the task that writes ``name``; None if the task must be run (again).

        It must be run if there is no receipt, the receipt is damaged or of another task, or a file differs from
        its entry.

        Args:
            name: the name of the task, which is that of its file if it writes one.
            task: the task; its repr must be that in the receipt.
            is_trusted: do not read the files, which were written in this run.
        """
        path = self._folder / UNFINISHED / f"{name}.json"
        with contextlib.suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            note = json.loads(path.read_bytes())
            receipt: Receipt = note["receipt"]
            if note["task"] != repr(task):
                return None
            entries = entries_of(name, receipt)
            if is_trusted or all(self._is_as_written(file, entry) for file, entry in entries.items()):
                return receipt
        return None

    def write(self, name: str, task: Any, receipt: Receipt) -> None:
        """Record that a task has written its files.

        Args:
            name: the name of the task.
            task: the task; its repr is stored.
            receipt: the record.

        Raises:
            OutputError: a file is not visible here, so the worker's folder of this name is another one.
        """
        files = list(entries_of(name, receipt))
        for file in files:
            self._wait_for(self._folder / file)
        note = json.dumps({"task": repr(task), "receipt": receipt})
        write_text(self._folder / UNFINISHED / f"{name}.json", note)
        if self._mirror and not name.startswith(KEPT_HERE):
            self._mirror.put_later([*files, f"{UNFINISHED}/{name}.json"])

    def bring(self, receipts: Iterable[Receipt]) -> None:
        """Download the files of tasks that a run on another machine uploaded to the bucket.

        Raises:
            ShardError: a file differs from its entry.
        """
        for receipt in receipts if self._mirror else ():
            for entry in entries_of("", receipt).values():  # entries have their names
                fetch_entry(self._mirror.url if self._mirror else "", self._folder, dict(entry))

    def _wait_for(self, path: Path) -> None:
        for pause in (0, *LATE):
            time.sleep(pause)
            if path.exists():
                return
        raise OutputError(
            f"{path}: was written, and is not here; the output must be a folder that all nodes share"
            + (" (for a bucket: WPPREP_CACHE must be)" if self._mirror else "")
        )

    def _is_as_written(self, name: str, entry: Entry) -> bool:
        file = self._folder / name
        if self._mirror and not file.exists():
            return self._mirror.has(name, entry["bytes"])
        is_there = file.exists() and file.stat().st_size == entry["bytes"]
        return is_there and sha256_of(file) == entry["sha256"]


class Receipts:
    """The receipts of the tasks of a stage, in the order of the tasks; read from disk at every iteration.

    Args:
        store: the receipts of the folder.
        tasks: the tasks by name; all must be finished.
    """

    def __init__(self, store: ReceiptStore, tasks: dict[str, Any]) -> None:
        """Accept the tasks; reads nothing."""
        self._store, self._tasks = store, tasks

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._tasks)

    def __iter__(self) -> Iterator[Receipt]:
        """Yield the receipts, one in memory at a time."""
        for name, task in self._tasks.items():
            receipt = self._store.read(name, task, is_trusted=True)
            assert receipt is not None, name
            yield receipt
