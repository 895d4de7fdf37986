"""Output folders: begun by one command, resumed by the same command, finished when the manifest is there.

    with OutputFolder.claim(out, plan, overwrite=False) as folder:
        if folder.receipts.read(name, task) is None:    # not done yet
            ...                                         # write the file, then record it:
            folder.receipts.write(name, task, receipt)
        folder.finish(manifest)

While a folder is unfinished it holds ``.unfinished/``: the plan (what the bytes depend on), a lock, and one
receipt for each finished task (`receipts`). A command with the same plan resumes the work; another one is
refused, with the differences. Several nodes may fill one folder together (`nodes`). A folder in a bucket is
written in a local one, and each file is uploaded when its task is done (`upload`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from wpprep.errors import OutputError, WpprepError
from wpprep.jobs.claims import Claims
from wpprep.jobs.lock import PLAN, difference, found_plan, lock_folder, refuse_foreign
from wpprep.jobs.nodes import Alone, FinishedElsewhere, Nodes
from wpprep.jobs.plans import Plan
from wpprep.jobs.receipts import ReceiptStore
from wpprep.jobs.upload import Mirror
from wpprep.storage.files import (
    MANIFEST,
    UNFINISHED,
    make_folder,
    remove_aside,
    remove_folder,
    remove_partial,
    remove_remains,
    set_aside,
    write_text,
)
from wpprep.storage.manifest import Manifest, write_manifest
from wpprep.storage.place import Location
from wpprep.storage.remote import is_url

_CLAIMS = "claims"

_log = logging.getLogger(__name__)


class OutputFolder:
    """A folder that one run of one command writes.

    Attributes:
        path: the folder; for one in a bucket, the local folder that is uploaded.
        place: the folder as users name it, a path or a URL.
        is_finished: whether the same plan had finished it before.
        receipts: what finished tasks recorded.
        nodes: how tasks are shared with other nodes.
    """

    def __init__(
        self,
        path: Path,
        lock: IO[bytes] | None,
        nodes: Alone,
        mirror: Mirror | None,
        *,
        is_finished: bool,
    ) -> None:
        """Accept a locked folder; `claim` locks one."""
        self.path = path
        self.place: Location = path if mirror is None else mirror.url
        self.is_finished = is_finished
        self.nodes = nodes
        self.receipts = ReceiptStore(path, mirror)
        self._lock, self._mirror = lock, mirror

    @classmethod
    def claim(
        cls,
        path: str | os.PathLike[str],
        plan: Plan,
        *,
        overwrite: bool,
        node: str | None = None,
        node_timeout: float = 0,
    ) -> OutputFolder:
        """Take a folder for a plan: a new or empty one, or one that the same plan began or finished.

        Args:
            path: the folder, a path or a URL.
            plan: what its bytes depend on, its kind included.
            overwrite: replace a folder of another plan.
            node: ``I/N`` where other nodes take the folder too.
            node_timeout: seconds without a sign of life after which a node's tasks are given to others.

        Raises:
            OutputError: the folder holds something else or another plan, or another run is at work in it.
        """
        plan = json.loads(json.dumps(plan))
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
        plan: Plan,
        mirror: Mirror | None,
        *,
        overwrite: bool,
        node: str | None,
        node_timeout: float,
    ) -> OutputFolder:
        try:
            refuse_foreign(folder)
            remove_remains(folder)
            if (folder / UNFINISHED).exists():
                lock_folder(folder, is_shared=bool(node)).close()  # no other run may be at work
            found = found_plan(folder, overwrite)
            is_same = found == plan
            if found is not None and not is_same and not overwrite:
                name = mirror.url if mirror else folder
                raise OutputError(
                    f"{name}: holds {difference(found, plan)}; give another folder, or --overwrite"
                )
            is_done = is_same and (folder / MANIFEST).exists()
            if is_done:
                remove_folder(folder / UNFINISHED)
                remove_partial(folder)
                if mirror:
                    mirror.clear_unfinished()
                if not overwrite:
                    return cls(folder, None, Alone(), mirror, is_finished=True)
            if is_done or (found is not None and not is_same):
                _remove(folder, mirror)
            make_folder(folder / UNFINISHED)
            lock = lock_folder(folder, is_shared=bool(node))
        except WpprepError:
            raise
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written: {error.strerror or error}") from error
        write_text(folder / UNFINISHED / PLAN, json.dumps(plan, indent=2) + "\n")
        if node:
            claims = Claims(folder / UNFINISHED / _CLAIMS, node, node_timeout)
            return cls(folder, lock, Nodes(folder, claims), None, is_finished=False)
        remove_partial(folder)
        if mirror:
            mirror.put([f"{UNFINISHED}/{PLAN}"])
        return cls(folder, lock, Alone(), mirror, is_finished=False)

    def remove_others(self, pattern: str, names: Collection[str]) -> None:
        """Remove the files that match a pattern and that no task of this run writes.

        Several nodes agree on their tasks, so they remove such files only where ``names`` is empty.

        Args:
            pattern: a glob in the output folder.
            names: the files to keep.
        """
        for path in self.path.glob(pattern):
            if path.name not in names and not (self.nodes.is_shared and names):
                path.unlink()

    def set_aside(self, name: str) -> None:
        """Rename a subfolder now; delete it when the folder is finished."""
        set_aside(self.path / name)

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, which declares the folder finished, and remove ``.unfinished``.

        Raises:
            OutputError: the manifest cannot be written.
        """
        write_manifest(self.path, manifest)
        remove_partial(self.path)  # subfolders set aside, and files begun by lost workers
        if self._mirror is not None:
            self._mirror.finish()
        elif (self.path / UNFINISHED).exists():
            # On NFS and FUSE a file that is open keeps a name when it is removed: the lock is closed first.
            aside = set_aside(self.path / UNFINISHED)
            self._unlock()
            remove_aside(aside)

    def discard(self) -> None:
        """Remove the folder, in which nothing can be resumed; errors are only logged."""
        with _logged(self.place):
            self._unlock()
            _remove(self.path, self._mirror)

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        """Begin to give signs of life, where there are several nodes."""
        if isinstance(self.nodes, Nodes):
            self.nodes.claims.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        """Release the folder, and remove it if an error came before any task was done.

        Returns whether the error is of no consequence, because another node has finished the folder.
        """
        if isinstance(self.nodes, Nodes):
            self._unlock()
            return self._leave_to_others(self.nodes, kind, error, trace)
        try:
            if error is not None and self._lock is not None:
                with _logged(self.place):
                    remove_partial(self.path)  # files begun by other workers when one of them failed
            self._unlock()
            if error is not None and self._is_untouched():
                self.discard()
        finally:
            if self._mirror is not None:
                self._mirror.release()
        return False

    def _leave_to_others(
        self,
        nodes: Nodes,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Return whether an error is of no consequence, because another node has finished the folder."""
        is_of_work = isinstance(error, (FinishedElsewhere, WpprepError, OSError))
        is_finished = nodes.wait_for_finish() if is_of_work else nodes.is_finished()
        nodes.claims.__exit__(kind, error, trace)
        # The node that finishes removes `.unfinished`, but others may have created it again since.
        if is_finished:
            with contextlib.suppress(OSError):
                remove_folder(self.path / UNFINISHED)
            if error is not None and is_of_work and not isinstance(error, FinishedElsewhere):
                self._tell_of(error)
        return is_finished and is_of_work

    def _tell_of(self, error: BaseException) -> None:
        """Log the error of a node whose folder was finished elsewhere; missing files are expected then."""
        went = isinstance(error, FileNotFoundError) or isinstance(error.__cause__, FileNotFoundError)
        level = logging.INFO if went else logging.WARNING
        _log.log(level, "%s: finished elsewhere, without what was begun here (%s)", self.place, error)

    def _is_untouched(self) -> bool:
        """Return whether the folder holds nothing but its plan and lock."""
        with contextlib.suppress(OSError):
            files = {
                path.relative_to(self.path).as_posix() for path in self.path.rglob("*") if not path.is_dir()
            }
            return files <= {f"{UNFINISHED}/{PLAN}", f"{UNFINISHED}/lock"}
        return False


def _remove(folder: Path, mirror: Mirror | None) -> None:
    if mirror is not None:
        mirror.wipe()
    remove_folder(folder)


@contextlib.contextmanager
def _logged(place: Location) -> Iterator[None]:
    """Log an OSError during cleaning up, so that it does not hide an earlier error."""
    try:
        yield
    except OSError as error:
        _log.warning("%s: what was begun here could not be removed: %s", place, error.strerror or error)
