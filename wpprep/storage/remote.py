"""Remote files at URLs (s3://, gs://, hdfs://, https://, memory://), through fsspec.

    list_remote("s3://bucket/wiki/")             every file below a folder, with its size
    put_remote("part.arrow", "s3://bucket/...")  upload; the name appears with the whole file or not at all

Requests are retried after errors that may pass (a server error, a lost connection, an answer cut short): up to
five times, after waits that double, each logged as a warning. Other errors (a missing package, credentials,
bucket or object) raise at once.

fsspec finds credentials and endpoints in the environment (AWS_PROFILE, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS ...) and in its configuration files.

What this module does not do: read files by ranges (`wpprep.storage.ranges`), keep copies
(`wpprep.storage.cache`), or interpret folders.
"""

from __future__ import annotations

import errno
import functools
import logging
import os
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn, TypeVar
from uuid import uuid4

from wpprep.errors import (
    MissingExtraError,
    MissingInputError,
    OptionError,
    OutputError,
    RemoteError,
    WpprepError,
)

Result = TypeVar("Result")

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds between attempts
HEAD = 1 << 16  # bytes of the first request to a file, which are kept for the next time it is opened
_HEADS = 64  # files of which the first bytes are kept

_log = logging.getLogger(__name__)

_EXTRAS = {
    "s3": "pip install 'wpprep[s3]'",
    "s3a": "pip install 'wpprep[s3]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "http": "pip install aiohttp",
    "https": "pip install aiohttp",
}
_SETUPS = {"hdfs": "it takes Java and Hadoop's libhdfs; without them give webhdfs://namenode:9870/..."}
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "az", "memory")  # a PUT is atomic
# Errors of this program, which are never retried.
_DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError, TypeError)
# How the names of exceptions begin that mean missing credentials.
_NO_CREDENTIALS = (
    "NoCredentials",
    "PartialCredentials",
    "ProfileNotFound",
    "DefaultCredentials",
    "TokenRetrieval",
)
_DEFINITE = ("ETag", "md5Hash", "generation")  # attributes that differ between versions of an object


class _Seen(NamedTuple):
    """Size and version of a file when it was first listed or opened; None: not given by the store."""

    size: int | None
    version: str | None

    @classmethod
    def of(cls, about: dict[str, Any]) -> _Seen:
        version = next((about[name] for name in _DEFINITE if about.get(name)), None)
        return cls(about.get("size"), version and str(version).strip('"'))


_seen: dict[str, _Seen] = {}  # by URL, from the last listing or the first request, to save a request per file


def is_url(place: str | os.PathLike[str]) -> bool:
    """Return whether a place is a URL rather than a path.

    >>> is_url("s3://bucket/wiki"), is_url("wiki/s3")
    (True, False)
    """
    return "://" in os.fspath(place)


def forget() -> None:
    """Clear what is remembered of remote files, which may have changed since the last run."""
    _seen.clear()
    first_bytes.cache_clear()


def remote_size(url: str) -> int:
    """Return the size of a remote file in bytes.

    Raises:
        MissingInputError: there is no such file.
        RemoteError: the server does not give the size.
    """
    if url not in _seen or _seen[url].size is None:
        _seen[url] = _Seen.of(info_of(url))
    size = _seen[url].size
    if size is None:
        raise RemoteError(f"{url}: the server does not give the file's size; download the file first")
    return int(size)


def refuse_changed(url: str) -> None:
    """Raise if a remote file changed since it was first listed or opened.

    Raises:
        RemoteError: it changed, so that the bytes read may be of both versions.
    """
    before, now = _seen.get(url), _Seen.of(info_of(url))
    if before and any(None not in pair and pair[0] != pair[1] for pair in zip(before, now, strict=True)):
        raise RemoteError(f"{url}: has changed while it was read; run again when nothing writes to it")


def info_of(url: str) -> dict[str, Any]:
    """Return fsspec's information on a file or folder: at least ``type`` and ``size``.

    Raises:
        MissingInputError: there is no such file or folder.
        RemoteError: the store cannot be read.
    """
    return attempt(url, lambda fs, path: dict(fs.info(path)))


def find_info(url: str) -> dict[str, Any] | None:
    """Return `info_of` a URL, or None if there is no such file or folder."""
    try:
        return info_of(url)
    except MissingInputError:
        return None


def list_remote(url: str) -> dict[str, int | None]:
    """Return the files below a folder, in path order: URL to size in bytes (None: not given by the store).

    The result is empty if there is no such folder.

    Raises:
        MissingInputError: there is no such bucket.
        RemoteError: the folder cannot be listed.
    """

    def find(fs: Any, path: str) -> dict[str, _Seen]:
        fs.invalidate_cache()
        try:
            found = fs.find(path, detail=True)
        except FileNotFoundError:
            if fs.exists(path):  # an empty bucket
                raise
            return {}
        url_of = _naming(fs, url, path)
        files = {url_of(name): _Seen.of(about) for name, about in found.items()}
        return {
            name: files[name] for name in sorted(files, key=lambda name: name.split("/")) if name[-1] != "/"
        }

    files = attempt(url, find)
    _seen.update(files)
    return {name: seen.size for name, seen in files.items()}


