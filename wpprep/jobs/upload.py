"""Upload of output folders to a bucket: files are written locally and uploaded one by one, the manifest last.

    s3://bucket/shards/
      .unfinished/plan.json, lock, shard-00000-of-00004.arrow.json ...    while a run is at work, or was
      shard-00000-of-00004.arrow ...                                      each from one PUT, whole or not at all
      manifest.json                                                       last

The local folder is in the cache (`wpprep.storage.cache`) and holds the whole output until it is finished. A
task with a receipt in the bucket is not run again, on any machine.

One run at a time: the lock is an object that names its holder, created by a conditional write (S3, Google).
The holder rewrites it every ten seconds as a sign of life. It loses the lock if it is a process of this
machine that has ended, or a process elsewhere that gives no sign for half a minute. In a store without
conditional writes, and where two runs take over from a dead one, both may begin within the same second; then
one of them finds the other in the lock, at its next sign of life at the latest, and stops.

What this module does not do: work with several nodes (`wpprep.jobs.nodes`), which share local folders only.
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
from wpprep.storage.cache import own_cache, path_inside
from wpprep.storage.files import MANIFEST, UNFINISHED, make_folder, remove_folder, write_text
from wpprep.storage.remote import is_url, list_remote, put_remote, read_remote, remove_remote, write_remote

KEPT_HERE = ("survey-", "run-", "counts.")  # prefixes of files for later tasks of the run, never uploaded
BEAT = 10.0  # seconds between signs of life
_PATIENCE = 3  # number of beats without a sign of life after which a lock is lost
_AT_ONCE = 4  # concurrent uploads
_LOCK = f"{UNFINISHED}/lock"

_log = logging.getLogger(__name__)


class Mirror:
    """A folder in a bucket, locked by this run, and the local folder that is uploaded to it.

    Attributes:
        url: the folder in the bucket.
        local: the local folder.
    """

    def __init__(self, url: str) -> None:
        """Lock the folder, and download the plan, receipts and manifest of the last run.

        Args:
            url: the folder in the bucket.

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
        """Replace the local plan, receipts and manifest by those of the bucket; keep those of `KEPT_HERE`."""
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
        """Return whether the bucket has a file of this name and size in bytes."""
        return self._there.get(name) == size

    def put(self, names: Iterable[str]) -> None:
        """Upload local files in order, given by their paths inside the folder.

        Raises:
            OutputError: a file does not exist, or another run has taken the lock.
            RemoteError: a file cannot be uploaded.
        """
        for name in names:
            self._check()
            if not (self.local / name).exists():
                raise OutputError(
                    f"{self.local / name}: not here; on a cluster WPPREP_CACHE must be a folder all nodes share"
                )
            put_remote(self.local / name, f"{self.url}/{name}")

    def put_later(self, names: list[str]) -> None:
        """Upload local files in order in the background; an error is raised by a later call or by `finish`."""
        self._raise_failed(wait=len(self._waiting) >= 4 * _AT_ONCE)
        self._waiting.append(self._pool.submit(self.put, names))

    def finish(self) -> None:
        """Upload the remaining files, the manifest last, and remove the local folder and ``.unfinished``.

        Raises:
            OutputError: another run has taken the lock.
            RemoteError: a file cannot be uploaded.
        """
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
        others = self._there.keys() - {*wanted, *listed, MANIFEST}  # of a killed run with other tasks
        remove_remote([f"{self.url}/{name}" for name in others if not name.startswith(UNFINISHED)])
        self._lock.look()
        self.put([MANIFEST])
        self.clear_unfinished()
        remove_folder(self.local)

    def _put_before(self) -> set[str]:
        """Return the names of the files of finished tasks."""
        notes = [json.loads(path.read_bytes()) for path in (self.local / UNFINISHED).glob("*.json")]
        receipts = [note["receipt"] for note in notes if "receipt" in note]
        return {entry["name"] for one in receipts for entry in one.get("shards") or [one["shard"]]}

    def clear_unfinished(self) -> None:
        """Remove ``.unfinished`` from the bucket, except the lock."""
        names = [name for name in self._listed() if name.startswith(f"{UNFINISHED}/") and name != _LOCK]
        remove_remote([f"{self.url}/{name}" for name in names])

    def wipe(self) -> None:
        """Remove the files in the bucket, except the lock, and the local folder; the manifest first."""
        names = [name for name in self._listed() if name != _LOCK]
        remove_remote([f"{self.url}/{name}" for name in names if name == MANIFEST])
        remove_remote([f"{self.url}/{name}" for name in names if name != MANIFEST])
        self._there = {}
        remove_folder(self.local)

    def release(self) -> None:
        """Wait for running uploads, cancel the others, and remove the lock."""
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
    """Yield the local folder of an output without tasks; upload it to its bucket if the block ends well.

    Args:
        out: a path, which is yielded as it is, or a URL.
        overwrite: replace a finished folder in the bucket.
        is_first: whether this is the first of the processes that write the folder together; only the first
            locks and uploads it.

    Raises:
        OutputError: the folder in the bucket is finished, locked, or holds something else.
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
                    raise OutputError(f"{out}: is finished; give another --out, or --overwrite")
                mirror.wipe()
            remove_folder(mirror.local / UNFINISHED)  # an output without tasks has no receipts
            yield mirror.local
            mirror.finish()
        finally:
            mirror.release()


def local_folder(url: str) -> Path:
    """Return the folder in the cache for an output that is uploaded to a URL.

    Raises:
        OptionError: the URL has a part ``..``.
    """
    name = url.rstrip("/").replace("://", "/")
    if ".." in name.split("/"):
        raise OptionError(f"{url}: has a part '..', which is not allowed here; give the folder's own name")
    return own_cache() / "out" / name


class _Lock:
    """The lock of a folder in a bucket: an object that names its holder, and a thread that rewrites it."""

    def __init__(self, url: str, folder: str) -> None:
        """Take the lock at ``url`` or raise OutputError; ``folder`` is named in messages."""
        self._url, self._folder = url, folder
        self._who = {
            "host": this_host(),
            "pid": os.getpid(),
            "began": _began(os.getpid()),
            "token": uuid4().hex,
        }
        self.is_lost = False
        self._stop = threading.Event()
        self._take()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while not write_remote(self._url, self._text(0), create=True):
            found = self._read()
            if found is None:
                continue  # just released
            if found.get("token") == self._who["token"]:
                return  # written by this run, but the answer was lost
            if is_alive(found) or (found.get("host") != this_host() and self._gives_signs(found)):
                raise OutputError(
                    f"{self._folder}: another run is at work in this folder (process {found.get('pid')} on "
                    f"{found.get('host')}); wait for it, or stop it"
                )
            write_remote(self._url, self._text(0))
            time.sleep(min(1.0, BEAT / 10))  # a run that took the lock at the same moment has then written too
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
        """Read the lock, and set ``is_lost`` if another run holds it."""
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
        """Stop the thread and remove the lock, unless another run holds it; errors are only logged."""
        self._stop.set()
        self._thread.join()
        try:
            self.look()
            if not self.is_lost:
                remove_remote([self._url])
        except WpprepError as error:  # must not hide an error of the run
            _log.warning("%s: the lock could not be removed; it will expire: %s", self._folder, error)


def this_host() -> str:
    """Return a name of the machine, or of the container, in which process numbers are unique."""
    try:
        return f"{platform.node()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return platform.node()


def _began(pid: int) -> str:
    """Return the start time of a process in clock ticks ('' if unknown), since process numbers are reused."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def is_alive(found: dict[str, Any]) -> bool:
    """Return whether the holder of a lock is a running process of this machine."""
    if found.get("host") != this_host():
        return False
    try:
        os.kill(int(found["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return False
    return bool(_began(int(found["pid"])) == found.get("began"))
