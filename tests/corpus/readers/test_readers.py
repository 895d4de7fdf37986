"""Readers: the same documents for every slice size, block size and compression; detection of formats."""

from __future__ import annotations

import bz2
import gzip
import logging
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.corpora import STORY, documents_of, file_of, wrapped_story

from wpprep.config import FORMATS, CorpusOptions
from wpprep.corpus.readers import READERS, cutting, detect, plan_slices
from wpprep.errors import CorpusError, MissingInputError, TextDecodeError

BLANKS = [
    "\n",
    "\n\n",
    "\n \t\n",
    "\n\n\n",
    "\n\n\n\n",
    "\r\n",
    "\r\n\r\n",
    "\r\n\r\n\r\n\r\n",
    " ",
    "\t",
    "\f",
    "\v",
    "\r",
]
HOSTILE = ["\u3000", "\u2028", "\x85", "\x1c", "\ufeff", "\ufffd", "é", "한", "𠀀", "<doc ", "</doc>"]
WORDS = ["a", "Bee.", "See?\n", "Dee!\n\n"]
FRAGMENTS = st.lists(st.sampled_from(BLANKS + HOSTILE + WORDS), max_size=30).map("".join)
PARAGRAPH = st.text(st.sampled_from("ab.<>&\t \u2028é한"), max_size=12)
ARTICLES = st.lists(st.lists(PARAGRAPH, max_size=4), max_size=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property, which rewrite the same file."""
    return tmp_path_factory.mktemp("corpus")


def lines_documents(text: str) -> list[str]:
    """The slow twin of the format ``lines``: look at one line after another."""
    documents: list[list[str]] = [[]]
    for line in text.removeprefix("\ufeff").split("\n"):
        if not line.strip(" \t\r\f\v"):
            documents.append([])
        elif line.strip():
            documents[-1].append(line.strip())
    return ["\n".join(document) for document in documents if document]


def prose_documents(text: str) -> list[str]:
    """The slow twin of the format ``prose`` for a paragraph a line."""
    documents = []
    for part in text.removeprefix("\ufeff").split("\f"):
        blank_lines, document = 0, list[str]()
        for line in part.split("\n"):
            blank_lines = 0 if line.strip(" \t\r") else blank_lines + 1
            if blank_lines == 3:
                documents.append(document)
                document = []
            if line.strip():
                document.append(line.strip())
        documents.append(document)
    return ["\n".join(document) for document in documents if document]


def rendered(articles: list[list[str]], line_end: str) -> str:
    """Articles as WikiExtractor writes them; an article's id is its index."""
    return line_end.join(
        line
        for i, paragraphs in enumerate(articles)
        for line in (f'<doc id="{i}" url="u?curid={i}" title="t">', *paragraphs, "</doc>", "")
    )


@pytest.mark.parametrize(("format", "twin"), [("lines", lines_documents), ("prose", prose_documents)])
@given(text=FRAGMENTS, bom=st.sampled_from(["", "\ufeff"]))
def test_reads_as_its_slow_twin(
    folder: Path, format: str, twin: Callable[[str], list[str]], text: str, bom: str
) -> None:
    """Documents are those that reading line by line finds, without a byte order mark."""
    path = file_of(folder, bom + text)
    assert [document.text for document in documents_of(path, format)] == twin(bom + text)


@given(articles=ARTICLES, line_end=st.sampled_from(["\n", "\r\n"]))
def test_wikiextractor_reads_back_what_was_written(
    folder: Path, articles: list[list[str]], line_end: str
) -> None:
    """Articles are read with their ids and stripped paragraphs; those without text are left out."""
    stripped = [[paragraph.strip() for paragraph in article if paragraph.strip()] for article in articles]
    path = file_of(folder, rendered(articles, line_end))
    found = [(document.id, document.text.split("\n")) for document in documents_of(path, "wikiextractor")]
    assert found == [(str(i), paragraphs) for i, paragraphs in enumerate(stripped) if paragraphs]


@pytest.mark.parametrize("format", ["lines", "prose", "wikiextractor"])
@given(data=st.data(), target_bytes=st.integers(1, 80), block=st.integers(1, 40), window=st.integers(1, 20))
def test_slices_and_blocks_change_nothing(
    folder: Path, format: str, data: st.DataObject, target_bytes: int, block: int, window: int
) -> None:
    """Documents and ids are the same for every slice size, block size and compression."""
    text = data.draw(
        ARTICLES.map(lambda articles: rendered(articles, "\n")) if format == "wikiextractor" else FRAGMENTS
    )
    text = data.draw(st.sampled_from(["", "\ufeff"])) + text
    path = file_of(folder, text)
    whole = documents_of(path, format)
    with mock.patch.multiple(cutting, _BLOCK=block, _WINDOW=window):
        assert documents_of(path, format, target_bytes) == whole
        assert documents_of(file_of(folder, gzip.compress(text.encode())), format, target_bytes) == whole


@pytest.mark.parametrize("format", ["lines", "prose", "wikiextractor"])
def test_slices_are_near_their_target_and_cover_the_file(tmp_path: Path, format: str) -> None:
    """Slices have no gaps between them, and are at most as long as the target and one document."""
    article = '<doc id="1" url="" title="">\nOne.\n\n\n\nTwo.\n</doc>\n\n\n\n'
    path = file_of(tmp_path, article * 100)
    slices = plan_slices([path], CorpusOptions(format=format), 1000)
    assert slices[0].start == 0
    assert slices[-1].stop == path.stat().st_size
    assert [s.stop for s in slices[:-1]] == [s.start for s in slices[1:]]
    assert max(s.stop - s.start for s in slices) <= 1000 + len(article)


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_files_read_as_plain_ones(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """gzip, bzip2 and xz give the documents of the plain file, ids included, under the same name."""
    text = "One.\n\n" * 500 + "Two."
    plain = documents_of(file_of(tmp_path, text), "lines")
    assert documents_of(file_of(tmp_path, compress(text.encode())), "lines") == plain


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("format", ["lines", "prose", "wikiextractor"])
def test_invalid_utf8_is_placed(tmp_path: Path, format: str, compress: Callable[[bytes], bytes]) -> None:
    """An invalid byte is an error with its offset in the decompressed file and the option that replaces it."""
    article = '<doc id="1" url="" title="">\nÄ\n</doc>\n\n\n\n'.encode()
    content = article * 3 + article.replace("Ä".encode(), b"\xff")
    path = file_of(tmp_path, compress(content))
    place = re.escape(f"{path}: invalid UTF-8 at byte {content.index(0xFF)} (found 0xFF); use --errors replace")
    with pytest.raises(TextDecodeError, match=place):
        documents_of(path, format, target_bytes=50)


def test_replacements_are_counted(tmp_path: Path) -> None:
    """Replacements are counted as Python makes them; U+FFFD that was in the text is not counted."""
    path = file_of(tmp_path, b"fine \xef\xbf\xbd\n\nbad \xff\xff \xe2\x82 \xef\xbf\xbd\n\n")
    first, second = documents_of(path, "lines", errors="replace")
    assert (first.text, first.replaced) == ("fine \ufffd", 0)
    assert (second.text, second.replaced) == ("bad \ufffd\ufffd \ufffd \ufffd", 3)


@pytest.mark.parametrize("compressed", [gzip.compress(b"One.\n" * 999), lzma.compress(b"One.\n" * 999)])
def test_truncated_compressed_file_is_refused(tmp_path: Path, compressed: bytes) -> None:
    """A truncated compressed file is an error that names it, not a shorter corpus."""
    path = file_of(tmp_path, compressed[:-9])
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: damaged compressed data"):
        documents_of(path, "lines")


def test_readers_are_the_formats_of_the_options() -> None:
    """Every format of the options has a reader, and every reader a format."""
    assert {"auto", *READERS} == set(FORMATS)


@pytest.mark.parametrize(
    ("content", "format"),
    [
        ('\ufeff\n<doc id="1" url="" title="">\nOne.\n</doc>\n', "wikiextractor"),
        ("One is here.\nTwo is, too.\n\nThree.\nFour (so it is said).\n", "lines"),
        ("첫 문장이다.\n둘째 문장이다.\n\n다른 문서이다.\n끝이다.\n", "lines"),
        ("私は猫である。\n名前はまだ無い。\n", "lines"),
        ("\n".join(STORY), "prose"),
        ("\n\n".join(STORY * 5), "prose"),
        (wrapped_story("\n\n"), "prose"),
        ("One is here.\n\nTwo is, too.\n", "prose"),
        ("", "prose"),
        ("caf\xe9 au lait, s'il vous plait\n".encode("latin-1"), "prose"),
        ("Привет, мир".encode("cp1251"), None),
        ("One.\nTwo.\n".encode("utf-16"), "lines"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None),
        (b"%PDF-1.7\n", None),
        ('<?xml version="1.0"?>\n<mediawiki>', None),
        ('{"id": "1", "text": "One."}\n', "jsonl"),
        ('{\n  "id": "1"\n}\n', None),
    ],
)
@pytest.mark.parametrize("compress", [bytes, bz2.compress])
def test_format_is_detected_from_content(
    tmp_path: Path, content: str | bytes, format: str | None, compress: Callable[[bytes], bytes]
) -> None:
    """The format is detected from the first lines, decompressed; a file that is not text has none."""
    content = content.encode() if isinstance(content, str) else content
    assert detect(file_of(tmp_path, compress(content))) == format


def test_folder_is_read_in_path_order_and_unknown_files_are_listed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Slices of a folder are in path order, each with its own format; a warning lists files without one."""
    file_of(tmp_path, "One.\n\nTwo.\n", "b.txt")
    file_of(tmp_path, "One.\nTwo.\n", "a.txt")
    file_of(tmp_path, b"\0\1\2", "c.bin")
    with caplog.at_level(logging.WARNING):
        slices = plan_slices([tmp_path], CorpusOptions(), 1000)
    assert [(Path(s.path).name, s.format) for s in slices] == [("a.txt", "lines"), ("b.txt", "prose")]
    assert caplog.messages == [f"left out 1 of 3 files of unknown format: {tmp_path / 'c.bin'}"]


def test_named_file_of_unknown_format_is_an_error(tmp_path: Path) -> None:
    """A file that is named directly must have a known format; a folder must have one such file."""
    path = file_of(tmp_path, b"\0\1\2", "c.bin")
    with pytest.raises(CorpusError, match=r"c\.bin: unknown format \(found .*expected arrow, jsonl, lines"):
        plan_slices([path], CorpusOptions(), 1000)
    with pytest.raises(MissingInputError, match="no file of a known format"):
        plan_slices([tmp_path], CorpusOptions(), 1000)
