"""Every format and encoding gives the same documents, whatever the slice size; bad files stop in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.corpora import ROWS, TEXTS, WRITERS, Writer, read, write_jsonl

from wpprep.corpus.readers import cutting, detect
from wpprep.records import Document

SAMPLES = Path(__file__).parents[3] / "sample_corpus" / "formats"


def test_samples_give_equal_text_in_every_format() -> None:
    """The six sample documents read the same from every layout, but for titles and line ends."""
    reference = [json.loads(line) for line in (SAMPLES / "jsonl" / "documents.jsonl").read_text().splitlines()]
    expected = [" ".join(row["text"].split()) for row in reference]
    titles = [row["title"] for row in reference]
    for folder in sorted(SAMPLES.iterdir()):
        if folder.is_dir():
            found = [" ".join(document.text.split()) for document in read(folder)]
            if folder.name == "wikiextractor":
                found = [text.removeprefix(title + " ") for text, title in zip(found, titles, strict=True)]
            assert found == expected, folder.name


def test_sample_formats_are_told_by_content() -> None:
    """Every sample folder is told to be the format it is named after; gzip holds lines."""
    found = {path.parent.name: detect(path) for path in sorted(SAMPLES.glob("*/*"))}
    assert found == {folder: "lines" if folder == "gzip" else folder for folder in found}


def test_text_is_told_without_other_parsers(tmp_path: Path) -> None:
    """To see that a file is no Parquet, Arrow or dump, what reads these is not loaded: it takes its time."""
    (tmp_path / "a.txt").write_text("One sentence. Another one.")
    script = """if True:
        import sys
        from wpprep.corpus.readers import detect
        print(detect(sys.argv[1]), {"pyarrow", "mwparserfromhell"} & {*sys.modules})
    """
    run = [sys.executable, "-c", script, str(tmp_path / "a.txt")]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "prose set()\n"


@pytest.mark.parametrize("write", WRITERS)
def test_tables_and_records_keep_ids_and_text(tmp_path: Path, write: Writer) -> None:
    """Text comes a paragraph a line, with the record's own id, whatever the slice size."""
    path = write(tmp_path / "corpus")
    whole = read(path)
    assert [document.id for document in whole] == [row["id"] for row in ROWS]
    assert [document.text for document in whole] == [cutting.tidy_lines(text) for text in TEXTS]
    for target_bytes in (1, 100, 1000, 3000):
        assert read(path, target_bytes) == whole


@pytest.mark.parametrize("write", WRITERS)
def test_documents_without_id_are_named_by_their_place(tmp_path: Path, write: Writer) -> None:
    """A corpus with a text field alone names documents by file and byte or row."""
    path = write(tmp_path / "books", [{"text": f"Sentence {i}. It is of a book."} for i in range(30)])
    whole = read(path)
    places = [int(document.id.removeprefix("books:")) for document in whole]
    assert places == sorted(set(places))
    if write is not write_jsonl:
        assert places == list(range(30))
    assert read(path, 50) == whole


@pytest.mark.parametrize("write", WRITERS)
def test_other_fields_hold_the_text_when_asked(tmp_path: Path, write: Writer) -> None:
    """--text-field and --id-field choose the fields; numbers will do as ids."""
    path = write(tmp_path / "corpus", [{"key": 7, "body": "One.", "text": "No."}])
    assert read(path, text_field="body", id_field="key") == [Document("7", "One.")]
