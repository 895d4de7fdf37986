"""The cache: local copies of remote files, for those who map them into memory.

    $WPPREP_CACHE or $XDG_CACHE_HOME/wpprep or ~/.cache/wpprep
      files/<key>/wiki.arrow       a file; the key changes when the remote file does
      folders/<key>/...            a finished folder by the sha256 of its manifest, which names all its files
      out/s3/bucket/shards/...     an output on its way to a bucket (`wpprep.jobs.upload`)

A copy takes its name when it is whole, and a file of a finished folder only with the checksum that its
manifest gives. Nothing is ever removed from ``files`` and ``folders``; whoever needs the space may remove them
while nothing runs.
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
_AT_ONCE = 8  # files that are fetched at the same time


def cache_folder() -> Path:
    """The folder of the cache, which the environment decides."""
    chosen = os.environ.get("WPPREP_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wpprep"


def fetch_file(url: str) -> Path:
    """The local copy of a remote file.

    Raises:
        MissingInputError: it is not there.
        RemoteError: it cannot be had.
    """
    about = info_of(url)
    version = [
        about.get(name) for name in ("size", "ETag", "LastModified", "mtime", "Last-Modified", "md5Hash")
    ]
    key = _key(json.dumps([url, *version], default=str))
    path = cache_folder() / "files" / key / (url.rstrip("/").rpartition("/")[2].split("?")[0] or "file")
    if not path.exists():
        with _alone(path.parent):
            if not path.exists():
                _fetch(url, path, None)
    return path


def fetch_folder(place: str | os.PathLike[str], names: Sequence[str] = ()) -> Path:
    """The local folder of a finished one: itself, or, of a URL, its copy, every file checked.

    Args:
        names: files that make a folder (or stand beside a file) that has no manifest, if they are there.

    Raises:
        MissingInputError: there is nothing, or something unfinished.
        ShardError: a file is not what the manifest says.
    """
    if not is_url(place):
        return Path(place)
    url = str(place).rstrip("/")
    if names and (about := find_info(url)) and about["type"] == "file":
        parent, _, name = url.rpartition("/")
        return _fetch_some(parent, [name, *names]) / name
    if find_info(f"{url}/{MANIFEST}"):
        return _fetch_finished(url, read_remote(f"{url}/{MANIFEST}"))
    if names:
        return _fetch_some(url, names)
    raise MissingInputError(f"{url}: no such folder, or unfinished: it has no {MANIFEST}")


def _fetch_finished(url: str, manifest: bytes) -> Path:
    folder = cache_folder() / "folders" / _key(manifest)
    if (folder / MANIFEST).exists():
        return folder
    with _alone(folder):
        if not (folder / MANIFEST).exists():
            _fetch_listed(url, manifest, folder)
    return folder


def _fetch_listed(url: str, manifest: bytes, folder: Path) -> None:
    """Fetch what a manifest lists, what the manifests inside list, and put the manifest there last."""
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
    """Have a file of a finished folder or task in a local folder, by its entry: name, size and checksum.

    Raises:
        ShardError: it is not what the entry says, or the entry is none.
    """
    try:
        name, size, _ = entry["name"], int(entry["bytes"]), entry["sha256"]
    except (KeyError, TypeError, ValueError) as error:
        raise ShardError(f"{url}: an entry of a file is damaged: {error!r}; make the folder again") from error
    path = path_inside(url, folder, name)
    if not (path.exists() and path.stat().st_size == size):
        _fetch(f"{url}/{name}", path, entry)


def path_inside(url: str, folder: Path, name: str) -> Path:
    """The local path of a file that a bucket names; who can write there must not choose where we write here.

    Raises:
        ShardError: it would lie outside of the folder.
    """
    if not name or name.startswith("/") or "\\" in name or ":" in name or ".." in name.split("/"):
        raise ShardError(f"{url}: a file is called {name!r}; expected one inside this folder")
    return folder / name


def _fetch_some(url: str, names: Sequence[str]) -> Path:
    """Those of some small files that are in a remote folder, fetched anew."""
    folder = cache_folder() / "files" / _key(url)
    found = {name: read_remote(f"{url}/{name}") for name in names if find_info(f"{url}/{name}")}
    if not found:
        raise MissingInputError(f"{url}: no such folder, or nothing of use in it; expected {', '.join(names)}")
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
    """Let one process at a time fill a folder, so that no two fetch the same."""
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
