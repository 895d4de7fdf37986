"""Output files that a user names: they never replace an input, a device or a foreign file.

    with output_file("counts.tsv", inputs=["wiki/"], is_ours=looks_like_counts) as file:
        file.write(...)

A regular file gets its name when it is complete (`files.atomic_write`); symbolic links are followed. Standard
output (``-``), a device, a named pipe or a socket is written directly: nothing is replaced. A URL gets the
whole file at the end.

What this module does not do: protect output folders (`wpprep.jobs.output`).
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from wpprep.errors import OutputError
from wpprep.storage.files import atomic_write
from wpprep.storage.place import Place
from wpprep.storage.remote import find_info, put_remote, read_remote

STDOUT = "-"
_HEAD = 1 << 12  # bytes by which an earlier output is recognised

Recognise = Callable[[bytes], bool]


def refuse_output(
    out: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    is_ours: Recognise | None = None,
    overwrite: bool = False,
) -> None:
    """Raise if an output file must not be written, before any work is done.

    Args:
        out: a path, a URL, or ``-``.
        inputs: what the command reads.
        is_ours: whether the first 4 KiB are those of an earlier output of the same command, which may be
            replaced; None: never.
        overwrite: replace a foreign file.

    Raises:
        OutputError: it is an input, a folder, in a folder that does not exist, or a foreign file.
    """
    place = Place(out)
    if str(place) == STDOUT:
        return
    if place.is_remote:
        if any(place == Place(given) for given in inputs):
            raise OutputError(f"{out}: is an input of this command; give another file for the output")
        if (
            not overwrite
            and find_info(str(place))
            and not (is_ours and is_ours(read_remote(str(place))[:_HEAD]))
        ):
            raise _foreign(out)
        return
    final = Path(os.path.realpath(place))
    for given in inputs:
        if _is_same(final, given):
            raise OutputError(f"{out}: is an input of this command; give another file for the output")
    if final.is_dir():
        raise OutputError(f"{out}: is a folder, expected the name of a file")
    if not final.parent.is_dir():
        raise OutputError(f"{out}: there is no folder {final.parent}; make it first, or give another name")
    if not overwrite and final.is_file() and final.stat().st_size and not _is_known(final, is_ours):
        raise _foreign(out)


@contextlib.contextmanager
def output_file(
    out: str | os.PathLike[str],
    *,
    inputs: Iterable[str | os.PathLike[str]] = (),
    is_ours: Recognise | None = None,
    overwrite: bool = False,
) -> Iterator[IO[bytes]]:
    """Open an output file for writing; arguments and errors are those of `refuse_output`."""
    refuse_output(out, inputs=inputs, is_ours=is_ours, overwrite=overwrite)
    place = Place(out)
    if str(place) == STDOUT:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
    elif place.is_remote:
        with tempfile.TemporaryDirectory() as folder:
            local = Path(folder) / "output"
            with atomic_write(local) as file:
                yield file
            put_remote(local, str(place))
    elif is_special(place):
        with _directly(place) as file:
            yield file
    else:
        with atomic_write(os.path.realpath(place)) as file:
            yield file


def is_special(path: str | os.PathLike[str]) -> bool:
    """Return whether a path names a device, a pipe or a socket, directly or through links."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


@contextlib.contextmanager
def _directly(place: Place) -> Iterator[IO[bytes]]:
    """Open a device or a pipe for writing, without creating or replacing a file."""
    if stat.S_ISBLK(os.stat(place).st_mode):
        raise OutputError(f"{place}: is a disk, expected a file")
    try:
        with open(os.open(place, os.O_WRONLY), "wb") as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"{place}: cannot be written: {error.strerror or error}") from error


def _is_same(final: Path, given: str | os.PathLike[str]) -> bool:
    """Return whether an output is an input file, or an existing file in an input folder."""
    try:
        if os.path.isdir(given):
            return final.is_file() and final.is_relative_to(os.path.realpath(given))
        return os.path.samefile(final, given) and not is_special(final)
    except OSError:
        return False


def _is_known(final: Path, is_ours: Recognise | None) -> bool:
    if is_ours is None:
        return False
    with open(final, "rb") as file:
        return is_ours(file.read(_HEAD))


def _foreign(out: str | os.PathLike[str]) -> OutputError:
    return OutputError(
        f"{out}: exists and is not an earlier output of this command; give another name, or --overwrite"
    )
