"""The format ``wikiextractor-json``: fixed fields, detected by their names and order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.corpora import (
    read,
)

from wpprep.corpus.readers import (
    detect,
    wikiextractor_json,
)
from wpprep.errors import CorpusError
from wpprep.records import Document

ROW = {
    "id": "12",
    "revid": "701",
    "url": "https://en.wikipedia.org/wiki?curid=12",
    "title": "Tea",
    "text": "A.\nB. C.",
}


def test_fields_are_fixed(tmp_path: Path) -> None:
    """The options for fields and rows of other files have no effect."""
    path = tmp_path / "wiki_00"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW | {"id": "25", "text": " "}) + "\n")
    expected = [Document("12", "A.\nB. C.", title="Tea")]
    assert read(path) == expected
    assert read(path, text_field="title", id_field="url", rows_per_document=2) == expected


@pytest.mark.parametrize(("missing", "message"), [("id", "no field id"), ("text", "no field text")])
def test_a_record_without_text_or_id_is_refused(tmp_path: Path, missing: str, message: str) -> None:
    """Both fields are required; the error has file and line."""
    path = tmp_path / "wiki_00"
    rest = {key: value for key, value in ROW.items() if key != missing}
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(rest) + "\n")
    with pytest.raises(CorpusError, match=f"wiki_00: line 2: {message}"):
        read(path, format="wikiextractor-json")


def test_other_records_are_not_recognised() -> None:
    """Another order of the keys, or a URL without curid, is ordinary JSON."""
    assert wikiextractor_json.recognises(json.dumps(ROW).encode())
    assert not wikiextractor_json.recognises(json.dumps(dict(reversed(ROW.items()))).encode())
    assert not wikiextractor_json.recognises(json.dumps(ROW | {"url": "https://example.org/12"}).encode())


def test_real_wikiextractor_json_is_detected_and_read(data: Path) -> None:
    """Real --json output is detected from its content, and all its text is read in order."""
    for path in sorted((data / "wikiextractor-json").iterdir()):
        assert detect(path) == "wikiextractor-json"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found = read(path, 100_000)
        assert [d.id for d in found] == [row["id"] for row in rows if row["text"].strip()]
        assert "".join("".join(d.text.split()) for d in found) == "".join(
            "".join(row["text"].split()) for row in rows
        )
