"""Lines of text files: line ends, numbers, compression and bad bytes."""

from __future__ import annotations

import gzip
import lzma
import os
from pathlib import Path

import pyarrow as pa
import pytest

from wpprep.corpus.readers import cutting
from wpprep.corpus.text_lines import read_lines
from wpprep.errors import CorpusError, MissingInputError, TextDecodeError
from wpprep.tokenizer import stream


def test_lines_are_numbered_from_one(tmp_path: Path) -> None:
    """Line ends of both kinds and a byte order mark are removed; blank lines and other separators stay."""
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffOne \r\n\n\ufeffTwo\u2028\x85\n".encode())
    assert list(read_lines(path)) == [(1, "One "), (2, ""), (3, "\ufeffTwo\u2028\x85")]
    path.write_bytes(b"")
    assert list(read_lines(path)) == []


def test_compressed_files_have_the_same_lines(tmp_path: Path) -> None:
    """A gzip file is decompressed; a truncated one is an error after the lines before the damage."""
    whole = gzip.compress(b"One.\nTwo.")
    path = tmp_path / "a.gz"
    path.write_bytes(whole)
    assert list(read_lines(path)) == [(1, "One."), (2, "Two.")]
    path.write_bytes(whole[:-6])
    with pytest.raises(CorpusError, match=r"a\.gz: damaged compressed data"):
        list(read_lines(path))


def test_invalid_utf8_has_its_line_and_byte(tmp_path: Path) -> None:
    """The byte is counted in the line; lines before it are read."""
    path = tmp_path / "a.txt"
    path.write_bytes(b"One.\nTw\xffo.\n")
    lines = read_lines(path)
    assert next(lines) == (1, "One.")
    with pytest.raises(TextDecodeError, match=r"a\.txt:2: invalid UTF-8 at byte 2; convert the file first"):
        next(lines)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path that does not exist, or is a folder, is a missing input."""
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(MissingInputError, match="no such file"):
            list(read_lines(path))


def test_a_name_that_is_too_long_is_named(tmp_path: Path) -> None:
    """A name that the system refuses is a missing input, not an error of an output."""
    with pytest.raises(MissingInputError, match="x: cannot be opened: File name too long"):
        list(read_lines(tmp_path / ("x" * 300)))


def test_damaged_xz_is_named(tmp_path: Path) -> None:
    """Damage inside of an xz file is an error that names it, as for the other compressions."""
    whole = lzma.compress(os.urandom(5000))
    path = tmp_path / "a.xz"
    path.write_bytes(whole[:60] + b"damage!!" + whole[68:])
    with pytest.raises(CorpusError, match=r"a\.xz: damaged compressed data"):
        list(read_lines(path))


@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_a_line_longer_than_any_text_is_refused(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the maximum length is read, with either line end; a longer one is named, and is not held."""
    monkeypatch.setattr("wpprep.corpus.text_lines.LONGEST", 10)
    path = tmp_path / "a.txt"

    def write(data: bytes) -> None:
        if kind == "zstd":
            with pa.CompressedOutputStream(str(path), "zstd") as file:
                file.write(data)
        else:
            path.write_bytes(gzip.compress(data) if kind == "gzip" else data)

    write(b"x" * 10 + b"\n" + b"y" * 10 + b"\r\n" + b"z" * 10)
    assert list(read_lines(path)) == [(1, "x" * 10), (2, "y" * 10), (3, "z" * 10)]
    write(b"one\n" + b"x" * 100)
    lines = read_lines(path)
    assert next(lines) == (1, "one")
    with pytest.raises(CorpusError, match=r"a\.txt:2: longer than"):
        next(lines)


def test_the_limits_of_lines_and_documents_are_the_same() -> None:
    """A text that may be a document may be a line."""
    assert stream.LONGEST == cutting.LONGEST
