r"""The format ``jsonl``: one JSON object a line, the text in one of its fields.

    {"id": "12", "url": "https://...", "title": "Anarchism", "text": "The first paragraph.\n\nThe second."}

The field of the text is ``text`` or what ``--text-field`` says. A document is named by its field ``id``
(or what ``--id-field`` says), or, where there is none, by file and byte; its title is in the field ``title``,
if there is one. Other fields are not read.

What this module does not do: read one JSON array or object that spans several lines.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.errors import CorpusError
from wpprep.readers.cutting import cut, raw_documents, tidy_lines
from wpprep.readers.decoding import RawDocument, clean, decode, open_text
from wpprep.readers.outcome import Outcomes, attempt
from wpprep.records import Document, Slice

boundaries = re.compile(rb"\n").finditer

_BEGINS_OBJECT = re.compile(rb'\s*\{[ \t]*"')
_BLOCK = 1 << 20


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Slices of a file, cut at line ends."""
    return cut(path, "jsonl", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """The documents of a slice, one paragraph a line.

    Raises:
        CorpusError: a line is no JSON object, or has no text or no id; names the line.
    """
    name = Path(slice_.path).name
    return attempt(
        lambda raw: _document_of(raw, slice_.path, name, options), raw_documents(slice_, boundaries, options)
    )


def _document_of(raw: RawDocument, path: str, name: str, options: CorpusOptions) -> Document | None:
    line, replaced = decode(raw, path, options.errors)
    record = _parse(line, raw, path, options)
    text = record.get(options.text_field)
    if not isinstance(text, str):
        raise CorpusError(_no_text(record, text, _place(raw, path, options), options))
    title, may_be_unfit = record.get("title"), "\\u" in line  # the only way in for NULs and lone surrogates
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
            f"{_place(raw, path, options)}: not JSON ({error}); found {line[:40]!r}, expected one object a line"
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
    return (
        f"{place}: no field {options.text_field} (found {', '.join(record)}); name the text's with --text-field"
    )


def _place(raw: RawDocument, path: str, options: CorpusOptions) -> str:
    """File and line of a document; the lines before it are counted only when there is an error to tell."""
    line, left = 1, raw.start
    with open_text(path, options) as file:
        while left and (block := file.read(min(_BLOCK, left))):
            line += block.count(b"\n")
            left -= len(block)
    return f"{path}: line {line}"


def recognises(head: bytes) -> bool:
    """Whether the file begins with a JSON object whose first key is on the first line.

    >>> recognises(b'{"text": "One."}'), recognises(b'{\\n  "text": "One."\\n}')
    (True, False)
    """
    return bool(_BEGINS_OBJECT.match(head))
