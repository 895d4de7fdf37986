"""Remote files: what a URL names, s3://, gs://, hdfs://, https:// or memory://, through fsspec.

    list_remote("s3://bucket/wiki/")             every file below a folder, with its size
    put_remote("part.arrow", "s3://bucket/...")  one request that gives the whole file its name, or none at all

Every request is tried again when it fails for a reason that may pass (a server's error, a lost connection, an
answer cut short): five more times, after waits that double, each with a line in the log. What cannot
pass, a missing package, credentials, bucket or object, stops at once with one line.

Credentials, endpoints and the like are what fsspec finds: the environment (AWS_PROFILE, AWS_ENDPOINT_URL,
GOOGLE_APPLICATION_CREDENTIALS ...) and its own configuration files.

What this module does not do: read files piece by piece (`wpprep.storage.ranges`), keep copies (`wpprep.storage.cache`), or know
what a folder means.
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
HEAD = 1 << 16  # what of a file is asked for first, and kept for the next who opens it
_HEADS = 64

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
_OBJECT_STORES = ("s3", "s3a", "gs", "gcs", "abfs", "az", "memory")  # a PUT shows whole or not at all
_DEFECTS = (ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError, NameError, TypeError)
_NO_CREDENTIALS = (
    "NoCredentials",
    "PartialCredentials",
    "ProfileNotFound",
    "DefaultCredentials",
    "TokenRetrieval",
)
_DEFINITE = (
    "ETag",
    "md5Hash",
    "generation",
)  # in what a store says of an object; another object has another one


class _Seen(NamedTuple):
    """What was said of a file when it was first asked for; None is not told."""

    size: int | None
    version: str | None

    @classmethod
    def of(cls, about: dict[str, Any]) -> _Seen:
        version = next((about[name] for name in _DEFINITE if about.get(name)), None)
        return cls(about.get("size"), version and str(version).strip('"'))


_seen: dict[str, _Seen] = {}  # by the last listing or the first look, so that nobody asks again file by file


def is_url(place: str | os.PathLike[str]) -> bool:
    """Whether a place is a URL rather than a path.

    >>> is_url("s3://bucket/wiki"), is_url("wiki/s3")
    (True, False)
    """
    return "://" in os.fspath(place)


def forget() -> None:
    """Ask anew for everything: what was known of remote files may have changed since the last run."""
    _seen.clear()
    first_bytes.cache_clear()


def remote_size(url: str) -> int:
    """The size of a remote file in bytes."""
    if url not in _seen or _seen[url].size is None:
        _seen[url] = _Seen.of(info_of(url))
    size = _seen[url].size
    if size is None:
        raise RemoteError(f"{url}: the server does not tell the file's size; download it first")
    return int(size)


def refuse_changed(url: str) -> None:
    """Make sure that a file that has been read is still the one it was when it was first looked at.

    Raises:
        RemoteError: it is another one now, so that what was read may be of both.
    """
    before, now = _seen.get(url), _Seen.of(info_of(url))
    if before and any(None not in pair and pair[0] != pair[1] for pair in zip(before, now, strict=True)):
        raise RemoteError(f"{url}: has changed while it was read; run again when nothing writes it any more")


def info_of(url: str) -> dict[str, Any]:
    """What the store says of a file or folder: at least its ``type`` and ``size``."""
    return attempt(url, lambda fs, path: dict(fs.info(path)))


def find_info(url: str) -> dict[str, Any] | None:
    """As `info_of`, or None where there is nothing."""
    try:
        return info_of(url)
    except MissingInputError:
        return None


def list_remote(url: str) -> dict[str, int | None]:
    """The files below a folder, from URL to size (None: not told), in path order; none if there is none."""

    def find(fs: Any, path: str) -> dict[str, _Seen]:
        fs.invalidate_cache()
        try:
            found = fs.find(path, detail=True)
        except FileNotFoundError:
            if fs.exists(path):  # a bucket that is there, and empty
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
    """What matches a pattern, as URLs in the order of their characters; hidden names match only by name."""

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
    """What makes URLs of a listing's paths: with the host of the URL that was asked for, if it has one."""
    head, stem = url.rstrip("/"), path.rstrip("/")
    if stem and head.endswith(stem):
        return (head[: -len(stem)] + "{}").format
    to_url: Callable[[str], str] = fs.unstrip_protocol
    return to_url


