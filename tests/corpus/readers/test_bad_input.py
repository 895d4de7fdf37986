"""Results of reading: errors in place of documents, and their counts."""

from __future__ import annotations

import pytest

from wpprep.corpus.readers import LeftOut
from wpprep.corpus.readers.bad_input import MOST_LISTED, Unreadable, attempt
from wpprep.errors import CorpusError
from wpprep.records import Document


def test_errors_take_the_place_of_documents() -> None:
    """A CorpusError is yielded where its document would be; None is skipped; other errors are raised."""
    error, one = CorpusError("a: bad"), Document("1", "One.")

    def make(piece: int) -> Document | None:
        if piece == 2:
            raise error
        if piece == 4:
            raise KeyError("a bug")
        return one if piece == 1 else None

    assert list(attempt(make, [1, 2, 3, 1])) == [one, Unreadable(error), one]
    with pytest.raises(KeyError):
        list(attempt(make, [1, 4]))


def test_only_the_first_errors_are_listed() -> None:
    """Sums count all errors and list the first ones in order, up to a maximum."""
    total = LeftOut()
    for part in range(3):
        total.add(LeftOut(60, [f"{part}.txt: {i}" for i in range(60)]))
    assert total.count == 180
    assert len(total.first) == MOST_LISTED == 100
    assert total.first[59:61] == ["0.txt: 59", "1.txt: 0"]
    assert total.first[-1] == "1.txt: 39"
