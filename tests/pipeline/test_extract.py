"""Extraction: clean text that reads back as the same documents, with the same bytes for any workers."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow.parquet as pq
import pytest
from support.checksums import checksums

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import detect, plan_slices, read_slice
from wpprep.errors import CorpusError, OptionError
from wpprep.jobs.plans import Receipt
from wpprep.pipeline.extract import ExtractSlices, extract
from wpprep.records import Document
from wpprep.storage.manifest import find_damage, read_manifest

HOWS: list[dict[str, Any]] = [
    {"to": "jsonl"},
    {"to": "jsonl", "compress": "gzip"},
    {"to": "jsonl", "compress": "zstd"},
    {"to": "parquet"},
    {"to": "parquet", "compress": "none"},
]
FILES: dict[str, Any] = {"file_bytes": 10_000, "workers": 1}


def documents_of(*inputs: Path) -> list[Document]:
    options = CorpusOptions()
    return [d for slice_ in plan_slices(inputs, options, 10**6) for d in read_slice(slice_, options)]


@pytest.mark.parametrize("how", HOWS)
def test_what_was_extracted_reads_back(sample_corpus: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    """Wikipedia, a dump, books and every sample format come back with ids, titles, text and order."""
    inputs = [sample_corpus / name for name in ("wiki", "dump", "books", "formats", "wiki-ko")]
    manifest = extract(inputs, tmp_path / "out", **how, **FILES).manifest
    expected = documents_of(*inputs)
    assert documents_of(tmp_path / "out") == expected
    assert manifest.corpus["documents"] == len(expected)
    assert manifest.corpus["text_bytes"] == sum(len(document.text.encode()) for document in expected)
    assert len(manifest.files) > 3
    assert find_damage(tmp_path / "out") == []
    assert {detect(tmp_path / "out" / file.name) for file in manifest.files} == {how["to"]}


@pytest.mark.parametrize("how", HOWS)
def test_files_are_the_same_for_any_workers(sample_corpus: Path, tmp_path: Path, how: dict[str, Any]) -> None:
    """One worker or two, small slices or large ones: every file has the same bytes."""
    options = how | FILES | {"deduplicate": True}
    extract([sample_corpus / "wiki"], tmp_path / "one", **options)
    extract([sample_corpus / "wiki"], tmp_path / "two", **(options | {"workers": 2, "slice_bytes": 900}))
    assert checksums(tmp_path / "one") == checksums(tmp_path / "two")


def test_a_row_is_id_title_and_text(sample_corpus: Path, tmp_path: Path) -> None:
    """The first page of the dump as one sees it in the file: text as it is, one paragraph a line."""
    extract([sample_corpus / "dump"], tmp_path / "j", compress="gzip", workers=1)
    first = json.loads(gzip.decompress((tmp_path / "j" / "part-00000.jsonl.gz").read_bytes()).splitlines()[0])
    document = documents_of(sample_corpus / "dump")[0]
    assert list(first) == ["id", "title", "text"]
    assert (first["id"], first["title"], first["text"]) == (document.id, document.title, document.text)
    assert document.text.startswith(f"{document.title}\n")
    extract([sample_corpus / "dump"], tmp_path / "p", to="parquet", workers=1)
    table = pq.read_table(tmp_path / "p" / "part-00000.parquet")
    assert table.column_names == ["id", "title", "text"]
    assert table.to_pylist()[0] == first


def test_an_extraction_goes_on_where_it_stopped(sample_corpus: Path, tmp_path: Path) -> None:
    """Files that are finished are not written again, and the folder ends the same."""
    whole = extract([sample_corpus / "wiki"], tmp_path / "whole", **FILES).manifest
    written, call = list[str](), ExtractSlices.__call__

    def stop_at_the_third(self: ExtractSlices, task: Any) -> Receipt:
        written.append(task[0])
        if len(written) == 3:
            raise KeyboardInterrupt
        return call(self, task)

    with mock.patch.object(ExtractSlices, "__call__", stop_at_the_third):
        with pytest.raises(KeyboardInterrupt):
            extract([sample_corpus / "wiki"], tmp_path / "out", **FILES)
        extract([sample_corpus / "wiki"], tmp_path / "out", **FILES)
    assert written[:2] == [file.name for file in whole.files[:2]]
    assert written[2:] == [whole.files[2].name, *(file.name for file in whole.files[2:])]
    assert checksums(tmp_path / "out") == checksums(tmp_path / "whole")
    assert read_manifest(tmp_path / "out", "text") == whole


def test_titles_come_from_every_format_that_has_them(tmp_path: Path) -> None:
    """WikiExtractor's attribute and a field or column called title; what is no string is no title."""
    rows = [{"id": "1", "title": "A & <B>", "text": "One."}, {"id": "2", "title": None, "text": "Two."}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "b").write_text('<doc id="3" url="u" title="A &amp; <B>">\nThree.\n</doc>\n')
    (tmp_path / "c.jsonl").write_text('{"id": "\\ud800", "title": "x\\u0000y", "text": "Four."}\n')
    found = [(d.id, d.title) for d in documents_of(tmp_path)]
    assert found == [("1", "A & <B>"), ("2", ""), ("3", "A & <B>"), ("\ufffd", "x\ufffdy")]


def test_nothing_to_extract_is_told(tmp_path: Path) -> None:
    """An empty corpus and options that do not exist leave no folder behind."""
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(CorpusError, match="the corpus is empty"):
        extract(tmp_path / "empty.txt", tmp_path / "out")
    with pytest.raises(OptionError, match="to is 'csv', expected one of jsonl, parquet"):
        extract(tmp_path / "empty.txt", tmp_path / "out", to="csv")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
