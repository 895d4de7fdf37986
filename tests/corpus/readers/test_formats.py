"""All formats: the same documents in every format and for every slice size."""

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
    """The six sample documents have the same text in every format, except for titles and line ends."""
    reference = [json.loads(line) for line in (SAMPLES / "jsonl" / "documents.jsonl").read_text().splitlines()]
    expected = [" ".join(row["text"].split()) for row in reference]
    titles = [row["title"] for row in reference]
    for folder in sorted(SAMPLES.iterdir()):
        if folder.is_dir():
            found = [" ".join(document.text.split()) for document in read(folder)]
            if folder.name == "wikiextractor":
                found = [text.removeprefix(title + " ") for text, title in zip(found, titles, strict=True)]
            assert found == expected, folder.name


def test_sample_formats_are_detected() -> None:
    """The format of every sample folder is detected as its name; the folder gzip has lines."""
    found = {path.parent.name: detect(path) for path in sorted(SAMPLES.glob("*/*"))}
    assert found == {folder: "lines" if folder == "gzip" else folder for folder in found}


def test_text_is_detected_without_other_parsers(tmp_path: Path) -> None:
    """Detecting text does not import the slow parsers of Parquet, Arrow and dumps."""
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
    """Documents have one paragraph per line and the id of their record, for every slice size."""
    path = write(tmp_path / "corpus")
    whole = read(path)
    assert [document.id for document in whole] == [row["id"] for row in ROWS]
    assert [document.text for document in whole] == [cutting.tidy_lines(text) for text in TEXTS]
    for target_bytes in (1, 100, 1000, 3000):
        assert read(path, target_bytes) == whole


@pytest.mark.parametrize("write", WRITERS)
def test_documents_without_id_are_named_by_their_place(tmp_path: Path, write: Writer) -> None:
    """Documents of a corpus with only a text field have file and byte, or file and row, as their id."""
    path = write(tmp_path / "books", [{"text": f"Sentence {i}. It is of a book."} for i in range(30)])
    whole = read(path)
    places = [int(document.id.removeprefix("books:")) for document in whole]
    assert places == sorted(set(places))
    if write is not write_jsonl:
        assert places == list(range(30))
    assert read(path, 50) == whole


@pytest.mark.parametrize("write", WRITERS)
def test_fields_are_chosen_by_options(tmp_path: Path, write: Writer) -> None:
    """--text-field and --id-field choose the fields; ids may be numbers."""
    path = write(tmp_path / "corpus", [{"key": 7, "body": "One.", "text": "No."}])
    assert read(path, text_field="body", id_field="key") == [Document("7", "One.")]
