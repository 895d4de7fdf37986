"""The format ``wikiextractor``: damaged elements, titles and entities."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from support.corpora import (
    documents_of,
    file_of,
)

from wpprep.errors import CorpusError
from wpprep.records import Document


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('<doc id="1">\na\n</doc>\nstray\n', r"text outside of <doc> at byte 22 \(found b'stray\\n'\)"),
        (
            '<doc id="1">\na\n</doc>\n\n<doc id="2">\nb\n',
            "the <doc> at byte 23 has no line </doc>; the file is cut",
        ),
        ('<doc id="1">\na\n<doc id="2">\nb\n</doc>\n', "a <doc> at byte 15 before the one at byte 0 has ended"),
        ('<doc title="a">\na\n</doc>\n', "the <doc> at byte 0 has no id"),
    ],
)
@pytest.mark.parametrize("target_bytes", [1, 1000])
def test_damaged_wikiextractor_output_is_refused(
    tmp_path: Path, content: str, message: str, target_bytes: int
) -> None:
    """Text between elements, and elements without end or id, are errors with file and byte."""
    path = file_of(tmp_path, content)
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: {message}"):
        documents_of(path, "wikiextractor", target_bytes)


def test_wikiextractor_keeps_titles_and_entities(tmp_path: Path) -> None:
    """A title alone is a document; entities are decoded in the id, but not in the text."""
    path = file_of(tmp_path, '<doc url="u" id="a&amp;b" title="&lt;">\nTom &amp; Jerry\n\n</doc>\n')
    assert documents_of(path, "wikiextractor") == [Document("a&b", "Tom &amp; Jerry", title="<")]


@pytest.mark.parametrize("name", ["wiki-en", "wiki-ko", "wiki-zh", "wiki-ja", "wiki-de"])
def test_real_wikipedia_is_read_whole(data: Path, name: str) -> None:
    """Every element of real WikiExtractor output is found, in order, and no text of it is lost."""
    path = min((data / name).iterdir())
    raw = gzip.decompress(path.read_bytes()).decode()
    documents = documents_of(path, "auto")
    assert [document.id for document in documents] == re.findall(r'^<doc id="(\d+)"', raw, re.MULTILINE)
    visible = re.sub(r"^(<doc .*>|</doc>)$", "", raw, flags=re.MULTILINE)
    assert "".join("".join(document.text.split()) for document in documents) == "".join(visible.split())
