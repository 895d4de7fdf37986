"""Output folders: claimed by one run, resumed by the same command, finished when the manifest is there.

    with OutputFolder.claim(out, "shards", plan, overwrite=False) as folder:
        if folder.receipt(name, task) is None:      # not done yet
            ...                                     # write the file, then say so:
            folder.note(name, task, receipt)
        folder.finish(manifest)

While a folder is unfinished it holds ``.unfinished/``: the plan (what the bytes depend on), a lock, and one
receipt for each finished task, written after the task's file. The same plan may go on; another one is
refused with the difference spelled out.

Several nodes may fill one folder together (``node="2/4"``): they share the lock, `claims` says who does what,
and of those that see the last receipt one is elected to finish. After ``with``, the folder is finished for all.
A folder in a bucket is written in a local one, and each file put when its task is done (`wpprep.jobs.upload`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wpprep.errors import OutputError, WpprepError
from wpprep.jobs.claims import Claims
from wpprep.jobs.lock import PLAN, difference, found_plan, lock_folder, refuse_foreign
from wpprep.jobs.upload import KEPT_HERE, Mirror
from wpprep.storage.cache import fetch_entry
from wpprep.storage.files import (
    MANIFEST,
    UNFINISHED,
    Place,
    make_folder,
    remove_folder,
    remove_partial,
    remove_remains,
    set_aside,
    sha256_of,
    write_text,
)
from wpprep.storage.manifest import Manifest, write_manifest
from wpprep.storage.remote import is_url

_CLAIMS = "claims"
_LATE = (1, 2, 4, 8, 16)  # seconds in which a network file system shows what another machine has written
_LOOKS = (0.02, 0.5)  # seconds between two looks at what other nodes have done: at first, and after long

_log = logging.getLogger(__name__)


class FinishedElsewhere(Exception):  # noqa: N818 - good news, which no one but OutputFolder catches
    """Another node has finished the folder meanwhile."""


class OutputFolder:
    """A folder that one run of one command writes.

    Attributes:
        path: the folder; of one in a bucket, the local one that becomes it.
        place: the folder as users know it, a path or a URL.
        is_finished: whether it was already finished by the same plan when it was claimed.
        claims: who does what, where several nodes fill the folder.
    """

    def __init__(
        self,
        path: Path,
        lock: IO[bytes] | None,
        claims: Claims | None = None,
        mirror: Mirror | None = None,
        *,
        is_finished: bool,
    ) -> None:
        self.path = path
        self.place: Place = path if mirror is None else mirror.url
        self._mirror = mirror
        self.is_finished = is_finished
        self.claims = claims
        self._lock = lock
        self._pause = _LOOKS[0]

    @classmethod
    def claim(
        cls,
        path: str | os.PathLike[str],
        kind: str,
        plan: dict[str, Any],
        *,
        overwrite: bool,
        node: str | None = None,
        node_timeout: float = 0,
    ) -> OutputFolder:
        """Take a folder for a plan: a new or empty one, or one that the same plan began or finished.

        With ``node`` (``I/N``) other nodes may take it too; one that gave no sign of life for ``node_timeout``
        seconds has lost its tasks to the others.

        Raises:
            OutputError: the folder holds something else, another plan, or another run is at work in it.
        """
        plan = json.loads(json.dumps({"kind": kind, **plan}))
        if not is_url(path):
            return cls._take(Path(path), plan, None, overwrite=overwrite, node=node, node_timeout=node_timeout)
        if node:
            raise OutputError(f"{path}: nodes share a folder, not a bucket; run one, or give a folder")
        mirror = Mirror(str(path))
        try:
            return cls._take(mirror.local, plan, mirror, overwrite=overwrite, node=None, node_timeout=0)
        except BaseException:
            mirror.release()
            raise

    @classmethod
    def _take(
        cls,
        folder: Path,
        plan: dict[str, Any],
        mirror: Mirror | None,
        *,
        overwrite: bool,
        node: str | None,
        node_timeout: float,
    ) -> OutputFolder:
        remove = mirror.wipe if mirror else partial(remove_folder, folder)
        refuse_foreign(folder)
        remove_remains(folder)
        if (folder / UNFINISHED).exists():
            lock_folder(folder, is_shared=bool(node)).close()  # no other run may be at work
        found = found_plan(folder, overwrite)
        if found is not None and found != plan:
            if not overwrite:
                name = mirror.url if mirror else folder
                raise OutputError(
                    f"{name}: holds {difference(found, plan)}; give another folder, or --overwrite"
                )
            remove()
        elif found == plan and (folder / MANIFEST).exists():
            remove_folder(folder / UNFINISHED)
            remove_partial(folder)
            if mirror:
                mirror.clear_unfinished()
            if not overwrite:
                return cls(folder, None, None, mirror, is_finished=True)
            remove()
        make_folder(folder / UNFINISHED)
        lock = lock_folder(folder, is_shared=bool(node))
        write_text(folder / UNFINISHED / PLAN, json.dumps(plan, indent=2) + "\n")
        if node:
            return cls(
                folder, lock, Claims(folder / UNFINISHED / _CLAIMS, node, node_timeout), is_finished=False
            )
        remove_partial(folder)
        if mirror:
            mirror.put([f"{UNFINISHED}/{PLAN}"])
        return cls(folder, lock, None, mirror, is_finished=False)

    def receipt(self, name: str, task: Any, *, is_trusted: bool = False) -> dict[str, Any] | None:
        """What the task noted when it had written the file ``name``; None if it must be done (again).

        It must if there is no receipt, the receipt is of another task, or the file is not what was written: the
        one called ``name``, or, of a task that writes several, those that the receipt lists under ``shards``.
        Where it is trusted the files are not read: whoever wrote them answers for them.
        """
        path = self.path / UNFINISHED / f"{name}.json"
        if not path.exists():
            return None
        note: dict[str, Any] = json.loads(path.read_bytes())
        files = _files_of(name, note["receipt"])
        is_done = note["task"] == repr(task) and (
            is_trusted or all(self._is_as_written(file, entry) for file, entry in files.items())
        )
        return note["receipt"] if is_done else None

    def note(self, name: str, task: Any, receipt: dict[str, Any]) -> None:
        """Say that a task has written its file.

        Raises:
            OutputError: the file is not here: whoever did the task has another folder of this name.
        """
        files = list(_files_of(name, receipt))
        for file in files:
            self._refuse_missing(self.path / file)
        write_text(
            self.path / UNFINISHED / f"{name}.json", json.dumps({"task": repr(task), "receipt": receipt})
        )
        if self._mirror and not name.startswith(KEPT_HERE):
            self._mirror.put_later([*files, f"{UNFINISHED}/{name}.json"])

    def bring(self, receipts: Iterable[dict[str, Any]]) -> None:
        """Have the tasks' files in ``path``, also those that a run on another machine put into the bucket.

        Raises:
            ShardError: one is not what was written.
        """
        for receipt in receipts if self._mirror else ():
            for entry in _files_of("", receipt).values():  # whose name is in it
                fetch_entry(str(self.place), self.path, entry)

    def _refuse_missing(self, path: Path) -> None:
        for pause in (0, *_LATE):
            time.sleep(pause)
            if path.exists():
                return
        raise OutputError(
            f"{path}: was written, and is not here; the output must be a folder that all nodes share"
            + (" (of a bucket: WPPREP_CACHE must be)" if self._mirror else "")
        )

    def _is_as_written(self, name: str, entry: dict[str, Any]) -> bool:
        file = self.path / name
        if self._mirror and not file.exists():
            return self._mirror.has(name, entry["bytes"])
        is_there = file.exists() and file.stat().st_size == entry["bytes"]
        return is_there and sha256_of(file) == entry["sha256"]

    def remove_others(self, pattern: str, names: Collection[str]) -> None:
        """Remove the files that match a pattern and that no task of this run is to write.

        Where several nodes agree on their tasks, such files are another node's, unless there are to be none.
        """
        for path in self.path.glob(pattern):
            if path.name not in names and not (self.claims and names):
                path.unlink()

    def own(self, names: Iterable[str]) -> list[str]:
        """The tasks whose files this node answers for: its share, or all where it is alone."""
        return list(names) if self.claims is None else self.claims.own(names)

    def agree(self, stage: str, tasks: dict[str, Any]) -> None:
        """Make sure that all nodes have the same tasks.

        Raises:
            OutputError: another node has other ones, because its command has other options.
        """
        if self.claims is not None:
            digest = hashlib.sha256(repr(tasks).encode()).hexdigest()
            if self.claims.first_word(stage, digest) != digest:
                raise OutputError(
                    f"{self.path}: another node cuts the work into other tasks; give every node the same "
                    "command, --slice-bytes and paths included"
                )

    def share(self, names: Iterable[str]) -> Iterator[str]:
        """Of several nodes' tasks those that this one has claimed, each when it is asked for.

        Raises:
            FinishedElsewhere: there is nothing left to do.
        """
        assert self.claims is not None
        for name in self.claims.order(names):
            self.refuse_finished()
            if self.claims.take(name):
                self._pause = _LOOKS[0]
                yield name

    def elect(self) -> None:
        """Let one node go on, and the others wait until it has finished the folder; alone, go on.

        Raises:
            FinishedElsewhere: another one has.
        """
        while self.claims is not None:
            self.refuse_finished()
            if self.claims.take(MANIFEST):
                return
            self.wait()

    def wait(self) -> None:
        """Give other nodes a moment, each time a little longer one until there is something to do again."""
        time.sleep(self._pause)
        self._pause = min(1.125 * self._pause, _LOOKS[1])  # so about an eighth of the wait may be in vain

    def refuse_finished(self) -> None:
        """Raise FinishedElsewhere where another node has finished the folder meanwhile."""
        if (self.path / MANIFEST).exists():
            raise FinishedElsewhere

    def set_aside(self, name: str) -> None:
        """Let a folder inside go with the work: it loses its name now, and is removed when all is finished."""
        set_aside(self.path / name)

    def finish(self, manifest: Manifest) -> None:
        """Declare the folder finished."""
        write_manifest(self.path, manifest)
        remove_partial(self.path)  # what was set aside, and what lost workers had begun
        if self._mirror is not None:
            self._mirror.finish()
        remove_folder(self.path / UNFINISHED)

    def discard(self) -> None:
        """Remove the folder: what was done in it is of no use to any later run."""
        self._remove()

    def _remove(self) -> None:
        if self._mirror is not None:
            self._mirror.wipe()
        remove_folder(self.path)

    def __enter__(self) -> Self:
        if self.claims is not None:
            self.claims.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if self._lock is not None:
            if error is not None and self.claims is None:
                with contextlib.suppress(OSError):
                    remove_partial(self.path)  # what other workers had begun when one of them failed
            self._lock.close()
        if self.claims is not None:
            is_of_work = isinstance(error, (FinishedElsewhere, WpprepError, OSError))
            is_finished = self._is_finished_elsewhere(self.claims, wait=is_of_work)
            self.claims.__exit__(kind, error, trace)
            # The one that finishes takes away what others still look at, and they may have begun it anew.
            if is_finished:
                with contextlib.suppress(OSError):
                    remove_folder(self.path / UNFINISHED)
                if error is not None and is_of_work and not isinstance(error, FinishedElsewhere):
                    self._tell_of(error)
            return is_finished and is_of_work
        try:
            if error is not None and self._is_untouched():
                self._remove()
        finally:
            if self._mirror is not None:
                self._mirror.release()
        return False

    def _is_finished_elsewhere(self, claims: Claims, *, wait: bool) -> bool:
        """Whether the folder is finished; if another node is at that, by the time it has done it or is lost."""
        while wait and not (self.path / MANIFEST).exists() and claims.is_taken(MANIFEST):
            self.wait()
        return (self.path / MANIFEST).exists()

    def _tell_of(self, error: BaseException) -> None:
        """Say what failed here beside a finished folder; that files went with the work is as it should be."""
        went = isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError)
        level = logging.INFO if went else logging.WARNING
        _log.log(level, "%s: finished elsewhere, without what was begun here (%s)", self.place, error)

    def _is_untouched(self) -> bool:
        """Whether nothing was done here yet, so that nothing need be left behind."""
        unfinished = self.path / UNFINISHED
        inside = {path.name for path in self.path.glob("*")}
        return inside == {UNFINISHED} and {path.name for path in unfinished.iterdir()} <= {PLAN, "lock"}


def _files_of(name: str, receipt: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The files that a task has written and their entries: those that are listed, or one called ``name``."""
    listed = {entry["name"]: entry for entry in receipt.get("shards", [])}
    return listed or ({name: receipt["shard"]} if "shard" in receipt else {})
