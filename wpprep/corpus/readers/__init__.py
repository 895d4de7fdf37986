"""Readers: corpus files to documents, one module per format, each with the same three functions (`Reader`).

    split(path, target_bytes, options)   the slices of a file, which can be read independently
    read(slice, options)                 the documents of a slice, or their errors
    recognises(head)                     whether a file that begins with these bytes has the format

Documents, their ids and their order are the same for every ``target_bytes``. Text files may be compressed with
gzip, bzip2, xz or zstd; a compressed file is one slice (bzip2 dumps can have several), read block by block.

    options = CorpusOptions()
    for slice_ in plan_slices(["sample_corpus"], options, target_bytes=16_000_000):
        for document in read_slice(slice_, options):
            document.id      # "12", or "book.txt:0": file and byte (or row) for formats without ids
            document.text    # one paragraph per line

This package does not split text into sentences (`wpprep.corpus.sentences`) or check that a corpus has any
document (`wpprep.corpus.tasks`).
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, cast

from wpprep.config import CorpusOptions
from wpprep.corpus.inputs import expand_inputs
from wpprep.corpus.readers.bad_input import LeftOut, Outcomes, is_bad
from wpprep.corpus.readers.decoding import forget_heads, read_head
from wpprep.errors import CorpusError, MissingInputError
from wpprep.records import Document, Slice
from wpprep.storage.place import Location
from wpprep.storage.remote import is_url, refuse_changed

__all__ = ["READERS", "LeftOut", "Reader", "detect", "plan_slices", "read_slice", "reader"]

_log = logging.getLogger(__name__)

# The module of each format, imported on first use: some import pyarrow or an optional package.
# A file has the first format that recognises it; ``prose`` recognises all other text, so it is last.
READERS = {
    "parquet": "parquet",
    "arrow": "arrow",
    "wikiextractor-json": "wikiextractor_json",
    "jsonl": "jsonl",
    "wikiextractor": "wikiextractor",
    "wiki-dump": "mediawiki.dump",
    "lines": "lines",
    "prose": "prose",
}
# First bytes, after white space, of files of those formats whose modules are slow to import (pyarrow, the
# wikitext parser): as slow as reading several megabytes of text.
_BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "parquet": (b"PAR1",),
    "arrow": (b"ARROW1", b"\xff\xff\xff\xff"),
    "wiki-dump": (b"<",),
}
_EXPECTED = f"expected {', '.join(sorted(READERS))}; choose one with --format"


class Reader(Protocol):
    """The functions of a module that reads one format."""

    def split(self, path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
        """Return the slices of a file, of about ``target_bytes`` each."""

    def read(self, slice_: Slice, options: CorpusOptions) -> Outcomes:
        """Yield the documents of a slice, or their errors."""

    def recognises(self, head: bytes) -> bool:
        """Return whether a file that begins with these bytes has the format."""


def plan_slices(
    inputs: Sequence[str | os.PathLike[str]], options: CorpusOptions, target_bytes: int
) -> list[Slice]:
    """Cut the files of a corpus into slices of about ``target_bytes``, in path order.

    With the format ``auto``, the format of each file is detected from its content. Files in folders whose
    format is unknown are left out, and a warning lists them.

    Raises:
        MissingInputError: an input does not exist, or no file has a known format.
        CorpusError: a file is damaged, or a file named directly has no known format.
    """
    forget_heads()
    named = {os.fspath(entry) for entry in inputs} | {str(Path(entry)) for entry in inputs}
    paths = expand_inputs(inputs, skip_bad=options.skip_bad)
    slices, left_out = [], []
    for path in paths:
        found = _format_of(path, options)
        if found:
            slices.extend(_split(path, found, options, target_bytes))
        elif str(path) in named:
            raise CorpusError(f"{path}: unknown format (found {read_head(path, options)[:20]!r}); {_EXPECTED}")
        else:
            left_out.append(path)
    if len(left_out) == len(paths):
        raise MissingInputError(f"{', '.join(map(str, inputs))}: no file of a known format; {_EXPECTED}")
    if left_out:
        names = ", ".join(map(str, left_out[:10])) + (", ..." if len(left_out) > 10 else "")
        _log.warning("left out %d of %d files of unknown format: %s", len(left_out), len(paths), names)
    return slices


def _format_of(path: Location, options: CorpusOptions) -> str | None:
    if options.format != "auto":
        return options.format
    try:
        return detect(path, options)
    except (CorpusError, MissingInputError) as error:
        if options.skip_bad and is_bad(error):
            return "prose"  # reading it fails in the same way, where read_slice counts the error
        raise


def _split(path: Location, format: str, options: CorpusOptions, target_bytes: int) -> list[Slice]:
    try:
        return reader(format).split(str(path), target_bytes, options)
    except (CorpusError, MissingInputError) as error:
        if options.skip_bad and is_bad(error):
            return [Slice(str(path), format, 0, -1)]  # read_slice meets and counts the error
        raise


def reader(format: str) -> Reader:
    """Return the module that reads a format, one of the keys of `READERS`."""
    return cast(Reader, importlib.import_module(f"{__name__}.{READERS[format]}"))


def detect(path: str | os.PathLike[str], options: CorpusOptions | None = None) -> str | None:
    """Return the format of a file, one of the keys of `READERS`, detected from its content; None if unknown.

    Raises:
        CorpusError: the compressed data is damaged.
    """
    head = read_head(path, options or CorpusOptions())
    begins = head.lstrip()
    possible = (name for name in READERS if begins.startswith(_BEGINNINGS.get(name, b"")))
    return next((name for name in possible if reader(name).recognises(head)), None)


def read_slice(slice_: Slice, options: CorpusOptions, left_out: LeftOut | None = None) -> Iterator[Document]:
    """Yield the documents of a slice; with the option ``skip_bad``, add errors to ``left_out``.

    Raises:
        CorpusError: the file is damaged or not of the slice's format; the message has the file and place.
        MissingInputError: the file no longer exists, or may not be read.
        ReadError: the system cannot read the file now, with or without ``skip_bad``.
        TextDecodeError: it is not valid in its encoding and the option ``errors`` is ``strict``.
        RemoteError: a remote file cannot be read, or changed while it was read.
    """
    left_out = LeftOut() if left_out is None else left_out
    before, rest = left_out.count, ""
    try:
        for outcome in reader(slice_.format).read(slice_, options):
            if isinstance(outcome, Document):
                yield outcome
            elif options.skip_bad:
                left_out.add(_listed(outcome.error, slice_))
            else:
                raise outcome.error
        if is_url(slice_.path):
            refuse_changed(slice_.path)
    except (CorpusError, MissingInputError) as error:  # MissingInputError: deleted during the run
        if not (options.skip_bad and is_bad(error)):
            raise
        rest = _rest_of(error, slice_)
        left_out.add(_listed(error, slice_, rest))
    if bad := left_out.count - before - bool(rest):
        _log.warning("%s: left out %d unreadable documents or parts of the file", slice_.path, bad)
    if rest:
        _log.warning("%s: left out %s, which cannot be read", slice_.path, rest)


def _rest_of(error: CorpusError | MissingInputError, slice_: Slice) -> str:
    """Return what is lost with an error after which nothing can be read."""
    if isinstance(error, MissingInputError):
        return "the file"
    return "the rest of the file" if slice_.stop < 0 else "the rest of the slice"


def _listed(error: CorpusError | MissingInputError, slice_: Slice, rest: str = "") -> LeftOut:
    """Return an error as it is listed in a manifest: with the file name only, the same for every folder."""
    ending = f"; {rest} is left out" if rest and not isinstance(error, MissingInputError) else ""
    return LeftOut(1, [str(error).replace(slice_.path, Path(slice_.path).name) + ending])
