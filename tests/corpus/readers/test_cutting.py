"""Cutting of text files at boundaries: hand-worked slices, documents that are too long, changed files."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from support.corpora import (
    COMPRESSORS,
    WRITERS,
    Writer,
    file_of,
    read,
    read_leniently,
    write_jsonl,
)

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import cutting, plan_slices, read_slice
from wpprep.corpus.readers.cutting import cut, is_text, raw_documents, tidy_lines
from wpprep.corpus.readers.decoding import RawDocument
from wpprep.errors import CorpusError, MissingInputError
from wpprep.records import Slice

BLANK_LINE = re.compile(rb"\n\s*\n").finditer


def test_the_example_of_the_module(tmp_path: Path) -> None:
    """Three documents at bytes 0, 6 and 12; slices start at a boundary at or after the target."""
    path = file_of(tmp_path, "One.\n\nTwo.\n\nThree.")
    for target_bytes, expected in [(1, [(0, 6), (6, 12), (12, 18)]), (5, [(0, 12), (12, 18)]), (13, [(0, 18)])]:
        slices = cut(str(path), "lines", target_bytes, BLANK_LINE, CorpusOptions())
        assert [(slice_.start, slice_.stop) for slice_ in slices] == expected
        found = [raw for slice_ in slices for raw in raw_documents(slice_, BLANK_LINE, CorpusOptions())]
        assert found == [RawDocument(0, b"One.\n\n"), RawDocument(6, b"Two.\n\n"), RawDocument(12, b"Three.")]


def test_empty_and_compressed_files_are_not_cut(tmp_path: Path) -> None:
    """An empty file has no slices; a compressed file is one slice without an end."""
    assert cut(str(file_of(tmp_path, "")), "lines", 1, BLANK_LINE, CorpusOptions()) == []
    path = str(file_of(tmp_path, gzip.compress(b"One.\n\nTwo.")))
    assert cut(path, "lines", 1, BLANK_LINE, CorpusOptions()) == [Slice(path, "lines", 0, -1)]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", True),
        (b"Plain.", True),
        (b"a < b and {c}", True),
        (b"caf\xe9 au lait, s'il vous plait", True),
        (b"\xe9\xe8\xea", False),
        (b"a\0b", False),
        (b"<html>", False),
        (b" <!-- a -->", False),
        (b'[{"a": 1}]', False),
        (b"{\\rtf1 a}", False),
    ],
)
def test_text_is_neither_binary_nor_markup(head: bytes, expected: bool) -> None:
    """NUL, one tenth of invalid UTF-8, or the beginning of markup, JSON, PDF or RTF rule out plain text."""
    assert is_text(head) is expected


def test_tidy_lines_keeps_other_separators() -> None:
    """Only newlines end lines; lines of white space are removed, and all of it around lines."""
    assert tidy_lines("\u3000a\u2028b \r\n\t\n\x85\n c\vd") == "a\u2028b\nc\vd"
    assert tidy_lines(" \n ") == ""


@pytest.mark.parametrize("write", WRITERS)
def test_documents_that_are_too_long_are_refused(tmp_path: Path, write: Writer) -> None:
    """A line, row or file longer than the maximum is an error before it fills the memory."""
    path = write(tmp_path / "corpus", [{"text": "One."}, {"text": "x" * 5000}])
    with (
        mock.patch.object(cutting, "LONGEST", 4000),
        mock.patch.object(cutting, "_BLOCK", 512),
        pytest.raises(
            CorpusError, match=r"no document ends in .* from byte 17 on|row 1: text has 5000 characters"
        ),
    ):
        read(path)


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize("block", [64, 512, 1 << 20])
def test_documents_that_are_too_long_are_skipped(
    tmp_path: Path, compress: Callable[[bytes], bytes], block: int
) -> None:
    """A line longer than the maximum is skipped block by block, and the next one is read."""
    path = tmp_path / "a.jsonl"
    rows = [{"text": "One."}, {"text": "x" * 5000}, {"text": "Three."}, {"text": "y" * 4001}]
    path.write_bytes(compress("\n".join(map(json.dumps, rows)).encode()))
    for target_bytes in (1, 10**9):
        with mock.patch.object(cutting, "LONGEST", 4000), mock.patch.object(cutting, "_BLOCK", block):
            documents, left_out = read_leniently(path, target_bytes, rows_per_document=1)
        assert [document.text for document in documents] == ["One.", "Three."]
        assert left_out.count == 2


def test_file_that_shrinks_during_the_run_is_noticed(tmp_path: Path) -> None:
    """A file that is shorter than when it was cut into slices is an error."""
    path = write_jsonl(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 10**9)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        CorpusError, match="ends at byte 100; it was longer when the run began|line 1: not JSON"
    ):
        list(read_slice(slices[0], CorpusOptions()))
    path.unlink()
    with pytest.raises(MissingInputError, match="cannot be opened: No such file"):
        list(read_slice(slices[0], CorpusOptions()))
