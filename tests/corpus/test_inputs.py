"""Input files: folders, patterns, lists and links, and errors for what cannot be read."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from support.corpora import read, write_arrow_stream, write_jsonl

from wpprep.corpus.inputs import expand_inputs
from wpprep.errors import MissingInputError
from wpprep.storage.manifest import KINDS, Manifest, describe, write_manifest


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


def output_in(folder: Path, kind: str = "text") -> Path:
    """Write a finished output folder of one file and return it."""
    folder.mkdir(parents=True)
    (folder / "part-00000.txt").write_text("Written by wpprep.")
    write_manifest(folder, Manifest(kind=kind, options={}, files=[describe(folder / "part-00000.txt", folder)]))
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_inside_of_a_corpus_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """A folder that wpprep finished is no part of the corpus that it is in, at any depth; a line names it."""
    (tmp_path / "a.txt").write_text("One.")
    made = output_in(tmp_path / "deep" / "made", kind)
    assert expand_inputs([tmp_path]) == [tmp_path / "a.txt"]
    assert [record.getMessage() for record in caplog.records] == [
        f"left out folders that wpprep has written, which are not part of a corpus: {made}"
    ]
    assert expand_inputs([f"{tmp_path}/**/*.txt"]) == [tmp_path / "a.txt"]


@pytest.mark.parametrize("files", [[".unfinished/plan.json"], ["training.json", "metrics.jsonl"]])
def test_runs_at_work_inside_of_a_corpus_are_left_out(tmp_path: Path, files: list[str]) -> None:
    """An unfinished output or training run is no part of the corpus, and is refused when it is named."""
    (tmp_path / "a.txt").write_text("One.")
    for name in [*files, "part-00000.txt"]:
        path = tmp_path / "made" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    assert expand_inputs([tmp_path]) == [tmp_path / "a.txt"]
    with pytest.raises(MissingInputError, match="made: an unfinished output of wpprep; finish it"):
        expand_inputs([tmp_path / "made"])


def test_an_output_of_text_may_be_named(tmp_path: Path) -> None:
    """An extract folder is a corpus when it is named or matches a pattern; outputs of other kinds are not."""
    made = output_in(tmp_path / "extracts" / "one")
    for entry in (made, f"{tmp_path}/extracts/*", f"{made}/*.txt"):
        assert expand_inputs([entry]) == [made / "part-00000.txt"]
    with pytest.raises(MissingInputError, match=r"only outputs of wpprep \(.*/extracts/one\); name those"):
        expand_inputs([tmp_path / "extracts"])
    with pytest.raises(
        MissingInputError, match="vocab: an output of wpprep of kind vocabulary; expected a corp"
    ):
        expand_inputs([output_in(tmp_path / "vocab", "vocabulary")])


def test_a_manifest_of_another_program_is_no_mark(tmp_path: Path) -> None:
    """A folder with a manifest.json that wpprep did not write is part of the corpus, without that file."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("One.")
    (tmp_path / "in" / "manifest.json").write_text('{"files": []}')
    assert expand_inputs([tmp_path]) == [tmp_path / "in" / "a.txt"]


def test_names_that_are_too_long_and_lists_of_themselves_are_named(tmp_path: Path) -> None:
    """A name longer than the file system allows and a list that names itself are errors in one line."""
    with pytest.raises(MissingInputError, match="x: cannot be opened: File name too long"):
        expand_inputs([tmp_path / ("x" * 300)])
    (tmp_path / "list").write_text(f"@{tmp_path}/other\n")
    (tmp_path / "other").write_text(f"@{tmp_path}/list\n")
    with pytest.raises(MissingInputError, match="list: the list names itself"):
        expand_inputs([f"@{tmp_path}/list"])


@pytest.mark.skipif(sys.platform != "linux", reason="needs a process without the rights of root")
@pytest.mark.parametrize("mode", [0, 0o400])
def test_what_may_not_be_read_stops_with_skip_bad_too(tmp_path: Path, mode: int) -> None:
    """A subfolder or file without permission stops the run in one line that names it, also with skip_bad."""
    corpus = tmp_path / "corpus"
    (corpus / "sub").mkdir(parents=True)
    (corpus / "sub" / "b.txt").write_text("Two.")
    (corpus / "a.txt").write_text("One.")
    (corpus / "sub").chmod(mode)
    code = """
        import sys
        from wpprep.corpus.inputs import expand_inputs
        from wpprep.errors import MissingInputError
        for entry in (sys.argv[1], sys.argv[1] + "/**/*.txt"):
            try:
                print(expand_inputs([entry], skip_bad=True))
            except MissingInputError as error:
                print(error)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(corpus)]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is needed to give up the rights of root")
        rights = "-dac_override,-dac_read_search"
        command = ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}", *command]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (corpus / "sub").chmod(0o700)
    walked, matched = done.stdout.splitlines()
    assert re.match(
        rf"{re.escape(str(corpus))}/sub(/b\.txt)?: .*cannot be (read|opened): Permission denied", walked
    )
    if mode == 0:
        assert re.match(rf"{re.escape(str(corpus))}/sub: cannot be opened: Permission denied", matched)
