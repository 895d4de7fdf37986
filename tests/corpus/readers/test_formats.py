"""Every format and encoding gives the same documents, whatever the slice size; bad files stop in one line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.corpora import COMPRESSORS, ROWS, TEXTS, WRITERS, Writer, read, write_jsonl

from wpprep.config import CorpusOptions
from wpprep.corpus.filters import passing
from wpprep.corpus.readers import cutting, detect, plan_slices
from wpprep.errors import CorpusError, OptionError
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


@pytest.mark.parametrize("write", WRITERS[1:])
def test_rows_of_bookcorpus_are_put_together(tmp_path: Path, write: Writer) -> None:
    """A table of text alone, a sentence a row: 1,000 rows are a document, or as many as the option says.

    Row groups and record batches have 7 rows here; with 3 rows a document each gives 3, of 3, 3 and 1 rows.
    """
    rows: list[dict[str, Any]] = [{"text": f"sentence {i} of a book , said x ."} for i in range(20)]
    path = write(tmp_path / "books", [*rows, {"text": None}])
    whole = read(path)
    assert [d.id for d in whole] == ["books:0", "books:7", "books:14"]
    assert whole[0].text.split("\n") == [row["text"] for row in rows[:7]]
    assert [d.text.count("\n") for d in whole] == [6, 6, 5]
    threes = read(path, rows_per_document=3)
    assert [d.id for d in threes] == [f"books:{row}" for row in (0, 3, 6, 7, 10, 13, 14, 17)]
    for target_bytes in (1, 300):
        assert read(path, target_bytes) == whole
        assert read(path, target_bytes, rows_per_document=3) == threes
    assert len(read(write(tmp_path / "one", rows), rows_per_document=1)) == 20
    with_ids = write(tmp_path / "ids", [{"id": str(i), "text": f"Sentence {i}."} for i in range(20)])
    assert len(read(with_ids)) == 20
    assert [d.id for d in read(with_ids, rows_per_document=5)] == ["0", "5", "7", "12", "14", "19"]


def test_lines_of_bookcorpus_are_put_together(tmp_path: Path) -> None:
    """JSON lines of text alone, a sentence a line, follow the rule of tables, whatever the slices and the file.

    Of 2,003 lines one is blank and one has null: documents begin at lines 1, 1,001 and 2,001.
    """
    lines = [json.dumps({"text": f"sentence {i} of a book , said x ."}) for i in range(2003)]
    lines[5], lines[6] = "", '{"text": null}'
    starts = [sum(len(line) + 1 for line in lines[:i]) for i in (0, 1000, 2000)]
    path = tmp_path / "books"
    path.write_text("\n".join(lines) + "\n")
    whole = read(path)
    assert [d.id for d in whole] == [f"books:{start}" for start in starts]
    assert [d.text.count("\n") for d in whole] == [997, 999, 2]
    assert whole[1].text.split("\n")[0] == "sentence 1000 of a book , said x ."
    assert [slice_.start for slice_ in plan_slices([path], CorpusOptions(), 1)] == starts
    for rows in (7, 1):
        expected = read(path, rows_per_document=rows, skip_bad=True)
        for target_bytes in (1, 300, 50_000):
            assert read(path, target_bytes, rows_per_document=rows, skip_bad=True) == expected
    (tmp_path / "books.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert [d.text for d in read(tmp_path / "books.gz")] == [d.text for d in whole]
    with_ids = write_jsonl(tmp_path / "ids", [{"id": str(i), "text": f"Sentence {i}."} for i in range(20)])
    assert len(read(with_ids)) == 20
    assert [d.id for d in read(with_ids, rows_per_document=8)] == ["0", "8", "16"]


def test_a_bad_line_spoils_its_document(tmp_path: Path) -> None:
    """It is named by its own place, and the documents before and after it are read."""
    lines = [f'{{"text": "sentence {i} ."}}' for i in range(9)]
    lines[4] = '{"text": 4}'
    (tmp_path / "books").write_text("\n".join(lines))
    with pytest.raises(CorpusError, match=r"books: line 5: field text is 4, expected a string"):
        read(tmp_path / "books", rows_per_document=3)
    left = read(tmp_path / "books", rows_per_document=3, skip_bad=True)
    assert [d.text.split("\n")[0] for d in left] == ["sentence 0 .", "sentence 6 ."]


@pytest.mark.parametrize("write", WRITERS)
def test_other_fields_hold_the_text_when_asked(tmp_path: Path, write: Writer) -> None:
    """--text-field and --id-field choose the fields; numbers will do as ids."""
    path = write(tmp_path / "corpus", [{"key": 7, "body": "One.", "text": "No."}])
    assert read(path, text_field="body", id_field="key") == [Document("7", "One.")]


def test_real_wikiextractor_json_is_told_and_read(data: Path) -> None:
    """Real --json output is told by content, and all its text comes out in order."""
    for path in sorted((data / "wikiextractor-json").iterdir()):
        assert detect(path) == "wikiextractor-json"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found = read(path, 100_000)
        assert [d.id for d in found] == [row["id"] for row in rows if row["text"].strip()]
        assert "".join("".join(d.text.split()) for d in found) == "".join(
            "".join(row["text"].split()) for row in rows
        )


HEADER = "The Project Gutenberg eBook of A Tale\n\nTitle: A Tale\n\n\n\n\nLanguage: English\n\n"
START = "*** START OF THE PROJECT GUTENBERG EBOOK A TALE ***\n\n\nProduced by A. Reader and\nB. Reader\n\n"
CHAPTERS = [f"Chapter {i} is short. It has two sentences.\n\nAnd a third.\n\n\n\n" for i in range(30)]
END = "*** END OF THE PROJECT GUTENBERG EBOOK A TALE ***\n\n\n\n\nThe licence.\n\n\n\nSection 2.\n"


@pytest.mark.parametrize("compress", COMPRESSORS)
def test_gutenberg_books_lose_header_and_licence(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Only what is between Project Gutenberg's marks is read, whatever the slice size."""
    path = tmp_path / "tale.txt"
    path.write_bytes(
        compress((HEADER + START + "".join(CHAPTERS) + END).replace("\n", "\r\n").encode("utf-8-sig"))
    )
    expected = [f"Chapter {i} is short. It has two sentences.\nAnd a third." for i in range(30)]
    whole = read(path)
    assert [document.text for document in whole] == expected
    for target_bytes in (1, 100, 700):
        assert read(path, target_bytes) == whole


def test_filters_choose_documents_by_themselves(tmp_path: Path) -> None:
    """Length, sentences and the sample are looked at document by document; larger samples hold smaller ones."""
    documents = [Document(str(i), "One. " * (i % 5 + 1)) for i in range(2000)]
    assert list(passing(documents, CorpusOptions(), "prose")) == documents
    long = list(passing(documents, CorpusOptions(min_chars=20), "prose"))
    assert {len(document.text) for document in long} == {20, 25}
    many = list(passing(documents, CorpusOptions(min_sentences=3), "prose"))
    assert {len(document.text) for document in many} == {15, 20, 25}
    samples = [{d.id for d in passing(documents, CorpusOptions(sample=s), "prose")} for s in (0.01, 0.1, 0.5)]
    assert samples[0] < samples[1] < samples[2]
    assert [abs(len(sample) - share) < 60 for sample, share in zip(samples, (20, 200, 1000), strict=True)] == [
        True
    ] * 3
    with pytest.raises(OptionError, match=r"sample is 0(\.0)?, expected above 0 and at most 1"):
        CorpusOptions(sample=0)
