"""Tables of documents: the common part of the readers of Parquet and Arrow.

A row is a document. Its text is in the column ``text`` (option ``--text-field``); its id is in the column
``id`` (option ``--id-field``), else file and row; its title is in the column ``title``, if there is one. Other
columns are not read. Tables are cut between row groups or record batches, and slices are offsets in the sum of
their sizes.

A table with a text column only and one sentence per row is BookCorpus as published on the Hugging Face Hub:
books one after another, without marks between them. There 1,000 consecutive rows are a document (option
``--rows-per-document``), counted from the start of every row group or record batch, so that slices do not
matter.

This module does not open files.
"""

from __future__ import annotations

import os
import re
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
from wpprep.errors import CorpusError, WpprepError
from wpprep.records import Document, Slice
from wpprep.storage.files import compression, read_error

BATCH_BYTES = 1 << 22  # approximate size of the batches that a row group is read in
_BYTES = {"string": pa.binary(), "large_string": pa.large_binary(), "string_view": pa.binary_view()}


def one_line(error: Exception) -> str:
    """Return the message of an Arrow error, which may have several lines, as one line."""
    return " ".join(str(error).split())


def failure(path: str, place: str, error: Exception) -> WpprepError:
    """Return the exception for an error of Arrow: damage at a place of the file, or an error of the system.

    Raises:
        MemoryError: Arrow could not get memory that the machine has.
    """
    if isinstance(error, OSError) and error.errno:
        return read_error(path, error)
    if isinstance(error, MemoryError) and _is_possible(error):
        raise MemoryError(f"{path}: {one_line(error)}") from error
    return CorpusError(f"{path}: {place}: {one_line(error)}")


def _is_possible(error: MemoryError) -> bool:
    """Return whether the machine has the memory that Arrow asked for; damaged lengths are mostly greater."""
    size = re.search(r"of size (\d+)", str(error))
    if not size or not hasattr(os, "sysconf"):
        return True
    return int(size[1]) <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_columns(batch: Any, columns: Columns) -> None:
    """Raise if the columns to be read refer to bytes or values that they do not have.

    Arrow itself checks only the first and the last offset of a column: reading one between them that is damaged
    is a read outside of the buffer. Text is not checked to be UTF-8, which its readers do.

    Raises:
        pyarrow.ArrowInvalid: an offset, a view or an index of a dictionary is out of range.
    """
    for name in filter(None, columns):
        try:
            column = batch.column(name)
        except KeyError as error:  # a type that Arrow has and pyarrow has not
            kind = batch.schema.field(name).type
            raise pa.ArrowInvalid(f"column {name} is {kind}, which cannot be read") from error
        _as_bytes(column).validate(full=True)


def _as_bytes(column: Any) -> Any:
    """Return a column of strings, also of a dictionary, as one of bytes, without a copy; others unchanged."""
    kind = column.type
    if pa.types.is_dictionary(kind) and is_text_type(kind):
        values = _as_bytes(column.dictionary)
        as_bytes = pa.dictionary(kind.index_type, values.type)
        buffers = column.indices.buffers()
        return pa.DictionaryArray.from_buffers(as_bytes, len(column), buffers, values, offset=column.offset)
    return column.view(_BYTES[str(kind)]) if str(kind) in _BYTES else column


