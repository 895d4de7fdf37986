"""Every format and encoding gives the same documents, whatever the slice size; bad files stop in one line."""

from __future__ import annotations

import bz2
import codecs
import gzip
import json
import lzma
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.config import CorpusOptions
from wpprep.errors import CorpusError, MissingInputError, OptionError, TextDecodeError
from wpprep.filters import passing
from wpprep.inputs import expand_inputs
from wpprep.pipeline import encode_corpus, train_vocab
from wpprep.readers import LeftOut, cutting, decoding, detect, plan_slices, read_slice
from wpprep.records import Document

SAMPLES = Path(__file__).parent.parent / "sample_corpus" / "formats"
TEXTS = [f"Paragraph {i} of ä tale.\n\n It goes on.\n" * (1 + i % 5) for i in range(40)]
ROWS = [{"id": str(100 + i), "url": "u", "title": f"T{i}", "text": text} for i, text in enumerate(TEXTS)]


def zstd(data: bytes) -> bytes:
    """Data as two zstd frames."""
    half = len(data) // 2
    codec = pa.Codec("zstd")
    return bytes(codec.compress(data[:half], asbytes=True) + codec.compress(data[half:], asbytes=True))


COMPRESSORS = [bytes, gzip.compress, bz2.compress, lzma.compress, zstd]


def read(path: Path | str, target_bytes: int = 10**9, **options: Any) -> list[Document]:
    """Every document of a corpus, read slice by slice."""
    corpus = CorpusOptions(**options)
    slices = plan_slices([path], corpus, target_bytes)
    return [document for slice_ in slices for document in read_slice(slice_, corpus)]


def write_jsonl(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as JSON lines, every other one in ASCII."""
    lines = [json.dumps(row, ensure_ascii=bool(i % 2)) for i, row in enumerate(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as a Parquet file of row groups of 7."""
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    return path


def write_arrow_file(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as an Arrow IPC file of record batches of 7."""
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


def write_arrow_stream(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as an Arrow IPC stream of record batches of 7."""
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


WRITERS = [write_jsonl, write_parquet, write_arrow_file, write_arrow_stream]
Writer = Callable[..., Path]


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


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"id": 1, "body": "One."}], {}, r"no (field|column) text \(found id, body\); name .*--text-field"),
        ([{"text": "One."}], {"id_field": "key"}, r"no (field|column) key \(found text\)"),
        ([{"text": "One."}, {"text": None}], {}, "(line 2|row 1): .*text is (null|None), expected a string"),
        ([{"text": 1}], {}, "text is (1|int64), expected (a )?string"),
        ([{"text": "One."}, {"text": "a\0b"}], {}, r"(byte 17|row 1): found a NUL, .*--errors replace"),
    ],
)
def test_bad_rows_are_named(
    tmp_path: Path, write: Writer, rows: list[dict[str, Any]], options: dict[str, Any], message: str
) -> None:
    """A missing field, a null, a number or a NUL stops the reading with file and line or row."""
    path = write(tmp_path / "corpus", rows)
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: (.*: (field )?|column )?{message}"):
        read(path, **options)


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "Thr', "line 3: not JSON .*expected one object a line"),
        ("[" * 100_000, "line 3: not JSON"),
        ('["a", "b"]', "line 3: found .*expected a JSON object"),
        ('{"text": "\\ud800"}', r"byte 42: found a lone surrogate U\+D800"),
    ],
)
def test_bad_json_lines_are_named(
    tmp_path: Path, compress: Callable[[bytes], bytes], line: str, message: str
) -> None:
    """A line that is no JSON object stops the reading with its number, compressed or not."""
    path = tmp_path / "corpus.jsonl"
    path.write_bytes(compress(('{"id": 1, "text": "One."}\n{"text": "Two"}' + "\n" + line + "\n").encode()))
    for target_bytes in (1, 1000):
        with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: {message}"):
            read(path, target_bytes)


