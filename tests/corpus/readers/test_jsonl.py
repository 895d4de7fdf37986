"""The format ``jsonl``: bad lines, and documents of several lines."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from support.corpora import (
    COMPRESSORS,
    read,
    read_leniently,
    write_jsonl,
)

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices
from wpprep.errors import CorpusError
from wpprep.records import Document


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "Thr', "line 3: not JSON .*expected one JSON object per line"),
        ("[" * 100_000, "line 3: not JSON"),
        ('["a", "b"]', "line 3: found .*expected a JSON object"),
        ('{"text": "\\ud800"}', r"byte 42: found a lone surrogate U\+D800"),
    ],
)
def test_bad_json_lines_are_named(
    tmp_path: Path, compress: Callable[[bytes], bytes], line: str, message: str
) -> None:
    """A line that is not a JSON object is an error with its number, compressed or not."""
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(compress(('{"id": 1, "text": "One."}\n{"text": "Two"}' + "\n" + line + "\n").encode()))
    for target_bytes in (1, 1000):
        with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: {message}"):
            read(path, target_bytes)


@pytest.mark.parametrize("target_bytes", [1, 30, 10**9])
def test_bad_lines_are_skipped(tmp_path: Path, target_bytes: int) -> None:
    """With --skip-bad every bad line is left out, counted and listed by file name and line."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "One."}\nnot\n{"text": 2}\n{"text": "Thr\xffe."}\n{"text": "Four."}\n[]\n')
    documents, left_out = read_leniently(path, target_bytes, format="jsonl")
    assert [document.text for document in documents] == ["One.", "Four."]
    assert left_out.count == 4
    places = ["a.jsonl: line 2:", "a.jsonl: line 3:", "a.jsonl: invalid UTF-8 at byte", "a.jsonl: line 6:"]
    assert all(found.startswith(place) for found, place in zip(left_out.first, places, strict=True))


def test_lines_of_bookcorpus_are_put_together(tmp_path: Path) -> None:
    """JSON lines with only text, one sentence each, are grouped as in tables, for any slices and compression.

    Of 2,003 lines one is blank and one has null: documents begin at lines 1, 1,001 and 2,001.
    """
    lines = [json.dumps({"text": f"sentence {i} of a book , said x ."}) for i in range(2003)]
    lines[5], lines[6] = "", '{"text": null}'
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in (0, 1000, 2000)]
    path = tmp_path / "books"
    path.write_text("\n".join(lines) + "\n")
    whole = read(path)
    assert [d.id for d in whole] == [f"books:{start}" for start in starts]
    assert [d.text.count("\n") for d in whole] == [997, 999, 2]
    assert whole[1].text.split("\n")[0] == "sentence 1000 of a book , said x ."
    assert [slice_.start for slice_ in plan_slices([path], CorpusOptions(), 1)] == starts
    for rows in (7, 1):
        expected = read(path, rows_per_document=rows, skip_bad=True)
        for target_bytes in (1, 300, 50_000):
            assert read(path, target_bytes, rows_per_document=rows, skip_bad=True) == expected
    (tmp_path / "books.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert [d.text for d in read(tmp_path / "books.gz")] == [d.text for d in whole]
    with_ids = write_jsonl(tmp_path / "ids", [{"id": str(i), "text": f"Sentence {i}."} for i in range(20)])
    assert len(read(with_ids)) == 20
    assert [d.id for d in read(with_ids, rows_per_document=8)] == ["0", "8", "16"]


def test_a_bad_line_makes_its_document_unreadable(tmp_path: Path) -> None:
    """The error has the bad line itself, and the documents before and after it are read."""
    lines = [f'{{"text": "sentence {i} ."}}' for i in range(9)]
    lines[4] = '{"text": 4}'
    (tmp_path / "books").write_text("\n".join(lines))
    with pytest.raises(CorpusError, match=r"books: line 5: field text is 4, expected a string"):
        read(tmp_path / "books", rows_per_document=3)
    left = read(tmp_path / "books", rows_per_document=3, skip_bad=True)
    assert [d.text.split("\n")[0] for d in left] == ["sentence 0 .", "sentence 6 ."]


def test_ids_and_titles_are_cleaned(tmp_path: Path) -> None:
    """Numbers become ids, other titles than strings are ignored, and lone surrogates in both become U+FFFD."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"id": 7, "title": 8, "text": "One."}\n{"id": "\\ud800", "title": "\\u0000", "text": "Two."}\n'
    )
    assert read(path) == [Document("7", "One."), Document("\ufffd", "Two.", title="\ufffd")]
