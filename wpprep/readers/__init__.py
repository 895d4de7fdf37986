"""Readers: corpus files to documents, one module a format, each with the same three functions.

    split(path, target_bytes)   slices of one file that can be read on their own
    read(slice, errors)         the documents of a slice
    recognises(head)            whether a file that begins so has this format

Documents, their ids and their order are the same for every ``target_bytes``. Files may be compressed
with gzip, bzip2 or xz; such a file is one slice, and is read in blocks.

    for slice_ in plan_slices(["sample_corpus"], "auto", target_bytes=16_000_000):
        for document in read_slice(slice_, "strict"):
            document.id      # "12", or "book.txt:0": file and byte where the format has no ids
            document.text    # one paragraph a line

What this package does not do: cut text into sentences (`wpprep.sentences`), or notice that a whole
corpus has no document (the pipeline).
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wpprep.errors import CorpusError, MissingInputError
from wpprep.files import expand_inputs
from wpprep.readers import lines, prose, wikiextractor
from wpprep.readers.cutting import read_head
from wpprep.records import Document, Slice

_log = logging.getLogger(__name__)


class Reader(NamedTuple):
    """The three functions of a format."""

    split: Callable[[str, int], list[Slice]]
    read: Callable[[Slice, str], Iterator[Document]]
    recognises: Callable[[bytes], bool]


# A file has the first format here that recognises it: ``prose`` takes all other text, so it is last.
READERS = {
    "wikiextractor": Reader(wikiextractor.split, wikiextractor.read, wikiextractor.recognises),
    "lines": Reader(lines.split, lines.read, lines.recognises),
    "prose": Reader(prose.split, prose.read, prose.recognises),
}
_EXPECTED = f"expected UTF-8 text as {', '.join(sorted(READERS))}; the option --format says which"


def plan_slices(inputs: Sequence[str | os.PathLike[str]], format: str, target_bytes: int) -> list[Slice]:
    """Cut the corpus that the inputs name into slices of about ``target_bytes``, in path order.

    Under the format ``auto`` each file's own content tells its format. Files inside folders that have
    none are left out, and a warning names them.

    Raises:
        MissingInputError: an input does not exist, or a folder holds no file of a known format.
        CorpusError: a file that the inputs name themselves has no known format.
    """
    named = {Path(entry) for entry in inputs}
    paths = expand_inputs(inputs)
    slices, left_out = [], []
    for path in paths:
        found = detect(path) if format == "auto" else format
        if found:
            slices.extend(READERS[found].split(str(path), target_bytes))
        elif path in named:
            raise CorpusError(f"{path}: no known format (found {read_head(str(path))[:20]!r}); {_EXPECTED}")
        else:
            left_out.append(path)
    if len(left_out) == len(paths):
        raise MissingInputError(f"{', '.join(map(str, inputs))}: no file of a known format; {_EXPECTED}")
    if left_out:
        names = ", ".join(map(str, left_out[:10])) + (", ..." if len(left_out) > 10 else "")
        _log.warning("left out %d of %d files, of no known format: %s", len(left_out), len(paths), names)
    return slices


def detect(path: str | os.PathLike[str]) -> str | None:
    """The format that a file's content shows, or None if it is binary, markup or JSON.

    Raises:
        CorpusError: the compressed data is damaged.
    """
    head = read_head(str(path))
    return next((name for name, reader in READERS.items() if reader.recognises(head)), None)


def read_slice(slice_: Slice, errors: str) -> Iterator[Document]:
    """The documents of a slice; ``errors`` is ``strict`` or ``replace`` (for invalid UTF-8).

    Raises:
        CorpusError: the file is damaged or not of the slice's format; names the file and the byte.
        TextDecodeError: it is not UTF-8 and ``errors`` is ``strict``.
    """
    return READERS[slice_.format].read(slice_, errors)
