"""The format ``lines``: documents, ids and detection of sentences."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.corpora import (
    documents_of,
    file_of,
)

from wpprep.corpus.readers.lines import is_one_sentence, recognises, rows_of_text_alone


def test_id_is_the_byte_where_the_document_starts(tmp_path: Path) -> None:
    """Without ids of their own, documents are named by file and byte offset, byte order mark counted."""
    path = file_of(tmp_path, "\ufeffÄ.\n\n\n  Bee.\n")
    assert [document.id for document in documents_of(path, "lines")] == ["corpus.txt:3", "corpus.txt:11"]


def test_lines_end_at_newlines_only(tmp_path: Path) -> None:
    """U+2028, U+0085 and vertical tabs are text, not line ends, as in other tools."""
    path = file_of(tmp_path, "a\u2028b\x85c\vd\n")
    assert documents_of(path, "lines")[0].text == "a\u2028b\x85c\vd"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("It is late.", True),
        ("Is it (late)?", True),
        ('"It is late."', True),
        ("It costs 3.50 now.", True),
        ("И он ушёл...", True),
        ("私は猫である。", True),
        ("It is late…", True),
        ("“It is late…”", True),
        ("It is… late.", True),
        ("It is late….", True),
        ("It is… late", False),
        ("It is. It was…", False),
        ("It is late", False),
        ("It is. It was.", False),
        ("猫である。名前は無い。", False),
        ("", False),
    ],
)
def test_one_sentence_ends_at_its_only_stop(line: str, expected: bool) -> None:
    """A line is one sentence if its only sentence end is at the end; stops inside words do not count."""
    assert is_one_sentence(line) is expected


def test_rows_of_text_alone_need_two_thirds_sentences() -> None:
    """Rows are grouped if two thirds are one sentence of at most 1,000 characters; null and one row are not."""
    assert rows_of_text_alone(["a .", "b .", "no end"]) == 1000
    assert rows_of_text_alone(["a .", "no end", "no end"]) == 1
    assert rows_of_text_alone(["a .", None, "b ."]) == 1000
    assert rows_of_text_alone(["x" * 998 + " .", "x" * 998 + " ."]) == 1000
    assert rows_of_text_alone(["x" * 999 + " .", "x" * 999 + " ."]) == 1
    assert rows_of_text_alone(["a ."]) == 1
    assert rows_of_text_alone([]) == 1


def test_lines_are_recognised_by_blocks_of_sentences() -> None:
    """Two lines per block on average and two thirds sentences are required; binary data has neither."""
    assert recognises(b"One.\nTwo.\nThree\n")
    assert not recognises(b"One.\nTwo\nThree\n")
    assert not recognises(b"One.\n\nTwo.\nThree.\n")
    assert recognises(b"One.\n\nTwo.\nThree.\nFour.\n")
    assert not recognises(b"One.\nTwo.\n\0")