def test_unfit_characters_are_replaced_and_counted(tmp_path: Path) -> None:
    """With --errors replace NULs and lone surrogates become U+FFFD, as invalid bytes do."""
    path = tmp_path / "corpus"
    path.write_bytes(b'{"text": "a\\u0000b\\ud800c\xff"}\n')
    assert read(path, errors="replace") == [Document("corpus:0", "a\ufffdb\ufffdc\ufffd", 3)]
    path.write_bytes(b"One.\0\nTwo\xff.\n")
    assert read(path, format="lines", errors="replace") == [Document("corpus:0", "One.\ufffd\nTwo\ufffd.", 2)]
    with pytest.raises(CorpusError, match="byte 4: found a NUL, expected text; use --errors replace"):
        path.write_bytes(b"One.\0\n")
        read(path, format="lines")


def test_invalid_utf8_in_a_table_is_named(tmp_path: Path) -> None:
    """Bytes that are not UTF-8 in a string column stop the reading with the row, or are replaced."""
    column = pa.array([b"One.", b"T\xffo."]).cast(pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": column}), tmp_path / "a.parquet")
    with pytest.raises(TextDecodeError, match=r"a\.parquet: row 1: invalid UTF-8 at byte 1 \(found 0xFF\)"):
        read(tmp_path / "a.parquet")
    assert [d.text for d in read(tmp_path / "a.parquet", errors="replace")] == ["One.", "T\ufffdo."]


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_followed(
    tmp_path: Path, compress: Callable[[bytes], bytes], encoding: str
) -> None:
    """Files with a byte order mark read as the same text in plain UTF-8 does, compressed or not."""
    text = "Ein Bär.\nNoch einer.\n\n第三句。\n𠀀 vier.\n"
    path = tmp_path / "corpus"
    path.write_bytes(text.encode())
    plain = [document.text for document in read(path)]
    path.write_bytes(compress(text.encode(encoding)))
    assert detect(path) == "lines"
    for target_bytes in (1, 1000):
        assert [document.text for document in read(path, target_bytes)] == plain


@given(text=st.text(st.characters(codec="utf-8"), max_size=40), block=st.integers(1, 9), size=st.integers(1, 9))
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32", "gb18030"])
def test_transcoding_is_exact_for_every_block_size(
    tmp_path_factory: pytest.TempPathFactory, encoding: str, text: str, block: int, size: int
) -> None:
    """The UTF-8 of a file in another encoding is that of its text, however it is read."""
    path = tmp_path_factory.getbasetemp() / "transcoded"
    path.write_bytes(text.encode(encoding))
    with mock.patch.object(decoding, "_BLOCK", block), path.open("rb") as file:
        transcoder = decoding.Transcoder(file, path, encoding, "strict")
        assert b"".join(iter(lambda: transcoder.read(size), b"")) == text.encode()


def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    """--encoding reads what has no byte order mark, and the same names for UTF-8 change nothing."""
    path = tmp_path / "corpus"
    path.write_bytes("Привет, мир.\nЖёлтый.\n".encode("cp1251"))
    assert [d.text for d in read(path, encoding="cp1251")] == ["Привет, мир.\nЖёлтый."]
    path.write_bytes("\ufeffOne.\nTwo.\n".encode())
    assert read(path, encoding="UTF8") == read(path)
    with pytest.raises(OptionError, match="encoding is 'klingon', expected auto or a name such as"):
        CorpusOptions(encoding="klingon")
    with pytest.raises(OptionError, match="encoding is 'base64'"):
        CorpusOptions(encoding="base64")


def test_invalid_bytes_in_other_encodings_are_placed(tmp_path: Path) -> None:
    """Half a character of UTF-16 stops the reading with its byte, or is replaced and counted."""
    path = tmp_path / "corpus"
    path.write_bytes(
        codecs.BOM_UTF16_LE + "One.\nTw".encode("utf-16-le") + b"\x00\xd8" + "o.\n".encode("utf-16-le")
    )
    with pytest.raises(
        TextDecodeError, match=r"invalid utf-16 at byte 16 \(found 0x00\); use --errors replace"
    ):
        read(path, format="lines")
    assert read(path, format="lines", errors="replace")[0].replaced == 1


@pytest.mark.parametrize("compress", COMPRESSORS[1:])
def test_cut_and_damaged_compressed_files_are_named(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """A compressed file that is cut short or damaged is an error that names it, in every compression.

    (Arrow writes zstd without its optional checksum, so that damage inside need not show.)
    """
    whole = compress("".join(f"Line {i * i} is here.\n" for i in range(9999)).encode())
    path = tmp_path / "corpus"
    damaged = [whole[:-3], whole[: len(whole) // 2], whole[:60] + b"damage!!" + whole[68:]]
    for content in damaged[: 2 if compress is zstd else 3]:
        path.write_bytes(content)
        with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: damaged compressed data"):
            read(path, format="lines")


@pytest.mark.parametrize("write", WRITERS[1:])
def test_cut_tables_are_named(tmp_path: Path, write: Writer) -> None:
    """A Parquet or Arrow file that ends anywhere before its end is an error that names it."""
    path = write(tmp_path / "corpus")
    whole = path.read_bytes()
    for length in (9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: (damaged|Arrow data without its end)"):
            read(path, format="parquet" if write is write_parquet else "arrow")


@pytest.mark.parametrize("write", WRITERS[1:])
def test_tables_inside_compressed_files_are_refused(tmp_path: Path, write: Writer) -> None:
    """A table compressed as a whole cannot be cut; the error says how to go on."""
    path = write(tmp_path / "corpus")
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(CorpusError, match="compressed as a whole with gzip; decompress it first"):
        read(path)


@pytest.mark.parametrize("write", WRITERS)
def test_documents_of_no_end_are_refused(tmp_path: Path, write: Writer) -> None:
    """A line, row or file longer than any document stops the reading before it fills the memory."""
    path = write(tmp_path / "corpus", [{"text": "One."}, {"text": "x" * 5000}])
    with (
        mock.patch.object(cutting, "LONGEST", 4000),
        mock.patch.object(cutting, "_BLOCK", 512),
        pytest.raises(
            CorpusError, match=r"no document ends in .* from byte 17 on|row 1: text has 5000 characters"
        ),
    ):
        read(path)


def test_file_that_shrinks_during_the_run_is_noticed(tmp_path: Path) -> None:
    """A file that is shorter than when it was cut into slices stops the reading."""
    path = write_jsonl(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 10**9)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(
        CorpusError, match="ends at byte 100; it was longer when the run began|line 1: not JSON"
    ):
        list(read_slice(slices[0], CorpusOptions()))
    path.unlink()
    with pytest.raises(MissingInputError, match="cannot be opened: No such file"):
        list(read_slice(slices[0], CorpusOptions()))


@pytest.mark.parametrize("write", WRITERS[1:])
def test_table_that_vanishes_is_named(tmp_path: Path, write: Writer) -> None:
    """A table that is gone when its turn comes is a missing input."""
    path = write(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 10**9)
    path.unlink()
    with pytest.raises(MissingInputError, match=f"^{re.escape(str(path))}: cannot be opened"):
        list(read_slice(slices[0], CorpusOptions()))


def test_folder_saved_by_datasets_is_its_data_files(tmp_path: Path) -> None:
    """Of a folder that `datasets` saved only the listed data is read, without a word about the rest."""
    for name in ("data-00000-of-00002.arrow", "data-00001-of-00002.arrow", "cache-1a2b.arrow"):
        write_arrow_stream(tmp_path / name, [{"text": f"From {name}."}])
    (tmp_path / "dataset_info.json").write_text('{"builder_name": "x"}')
    listed = [{"filename": f"data-0000{i}-of-00002.arrow"} for i in range(2)]
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": listed}))
    assert [d.text for d in read(tmp_path)] == [f"From {file['filename']}." for file in listed]


def test_inputs_may_be_patterns_and_lists(tmp_path: Path) -> None:
    """Patterns match files and folders in path order, a list names them a line each, none comes twice."""
    for name in ("b.txt", "a.txt", "deep/c.txt", "d.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("One.")
    (tmp_path / "list").write_text(f"{tmp_path}/deep\n\n{tmp_path}/a.txt\n")
    names = [
        path.name for path in expand_inputs([f"{tmp_path}/*.txt", f"@{tmp_path}/list", f"{tmp_path}/**/*.md"])
    ]
    assert names == ["a.txt", "b.txt", "c.txt", "d.md"]
    with pytest.raises(MissingInputError, match=r"none/\*: no such file or folder"):
        expand_inputs([f"{tmp_path}/none/*"])


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    """Links to files and folders are read; loops of links and links to nothing are errors that name them."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.txt").write_text("One.")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "link").symlink_to(tmp_path / "there")
    assert expand_inputs([tmp_path / "corpus"]) == [tmp_path / "corpus" / "link" / "a.txt"]
    (tmp_path / "there" / "back").symlink_to(tmp_path / "corpus")
    with pytest.raises(MissingInputError, match="link/back: a loop of symbolic links"):
        expand_inputs([tmp_path / "corpus"])
    back = tmp_path / "corpus" / "link" / "back"
    assert expand_inputs([tmp_path / "corpus"], skip_bad=True) == [back.with_name("a.txt"), back]
    (tmp_path / "there" / "back").unlink()
    (tmp_path / "there" / "self").symlink_to("self")
    with pytest.raises(MissingInputError, match="self: a symbolic link that leads to no file"):
        expand_inputs([tmp_path / "corpus"])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_unreadable_inputs_are_named(tmp_path: Path) -> None:
    """A file or folder without permission to read is an error that names it."""
    path = write_jsonl(tmp_path / "corpus")
    path.chmod(0)
    with pytest.raises(MissingInputError, match="corpus: cannot be opened: Permission denied"):
        read(path)
    tmp_path.chmod(0)
    try:
        with pytest.raises(MissingInputError, match="the folder cannot be read: Permission denied"):
            expand_inputs([tmp_path])
    finally:
        tmp_path.chmod(0o700)


def test_pipes_and_devices_are_refused(tmp_path: Path) -> None:
    """What is neither file nor folder is refused at once: a pipe would be waited on for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingInputError, match="pipe: neither a file nor a folder"):
        expand_inputs([tmp_path / "pipe"])


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


def read_leniently(path: Path, target_bytes: int = 10**9, **options: Any) -> tuple[list[Document], LeftOut]:
    """Every document that can be read, and what was left out."""
    corpus, left_out = CorpusOptions(skip_bad=True, **options), LeftOut()
    slices = plan_slices([path], corpus, target_bytes)
    return [d for slice_ in slices for d in read_slice(slice_, corpus, left_out)], left_out


@pytest.mark.parametrize("target_bytes", [1, 30, 10**9])
def test_bad_lines_are_skipped_when_asked(tmp_path: Path, target_bytes: int) -> None:
    """With --skip-bad every bad line is left out, counted and listed by file name and line."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "One."}\nnot\n{"text": 2}\n{"text": "Thr\xffe."}\n{"text": "Four."}\n[]\n')
    documents, left_out = read_leniently(path, target_bytes, format="jsonl")
    assert [document.text for document in documents] == ["One.", "Four."]
    assert left_out.count == 4
    places = ["a.jsonl: line 2:", "a.jsonl: line 3:", "a.jsonl: invalid UTF-8 at byte", "a.jsonl: line 6:"]
    assert all(found.startswith(place) for found, place in zip(left_out.first, places, strict=True))


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize("block", [64, 512, 1 << 20])
def test_documents_of_no_end_are_skipped_when_asked(
    tmp_path: Path, compress: Callable[[bytes], bytes], block: int
) -> None:
    """A line too long to hold is passed by, in blocks, and the next one is read."""
    path = tmp_path / "a.jsonl"
    rows = [{"text": "One."}, {"text": "x" * 5000}, {"text": "Three."}, {"text": "y" * 4001}]
    path.write_bytes(compress("\n".join(map(json.dumps, rows)).encode()))
    for target_bytes in (1, 10**9):
        with mock.patch.object(cutting, "LONGEST", 4000), mock.patch.object(cutting, "_BLOCK", block):
            documents, left_out = read_leniently(path, target_bytes, rows_per_document=1)
        assert [document.text for document in documents] == ["One.", "Three."]
        assert left_out.count == 2


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_what_follows_damage_is_left_out_when_asked(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Of a file whose compressed data is cut, what comes before is read; the rest is listed as one piece."""
    whole = compress("".join(f"Line {i * i} is here.\n\n" for i in range(20_000)).encode())
    (tmp_path / "a.txt").write_bytes(whole[:-9])
    (tmp_path / "b.txt").write_bytes(b"\x1f\x8bno gzip at all")
    (tmp_path / "c.txt").write_bytes(b"Sound.\n")
    with mock.patch.object(cutting, "_BLOCK", 1000):
        documents, left_out = read_leniently(tmp_path, format="lines")
    assert documents[-1].text == "Sound."
    assert left_out.count == 2
    assert [found[:30] for found in left_out.first] == [f"{name}.txt: damaged compressed data" for name in "ab"]
    documents, left_out = read_leniently(tmp_path / "b.txt")
    assert (documents, left_out.count) == ([], 1)


@pytest.mark.parametrize("write", WRITERS[1:])
def test_damaged_tables_are_skipped_when_asked(tmp_path: Path, write: Writer) -> None:
    """A table without its end is listed, and the other files are read."""
    path = write(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-20])
    write(tmp_path / "b", [{"text": "Sound."}])
    for target_bytes in (1, 10**9):
        documents, left_out = read_leniently(tmp_path, target_bytes)
        assert [document.text for document in documents][-1] == "Sound."
        assert left_out.count == 1


def test_what_is_left_out_is_in_the_manifest(tmp_path: Path) -> None:
    """The token store's manifest counts and lists bad lines, the same for any slices and number of workers."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for name in "ab":
        rows = [json.dumps({"text": f"Sentence {i} of {name}. And one more."}) for i in range(50)]
        rows[7] = rows[30] = "{"
        (corpus / f"{name}.jsonl").write_text("\n".join(rows))
    train_vocab(corpus, tmp_path / "vocab", vocab_size=60, workers=1, skip_bad=True)
    manifests = []
    for slice_bytes in (500, 10**6):
        options: dict[str, Any] = {"workers": 1, "skip_bad": True, "slice_bytes": slice_bytes}
        made = encode_corpus(corpus, tmp_path / "vocab", tmp_path / str(slice_bytes), **options)
        manifests.append(made.manifest.corpus)
    assert manifests[0] == manifests[1]
    assert manifests[0]["left_out"]["count"] == 4
    assert [found[:16] for found in manifests[0]["left_out"]["first"]] == [
        "a.jsonl: line 8:", "a.jsonl: line 31", "b.jsonl: line 8:", "b.jsonl: line 31"
    ]  # fmt: skip
    with pytest.raises(CorpusError, match=r"a\.jsonl: line 8: not JSON"):
        encode_corpus(corpus, tmp_path / "vocab", tmp_path / "strict", workers=1)


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
    with pytest.raises(OptionError, match="sample is 0, expected above 0 and at most 1"):
        CorpusOptions(sample=0)
