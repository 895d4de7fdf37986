# ruff: noqa: RUF001 (ambiguous characters are intended)
"""Dumps: the same pages for any slices, and clear errors for what is broken."""

from __future__ import annotations

import bz2
import gzip
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import LeftOut, detect, plan_slices, read_slice
from wpprep.corpus.readers.mediawiki import dump as wiki_dump
from wpprep.corpus.readers.mediawiki import streams, wikitext
from wpprep.errors import CorpusError, MissingExtraError, OptionError
from wpprep.records import Document
from wpprep.storage.files import open_bytes

pytest.importorskip("mwparserfromhell", reason="reading dumps requires the extra wiki")


SAMPLE = Path(__file__).parents[4] / "sample_corpus" / "dump" / "samplewiki-pages-articles.xml.bz2"


def page(number: int, text: str = "It is '''text'''.", namespace: int = 0, more: str = "") -> str:
    """A page as MediaWiki exports it."""
    return (
        f"  <page>\n    <title>Page {number}</title>\n    <ns>{namespace}</ns>\n    <id>{number}</id>\n{more}"
        f"    <revision>\n      <id>{9000 + number}</id>\n      <contributor><username>A</username><id>3</id>"
        f'</contributor>\n      <text xml:space="preserve">{html.escape(text)}</text>\n    </revision>\n'
        "  </page>\n"
    )


def dump(*pages: str) -> str:
    """Pages as a dump, with a header of the German Wikipedia."""
    names = '<namespace key="0" /><namespace key="6" case="first-letter">Datei</namespace>'
    header = f'<mediawiki xml:lang="de">\n  <siteinfo><namespaces>{names}</namespaces></siteinfo>\n'
    return header + "".join(pages) + "</mediawiki>\n"