def glob_remote(pattern: str) -> list[str]:
    """Return the URLs that match a pattern, sorted; hidden files match only where the pattern names them."""

    def match(fs: Any, path: str) -> list[str]:
        fs.invalidate_cache()
        url_of = _naming(fs, pattern, path)
        return sorted(url_of(name.rstrip("/")) for name in fs.glob(path))

    shown = pattern.split("/")
    matches = attempt(pattern, match)
    return [
        url for url in matches if not any(part.startswith(".") and part not in shown for part in url.split("/"))
    ]


def _naming(fs: Any, url: str, path: str) -> Callable[[str], str]:
    """Return a function from fsspec's paths to URLs, with the host of ``url`` if it has one."""
    head, stem = url.rstrip("/"), path.rstrip("/")
    if stem and head.endswith(stem):
        return (head[: -len(stem)] + "{}").format
    to_url: Callable[[str], str] = fs.unstrip_protocol
    return to_url


def fetch_remote(url: str, path: str | os.PathLike[str]) -> None:
    """Download a remote file to a local path.

    Raises:
        MissingInputError: there is no such file.
        OutputError: the local file cannot be written.
        RemoteError: the file cannot be read.
    """

    def fetch(fs: Any, source: str) -> None:
        fs.get_file(source, os.fspath(path))
        wanted, found = fs.info(source).get("size"), os.path.getsize(path)
        if wanted not in (None, found):
            raise ConnectionError(f"{found} bytes came of {wanted}")

    attempt(url, fetch)


def read_remote(url: str) -> bytes:
    """The bytes of a small remote file as they are now."""
    return attempt(url, lambda fs, path: bytes(fs.cat_file(path)))


def put_remote(path: str | os.PathLike[str], url: str) -> None:
    """Upload a local file; readers see the whole file or none.

    Raises:
        RemoteError: the file cannot be written.
    """

    def put(fs: Any, target: str) -> None:
        name = os.fspath(path)
        if protocol_of(url) in _OBJECT_STORES:
            fs.put_file(name, target)
        else:
            _put_and_rename(fs, name, target)
        wanted, found = os.path.getsize(path), fs.info(target).get("size")
        if found not in (None, wanted):
            raise ConnectionError(f"the store has {found} bytes of {wanted}")

    forget()
    attempt(url, put)


def _put_and_rename(fs: Any, name: str, target: str) -> None:
    """Upload under a temporary name and rename, where a PUT is not atomic; HDFS does not replace on rename."""
    fs.makedirs(fs._parent(target), exist_ok=True)  # noqa: SLF001 (fsspec has no public name for it)
    partial = f"{target}.partial-{uuid4().hex[:8]}"
    try:
        fs.put_file(name, partial)
        if fs.exists(target):
            fs.rm_file(target)
        fs.mv(partial, target)
    finally:
        if fs.exists(partial):
            fs.rm_file(partial)


def write_remote(url: str, data: bytes, *, create: bool = False) -> bool:
    """Write a small remote file; return whether it was written.

    Args:
        url: the file.
        data: its new contents.
        create: do not replace an existing file; atomic where the store has conditional writes.

    Raises:
        RemoteError: the file cannot be written.
    """

    def write(fs: Any, path: str) -> bool:
        if create and fs.exists(path):  # for stores without conditional writes, where two may write at once
            return False
        try:
            fs.pipe_file(path, data, **({"mode": "create"} if create else {}))
        except OSError as error:
            if create and (isinstance(error, FileExistsError) or "recondition" in str(error)):
                return False
            raise
        return True

    forget()
    return attempt(url, write)


def remove_remote(urls: list[str]) -> None:
    """Remove remote files of one store; missing ones are ignored.

    Raises:
        RemoteError: a file cannot be removed.
    """
    for start in range(0, len(urls), 1000):  # S3 removes at most 1000 files per request
        some = urls[start : start + 1000]
        attempt(some[0], functools.partial(_remove, urls=some))


def _remove(fs: Any, _: str, urls: list[str]) -> None:
    names = [fs._strip_protocol(url) for url in urls]  # noqa: SLF001 (fsspec has no public name for it)
    try:
        if protocol_of(urls[0]) in _OBJECT_STORES:
            fs.rm(names)  # one request
            return
    except FileNotFoundError:
        pass
    for name in names:
        if fs.exists(name):
            fs.rm_file(name)


