"""Places: paths and URLs as users give them, and the local files and folders for them.

    Place("s3://bucket/shards").folder()      # a local copy of a finished folder, every file verified
    Place("shards").folder()                  # Path("shards")

Every command opens its arguments through `Place`, so that a URL can be given wherever a path can.
"""

from __future__ import annotations

import os
from pathlib import Path

from wpprep.storage.cache import fetch_file, fetch_folder
from wpprep.storage.remote import is_url

Location = Path | str  # a local path, or a URL: how results name a place


class Place(os.PathLike[str]):
    """A local path or a URL.

    >>> Place("s3://bucket/shards/").location, Place("s3://bucket/shards").is_remote
    ('s3://bucket/shards', True)
    >>> str(Place("s3://bucket") / "vocab")
    's3://bucket/vocab'
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Accept a path, a URL or another place."""
        given = os.fspath(path)
        self.is_remote = is_url(given)
        self._text = given.rstrip("/") if self.is_remote else str(Path(given))

    def __fspath__(self) -> str:
        """Return the path or the URL, for `os.fspath`."""
        return self._text

    def __str__(self) -> str:
        """Return the path or the URL."""
        return self._text

    def __repr__(self) -> str:
        """Return the call that makes the place."""
        return f"Place({self._text!r})"

    def __eq__(self, other: object) -> bool:
        """Return whether both are places with the same path or URL."""
        return isinstance(other, Place) and self._text == other._text

    def __hash__(self) -> int:
        """Return the hash of the path or URL."""
        return hash(self._text)

    def __truediv__(self, name: str) -> Place:
        """Return the place of a file or folder inside."""
        return Place(f"{self._text}/{name}" if self.is_remote else Path(self._text) / name)

    @property
    def location(self) -> Location:
        """The path, or the URL without a slash at its end."""
        return self._text if self.is_remote else Path(self._text)

    def file(self) -> Path:
        """Return the local path of a file: its own, or that of a copy in the cache.

        Raises:
            MissingInputError: there is no such remote file.
            RemoteError: it cannot be read.
        """
        return fetch_file(self._text) if self.is_remote else Path(self._text)

    def folder(self, *names: str) -> Path:
        """Return the local path of a finished folder: its own, or that of a verified copy in the cache.

        Args:
            names: files to fetch where there is no manifest: those in the folder, or beside the file; absent
                ones are skipped.

        Raises:
            MissingInputError: there is no such remote folder, or it is unfinished.
            ShardError: a file differs from its entry in the manifest.
        """
        return fetch_folder(self._text, names) if self.is_remote else Path(self._text)
