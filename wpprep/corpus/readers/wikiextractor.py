"""The format ``wikiextractor``: the output of WikiExtractor, a sequence of ``<doc>`` elements.

    <doc id="12" url="https://en.wikipedia.org/wiki?curid=12" title="Anarchism">
    Anarchism

    The first paragraph, on one line.

    The second.
    </doc>

The title line is part of the text. Source: https://github.com/attardi/wikiextractor

This module does not decode entities such as ``&lt;``, which some versions of WikiExtractor leave in the text.
"""

from __future__ import annotations

import html
import re

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import cut, raw_documents, tidy_lines
from wpprep.corpus.readers.decoding import RawDocument, decode
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice

boundaries = re.compile(rb"\n</doc>\s*").finditer

_ID = re.compile(r'<doc (?:.*? )??id="([^"]*)"')
_TITLE = re.compile(r'<doc (?:.*? )??title="([^"]*)"')
_SECOND = re.compile(rb"\n<doc ")  # re finds it twice as fast as bytes.find


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut after ``</doc>``."""
    return cut(path, "wikiextractor", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice: the title, then one paragraph per line; the id is the attribute ``id``.

    Text outside of the elements, or an element without end or id, is an `Unreadable` with file and byte.

    Raises:
        CorpusError: the compressed data is damaged or truncated.
    """
    return attempt(
        lambda raw: _document_of(raw, slice_.path, options), raw_documents(slice_, boundaries, options)
    )


def _document_of(raw: RawDocument, path: str, options: CorpusOptions) -> Document | None:
    if not raw.problem:
        _check_element(raw, path)
    text, replaced = decode(raw, path, options.errors)
    identity = _ID.match(text)
    if not identity:
        raise CorpusError(f'{path}: the <doc> at byte {raw.start} has no id; expected <doc id="...">')
    body = tidy_lines(text[text.index("\n") : text.rindex("\n</doc>")])
    title = _TITLE.match(text)
    return (
        Document(html.unescape(identity[1]), body, replaced, html.unescape(title[1]) if title else "")
        if body
        else None
    )


def _check_element(raw: RawDocument, path: str) -> None:
    start, data, _ = raw
    if not data.startswith(b"<doc "):
        raise CorpusError(
            f"{path}: text outside of <doc> at byte {start} (found {data[:30]!r}); expected <doc id=..."
        )
    if data.rfind(b"\n</doc>") < 0:  # fast: searched from the end
        raise CorpusError(f"{path}: the <doc> at byte {start} has no line </doc>; the file is cut short")
    if second := _SECOND.search(data):
        raise CorpusError(
            f"{path}: a <doc> at byte {start + second.start() + 1} before the one at byte {start} has ended; "
            "expected a line </doc> between them"
        )


def recognises(head: bytes) -> bool:
    """Return whether the file begins with a ``<doc`` tag.

    >>> recognises(b'\\n<doc id="1">'), recognises(b"<docs>")
    (True, False)
    """
    return head.lstrip().startswith(b"<doc ")
