r"""The format ``jsonl``: one JSON object per line, with the text in one of its fields.

    {"id": "12", "url": "https://...", "title": "Anarchism", "text": "The first paragraph.\n\nThe second."}

The text is in the field ``text`` (option ``--text-field``). The id is in the field ``id`` (option
``--id-field``), else file and byte offset; the title is in the field ``title``, if there is one. Other fields
are not read.

A file whose objects have a text field only, with one sentence each, is BookCorpus. There 1,000 consecutive
lines are a document, as in tables (`lines.rows_of_text_alone`; option ``--rows-per-document``), with the id of
the first line. Lines are counted from the start of the file, so that slices do not matter. A bad line makes its
whole document unreadable.

This module does not read a JSON array or object that spans several lines.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import Boundaries, cut, raw_documents, tidy_lines
from wpprep.corpus.readers.decoding import RawDocument, clean, decode, is_one_piece, open_text, read_head
from wpprep.corpus.readers.lines import SENTENCES, rows_of_text_alone
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice
from wpprep.storage.files import open_bytes, read_block

boundaries = re.compile(rb"\n").finditer

_BEGINS_OBJECT = re.compile(rb'\s*\{[ \t]*"')
_NEWLINE = ord("\n")
_BLOCK = 1 << 20


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut at line ends; between documents where these have several lines."""
    rows = _rows(path, options)
    if rows == 1 or is_one_piece(path, options):
        return cut(path, "jsonl", target_bytes, boundaries, options)
    return _cut_between(path, rows, target_bytes)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one paragraph per line.

    A line that is not a JSON object, or has no text or no required id, is an `Unreadable` with file and line.

    Raises:
        CorpusError: the compressed data is damaged or truncated.
    """
    name, rows = Path(slice_.path).name, _rows(slice_.path, options)
    make, ends = (_document_of, boundaries) if rows == 1 else (_joined, _every(rows))
    return attempt(lambda raw: make(raw, slice_.path, name, options), raw_documents(slice_, ends, options))


def _rows(path: str, options: CorpusOptions) -> int:
    """Return the number of lines per document: the option, else detected from the first lines."""
    if options.rows_per_document is not None:
        return options.rows_per_document
    texts = []
    for line in filter(bytes.strip, read_head(path, options).split(b"\n", SENTENCES)[:SENTENCES]):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):  # reading the line raises the error
            return 1
        if not isinstance(record, dict) or list(record) != [options.text_field]:
            return 1
        texts.append(record[options.text_field])
    return rows_of_text_alone(texts)


def _every(rows: int) -> Boundaries:
    """Return a function that finds the ends of groups of ``rows`` lines, in one pass over the bytes."""

    def ends(block: bytes) -> Iterator[re.Match[bytes]]:
        return itertools.islice(boundaries(block), rows - 1, None, rows)

    return ends


def _cut_between(path: str, rows: int, target_bytes: int) -> list[Slice]:
    """Return slices of at least ``target_bytes``, each of a multiple of ``rows`` lines."""
    slices, start, lines, position = [], 0, 0, 0
    with open_bytes(path) as file:
        while block := read_block(file, path, _BLOCK):
            ends = position + 1 + np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
            for end in ends[rows - 1 - lines % rows :: rows].tolist():
                if end - start >= target_bytes:
                    slices.append(Slice(path, "jsonl", start, end))
                    start = end
            lines += len(ends)
            position += len(block)
    return [*slices, Slice(path, "jsonl", start, position)] if position > start else slices


def _joined(raw: RawDocument, path: str, name: str, options: CorpusOptions) -> Document | None:
    """Return the document of several lines, in which a text may be null; None if there is no text."""
    if raw.problem:
        raise CorpusError(f"{path}: {raw.problem}")
    found = [_document_of(line, path, name, options, may_be_null=True) for line in _lines(raw)]
    documents = [document for document in found if document is not None]
    if not documents:
        return None
    text, replaced = "\n".join(d.text for d in documents), sum(d.replaced for d in documents)
    return documents[0]._replace(text=text, replaced=replaced)


def _lines(raw: RawDocument) -> Iterator[RawDocument]:
    """Yield the lines of a document that are not blank, each with its byte offset."""
    start = raw.start
    for line in raw.data.split(b"\n"):
        if line.strip():
            yield RawDocument(start, line)
        start += len(line) + 1


def _document_of(
    raw: RawDocument, path: str, name: str, options: CorpusOptions, *, may_be_null: bool = False
) -> Document | None:
    line, replaced = decode(raw, path, options.errors)
    record = _parse(line, raw, path, options)
    text = record.get(options.text_field)
    if text is None and may_be_null and options.text_field in record:
        return None
    if not isinstance(text, str):
        raise CorpusError(_no_text(record, text, _place(raw, path, options), options))
    title, may_be_unfit = record.get("title"), "\\u" in line  # only escapes can encode NUL and lone surrogates
    if may_be_unfit:
        text, more = clean(text, f"{path}: byte {raw.start}", options.errors)
        replaced += more
    if not (text := tidy_lines(text)):
        return None
    names = [
        _identity(record, f"{name}:{raw.start}", raw, path, options),
        title if isinstance(title, str) else "",
    ]
    if may_be_unfit:
        names = [clean(found, path, "replace")[0] for found in names]
    return Document(names[0], text, replaced, names[1])


def _parse(line: str, raw: RawDocument, path: str, options: CorpusOptions) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CorpusError(
            f"{_place(raw, path, options)}: not JSON ({error}); found {line[:40]!r}, "
            "expected one JSON object per line"
        ) from error
    if not isinstance(record, dict):
        raise CorpusError(f"{_place(raw, path, options)}: found {line[:40]!r}, expected a JSON object")
    return record


def _identity(
    record: dict[str, Any], otherwise: str, raw: RawDocument, path: str, options: CorpusOptions
) -> str:
    found = record.get(options.id_field or "id")
    if found is None and options.id_field:
        place, fields = _place(raw, path, options), ", ".join(record)
        raise CorpusError(f"{place}: no field {options.id_field} (found {fields}); see --id-field")
    return otherwise if found is None else str(found)


def _no_text(record: dict[str, Any], text: Any, place: str, options: CorpusOptions) -> str:
    if options.text_field in record:
        return f"{place}: field {options.text_field} is {repr(text)[:40]}, expected a string"
    fields = ", ".join(record)
    return f"{place}: no field {options.text_field} (found {fields}); name the text field with --text-field"


def _place(raw: RawDocument, path: str, options: CorpusOptions) -> str:
    """Return file and line of a document; the lines before it are counted only for an error message."""
    line, left = 1, raw.start
    with open_text(path, options) as file:
        while left and (block := file.read(min(_BLOCK, left))):
            line += block.count(b"\n")
            left -= len(block)
    return f"{path}: line {line}"


def recognises(head: bytes) -> bool:
    """Return whether the file begins with a JSON object whose first key is on the first line.

    >>> recognises(b'{"text": "One."}'), recognises(b'{\\n  "text": "One."\\n}')
    (True, False)
    """
    return bool(_BEGINS_OBJECT.match(head))
