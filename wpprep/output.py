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
A folder in a bucket is written in a local one, and each file put when its task is done (`wpprep.mirror`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wpprep.cache import fetch_entry
from wpprep.claims import Claims
from wpprep.errors import OutputError
from wpprep.files import (
    MANIFEST,
    UNFINISHED,
    Place,
    make_folder,
    remove_folder,
    remove_partial,
    remove_remains,
    sha256_of,
    write_text,
)
from wpprep.manifest import Manifest, read_manifest, write_manifest
from wpprep.mirror import KEPT_HERE, Mirror
from wpprep.remote import is_url

if os.name == "posix":
    import fcntl

_PLAN = "plan.json"
_CLAIMS = "claims"
_LOOKS = (0.02, 0.5)  # seconds between two looks at what other nodes have done: at first, and after long


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
        _refuse_foreign(folder)
        remove_remains(folder)
        if (folder / UNFINISHED).exists():
            _lock_file(folder, is_shared=bool(node)).close()  # no other run may be at work, whatever we do next
        found = _plan_of(folder, overwrite)
        if found is not None and found != plan:
            if not overwrite:
                raise OutputError(
                    f"{folder}: holds {_difference(found, plan)}; give another folder, or --overwrite"
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
        lock = _lock_file(folder, is_shared=bool(node))
        write_text(folder / UNFINISHED / _PLAN, json.dumps(plan, indent=2) + "\n")
        if node:
            return cls(
                folder, lock, Claims(folder / UNFINISHED / _CLAIMS, node, node_timeout), is_finished=False
            )
        remove_partial(folder)
        if mirror:
            mirror.put([f"{UNFINISHED}/{_PLAN}"])
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
        files = {entry["name"]: entry for entry in note["receipt"].get("shards", [])}
        files = files or {name: note["receipt"]["shard"]}
        is_done = note["task"] == repr(task) and (
            is_trusted or all(self._is_as_written(file, entry) for file, entry in files.items())
        )
        return note["receipt"] if is_done else None

    def note(self, name: str, task: Any, receipt: dict[str, Any]) -> None:
        """Say that a task has written its file."""
        write_text(
            self.path / UNFINISHED / f"{name}.json", json.dumps({"task": repr(task), "receipt": receipt})
        )
        if self._mirror and not name.startswith(KEPT_HERE):
            files = [entry["name"] for entry in receipt.get("shards") or [receipt["shard"]]]
            self._mirror.put_later([*files, f"{UNFINISHED}/{name}.json"])

    def bring(self, receipts: Iterable[dict[str, Any]]) -> None:
        """Have the tasks' files in ``path``, also those that a run on another machine put into the bucket.

        Raises:
            ShardError: one is not what was written.
        """
        for receipt in receipts if self._mirror else ():
            for entry in receipt.get("shards") or [receipt["shard"]]:
                fetch_entry(f"{self.place}/{entry['name']}", self.path / entry["name"], entry)

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
        """Give other nodes a moment, each time a longer one until there is something to do again."""
        time.sleep(self._pause)
        self._pause = min(2 * self._pause, _LOOKS[1])

    def refuse_finished(self) -> None:
        """Raise FinishedElsewhere where another node has finished the folder meanwhile."""
        if (self.path / MANIFEST).exists():
            raise FinishedElsewhere

    def finish(self, manifest: Manifest) -> None:
        """Declare the folder finished."""
        write_manifest(self.path, manifest)
        if self.claims is not None:
            remove_partial(self.path)
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
            self._lock.close()
        if self.claims is not None:
            self.claims.__exit__(kind, error, trace)
            # The one that finishes takes away what others still look at, and they may have begun it anew.
            is_finished = (self.path / MANIFEST).exists()
            if is_finished:
                with contextlib.suppress(OSError):
                    remove_folder(self.path / UNFINISHED)
            return is_finished and isinstance(error, (FinishedElsewhere, OSError))
        try:
            if error is not None and self._is_untouched():
                self._remove()
        finally:
            if self._mirror is not None:
                self._mirror.release()
        return False

    def _is_untouched(self) -> bool:
        """Whether nothing was done here yet, so that nothing need be left behind."""
        unfinished = self.path / UNFINISHED
        inside = {path.name for path in self.path.glob("*")}
        return inside == {UNFINISHED} and {path.name for path in unfinished.iterdir()} <= {_PLAN, "lock"}


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder or nothing")
    is_ours = (folder / MANIFEST).exists() or (folder / UNFINISHED).exists()
    if folder.exists() and not is_ours and any(folder.iterdir()):
        some = sorted(file.name for file in folder.iterdir())[:3]
        raise OutputError(f"{folder}: holds something else ({', '.join(some)}); give an empty or new folder")


def _plan_of(folder: Path, overwrite: bool) -> dict[str, Any] | None:
    """The plan that began or finished a folder, None if there is none; a damaged one may be overwritten."""
    plan = folder / UNFINISHED / _PLAN
    try:
        if plan.exists():
            found: dict[str, Any] = json.loads(plan.read_bytes())
            return found
        if (folder / MANIFEST).exists():
            manifest = read_manifest(folder)
            identity = manifest.corpus.get("identity")
            return {
                "kind": manifest.kind,
                "options": manifest.options,
                "vocabulary": manifest.vocabulary,
                "corpus": identity,
            }
    except ValueError as error:  # ShardError, or no JSON
        if overwrite:
            return {"kind": "damaged"}
        raise OutputError(f"{plan if plan.exists() else folder}: damaged ({error}); use --overwrite") from error
    return None


def _lock_file(folder: Path, *, is_shared: bool) -> IO[bytes]:
    """An open file that holds the folder's lock, alone or with other nodes; it ends with the process."""
    try:
        lock = open(folder / UNFINISHED / "lock", "wb")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    if os.name == "posix":
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise OutputError(
                f"{folder}: another run is at work in this folder; wait for it, or stop it"
            ) from error
    return lock


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """The first entries in which two plans differ, for people."""
    if found.get("kind") != wanted["kind"]:
        return f"a folder of kind {found.get('kind')}, not {wanted['kind']}"
    before, after = _flat(found), _flat(wanted)
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    parts = [f"{key} {before.get(key)!r} instead of {after.get(key)!r}" for key in keys[:3]]
    return "the work of another command: " + ", ".join(parts)


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