def attempt(url: str, request: Callable[[Any, str], Result]) -> Result:
    """Return the result of a request, which is retried after errors that may pass.

    Args:
        url: the file or folder.
        request: called as request(file_system, path) with fsspec's file system and the path in it.

    Raises:
        MissingExtraError: a package for the store is not installed.
        MissingInputError: there is no such file, folder or bucket.
        OptionError: the URL is of an unknown kind.
        OutputError: a local file cannot be written.
        RemoteError: the store refuses the request, or all attempts failed.
    """
    for wait in (*WAITS, None):
        try:
            return request(*_filesystem(url))
        except WpprepError:
            raise
        except _DEFECTS:
            raise
        except Exception as error:
            _refuse_for_good(url, error)
            said = _in_a_line(error)
            if wait is None:
                raise RemoteError(f"{url}: {said}; gave up after {len(WAITS) + 1} attempts") from error
            pause = wait * random.uniform(0.8, 1.2)  # so that workers do not retry at the same moment
            _log.warning("%s: %s; trying again in %.1f s", url, said, pause)
            time.sleep(pause)
    raise AssertionError


def _filesystem(url: str) -> tuple[Any, str]:
    """Return the file system of a URL and the path in it; fsspec keeps one instance per process."""
    try:
        import fsspec  # noqa: PLC0415 (slow to load, and local paths do without)
        from fsspec.core import url_to_fs  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: URLs need fsspec, which is not installed: pip install fsspec"
        ) from error
    protocol, options = protocol_of(url), dict[str, Any]()
    if protocol in ("s3", "s3a"):
        # One attempt; otherwise the retries of botocore, s3fs and `attempt` multiply, most of them unlogged.
        given = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options = {
            "use_listings_cache": False,
            "config_kwargs": {"retries": {"total_max_attempts": 1}, **given},
        }
    try:
        fs, path = url_to_fs(url, **options)
    except ImportError as error:
        how = _EXTRAS.get(protocol, "see its error")
        raise MissingExtraError(f"{url}: a package for {protocol}:// is missing ({error}): {how}") from error
    except OSError as error:  # HDFS: Java or its library is missing, or the address is wrong
        said = str(error).partition("\n")[0]
        raise RemoteError(
            f"{url}: {protocol}:// cannot be set up: {said}; {_SETUPS.get(protocol, '')}"
        ) from error
    except ValueError as error:
        raise OptionError(f"{url}: {error}; expected s3://, gs://, hdfs://, https:// or a path") from error
    if options:
        fs.retries = 1
    _watch_forks()
    return fs, path


@functools.cache
def _watch_forks() -> None:
    """Close connections before each fork, since a connection cannot be shared between processes."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=close_connections)


def close_connections() -> None:
    """Close the connections of this process to all stores; the next request opens new ones."""
    from fsspec.registry import registry  # noqa: PLC0415

    for kind in registry.values():
        if kind.protocol not in ("memory", "file"):
            kind.clear_instance_cache()


def protocol_of(url: str) -> str:
    """Return the protocol of a URL, in lower case; the last one of a chain.

    >>> protocol_of("S3://bucket/x"), protocol_of("simplecache::gs://bucket/x")
    ('s3', 'gs')
    """
    return url.split("://", 1)[0].rsplit("::", 1)[-1].lower()


def _refuse_for_good(url: str, error: Exception) -> None:
    """Raise a WpprepError for an error that a retry does not help; return for others."""
    cause: BaseException = error
    if isinstance(error, FileNotFoundError) and error.__cause__ and url.startswith("http"):
        cause = error.__cause__  # fsspec raises FileNotFoundError for every HTTP failure
    status = _status(cause)
    said, name = _in_a_line(cause), type(cause).__name__
    if name.startswith(_NO_CREDENTIALS):
        _refuse(
            url, f"no credentials: {said}; set them in the environment or the store's own configuration", error
        )
    if isinstance(cause, PermissionError) or status in (401, 403):
        _refuse(url, f"no access: {said}; check the credentials and the rights on it", error)
    is_passing = status >= 500 or status in (408, 429)
    if (isinstance(error, FileNotFoundError) and cause is error) or (400 <= status < 500 and not is_passing):
        raise MissingInputError(f"{url}: no such file, folder or bucket") from error
    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        raise OutputError(f"{url}: its copy cannot be written here: {said}") from error
    if isinstance(cause, (NotADirectoryError, IsADirectoryError, NotImplementedError, FileExistsError)):
        _refuse(url, said, error)


def _status(error: BaseException) -> int:
    """Return the HTTP status of an error, 0 if it has none: ``status`` in aiohttp, ``code`` in gcsfs."""
    found = getattr(error, "status", None) or getattr(error, "code", None)
    return found if isinstance(found, int) else 0


def _refuse(url: str, said: str, error: Exception) -> NoReturn:
    raise RemoteError(f"{url}: {said}") from error


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@functools.lru_cache(_HEADS)
def first_bytes(url: str) -> bytes:
    """Return the first `HEAD` bytes of a file, or the whole file from a server without ranges."""
    wanted = min(HEAD, remote_size(url))
    if not wanted:
        return b""
    return attempt(url, lambda fs, path: whole(fs.cat_file(path, start=0, end=wanted), wanted))


def whole(data: bytes, wanted: int) -> bytes:
    """Return ``data``, checked to have at least ``wanted`` bytes.

    Raises:
        ConnectionError: there are fewer.
    """
    if len(data) < wanted:
        raise ConnectionError(f"an answer was cut short: {len(data)} bytes of {wanted}")
    return data
