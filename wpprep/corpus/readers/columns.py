"""Tables of documents: what the readers of Parquet and Arrow share.

A row is a document. Its text is in the column ``text`` or what ``--text-field`` says; its name is in the
column ``id`` (or what ``--id-field`` says), or, where there is none, file and row; its title is in the column
``title``, if there is one. Other columns are not read. Tables are cut between row groups or record batches;
slices count their sizes one after another.

A table that has nothing but text, a sentence a row, is BookCorpus as the hub has it: books one after another,
with nothing to tell where one ends. There 1,000 rows in a row are a document (``--rows-per-document`` says how
many otherwise), counted anew in every row group or record batch, so that slices change nothing.

What this module does not do: open files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import cutting
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import tidy_lines
from wpprep.corpus.readers.decoding import RawDocument, clean, decode
from wpprep.corpus.readers.lines import SENTENCES, rows_of_text_alone
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice
from wpprep.storage.files import compression

BATCH_BYTES = 1 << 22


def one_line(error: Exception) -> str:
    """What Arrow says of an error, whose messages may have several lines."""
    return " ".join(str(error).split())


def pack(path: str, format: str, offsets: Sequence[int], target_bytes: int) -> list[Slice]:
    """Slices of at least ``target_bytes``, from where each piece of a table starts and the last one ends.

    >>> [(slice_.start, slice_.stop) for slice_ in pack("a.parquet", "parquet", [0, 6, 10, 13], 8)]
    [(0, 10), (10, 13)]
    """
    slices, start = [], offsets[0]
    for offset in offsets[1:]:
        if offset - start >= target_bytes or offset == offsets[-1]:
            slices.append(Slice(path, format, start, offset))
            start = offset
    return slices


def refuse_compressed(path: str, format: str) -> None:
    """Raise CorpusError for a table inside a compressed file, where nothing can be found by its place."""
    if found := compression(path):
        raise CorpusError(f"{path}: {format} compressed as a whole with {found}; decompress it first")


class Columns(NamedTuple):
    """The names of a table's columns that are read; None where there is none."""

    text: str
    id: str | None = None
    title: str | None = None


def columns_of(schema: Any, path: str, options: CorpusOptions) -> Columns:
    """The names of the text's column and, if there are any, of the id's and the title's.

    Raises:
        CorpusError: a column that was asked for is not there, or the text's holds no text.
    """
    names, wanted = schema.names, Columns(options.text_field)
    if options.id_field or "id" in names:
        wanted = wanted._replace(id=options.id_field or "id")
    for name, flag in ((wanted.text, "--text-field"), (wanted.id, "--id-field")):
        if name is not None and name not in names:
            raise CorpusError(f"{path}: no column {name} (found {', '.join(names)}); name it with {flag}")
    if "title" in names and is_text_type(schema.field("title").type):
        wanted = wanted._replace(title="title")
    kind = schema.field(options.text_field).type
    if not is_text_type(kind):
        raise CorpusError(f"{path}: column {options.text_field} is {kind}, expected string; see --text-field")
    return wanted


def rows_of_a_document(first: Any, names: Sequence[str], columns: Columns, options: CorpusOptions) -> int:
    """How many rows make a document; ``first`` is a record batch from the beginning of the table."""
    if options.rows_per_document is not None or list(names) != [columns.text]:
        return options.rows_per_document or 1
    return rows_of_text_alone(_texts(first.column(columns.text).slice(0, SENTENCES)))


def is_text_type(kind: Any) -> bool:
    """Whether a column of this Arrow type holds strings."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def documents_of(
    batch: Any, columns: Columns, first_row: int, path: str, options: CorpusOptions, rows: int = 1
) -> Outcomes:
    """The documents, of ``rows`` rows each, of a record batch whose first row is row ``first_row`` of the file.

    A row that has no text, or too much, or no id, is unreadable; of several in a document some may be null.
    """
    name, texts = Path(path).name, _texts(batch.column(columns.text))
    ids = batch.column(columns.id).to_pylist() if columns.id else None
    titles = _texts(batch.column(columns.title)) if columns.title else None

    def make(row: int) -> Document | None:
        place, i = f"{path}: row {row}", row - first_row
        if rows > 1:
            text, replaced = _joined(texts, range(i, min(i + rows, len(texts))), first_row, path, options)
        else:
            text, replaced = _checked(texts[i], place, options)
        if not (text := tidy_lines(text)):
            return None
        if ids and ids[i] is None:
            raise CorpusError(f"{place}: {columns.id} is null, expected an id")
        return Document(str(ids[i]) if ids else f"{name}:{row}", text, replaced, _title(titles, i))

    return attempt(make, range(first_row, first_row + len(texts), rows))


def _joined(
    texts: list[Any], chosen: Sequence[int], first_row: int, path: str, options: CorpusOptions
) -> tuple[str, int]:
    """The text of several rows, one after another, and how much in it was replaced."""
    found = [
        _checked(texts[i], f"{path}: row {first_row + i}", options) for i in chosen if texts[i] is not None
    ]
    return "\n".join(text for text, _ in found), sum(replaced for _, replaced in found)


def _title(titles: list[Any] | None, i: int) -> str:
    title = titles[i] if titles else None
    return title.decode(errors="replace") if isinstance(title, bytes) else title or ""


def _texts(column: Any) -> list[Any]:
    """The values of a column: strings and None, or, where one is not UTF-8, bytes and None."""
    try:
        texts: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        texts = plain.cast(pa.large_binary()).to_pylist()
    return texts


def _checked(text: Any, place: str, options: CorpusOptions) -> tuple[str, int]:
    """The text of a row and how much in it was replaced."""
    if text is None or len(text) > cutting.LONGEST:
        found = "is null" if text is None else f"has {len(text)} characters"
        expected = "a string" if text is None else f"at most {cutting.LONGEST}"
        raise CorpusError(f"{place}: {options.text_field} {found}, expected {expected}")
    if isinstance(text, bytes):
        return decode(RawDocument(0, text), place, options.errors)
    return clean(text, place, options.errors) if "\0" in text else (text, 0)
