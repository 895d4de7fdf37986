"""Finding inputs, opening compressed files, writing so that nothing half-made has a final name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from wpprep.corpus.inputs import expand_inputs
from wpprep.errors import CorpusError, MissingInputError, OutputError
from wpprep.storage import files
from wpprep.storage.files import atomic_write, open_bytes, read_bytes, write_text


def test_folders_expand_to_their_files_in_path_order(tmp_path: Path) -> None:
    """Hidden files and README files are no corpus."""
    for name in ("b/2.txt", "b/1.txt", "a.txt", "README.md", ".hidden", "b/.git/x"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    found = [Path(path).relative_to(tmp_path).as_posix() for path in expand_inputs([tmp_path])]
    assert found == ["a.txt", "b/1.txt", "b/2.txt"]


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    """A path that is not there, and a folder without files, are errors."""
    with pytest.raises(MissingInputError, match="nowhere: no such file"):
        expand_inputs([tmp_path / "nowhere"])
    with pytest.raises(MissingInputError, match="contains no files"):
        expand_inputs([tmp_path])


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_detected_by_content(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    """The bytes of a file come out decompressed whatever its name."""
    path = tmp_path / "file"
    path.write_bytes(compress(b"some text" * 1000))
    assert read_bytes(path) == b"some text" * 1000
    assert read_bytes(path, 5, 9) == b"text"


def test_damaged_compressed_data_is_named(tmp_path: Path) -> None:
    """A gzip file cut short is an error that names the file."""
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(os.urandom(1000))[:-20])
    with pytest.raises(CorpusError, match=r"cut\.gz: damaged compressed data"):
        read_bytes(path)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    """A folder in place of a file is an error that names it."""
    with pytest.raises(MissingInputError, match="cannot be opened"):
        open_bytes(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """An exception in the block keeps what was there, and no temporary file stays."""
    path = tmp_path / "file"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_write_where_none_is_possible_is_named(tmp_path: Path) -> None:
    """The final name is in the message, not the temporary one."""
    with pytest.raises(OutputError, match=r"none/file: cannot be written: No such file"):
        write_text(tmp_path / "none" / "file", "text")


def test_a_folder_is_removed_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run killed while it removes a folder leaves nothing under that name; the rest is cleaned up later."""
    folder = tmp_path / "out" / "tokens"
    folder.mkdir(parents=True)
    (folder / "part-00000.arrow").write_text("rows")

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("wpprep.storage.files.shutil.rmtree", die)
        with pytest.raises(KeyboardInterrupt):
            files.remove_folder(folder)
    assert not folder.exists()
    assert len(list((tmp_path / "out").iterdir())) == 1
    files.remove_partial(tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_an_input_that_is_missing_stays_so_while_something_is_written(tmp_path: Path) -> None:
    """What goes wrong in reading is not said to be wrong with the file that was being written."""
    with pytest.raises(MissingInputError, match="input"), atomic_write(tmp_path / "out"):
        raise MissingInputError("input: no such file")
    assert not list(tmp_path.iterdir())