def pack(path: str, format: str, offsets: Sequence[int], target_bytes: int) -> list[Slice]:
    """Return slices of at least ``target_bytes``, given where each piece of a table starts and the last ends.

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
    """Raise CorpusError if the file is compressed as a whole, since tables are read by offset."""
    if found := compression(path):
        raise CorpusError(f"{path}: {format} compressed as a whole with {found}; decompress it first")


class Columns(NamedTuple):
    """Names of the columns that are read; None for a column that the table does not have."""

    text: str
    id: str | None = None
    title: str | None = None


def columns_of(schema: Any, path: str, options: CorpusOptions) -> Columns:
    """Return the names of the text column and, if there are any, the id and title columns of an Arrow schema.

    Raises:
        CorpusError: a required column is missing or there twice, the text column does not have a string type,
            or the schema is damaged.
    """
    try:
        return _columns_of(schema, path, options)
    except (UnicodeDecodeError, KeyError) as error:  # of names and types
        raise CorpusError(f"{path}: damaged schema: {one_line(error)}") from error


def _columns_of(schema: Any, path: str, options: CorpusOptions) -> Columns:
    names, wanted = schema.names, Columns(options.text_field)
    if options.id_field or "id" in names:
        wanted = wanted._replace(id=options.id_field or "id")
    for name, flag in ((wanted.text, "--text-field"), (wanted.id, "--id-field")):
        if name is not None and name not in names:
            raise CorpusError(f"{path}: no column {name} (found {', '.join(names)}); name it with {flag}")
        if name is not None and schema.get_field_index(name) < 0:
            raise CorpusError(f"{path}: several columns {name}; choose another with {flag}, or rename one")
    if names.count("title") == 1 and is_text_type(schema.field("title").type):
        wanted = wanted._replace(title="title")
    kind = schema.field(options.text_field).type
    if not is_text_type(kind):
        raise CorpusError(f"{path}: column {options.text_field} is {kind}, expected string; see --text-field")
    return wanted


def rows_of_a_document(first: Any, names: Sequence[str], columns: Columns, options: CorpusOptions) -> int:
    """Return the number of rows per document; ``first`` is the first record batch of the table."""
    if options.rows_per_document is not None or list(names) != [columns.text]:
        return options.rows_per_document or 1
    return rows_of_text_alone(_texts(first.column(columns.text).slice(0, SENTENCES)))


def is_text_type(kind: Any) -> bool:
    """Return whether an Arrow type, or the value type of a dictionary type, is a string type."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def documents_of(
    batch: Any, columns: Columns, first_row: int, path: str, options: CorpusOptions, rows: int = 1
) -> Outcomes:
    """Yield the documents of a record batch, or their errors.

    A row without text or id, or with more than `cutting.LONGEST` characters, is an error; of several rows per
    document, some may be null.

    Args:
        batch: record batch with the columns that ``columns`` names.
        columns: names of the columns to read.
        first_row: index in the file of the batch's first row.
        path: path of the file, for messages and ids.
        options: options of the corpus.
        rows: number of rows per document; the last document of the batch may have fewer.
    """
    name, texts = Path(path).name, _texts(batch.column(columns.text))
    ids = _ids(batch.column(columns.id), f"{path}: column {columns.id}") if columns.id else None
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
    """Return the texts of several rows, one after another, and the number of replacements in them."""
    found = [
        _checked(texts[i], f"{path}: row {first_row + i}", options) for i in chosen if texts[i] is not None
    ]
    return "\n".join(text for text, _ in found), sum(replaced for _, replaced in found)


def _ids(column: Any, place: str) -> list[Any]:
    """Return the values of a column of any type; bytes of strings that are not UTF-8 are replaced."""
    if is_text_type(column.type):
        texts = _texts(column)
        return [text.decode(errors="replace") if isinstance(text, bytes) else text for text in texts]
    try:
        return list(column.to_pylist())
    except (
        ValueError,
        OverflowError,
        NotImplementedError,
        pa.ArrowException,
    ) as error:  # such as the year 10000
        raise CorpusError(f"{place} is {column.type}: cannot be read as ids: {one_line(error)}") from error


def _title(titles: list[Any] | None, i: int) -> str:
    title = titles[i] if titles else None
    return title.decode(errors="replace") if isinstance(title, bytes) else title or ""


def _texts(column: Any) -> list[Any]:
    """Return the values of a string column: str and None or, if any value is not UTF-8, bytes and None."""
    try:
        texts: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        texts = plain.cast(pa.large_binary()).to_pylist()
    return texts


def _checked(text: Any, place: str, options: CorpusOptions) -> tuple[str, int]:
    """Return the text of a row and the number of replacements in it."""
    if text is None or len(text) > cutting.LONGEST:
        found = "is null" if text is None else f"has {len(text)} characters"
        expected = "a string" if text is None else f"at most {cutting.LONGEST}"
        raise CorpusError(f"{place}: {options.text_field} {found}, expected {expected}")
    if isinstance(text, bytes):
        return decode(RawDocument(0, text), place, options.errors)
    return clean(text, place, options.errors) if "\0" in text else (text, 0)
