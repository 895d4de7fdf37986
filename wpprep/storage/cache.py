"""The cache: local copies of remote files, for readers that map files into memory.

    $WPPREP_CACHE or $XDG_CACHE_HOME/wpprep or ~/.cache/wpprep
      files/<key>/wiki.arrow       a file; the key changes when the remote file does
      folders/<key>/...            a finished folder by the sha256 of its manifest, which names all its files
      out/s3/bucket/shards/...     an output on its way to a bucket (`wpprep.jobs.upload`)

A copy gets its final name when it is complete; a file of a finished folder must also have the sha256 that its
manifest gives. Nothing is removed from ``files`` and ``folders``; users who need the space may delete both
while no command runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from wpprep.errors import MissingInputError, OutputError, ShardError, WpprepError
from wpprep.storage.remote import fetch_remote, find_info, info_of, is_url, read_remote

if os.name == "posix":
    import fcntl

MANIFEST = "manifest.json"
_AT_ONCE = 8  # concurrent downloads


def cache_folder() -> Path:
    """Return the folder of the cache: WPPREP_CACHE, or ``wpprep`` in the user's cache folder."""
    chosen = os.environ.get("WPPREP_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wpprep"


def own_cache() -> Path:
    """Make the cache folder, readable by this user alone, and return it.

    Raises:
        OutputError: it cannot be made, or other users can change its files, so that they cannot be trusted.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        about = folder.stat()
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}; see WPPREP_CACHE") from error
    if os.name != "posix":
        return folder
    is_open, is_foreign = bool(about.st_mode & 0o002), about.st_uid not in {0, os.geteuid()}
    if is_open or (is_foreign and os.geteuid() != 0):
        raise OutputError(
            f"{folder}: {'every user can write to it' if is_open else 'belongs to another user'}, so files "
            "cached in it cannot be trusted; set WPPREP_CACHE to a folder of your own"
        )
    return folder


def fetch_file(url: str) -> Path:
    """Return the path of the local copy of a remote file; download it unless this version is in the cache.

    Raises:
        MissingInputError: there is no such file.
        RemoteError: it cannot be read.
        OutputError: the copy cannot be written.
    """
    about = info_of(url)
    version = [
        about.get(name) for name in ("size", "ETag", "LastModified", "mtime", "Last-Modified", "md5Hash")
    ]
    key = _key(json.dumps([url, *version], default=str))
    path = own_cache() / "files" / key / (url.rstrip("/").rpartition("/")[2].split("?")[0] or "file")
    if not path.exists():
        with _alone(path.parent):
            if not path.exists():
                _fetch(url, path, None)
    return path


def fetch_folder(place: str | os.PathLike[str], names: Sequence[str] = ()) -> Path:
    """Return the local path of a finished folder: its own, or, for a URL, that of a verified copy in the cache.

    Args:
        place: a path, which is returned as it is, or the URL of a folder or of a file with ``names``.
        names: files to download where there is no manifest: those in the folder, or beside the file; absent
            ones are skipped.

    Raises:
        MissingInputError: there is no such remote folder, or it is unfinished.
        ShardError: a file differs from its entry in the manifest.
        RemoteError: a file cannot be read.
    """
    if not is_url(place):
        return Path(place)
    url = str(place).rstrip("/")
    if find_info(f"{url}/{MANIFEST}"):  # first: a web server that lists folders calls every folder a file
        return _fetch_finished(url, read_remote(f"{url}/{MANIFEST}"))
    is_folder = any(find_info(f"{url}/{name}") for name in names)
    if names and not is_folder and (about := find_info(url)) and about["type"] == "file":
        parent, _, name = url.rpartition("/")
        return _fetch_some(parent, [name, *names]) / name
    if names:
        return _fetch_some(url, names)
    raise MissingInputError(f"{url}: no such folder, or unfinished: it has no {MANIFEST}")


def _fetch_finished(url: str, manifest: bytes) -> Path:
    folder = own_cache() / "folders" / _key(manifest)
    if (folder / MANIFEST).exists():
        return folder
    with _alone(folder):
        if not (folder / MANIFEST).exists():
            _fetch_listed(url, manifest, folder)
    return folder


def _fetch_listed(url: str, manifest: bytes, folder: Path) -> None:
    """Download the files that a manifest lists, and those of manifests inside; write the manifest last."""
    try:
        files = {file["name"]: file for file in json.loads(manifest)["files"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{url}/{MANIFEST}: not a manifest of wpprep, or damaged: {error!r}") from error
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda file: fetch_entry(url, folder, file), files.values()))
    for name in files:
        inner, _, last = name.rpartition("/")
        if last == MANIFEST and inner != "vocab":
            _fetch_listed(f"{url}/{inner}", (folder / name).read_bytes(), folder / inner)
    _put(folder / MANIFEST, manifest)


def fetch_entry(url: str, folder: Path, entry: dict[str, Any]) -> None:
    """Download one manifest entry, unless a file of its size is present, and verify its sha256.

    Args:
        url: the remote folder.
        folder: the local folder that receives the file.
        entry: ``name``, ``bytes`` and ``sha256`` of the file.

    Raises:
        ShardError: the file differs from the entry, or the entry is damaged.
        MissingInputError: there is no such remote file.
    """
    try:
        name, size, _ = entry["name"], int(entry["bytes"]), entry["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ShardError(f"{url}: an entry of a file is damaged: {error!r}; make the folder again") from error
    path = path_inside(url, folder, name)
    if not (path.exists() and path.stat().st_size == size):
        _fetch(f"{url}/{name}", path, entry)


def path_inside(url: str, folder: Path, name: str) -> Path:
    """Return the local path of a file in a remote folder.

    Names come from the bucket, so names that lead outside of the local folder are refused.

    Raises:
        ShardError: the path would be outside of ``folder``.
    """
    if not name or name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise ShardError(f"{url}: a file has the name {name!r}; expected one inside this folder")
    return folder / name


def _fetch_some(url: str, names: Sequence[str]) -> Path:
    """Download some small files of a remote folder, absent ones excepted, and return the local folder."""
    folder = own_cache() / "files" / _key(url)
    found = {name: read_remote(f"{url}/{name}") for name in names if find_info(f"{url}/{name}")}
    if not found:
        raise MissingInputError(f"{url}: no such folder, or it has none of the files {', '.join(names)}")
    with _alone(folder):
        for name in names:
            if name in found:
                _put(folder / name, found[name])
            else:
                (folder / name).unlink(missing_ok=True)
    return folder


def _fetch(url: str, path: Path, expected: dict[str, Any] | None) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fetch_remote(url, partial)
        if expected is not None:
            _check(url, partial, expected)
        os.replace(partial, path)
    except WpprepError:
        raise
    except OSError as error:
        raise OutputError(f"{path}: the copy of {url} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _check(url: str, path: Path, expected: dict[str, Any]) -> None:
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected["sha256"]:
        raise ShardError(f"{url}: damaged: its sha256 is not that in {MANIFEST}; make the folder again")


def _put(path: Path, data: bytes) -> None:
    partial = path.with_name(f".{path.name}.partial-{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock of a cache folder, so that no two processes download the same files."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = open(folder.with_name(f"{folder.name}.lock"), "wb")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}; see WPPREP_CACHE") from error
    with lock:
        if os.name == "posix":
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _key(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:32]
