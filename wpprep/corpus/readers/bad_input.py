"""Results of reading: documents, and the errors of documents that cannot be read.

A reader yields the error of a bad document in its place and continues with the next one;
`wpprep.corpus.readers.read_slice` raises the error or, with ``--skip-bad``, counts it. Where nothing after the
damage can be read (mostly compressed data), the reader raises, and the rest of the slice is left out.

Input is bad if it is damaged, or is not there (a broken link, a loop of links, a file deleted during the run).
What the system cannot read now, or the user may not read, is not bad: leaving it out would make the result
depend on the moment or on the user, so it stops the run with ``--skip-bad`` too.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypedDict, TypeVar

from wpprep.errors import CorpusError, MissingInputError, WpprepError
from wpprep.records import Document

Piece = TypeVar("Piece")

MOST_LISTED = 100  # errors listed in a manifest
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)  # EISDIR: a loop of links


class Unreadable(NamedTuple):
    """The error of a document, yielded in its place."""

    error: CorpusError


Outcomes = Iterator[Document | Unreadable]


def attempt(make: Callable[[Piece], Document | None], pieces: Iterable[Piece]) -> Outcomes:
    """Yield the document made of each piece, or the CorpusError it raises; skip None (a piece without text)."""
    for piece in pieces:
        try:
            document = make(piece)
        except CorpusError as error:
            yield Unreadable(error)
        else:
            if document is not None:
                yield document


def is_bad(error: WpprepError) -> bool:
    """Return whether an error is about the input itself, so that ``--skip-bad`` leaves it out."""
    if isinstance(error, MissingInputError):
        return not isinstance(error.__cause__, OSError) or error.__cause__.errno in (None, *_NOT_THERE)
    return isinstance(error, CorpusError)


class LeftOutValues(TypedDict):
    """The values of a `LeftOut` in a receipt or manifest."""

    count: int
    first: list[str]


@dataclass
class LeftOut:
    """Input left out by ``--skip-bad``: the number of errors, and the first of them in corpus order.

    >>> total = LeftOut(1, ["a.jsonl: line 3: not JSON"])
    >>> total.add(LeftOut(2, ["b.jsonl: line 1: not JSON", "b.jsonl: line 2: not JSON"]))
    >>> total.count, total.first[-1]
    (3, 'b.jsonl: line 2: not JSON')
    """

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, other: LeftOut) -> None:
        """Add what was left out in a later part of the corpus."""
        self.count += other.count
        self.first = (self.first + other.first)[:MOST_LISTED]
