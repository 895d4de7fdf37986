"""Tables of documents: rows of text, several rows per document, and bad values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.corpora import (
    WRITERS,
    Writer,
    read,
)

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.columns import columns_of, is_text_type, one_line, pack
from wpprep.errors import CorpusError, TextDecodeError


@pytest.mark.parametrize("write", WRITERS[1:])
def test_rows_of_bookcorpus_are_put_together(tmp_path: Path, write: Writer) -> None:
    """In a table with only text, one sentence per row, 1,000 rows are a document, or the number of the option.

    Row groups and record batches have 7 rows here: with 3 rows per document, 3 documents of 3, 3 and 1 rows.
    """
    rows: list[dict[str, Any]] = [{"text": f"sentence {i} of a book , said x ."} for i in range(20)]
    path = write(tmp_path / "books", [*rows, {"text": None}])
    whole = read(path)
    assert [d.id for d in whole] == ["books:0", "books:7", "books:14"]
    assert whole[0].text.split("\n") == [row["text"] for row in rows[:7]]
    assert [d.text.count("\n") for d in whole] == [6, 6, 5]
    threes = read(path, rows_per_document=3)
    assert [d.id for d in threes] == [f"books:{row}" for row in (0, 3, 6, 7, 10, 13, 14, 17)]
    for target_bytes in (1, 300):
        assert read(path, target_bytes) == whole
        assert read(path, target_bytes, rows_per_document=3) == threes
    assert len(read(write(tmp_path / "one", rows), rows_per_document=1)) == 20
    with_ids = write(tmp_path / "ids", [{"id": str(i), "text": f"Sentence {i}."} for i in range(20)])
    assert len(read(with_ids)) == 20
    assert [d.id for d in read(with_ids, rows_per_document=5)] == ["0", "5", "7", "12", "14", "19"]


def test_invalid_utf8_in_a_table_is_named(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in a string column are an error with the row, or are replaced."""
    column = pa.array([b"One.", b"T\xffo."]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(TextDecodeError, match=r"a\.parquet: row 1: invalid UTF-8 at byte 1 \(found 0xFF\)"):
        read(tmp_path / "a.parquet")
    assert [d.text for d in read(tmp_path / "a.parquet", errors="replace")] == ["One.", "T\ufffdo."]


@pytest.mark.parametrize(
    ("target_bytes", "expected"),
    [(1, [(0, 6), (6, 10), (10, 13)]), (7, [(0, 10), (10, 13)]), (10, [(0, 10), (10, 13)]), (14, [(0, 13)])],
)
def test_pieces_are_packed_to_their_target(target_bytes: int, expected: list[tuple[int, int]]) -> None:
    """A slice ends with the piece that reaches the target; the last one may be smaller."""
    slices = pack("a.parquet", "parquet", [0, 6, 10, 13], target_bytes)
    assert [(slice_.start, slice_.stop) for slice_ in slices] == expected


def test_a_table_without_pieces_has_no_slices() -> None:
    """Only the end of an empty table is given, and nothing is left to read."""
    assert pack("a.arrow", "arrow", [100], 8) == []


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_text_may_have_any_string_type(tmp_path: Path, kind: Any) -> None:
    """Strings, large strings and dictionaries of strings are text; numbers and bytes are not."""
    pq.write_table(pa.table({"text": pa.array(["One.", "Two."]).cast(kind)}), tmp_path / "a.parquet")
    texts = [document.text for document in read(tmp_path / "a.parquet", rows_per_document=1)]
    assert texts == ["One.", "Two."]
    assert not is_text_type(pa.int64())
    assert not is_text_type(pa.binary())


def test_titles_are_columns_of_text_only() -> None:
    """The title is a column of strings; the id is a column of any type, if there is one."""
    schema = pa.schema([("text", pa.string()), ("id", pa.int64()), ("title", pa.int64())])
    assert columns_of(schema, "a", CorpusOptions()) == ("text", "id", None)
    assert columns_of(schema.remove(1), "a", CorpusOptions()) == ("text", None, None)
    titled = schema.set(2, pa.field("title", pa.string()))
    assert columns_of(titled, "a", CorpusOptions(id_field="title")) == ("text", "title", "title")


def test_a_null_id_is_an_error(tmp_path: Path) -> None:
    """A row whose id is null is named by its row."""
    pq.write_table(pa.table({"id": ["a", None], "text": ["One.", "Two."]}), tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match=r"a\.parquet: row 1: id is null, expected an id"):
        read(tmp_path / "a.parquet")


def test_messages_of_arrow_are_one_line() -> None:
    """Line ends and runs of spaces in a message become one space."""
    assert one_line(ValueError("first\n  second\tthird")) == "first second third"
