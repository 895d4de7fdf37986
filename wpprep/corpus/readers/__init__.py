"""Readers: corpus files to documents, one module a format, each with the same three functions.

    split(path, target_bytes, options)   slices of one file that can be read on their own
    read(slice, options)                 the documents of a slice
    recognises(head)                     whether a file that begins so has this format

Documents, their ids and their order are the same for every ``target_bytes``. Text files may be compressed
with gzip, bzip2, xz or zstd; such a file is one slice, and is read in blocks.

    options = CorpusOptions()
    for slice_ in plan_slices(["sample_corpus"], options, target_bytes=16_000_000):
        for document in read_slice(slice_, options):
            document.id      # "12", or "book.txt:0": file and byte (or row) where the format has no ids
            document.text    # one paragraph a line

What this package does not do: cut text into sentences (`wpprep.corpus.sentences`), or notice that a whole
corpus has no document (the pipeline).
"""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.inputs import expand_inputs
from wpprep.corpus.readers.bad_input import LeftOut
from wpprep.corpus.readers.decoding import forget_heads, read_head
from wpprep.errors import CorpusError, MissingInputError
from wpprep.records import Document, Slice
from wpprep.storage.files import Place
from wpprep.storage.remote import is_url, refuse_changed

__all__ = ["READERS", "LeftOut", "detect", "plan_slices", "read_slice", "reader"]

_log = logging.getLogger(__name__)

# The module of each format, loaded when a file has it: some bring pyarrow or an optional package along.
# A file has the first format here that recognises it: ``prose`` takes all other text, so it is last.
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
# How files begin, blanks aside, of those formats whose modules bring along what takes as long to load as
# reading some megabytes of text: pyarrow, and a parser of wikitext.
_BEGINNINGS: dict[str, tuple[bytes, ...]] = {
    "parquet": (b"PAR1",),
    "arrow": (b"ARROW1", b"\xff\xff\xff\xff"),
    "wiki-dump": (b"<",),
}
_EXPECTED = f"expected {', '.join(sorted(READERS))}; the option --format says which"


def plan_slices(
    inputs: Sequence[str | os.PathLike[str]], options: CorpusOptions, target_bytes: int
) -> list[Slice]:
    """Cut the corpus that the inputs name into slices of about ``target_bytes``, in path order.

    Under the format ``auto`` each file's own content tells its format. Files inside folders that have
    none are left out, and a warning names them.

    Raises:
        MissingInputError: an input does not exist, or a folder holds no file of a known format.
        CorpusError: a file that the inputs name themselves has no known format, or is damaged.
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
            raise CorpusError(f"{path}: no known format (found {read_head(path, options)[:20]!r}); {_EXPECTED}")
        else:
            left_out.append(path)
    if len(left_out) == len(paths):
        raise MissingInputError(f"{', '.join(map(str, inputs))}: no file of a known format; {_EXPECTED}")
    if left_out:
        names = ", ".join(map(str, left_out[:10])) + (", ..." if len(left_out) > 10 else "")
        _log.warning("left out %d of %d files, of no known format: %s", len(left_out), len(paths), names)
    return slices


def _format_of(path: Place, options: CorpusOptions) -> str | None:
    if options.format != "auto":
        return options.format
    try:
        return detect(path, options)
    except (CorpusError, MissingInputError):
        if options.skip_bad:
            return "prose"  # reading it will fail at the same place, and say so
        raise


def _split(path: Place, format: str, options: CorpusOptions, target_bytes: int) -> list[Slice]:
    try:
        slices: list[Slice] = reader(format).split(str(path), target_bytes, options)
    except (CorpusError, MissingInputError):
        if options.skip_bad:
            return [Slice(str(path), format, 0, -1)]  # the same: what is bad is left out by read_slice alone
        raise
    return slices


def reader(format: str) -> Any:
    """The module that reads a format."""
    return importlib.import_module(f"{__name__}.{READERS[format]}")


def detect(path: str | os.PathLike[str], options: CorpusOptions | None = None) -> str | None:
    """The format that a file's content shows, or None if it has none of those in `READERS`.

    Raises:
        CorpusError: the compressed data is damaged.
    """
    head = read_head(path, options or CorpusOptions())
    begins = head.lstrip()
    possible = (name for name in READERS if begins.startswith(_BEGINNINGS.get(name, b"")))
    return next((name for name in possible if reader(name).recognises(head)), None)


def read_slice(slice_: Slice, options: CorpusOptions, left_out: LeftOut | None = None) -> Iterator[Document]:
    """The documents of a slice; with the option ``skip_bad`` bad ones go to ``left_out`` instead.

    Raises:
        CorpusError: the file is damaged or not of the slice's format; names the file and the place.
        TextDecodeError: it is not valid in its encoding and the option ``errors`` is ``strict``.
        RemoteError: a remote file cannot be had, or has changed while it was read.
    """
    left_out = LeftOut() if left_out is None else left_out
    before = left_out.count
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
    except (CorpusError, MissingInputError) as error:  # or the file has vanished during the run
        if not options.skip_bad:
            raise
        left_out.add(_listed(error, slice_))
    if left_out.count > before:
        _log.warning("%s: left out %d bad documents or pieces", slice_.path, left_out.count - before)


def _listed(error: CorpusError | MissingInputError, slice_: Slice) -> LeftOut:
    """An error for a manifest: without folders, so that equal data gives equal bytes."""
    return LeftOut(1, [str(error).replace(slice_.path, Path(slice_.path).name)])
