"""Damaged and missing files of every format: errors that name them, and --skip-bad."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.corpora import COMPRESSORS, WRITERS, Writer, read, read_leniently, write_parquet, zstd

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import cutting, plan_slices, read_slice
from wpprep.errors import CorpusError, MissingInputError
from wpprep.pipeline.encode import encode
from wpprep.pipeline.train_vocab import train_vocab


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
    """A missing field, a null, a number or a NUL is an error with file and line or row."""
    path = write(tmp_path / "corpus", rows)
    with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: (.*: (field )?|column )?{message}"):
        read(path, **options)


@pytest.mark.parametrize("compress", COMPRESSORS[1:])
def test_cut_and_damaged_compressed_files_are_named(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """A truncated or damaged compressed file is an error that names it, for every compression.

    (Arrow writes zstd without the optional checksum, so damage inside may not be detected.)
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
    """A truncated Parquet or Arrow file is an error that names it."""
    path = write(tmp_path / "corpus")
    whole = path.read_bytes()
    for length in (9, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(CorpusError, match=f"^{re.escape(str(path))}: (damaged|no end of the Arrow data)"):
            read(path, format="parquet" if write is write_parquet else "arrow")


@pytest.mark.parametrize("write", WRITERS[1:])
def test_tables_inside_compressed_files_are_refused(tmp_path: Path, write: Writer) -> None:
    """A table compressed as a whole cannot be cut; the error has the solution."""
    path = write(tmp_path / "corpus")
    path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(CorpusError, match="compressed as a whole with gzip; decompress it first"):
        read(path)


@pytest.mark.parametrize("write", WRITERS[1:])
def test_table_that_vanishes_is_named(tmp_path: Path, write: Writer) -> None:
    """A table that is deleted during the run is a missing input."""
    path = write(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 10**9)
    path.unlink()
    with pytest.raises(MissingInputError, match=f"^{re.escape(str(path))}: cannot be opened"):
        list(read_slice(slices[0], CorpusOptions()))


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress])
def test_text_after_damage_is_left_out(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """Of a truncated compressed file, the documents before the damage are read, and the rest is one error."""
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
def test_damaged_tables_are_skipped(tmp_path: Path, write: Writer) -> None:
    """A table without its end is listed, and the other files are read."""
    path = write(tmp_path / "a")
    path.write_bytes(path.read_bytes()[:-20])
    write(tmp_path / "b", [{"text": "Sound."}])
    for target_bytes in (1, 10**9):
        documents, left_out = read_leniently(tmp_path, target_bytes)
        assert [document.text for document in documents][-1] == "Sound."
        assert left_out.count == 1


def test_errors_are_listed_in_the_manifest(tmp_path: Path) -> None:
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
        made = encode(corpus, tmp_path / "vocab", tmp_path / str(slice_bytes), **options)
        manifests.append(made.manifest.corpus)
    assert manifests[0] == manifests[1]
    assert manifests[0]["left_out"]["count"] == 4
    assert [found[:16] for found in manifests[0]["left_out"]["first"]] == [
        "a.jsonl: line 8:", "a.jsonl: line 31", "b.jsonl: line 8:", "b.jsonl: line 31"
    ]  # fmt: skip
    with pytest.raises(CorpusError, match=r"a\.jsonl: line 8: not JSON"):
        encode(corpus, tmp_path / "vocab", tmp_path / "strict", workers=1)
