"""The format ``wiki-dump``: MediaWiki's XML export, such as enwiki-20250101-pages-articles-multistream.xml.bz2.

    <mediawiki ...> <siteinfo>...</siteinfo>
      <page> <title>Tide</title> <ns>0</ns> <id>12</id> <revision>...<text>wikitext</text></revision> </page>
      ...

A page is a document with the page's id: the title, then the prose, one paragraph per line. Redirects,
namespaces that are not in ``--namespaces``, and pages whose content is not wikitext are left out; of several
revisions the last is used. A page belongs to the slice in which its ``<page>`` begins, so a plain file can be
cut anywhere, and a bzip2 file of many streams (MediaWiki's multistream, pbzip2) between any two streams;
``start`` and ``stop`` are then offsets in the compressed file.

Each ``<page>`` element is parsed separately with expat, so declarations of a document type cannot affect it; a
file that has one is rejected. Schema: https://www.mediawiki.org/wiki/Help:Export

This module does not convert wikitext to prose (`wikitext`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import cutting
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import cut
from wpprep.corpus.readers.decoding import RawDocument, decode, open_text, other_encoding, read_head
from wpprep.corpus.readers.mediawiki.streams import read_streams, stream_starts
from wpprep.corpus.readers.mediawiki.wikitext import Site, require, to_prose
from wpprep.errors import CorpusError
from wpprep.records import Document, Slice
from wpprep.storage.files import compression, read_block, size_of

boundaries = re.compile(rb"</page>\s*").finditer

_BLOCK = 1 << 20
_COMPRESSION = 4  # estimated bytes of text per byte of bzip2
_BEGINS = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<mediawiki[\s>]")
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
_LANGUAGE = re.compile(r'<mediawiki[^>]*\bxml:lang="([a-z]+)')
_HIDDEN_NAMESPACE = re.compile(r'<namespace key="(?:-2|6|14)"[^>]*>([^<]+)</namespace>')
_REDIRECT = re.compile(r"\s*#\s*redirect\b", re.IGNORECASE)


class Page(NamedTuple):
    """A page of a dump.

    Attributes:
        id: page id, a decimal number.
        title: title with the namespace prefix.
        namespace: number of the namespace; ``0`` for articles.
        is_redirect: whether the page redirects to another page.
        model: content model; ``wikitext`` for articles.
        text: wikitext of the last revision.
    """

    id: str
    title: str
    namespace: str
    is_redirect: bool
    model: str
    text: str


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut between pages, or between the streams of a bzip2 file.

    Raises:
        MissingExtraError: mwparserfromhell is not installed.
    """
    require()
    if compression(path) != "bz2" or other_encoding(path, options.encoding):
        return cut(path, "wiki-dump", target_bytes, boundaries, options)
    starts = stream_starts(path, max(1, target_bytes // _COMPRESSION))
    ends = [*starts[1:], size_of(path)]
    return [Slice(path, "wiki-dump", a, b) for a, b in zip(starts, ends, strict=True)]


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, or the errors of single pages and streams.

    Raises:
        CorpusError: the compressed data is damaged, the file is truncated, or it declares a document type.
        MissingExtraError: mwparserfromhell is not installed.
    """
    site = _site(read_head(slice_.path, options).decode(errors="replace"))
    wanted = None if options.namespaces == "all" else set(options.namespaces.replace(" ", "").split(","))
    streams = slice_.start and not _is_plain(slice_, options)
    place = f"{slice_.path}: text of the streams from byte {slice_.start} on" if streams else slice_.path

    def make(raw: RawDocument) -> Document | None:
        page, replaced = parse_page(raw, place, options.errors)
        if page.is_redirect or page.model != "wikitext" or (wanted and page.namespace not in wanted):
            return None
        try:
            prose = to_prose(page.text, site)
        except CorpusError as error:
            raise CorpusError(f"{slice_.path}: page {page.id} ({page.title}): {error}") from error
        return Document(page.id, f"{page.title}\n{prose}", replaced, page.title) if prose else None

    return attempt(make, _raw_pages(slice_, options))


def parse_page(raw: RawDocument, path: str, errors: str) -> tuple[Page, int]:
    """Return the page in a ``<page>`` element, and the number of invalid byte sequences that were replaced.

    Args:
        raw: the element.
        path: path of the file, for messages.
        errors: ``strict`` or ``replace``.

    Raises:
        CorpusError: the element is not well-formed XML, or has no id.
        TextDecodeError: the bytes are not UTF-8 and ``errors`` is ``strict``.
    """
    text, replaced = decode(raw, path, errors)
    fields: dict[str, str] = {}
    open_, pieces = list[str](), list[str]()

    def start(name: str, attributes: dict[str, str]) -> None:
        open_.append(name)
        pieces.clear()
        if name == "redirect":
            fields["redirect"] = attributes.get("title", "")

    def end(name: str) -> None:
        if len(open_) == 2 or name in ("text", "model"):
            fields[name] = "".join(pieces)  # the last revision comes last
        open_.pop()

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = pieces.append
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        what = expat.errors.messages[error.code]
        raise CorpusError(
            f"{path}: broken XML in the page at byte {raw.start}, line {error.lineno}: {what}"
        ) from error
    if not fields.get("id"):
        raise CorpusError(f"{path}: the page at byte {raw.start} has no <id>; expected a MediaWiki export")
    wikitext = fields.get("text", "")
    is_redirect = "redirect" in fields or bool(_REDIRECT.match(wikitext))
    title, namespace = fields.get("title", ""), fields.get("ns", "0")
    return Page(
        fields["id"], title, namespace, is_redirect, fields.get("model", "wikitext"), wikitext
    ), replaced


def _site(head: str) -> Site:
    """Return the language and namespaces given at the start of a dump."""
    names = {html.unescape(name).lower() for name in _HIDDEN_NAMESPACE.findall(head)}
    language = _LANGUAGE.search(head)
    return Site(language[1] if language else "en", Site().hidden | names)


def _raw_pages(slice_: Slice, options: CorpusOptions) -> Iterator[RawDocument]:
    """Yield the ``<page>`` elements that begin in a slice, undecoded, and damaged streams as problems.

    Raises:
        CorpusError: the data is damaged, a page has no end or is too long, or the file has a document type.
    """
    data, own, offset = b"", 0, slice_.start if _is_plain(slice_, options) else 0
    for block, is_own, problem in _blocks(slice_, options):
        if problem:
            if not is_own:
                return  # a page that continues into a damaged stream of the next slice is lost
            data, own = b"", 0
            yield RawDocument(offset, b"", problem)
        data += block
        own += len(block) if is_own else 0
        start = end = 0
        while 0 <= (start := data.find(b"<page>", end)) < own and (stop := data.find(b"</page>", start)) >= 0:
            if end == 0 and offset == 0 == slice_.start:
                _refuse_declarations(data[:start], slice_.path)
            end = stop + len(b"</page>")
            yield RawDocument(offset + start, data[start:end])
        if not 0 <= start < own:  # no page is open: keep only a possible part of a tag
            end = max(end, len(data) - len(b"<page"))
            if not is_own and end >= own:
                return
        data, own, offset = data[end:], max(0, own - end), offset + end
        if len(data) > cutting.LONGEST:
            raise CorpusError(
                f"{slice_.path}: no page ends in the {cutting.LONGEST >> 20} MiB from byte {offset} on"
            )
    if 0 <= (start := data.find(b"<page>")) < own:
        raise CorpusError(f"{slice_.path}: the page at byte {offset + start} has no end; the file is cut short")


def _refuse_declarations(head: bytes, path: str) -> None:
    if found := _DECLARATION.search(head):
        raise CorpusError(
            f"{path}: found a document type at byte {found.start()}, expected <mediawiki>; "
            "entities are not expanded"
        )


def _is_plain(slice_: Slice, options: CorpusOptions) -> bool:
    return compression(slice_.path) is None and other_encoding(slice_.path, options.encoding) is None


class _Block(NamedTuple):
    """A block of text.

    Attributes:
        data: UTF-8 bytes.
        is_own: whether the block is in the slice; False after its end.
        problem: error message of a damaged stream; empty otherwise.
    """

    data: bytes
    is_own: bool
    problem: str = ""


def _blocks(slice_: Slice, options: CorpusOptions) -> Iterator[_Block]:
    """Yield the text from the start of a slice to the end of the file, in blocks."""
    if slice_.stop >= 0 and not _is_plain(slice_, options):
        for begin, data, problem in read_streams(slice_.path, slice_.start, slice_.stop):
            yield _Block(data, begin < slice_.stop, problem)
        return
    with open_text(slice_.path, options, slice_.stop) as file:
        if slice_.start:
            file.seek(slice_.start)
        left = slice_.stop - slice_.start if slice_.stop >= 0 else -1
        while block := read_block(file, slice_.path, min(_BLOCK, left) if left > 0 else _BLOCK):
            yield _Block(block, is_own=left != 0)
            left -= len(block) if left > 0 else 0


def recognises(head: bytes) -> bool:
    """Return whether the file begins with the element ``<mediawiki>``.

    >>> recognises(b'<mediawiki xml:lang="en">'), recognises(b"<html>")
    (True, False)
    """
    return bool(_BEGINS.match(head))