def fetch_remote(url: str, path: str | os.PathLike[str]) -> None:
    """Copy a remote file to a local one, whole."""

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
    """Give a remote file the bytes of a local one, all at once."""

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
    """Put a file where a PUT shows what has come so far; HDFS moves no file onto another one."""
    fs.makedirs(fs._parent(target), exist_ok=True)  # noqa: SLF001 (fsspec's own word for it)
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
    """Write a small remote file; with ``create`` only if there is none, and returns whether it was written."""

    def write(fs: Any, path: str) -> bool:
        if create and fs.exists(path):  # for stores without conditional writes: better than nothing
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
    """Remove remote files; those that are gone already are no matter."""
    for start in range(0, len(urls), 1000):
        some = urls[start : start + 1000]

        attempt(some[0], functools.partial(_remove, urls=some))


def _remove(fs: Any, _: str, urls: list[str]) -> None:
    names = [fs._strip_protocol(url) for url in urls]  # noqa: SLF001 (fsspec's own word for it)
    try:
        if protocol_of(urls[0]) in _OBJECT_STORES:
            fs.rm(names)  # in one request
            return
    except FileNotFoundError:
        pass
    for name in names:
        if fs.exists(name):
            fs.rm_file(name)


def attempt(url: str, request: Callable[[Any, str], Result]) -> Result:
    """The result of a request, given the file system and the URL's path in it; tried again while that may help.

    Raises:
        WpprepError: it failed for good.
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
            pause = wait * random.uniform(0.8, 1.2)  # many workers should not come back at one moment
            _log.warning("%s: %s; trying again in %.1f s", url, said, pause)
            time.sleep(pause)
    raise AssertionError


def _filesystem(url: str) -> tuple[Any, str]:
    """The file system of a URL and its path there; instances are kept by fsspec, one a process."""
    try:
        import fsspec  # noqa: PLC0415 (slow to load, and local paths do without)
        from fsspec.core import url_to_fs  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError(
            f"{url}: URLs need fsspec, which is not installed: pip install fsspec"
        ) from error
    protocol, options = protocol_of(url), dict[str, Any]()
    if protocol in ("s3", "s3a"):
        # One attempt: botocore's, s3fs' and our own would otherwise multiply, and most of them without a word.
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
    except OSError as error:  # of HDFS: Java or its library is not there, or the cluster has another address
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
    """Close connections before workers are forked, which would otherwise share and disturb them."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_close_connections)


def _close_connections() -> None:
    from fsspec.registry import registry  # noqa: PLC0415

    for kind in registry.values():
        if kind.protocol not in ("memory", "file"):
            kind.clear_instance_cache()


def protocol_of(url: str) -> str:
    return url.split("://", 1)[0].rsplit("::", 1)[-1].lower()


def _refuse_for_good(url: str, error: Exception) -> None:
    """Raise the error that tells what cannot pass; return where trying again may help."""
    cause: BaseException = error
    if isinstance(error, FileNotFoundError) and error.__cause__ and url.startswith("http"):
        cause = error.__cause__  # for HTTP fsspec calls every failure a missing file
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
    """The HTTP status an error tells of, 0 if none: aiohttp calls it ``status``, gcsfs ``code``."""
    found = getattr(error, "status", None) or getattr(error, "code", None)
    return found if isinstance(found, int) else 0


def _refuse(url: str, said: str, error: Exception) -> NoReturn:
    raise RemoteError(f"{url}: {said}") from error


def _in_a_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


@functools.lru_cache(_HEADS)
def first_bytes(url: str) -> bytes:
    """The first bytes of a file, or all of it where the server knows no ranges."""
    wanted = min(HEAD, remote_size(url))
    if not wanted:
        return b""
    return attempt(url, lambda fs, path: whole(fs.cat_file(path, start=0, end=wanted), wanted))


def whole(data: bytes, wanted: int) -> bytes:
    """The bytes that came, if they are as many as were asked for."""
    if len(data) < wanted:
        raise ConnectionError(f"an answer was cut short: {len(data)} bytes of {wanted}")
    return data
