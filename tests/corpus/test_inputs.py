"""Input files: folders, patterns, lists and links, and errors for what cannot be read."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from support.corpora import read, write_arrow_stream, write_jsonl

from wpprep.corpus.inputs import expand_inputs
from wpprep.errors import MissingInputError


def test_folder_saved_by_datasets_is_its_data_files(tmp_path: Path) -> None:
    """Of a folder saved by `datasets`, only the listed data files are read, without a warning."""
    for name in ("data-00000-of-00002.arrow", "data-00001-of-00002.arrow", "cache-1a2b.arrow"):
        write_arrow_stream(tmp_path / name, [{"text": f"From {name}."}])
    (tmp_path / "dataset_info.json").write_text('{"builder_name": "x"}')
    listed = [{"filename": f"data-0000{i}-of-00002.arrow"} for i in range(2)]
    (tmp_path / "state.json").write_text(json.dumps({"_data_files": listed}))
    assert [d.text for d in read(tmp_path)] == [f"From {file['filename']}." for file in listed]


def test_inputs_may_be_patterns_and_lists(tmp_path: Path) -> None:
    """Patterns match files and folders in path order, a list has one per line, and no file comes twice."""
    for name in ("b.txt", "a.txt", "deep/c.txt", "d.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("One.")
    (tmp_path / "list").write_text(f"{tmp_path}/deep\n\n{tmp_path}/a.txt\n")
    files = expand_inputs([f"{tmp_path}/*.txt", f"@{tmp_path}/list", f"{tmp_path}/**/*.md"])
    names = [Path(file).name for file in files]
    assert names == ["a.txt", "b.txt", "c.txt", "d.md"]
    with pytest.raises(MissingInputError, match=r"none/\*: no such file or folder"):
        expand_inputs([f"{tmp_path}/none/*"])


def test_links_are_followed_except_loops(tmp_path: Path) -> None:
    """Links to files and folders are followed; loops of links and broken links are errors that name them."""
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
    with pytest.raises(MissingInputError, match="self: a broken symbolic link; remove or fix it"):
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
    """A path that is neither file nor folder is an error: reading a pipe could wait forever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(MissingInputError, match="pipe: neither a file nor a folder"):
        expand_inputs([tmp_path / "pipe"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names are text")
def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    """Names are part of ids and manifests, so a name that is not UTF-8 is an error with the solution."""
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("One.")
    with pytest.raises(MissingInputError, match=r"caf\\xe9\.txt': the name is not UTF-8, .*; rename it"):
        expand_inputs([tmp_path])
