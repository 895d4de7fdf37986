"""Outputs on their way to a bucket: written in a local folder, put one by one, the manifest last.

    s3://bucket/shards/
      .unfinished/plan.json, lock, shard-00000-of-00004.arrow.json ...    while a run is at work, or was
      shard-00000-of-00004.arrow ...                                      each from one PUT, whole or not at all
      manifest.json                                                       last

The local folder is in the cache (`wpprep.storage.cache`) and holds the whole output until it is finished. What the
bucket has a receipt for is not done again, on whatever machine the command is repeated.

One run at a time: the lock is written on the condition that there is none (S3, Google) and says who holds it.
A holder gives a sign of life every ten seconds; one of this machine that has ended, or one elsewhere that is
silent for half a minute, has lost it. Where a store knows no conditional writes, and where two runs take over
from a dead one, both may begin within the same second; then one of them reads the other's name in the lock, at
its next sign of life at the latest, and stops.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import platform
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

from wpprep.errors import MissingInputError, OptionError, OutputError, WpprepError
from wpprep.storage.cache import cache_folder, path_inside
from wpprep.storage.files import MANIFEST, UNFINISHED, make_folder, remove_folder, write_text
from wpprep.storage.remote import is_url, list_remote, put_remote, read_remote, remove_remote, write_remote

KEPT_HERE = ("survey-", "run-", "counts.")  # what tasks write for other tasks of the run stays on this machine
BEAT = 10.0  # seconds between signs of life
_PATIENCE = 3  # beats
_AT_ONCE = 4  # uploads
_LOCK = f"{UNFINISHED}/lock"

_log = logging.getLogger(__name__)


class Mirror:
    """A folder in a bucket and the local one that becomes it, held by this run alone.

    Attributes:
        url: the folder in the bucket.
        local: the local one.
    """

    def __init__(self, url: str) -> None:
        """Take the folder's lock, and bring what the bucket has of the last run's plan, receipts and manifest.

        Raises:
            OutputError: it holds something else, or another run is at work in it.
            RemoteError: the bucket cannot be written.
        """
        self.url = url.rstrip("/")
        self.local = local_folder(url)
        self._waiting: list[Future[None]] = []
        self._there = self._listed()
        is_ours = any(name == MANIFEST or name.startswith(UNFINISHED) for name in self._there)
        if self._there and not is_ours:
            some = ", ".join(sorted(self._there)[:3])
            raise OutputError(f"{url}: holds something else ({some}); give an empty or new folder")
        self._lock = _Lock(f"{self.url}/{_LOCK}", self.url)
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        try:
            self._there = self._listed()
            make_folder(self.local / UNFINISHED)
            self._pull()
        except BaseException:
            self.release()
            raise

    def _listed(self) -> dict[str, int | None]:
        return {name.removeprefix(f"{self.url}/"): size for name, size in list_remote(f"{self.url}/").items()}

    def _pull(self) -> None:
        """Make the local state that of the bucket; what tasks keep for themselves stays."""
        state = [name for name in self._there if name.startswith(f"{UNFINISHED}/") and name.endswith(".json")]
        for path in (self.local / UNFINISHED).glob("*.json"):
            if not path.name.startswith(KEPT_HERE):
                path.unlink()
        (self.local / MANIFEST).unlink(missing_ok=True)
        for name in [*state, *([MANIFEST] if MANIFEST in self._there else [])]:
            path = path_inside(self.url, self.local, name)
            make_folder(path.parent)
            write_text(path, read_remote(f"{self.url}/{name}").decode())

    def has(self, name: str, size: int) -> bool:
        """Whether the bucket has a file of this size."""
        return self._there.get(name) == size

    def put(self, names: Iterable[str]) -> None:
        """Put local files into the bucket, one after another, now."""
        for name in names:
            self._check()
            if not (self.local / name).exists():
                raise OutputError(
                    f"{self.local / name}: not here; on a cluster WPPREP_CACHE must be a folder all nodes share"
                )
            put_remote(self.local / name, f"{self.url}/{name}")

    def put_later(self, names: list[str]) -> None:
        """Put local files in order while other work goes on; an error is raised by a later call."""
        self._raise_failed(wait=len(self._waiting) >= 4 * _AT_ONCE)
        self._waiting.append(self._pool.submit(self.put, names))

    def finish(self) -> None:
        """Put what is left, the manifest last, and remove the local folder and all traces of work."""
        self._raise_failed(wait=True)
        self._there = self._listed()
        files = [path for path in self.local.rglob("*") if path.is_file()]
        names = [path.relative_to(self.local).as_posix() for path in files]
        wanted = [name for name in names if not name.startswith(".") and "/." not in name and name != MANIFEST]
        put = self._put_before()
        sizes = {name: (self.local / name).stat().st_size for name in wanted}
        left = [name for name in wanted if not (name in put and self.has(name, sizes[name]))]
        for is_manifest in (False, True):
            some = [name for name in left if name.endswith(f"/{MANIFEST}") == is_manifest]
            list(self._pool.map(lambda name: self.put([name]), some))
        listed = {file["name"] for file in json.loads((self.local / MANIFEST).read_bytes())["files"]}
        others = self._there.keys() - {*wanted, *listed, MANIFEST}  # of a killed run that cut other tasks
        remove_remote([f"{self.url}/{name}" for name in others if not name.startswith(UNFINISHED)])
        self._lock.look()
        self.put([MANIFEST])
        self.clear_unfinished()
        remove_folder(self.local)

    def _put_before(self) -> set[str]:
        """The files of the tasks that are done."""
        notes = [json.loads(path.read_bytes()) for path in (self.local / UNFINISHED).glob("*.json")]
        receipts = [note["receipt"] for note in notes if "receipt" in note]
        return {entry["name"] for one in receipts for entry in one.get("shards") or [one["shard"]]}

    def clear_unfinished(self) -> None:
        """Remove the traces of work from the bucket, but for the lock."""
        names = [name for name in self._listed() if name.startswith(f"{UNFINISHED}/") and name != _LOCK]
        remove_remote([f"{self.url}/{name}" for name in names])

    def wipe(self) -> None:
        """Remove the folder, here and there, but for the lock; the manifest first."""
        names = [name for name in self._listed() if name != _LOCK]
        remove_remote([f"{self.url}/{name}" for name in names if name == MANIFEST])
        remove_remote([f"{self.url}/{name}" for name in names if name != MANIFEST])
        self._there = {}
        remove_folder(self.local)

    def release(self) -> None:
        """Let others have the folder."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._lock.release()

    def _check(self) -> None:
        if self._lock.is_lost:
            raise OutputError(f"{self.url}: another run has taken over here; this one stops")

    def _raise_failed(self, *, wait: bool) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if wait or future.done():
                future.result()
            else:
                self._waiting.append(future)


