"""The format ``prose``: wrapped and unwrapped paragraphs, and books of Project Gutenberg."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from support.corpora import (
    COMPRESSORS,
    STORY,
    documents_of,
    file_of,
    read,
    wrapped_story,
)

from wpprep.corpus.readers import detect
from wpprep.corpus.readers.prose import find_wraps, unwrap


def test_hard_wrapped_paragraphs_are_joined(tmp_path: Path) -> None:
    """The paragraphs of a file wrapped at 72 characters with blank lines between them are restored."""
    path = file_of(tmp_path, wrapped_story("\n\n").replace("\n", "\r\n"))
    assert documents_of(path, "auto")[0].text.split("\n") == STORY * 5


def test_hard_wrapped_paragraphs_without_blank_lines_end_at_short_lines(tmp_path: Path) -> None:
    """Without blank lines, a short line that ends a sentence ends a wrapped paragraph."""
    path = file_of(tmp_path, wrapped_story("\n"))
    assert documents_of(path, "prose")[0].text.split("\n") == STORY * 5


def test_a_paragraph_a_line_stays_so(tmp_path: Path) -> None:
    """Lines that are whole paragraphs are not joined, with or without blank lines between them."""
    for separator in ("\n", "\n\n"):
        path = file_of(tmp_path, separator.join(STORY * 5))
        assert documents_of(path, "prose")[0].text.split("\n") == STORY * 5


def test_short_lines_of_all_lengths_stay_paragraphs(tmp_path: Path) -> None:
    """Dialogue, lists and verse, whose lines end anywhere below 80 characters, are not hard-wrapped."""
    lines = ["m" * length for length in range(5, 80)]
    path = file_of(tmp_path, "\n".join(lines))
    assert documents_of(path, "prose")[0].text.split("\n") == lines


def test_wraps_are_joined_by_a_space() -> None:
    """Only wrapped line ends become spaces: blank lines and short lines that end a sentence stay."""
    lines = ["word " * 14 + "word", "word " * 12 + "end.", "short end.", "word " * 14 + "word", "", "last"]
    text = "\n".join(lines)
    wraps = find_wraps(text * 3)
    assert wraps is not None
    assert unwrap(text, wraps).split("\n") == [
        f"{lines[0]} {lines[1]} short end.", lines[3], "last"
    ]  # fmt: skip


@pytest.mark.parametrize(("length", "is_wrapped"), [(49, False), (50, True), (100, True), (101, False)])
def test_width_of_wrapped_lines_has_bounds(length: int, is_wrapped: bool) -> None:
    """Lines of one length are hard-wrapped if they have 50 to 100 characters."""
    assert (find_wraps("\n".join(["x" * length] * 20)) is not None) is is_wrapped


HEADER = "The Project Gutenberg eBook of A Tale\n\nTitle: A Tale\n\n\n\n\nLanguage: English\n\n"


START = "*** START OF THE PROJECT GUTENBERG EBOOK A TALE ***\n\n\nProduced by A. Reader and\nB. Reader\n\n"


CHAPTERS = [f"Chapter {i} is short. It has two sentences.\n\nAnd a third.\n\n\n\n" for i in range(30)]


END = "*** END OF THE PROJECT GUTENBERG EBOOK A TALE ***\n\n\n\n\nThe licence.\n\n\n\nSection 2.\n"


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_gutenberg_books_lose_header_and_licence(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Only what is between Project Gutenberg's marks is read, whatever the slice size."""
    path = tmp_path / "tale.txt"
    path.write_bytes(
        compress((HEADER + START + "".join(CHAPTERS) + END).replace("\n", "\r\n").encode("utf-8-sig"))
    )
    expected = [f"Chapter {i} is short. It has two sentences.\nAnd a third." for i in range(30)]
    whole = read(path)
    assert [document.text for document in whole] == expected
    for target_bytes in (1, 100, 700):
        assert read(path, target_bytes) == whole


@pytest.mark.parametrize("name", ["books-en", "books-de", "books-ru"])
def test_real_books_are_prose_and_lose_nothing(data: Path, name: str) -> None:
    """Real novels, wrapped or not, are detected as prose, and all their text is read."""
    for path in sorted((data / name).iterdir()):
        raw = gzip.decompress(path.read_bytes()).decode("utf-8-sig")
        assert detect(path) == "prose"
        assert "".join("".join(document.text.split()) for document in documents_of(path, "auto")) == "".join(
            raw.split()
        )