def read(path: Path, target_bytes: int = 10**9, **options: Any) -> list[Document]:
    """Every document of a dump, read slice by slice."""
    corpus = CorpusOptions(format="wiki-dump", **options)
    slices = plan_slices([path], corpus, target_bytes)
    return [document for slice_ in slices for document in read_slice(slice_, corpus)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property, which rewrite the same file."""
    return tmp_path_factory.mktemp("dumps")


def test_sample_dump_is_cut_between_streams() -> None:
    """The multistream sample has one slice per stream, and the same documents for any slice size."""
    assert detect(SAMPLE) == "wiki-dump"
    whole = read(SAMPLE)
    assert [document.id for document in whole] == ["12", "25", "39", "290", "303", "316"]
    assert len(plan_slices([SAMPLE], CorpusOptions(), 1)) == 5
    for target_bytes in (1, 2500 * 4, 6000 * 4):
        assert read(SAMPLE, target_bytes) == whole


def test_sample_dump_keeps_numbers_and_units() -> None:
    """Quantities written with templates, entities and tags are in the prose of the sample."""
    text = "\n".join(document.text for document in read(SAMPLE))
    for phrase in (
        "Canal du Midi\nThe Canal du Midi (canal du Midi, at first the canal royal en Languedoc) is a 240 km",
        "some 12,000 people were digging, many of them women. Riquet",
        "The Malpas Tunnel, 165 m long, is often called",
        "92², or 8,464, words and phrases",
        "as [[12|47]]: page 12, line 47.",
        "about −14 minutes in February",
        "the 26 in refractor",
        "A lichen is not one organism",
    ):
        assert phrase in text


@settings(max_examples=40)
@given(
    texts=st.lists(st.text(st.sampled_from("ab .<>&[]é한\n"), max_size=30), max_size=8),
    stream=st.integers(20, 400),
    target_bytes=st.integers(1, 3000),
    block=st.integers(1, 300),
)
def test_slices_and_streams_change_nothing(
    folder: Path, texts: list[str], stream: int, target_bytes: int, block: int
) -> None:
    """Plain, gzip, one stream, or streams that cut pages and tags in two: the documents are the same."""
    content = dump(*(page(i, f"Text {text}.") for i, text in enumerate(texts))).encode()
    path = folder / "dump"
    path.write_bytes(content)
    whole = read(path)
    assert [document.id for document in whole] == [str(i) for i in range(len(texts))]
    pieces = [content[i : i + stream] for i in range(0, len(content), stream)]
    with mock.patch.object(wiki_dump, "_BLOCK", block), mock.patch.object(streams, "_BLOCK", block):
        assert read(path, target_bytes) == whole
        for compressed in (gzip.compress(content), bz2.compress(content), b"".join(map(bz2.compress, pieces))):
            path.write_bytes(compressed)
            assert read(path, target_bytes) == whole


def test_only_articles_are_read_by_default(tmp_path: Path) -> None:
    """Redirects, other namespaces and scripts are left out; --namespaces chooses others."""
    script = page(4).replace("<text", "<model>Scribunto</model><text")
    redirect = page(2, "#WEITERLEITUNG [[Page 1]]", more='    <redirect title="Page 1" />\n')
    path = tmp_path / "dump"
    path.write_text(dump(page(1), redirect, page(3, "#redirect [[x]]"), script, page(5, namespace=14)))
    assert read(path) == [Document("1", "Page 1\nIt is text.", title="Page 1")]
    assert [document.id for document in read(path, namespaces="0, 14")] == ["1", "5"]
    assert [document.id for document in read(path, namespaces="all")] == ["1", "5"]
    with pytest.raises(OptionError, match="namespaces is 'main', expected all, or numbers"):
        CorpusOptions(namespaces="main")


def test_the_last_revision_counts_and_the_page_has_the_id(tmp_path: Path) -> None:
    """The last revision of a page is read; ids of revisions and authors are not used as its id."""
    old = "<revision><id>1</id><text>Old.</text></revision>"
    path = tmp_path / "dump"
    path.write_text(dump(page(7, "New.", more=old)))
    assert read(path) == [Document("7", "Page 7\nNew.", title="Page 7")]


def test_links_to_files_are_known_by_the_names_of_the_wiki(tmp_path: Path) -> None:
    """Links to files are removed with their captions, by the name that the header gives the file namespace."""
    path = tmp_path / "dump"
    path.write_text(
        dump(page(1, "Davor [[Datei:A.jpg|mini|Ein [[Bild]] von {{formatnum:12000}}]]danach: 5 km."))
    )
    assert read(path)[0].text == "Page 1\nDavor danach: 5 km."


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("compress", [bytes, bz2.compress, gzip.compress])
def test_dumps_in_other_encodings(tmp_path: Path, encoding: str, compress: Callable[[bytes], bytes]) -> None:
    """The byte order mark of a dump determines its encoding."""
    path = tmp_path / "dump"
    path.write_bytes(compress(dump(page(1, "Äpfel.")).encode(encoding)))
    assert detect(path) == "wiki-dump"
    assert read(path, 1) == [Document("1", "Page 1\nÄpfel.", title="Page 1")]


LAUGHS = '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            LAUGHS + dump(page(1, "x").replace("x</text>", "&b;</text>")),
            "found a document type at byte 22, expected <medi",
        ),
        (
            dump(page(1).replace(">It", ">&b;It")),
            r"broken XML in the page at byte \d+, line 8: undefined entity",
        ),
        (dump(page(1), page(2).replace("<ns>", "<ns")), r"broken XML in the page at byte \d+, line 3"),
        (dump(page(1), page(2))[:-60], r"the page at byte \d+ has no end; the file is cut short"),
        (dump(page(1).replace("<id>1</id>", "")), r"the page at byte \d+ has no <id>"),
        (dump(page(1, "a\x01b")), r"broken XML in the page at byte \d+, line 8: .*invalid token"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, bz2.compress, gzip.compress])
def test_broken_dumps_are_refused(
    tmp_path: Path, content: str, message: str, compress: Callable[[bytes], bytes]
) -> None:
    """Document types, entities, and broken or truncated XML are errors; no entity is expanded."""
    path = tmp_path / "dump"
    path.write_bytes(compress(content.encode()))
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: {message}"):
        read(path)


@pytest.mark.parametrize("length", [30, 5000, 10200])
def test_cut_multistream_dump_is_refused(tmp_path: Path, length: int) -> None:
    """A bzip2 dump that ends inside a stream is an error that names the stream, in any slices."""
    path = tmp_path / "dump"
    path.write_bytes(SAMPLE.read_bytes()[:length])
    for target_bytes in (1, 10**9):
        with pytest.raises(CorpusError, match="damaged compressed data"):
            read(path, target_bytes)


@pytest.mark.parametrize("target_bytes", [1, 20_000, 10**9])
def test_damaged_streams_and_pages_are_skipped(tmp_path: Path, target_bytes: int) -> None:
    """With --skip-bad reading continues after a damaged stream or page, at the same place for any slices."""
    groups = [page(1) + page(2), page(3) + page(4), page(5) + page(6).replace("</id>", "<id>", 1), page(7)]
    whole = [bz2.compress(text.encode()) for text in (dump()[:90], *groups)]
    whole[2] = whole[2][:100] + b"damage" + whole[2][106:]
    path = tmp_path / "dump"
    path.write_bytes(b"".join(whole))
    options, left_out = CorpusOptions(format="wiki-dump", skip_bad=True), LeftOut()
    slices = plan_slices([path], options, target_bytes)
    found = [d.id for slice_ in slices for d in read_slice(slice_, options, left_out)]
    assert (found, left_out.count) == (["1", "2", "5", "7"], 2)


def test_blanks_after_the_last_page_are_read_through(tmp_path: Path) -> None:
    """A stream of 16 MiB of spaces after the pages adds no document and no error."""
    path = tmp_path / "dump"
    path.write_bytes(bz2.compress(dump(page(1)).encode()) + bz2.compress(b" " * (1 << 24)))
    assert [document.id for document in read(path)] == ["1"]


def test_head_is_decompressed_once(tmp_path: Path) -> None:
    """Detection of format and encoding and cutting open a file once, and again after it has changed."""
    file = tmp_path / "dump.xml.bz2"
    file.write_bytes(bz2.compress(dump(page(1)).encode()))
    with mock.patch("wpprep.corpus.readers.decoding.open_bytes", wraps=open_bytes) as opened:
        (slice_,) = plan_slices([file], CorpusOptions(), 1_000_000)
        assert [document.id for document in read_slice(slice_, CorpusOptions())] == ["1"]
        assert opened.call_count == 1
        file.write_bytes(bz2.compress(b'{"text": "One."}\n'))
        assert detect(file) == "jsonl"
        assert opened.call_count == 2


def test_missing_parser_stops_before_any_work() -> None:
    """Without mwparserfromhell a dump stops before any work, with the command that installs it."""
    with (
        mock.patch.object(wikitext, "mwparserfromhell", None),
        pytest.raises(MissingExtraError, match=r"requires mwparserfromhell.*pip install 'wpprep\[wiki\]'"),
    ):
        plan_slices([SAMPLE], CorpusOptions(), 1000)


@pytest.mark.parametrize(
    ("name", "articles", "least"),
    [("enwiki-excerpt.xml.bz2", 105, 2_700_000), ("itwiki-excerpt.xml.gz", 517, 3_600_000)],
)
def test_real_dumps_are_prose(data: Path, name: str, articles: int, least: int) -> None:
    """Real English and Italian pages give all documents, enough prose, and hardly any markup."""
    documents = read(data / "dumps" / name)
    text = "\n".join(document.text for document in documents)
    assert len(documents) == articles
    assert len(text) > least
    left = re.findall(r"\{\{|\}\}|\[\[|\]\]|<(?:ref|br|div|span)|''|&[a-z]+;|\b\d+px\||^\|", text, re.MULTILINE)
    assert len(left) < 20
