"""What comes of reading: documents, and with ``--skip-bad`` the errors of those that could not be read.

A reader goes on after a bad document and hands out its error in its place; `wpprep.corpus.readers.read_slice` raises
the error, or with ``--skip-bad`` counts it and goes on. Where nothing can be read after the damage (compressed
data, above all), the reader raises, and the rest of the slice is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from wpprep.errors import CorpusError
from wpprep.records import Document

Piece = TypeVar("Piece")

MOST_LISTED = 100


class Unreadable(NamedTuple):
    """The error that stands for a document."""

    error: CorpusError


Outcomes = Iterator[Document | Unreadable]


def attempt(make: Callable[[Piece], Document | None], pieces: Iterable[Piece]) -> Outcomes:
    """Each piece's document, or its error; None is a piece without text."""
    for piece in pieces:
        try:
            document = make(piece)
        except CorpusError as error:
            yield Unreadable(error)
        else:
            if document is not None:
                yield document


@dataclass
class LeftOut:
    """What ``--skip-bad`` left out: how much, and the first errors in the order of the corpus.

    >>> total = LeftOut(1, ["a.jsonl: line 3: not JSON"])
    >>> total.add(LeftOut(2, ["b.jsonl: line 1: not JSON", "b.jsonl: line 2: not JSON"]))
    >>> total.count, total.first[-1]
    (3, 'b.jsonl: line 2: not JSON')
    """

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, other: LeftOut) -> None:
        """Add what was left out later in the corpus."""
        self.count += other.count
        self.first = (self.first + other.first)[:MOST_LISTED]