@contextlib.contextmanager
def outbound(out: str | os.PathLike[str], *, overwrite: bool, is_first: bool) -> Iterator[Path]:
    """A local folder for an output that is made as one; put into the bucket if the block finishes it.

    Of several processes that make it together only the first holds the bucket's folder.

    Raises:
        OutputError: the bucket has it already, or holds something else.
    """
    if not is_url(out):
        yield Path(out)
    elif not is_first:
        yield local_folder(str(out))
    else:
        mirror = Mirror(str(out))
        try:
            if (mirror.local / MANIFEST).exists():
                if not overwrite:
                    raise OutputError(f"{out}: is finished; choose another --out, or --overwrite it")
                mirror.wipe()
            remove_folder(mirror.local / UNFINISHED)  # such an output has no receipts
            yield mirror.local
            mirror.finish()
        finally:
            mirror.release()


def local_folder(url: str) -> Path:
    """Where an output lies until it is in its bucket."""
    name = url.rstrip("/").replace("://", "/")
    if ".." in name.split("/"):
        raise OptionError(f"{url}: has a part '..', which no bucket knows; give the folder's own name")
    return cache_folder() / "out" / name


class _Lock:
    """An object that says which run is at work, with a thread that keeps it fresh."""

    def __init__(self, url: str, folder: str) -> None:
        self._url, self._folder = url, folder
        self._who = {"host": _host(), "pid": os.getpid(), "began": _began(os.getpid()), "token": uuid4().hex}
        self.is_lost = False
        self._stop = threading.Event()
        self._take()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while not write_remote(self._url, self._text(0), create=True):
            found = self._read()
            if found is None:
                continue  # given back just now
            if found.get("token") == self._who["token"]:
                return  # ours: the answer to our own write was lost
            if _is_alive(found) or (found.get("host") != _host() and self._gives_signs(found)):
                raise OutputError(
                    f"{self._folder}: another run is at work in this folder (process {found.get('pid')} on "
                    f"{found.get('host')}); wait for it, or stop it"
                )
            write_remote(self._url, self._text(0))
            time.sleep(min(1.0, BEAT / 10))  # whoever took it in the same moment has written too
            if (self._read() or {}).get("token") != self._who["token"]:
                raise OutputError(f"{self._folder}: another run has just begun in this folder; wait for it")
            return

    def _gives_signs(self, found: dict[str, Any]) -> bool:
        _log.warning("%s: a run on %s was at work; waiting for a sign of life", self._folder, found.get("host"))
        for _ in range(_PATIENCE):
            time.sleep(BEAT)
            if self._read() != found:
                return True
        return False

    def _keep(self) -> None:
        beats = 0
        while not self._stop.wait(BEAT):
            beats += 1
            try:
                self.look()
                if self.is_lost:
                    return
                write_remote(self._url, self._text(beats))
            except WpprepError as error:
                _log.warning("%s: no sign of life could be given: %s", self._folder, error)

    def look(self) -> None:
        """Notice if another run has the lock now."""
        if (self._read() or self._who).get("token") != self._who["token"]:
            self.is_lost = True

    def _text(self, beats: int) -> bytes:
        return json.dumps(self._who | {"beats": beats}).encode()

    def _read(self) -> dict[str, Any] | None:
        try:
            found = json.loads(read_remote(self._url))
        except MissingInputError:
            return None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    def release(self) -> None:
        self._stop.set()
        self._thread.join()
        try:
            self.look()
            if not self.is_lost:
                remove_remote([self._url])
        except WpprepError as error:  # no reason to hide an error that the run may have ended with
            _log.warning("%s: the lock could not be removed; it will lapse: %s", self._folder, error)


def _host() -> str:
    """This machine, or this container of it: where a process is known by its number."""
    try:
        return f"{platform.node()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _began(pid: int) -> str:
    """When a process began, in the system's own count, so that a number used again is another process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _is_alive(found: dict[str, Any]) -> bool:
    """Whether the holder of a lock is a process of this machine that still runs."""
    if found.get("host") != _host():
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return False
    return bool(_began(int(found["pid"])) == found.get("began"))
