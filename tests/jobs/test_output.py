"""Output folders: claimed, resumed, refused, finished."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from pathlib import Path
from typing import IO, Any

import pytest

from wpprep.errors import OutputError
from wpprep.jobs import lock, output
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Entry, Plan
from wpprep.storage import files
from wpprep.storage.files import UNFINISHED, sha256_of, write_text
from wpprep.storage.manifest import Manifest

PLAN: Plan = {"options": {"seed": 1, "vocab_size": 100}, "vocabulary": None, "corpus": "abc"}
MANIFEST = Manifest(kind="shards", options=PLAN["options"], files=[], corpus={"identity": "abc"})


def claim(path: Path, plan: Plan = PLAN, overwrite: bool = False) -> OutputFolder:
    """Claim a folder for a plan of shards."""
    return OutputFolder.claim(path, {"kind": "shards", **plan}, overwrite=overwrite)


def write_task(folder: OutputFolder, name: str = "a.arrow", task: tuple[str, int] = ("a", 1)) -> None:
    """Write a task's file and its receipt."""
    write_text(folder.path / name, "content")
    entry: Entry = {"name": name, "bytes": 7, "sha256": sha256_of(folder.path / name)}
    folder.receipts.write(name, task, {"shard": entry, "statistics": {}})


def test_a_finished_task_is_found_again(tmp_path: Path) -> None:
    """A receipt holds for the same task and an untouched file only."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    with claim(tmp_path / "out") as folder:
        assert folder.receipts.read("a.arrow", ("a", 1)) is not None
        assert folder.receipts.read("a.arrow", ("a", 2)) is None
        assert folder.receipts.read("b.arrow", ("a", 1)) is None
        write_text(folder.path / "a.arrow", "CONTENT")
        assert folder.receipts.read("a.arrow", ("a", 1)) is None


def test_a_failure_takes_away_what_was_half_written(tmp_path: Path) -> None:
    """One worker fails, and the others are stopped in the midst of their files: only finished ones stay."""
    with pytest.raises(OSError, match="disk"), claim(tmp_path / "out") as folder:
        write_task(folder)
        (folder.path / ".b.arrow.partial-1-abc").write_text("half")
        raise OSError("disk is full")
    assert not list((tmp_path / "out").glob(".b.arrow*"))
    assert (tmp_path / "out" / "a.arrow").exists()


def test_another_plan_is_refused_with_the_difference(tmp_path: Path) -> None:
    """The first differing options are named with both values; --overwrite starts anew."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    other: Plan = {**PLAN, "options": {"seed": 2, "vocab_size": 100}}
    with pytest.raises(OutputError, match=r"options\.seed 1 instead of 2.*--overwrite"):
        claim(tmp_path / "out", other)
    with claim(tmp_path / "out", other, overwrite=True) as folder:
        assert not (folder.path / "a.arrow").exists()


def test_a_finished_folder_is_not_made_again(tmp_path: Path) -> None:
    """The same plan finds it finished; another plan is refused; overwrite makes it anew."""
    with claim(tmp_path / "out") as folder:
        folder.finish(MANIFEST)
    assert not (tmp_path / "out" / UNFINISHED).exists()
    with claim(tmp_path / "out") as folder:
        assert folder.is_finished
    with pytest.raises(OutputError, match=r"corpus 'abc' instead of 'xyz'"):
        claim(tmp_path / "out", {**PLAN, "corpus": "xyz"})
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert not folder.is_finished


def test_what_a_lost_worker_had_begun_is_removed(tmp_path: Path) -> None:
    """A finished folder holds no half-written file of a worker that was killed while the run went on."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
        (tmp_path / "out" / ".b.arrow.partial-1-abc").write_text("half")
        (tmp_path / "out" / "tokens").mkdir()
        folder.set_aside("tokens")
        folder.finish(MANIFEST)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.arrow", "manifest.json"}


def test_what_an_overwriting_run_left_behind_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run killed while it removes the old folder leaves it renamed; the next claim takes it away."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
        folder.finish(MANIFEST)
    (tmp_path / "out2").mkdir()
    for name in (".out2.partial-1", ".neighbour.partial-1"):  # of other folders
        (tmp_path / name).mkdir()
    (tmp_path / ".out.partial-1-abc").write_text("a file, which another run may be writing")

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("wpprep.storage.files.shutil.rmtree", die)
        claim(tmp_path / "out", overwrite=True)
    kept = {"out2", ".out2.partial-1", ".neighbour.partial-1", ".out.partial-1-abc"}
    assert len({path.name for path in tmp_path.iterdir()} - kept) == 1
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert not folder.is_finished
        assert {path.name for path in tmp_path.iterdir()} == kept | {"out"}


def test_two_may_remove_the_same_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that vanishes while its folder is removed, by another node, stops neither of them."""
    left = tmp_path / ".out.partial-1"
    left.mkdir()
    (left / "a").write_text("a")
    remove = shutil.rmtree
    calls: list[Path] = []

    def race(path: Path) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise FileNotFoundError(path)
        remove(path)

    monkeypatch.setattr("wpprep.storage.files.shutil.rmtree", race)
    with claim(tmp_path / "out"):
        assert calls == [left, left]
        assert not left.exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    """A folder that holds something else, or a file, is refused even with overwrite."""
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds something else \(thesis\.tex\)"):
            claim(tmp_path, overwrite=overwrite)
    with pytest.raises(OutputError, match="is a file"):
        claim(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_two_runs_on_one_folder_do_not_meet(tmp_path: Path) -> None:
    """The second run is refused while the first is at work, also with overwrite."""
    with claim(tmp_path / "out"):
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="another run is at work"):
                claim(tmp_path / "out", overwrite=overwrite)


def test_a_run_that_fails_before_any_task_leaves_nothing(tmp_path: Path) -> None:
    """An error at the start removes the folder that the run made."""
    with pytest.raises(RuntimeError), claim(tmp_path / "out"):
        raise RuntimeError
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_later_keeps_what_is_done(tmp_path: Path) -> None:
    """Receipts survive an error, for the same command to go on."""
    with pytest.raises(RuntimeError), claim(tmp_path / "out") as folder:
        write_task(folder)
        raise RuntimeError
    with claim(tmp_path / "out") as folder:
        assert folder.receipts.read("a.arrow", ("a", 1)) is not None


def test_a_damaged_plan_is_an_error_in_one_line(tmp_path: Path) -> None:
    """What a crash of the disk left of the plan is named, not tripped over."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    (tmp_path / "out" / UNFINISHED / "plan.json").write_text('{"kind": "sha')
    with pytest.raises(OutputError, match=r"plan\.json: damaged"):
        claim(tmp_path / "out")
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert json.loads((folder.path / UNFINISHED / "plan.json").read_text())["corpus"] == "abc"


def finished(path: Path) -> Path:
    """A finished folder of one file."""
    with claim(path) as folder:
        write_task(folder)
        folder.finish(MANIFEST)
    return path


def test_a_linked_folder_is_overwritten_and_stays_a_link(tmp_path: Path) -> None:
    """The contents of the target are replaced, and the next command can use the name again."""
    (tmp_path / "scratch").mkdir()
    out = tmp_path / "out"
    out.symlink_to("scratch")
    finished(out)
    for _ in range(2):
        with claim(out, overwrite=True) as folder:
            assert out.is_symlink()
            assert not (folder.path / "a.arrow").exists()
            write_task(folder, "b.arrow")
            folder.finish(MANIFEST)
        assert {path.name for path in (tmp_path / "scratch").iterdir()} == {"b.arrow", "manifest.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"out", "scratch"}


def refuse_renames(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder one that cannot be renamed, as a mounted volume."""
    replace = os.replace

    def refusing(source: Any, target: Any) -> None:
        if Path(source) == path:
            raise OSError(errno.EBUSY, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr("wpprep.storage.files.os.replace", refusing)


def test_a_folder_that_cannot_be_renamed_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--overwrite of a mounted volume starts with an empty folder; a run begun in vain leaves it empty."""
    out = finished(tmp_path / "out")
    refuse_renames(out, monkeypatch)
    with claim(out, overwrite=True) as folder:
        assert {path.name for path in out.iterdir()} == {UNFINISHED}
        folder.finish(MANIFEST)
    with pytest.raises(RuntimeError, match="first error"), claim(out, overwrite=True):
        raise RuntimeError("first error")
    assert list(out.iterdir()) == []


def test_a_run_killed_while_it_empties_a_folder_leaves_one_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest goes first and the mark of unfinished work last, so that the next run may go on."""
    out = finished(tmp_path / "out")
    refuse_renames(out, monkeypatch)

    def die(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr(files, "remove_aside", die)
        claim(out, overwrite=True)
    assert not (out / "manifest.json").exists()
    with claim(out, overwrite=True) as folder:
        assert not folder.is_finished


def test_cleaning_up_does_not_hide_the_first_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be removed after an error is logged, and the error itself is raised."""

    def refuse(folder: Path) -> None:
        raise OutputError(f"{folder}: cannot be removed")

    monkeypatch.setattr(output, "remove_folder", refuse)
    with (
        caplog.at_level(logging.WARNING),
        pytest.raises(RuntimeError, match="first error"),
        claim(tmp_path / "out"),
    ):
        raise RuntimeError("first error")
    assert "could not be removed" in caplog.text


def test_the_lock_is_closed_before_it_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On NFS and FUSE a file that is open keeps a name when it is removed, and its folder cannot be removed."""
    seen: list[bool] = []
    locks: list[IO[bytes]] = []

    def lock_folder(folder: Path, *, is_shared: bool) -> IO[bytes]:
        locks.append(lock.lock_folder(folder, is_shared=is_shared))
        return locks[-1]

    monkeypatch.setattr(output, "lock_folder", lock_folder)
    with claim(tmp_path / "out") as folder:

        def look(path: Path) -> None:
            seen.append(locks[-1].closed)
            files.remove_aside(path)

        monkeypatch.setattr(output, "remove_aside", look)
        folder.finish(MANIFEST)
    assert seen == [True]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"manifest.json"}


def test_a_folder_in_which_a_file_is_open_is_left_to_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder that stays not empty, because an open file has kept a name in it, is a warning and no error."""
    (tmp_path / ".out.partial-1").mkdir()

    def keep(path: Path) -> None:
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    with monkeypatch.context() as on_nfs, caplog.at_level(logging.WARNING):
        on_nfs.setattr("wpprep.storage.files.shutil.rmtree", keep)
        finished(tmp_path / "out")
    assert "still open" in caplog.text
    with claim(tmp_path / "out") as folder:
        assert folder.is_finished
    assert {path.name for path in tmp_path.iterdir()} == {"out"}


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", '{"task": 1}', '{"receipt": {}}', '{"task": "x", "receipt": 7}']
)
def test_a_damaged_receipt_counts_as_none(tmp_path: Path, damage: str) -> None:
    """Its task is run again."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
        (folder.path / UNFINISHED / "a.arrow.json").write_text(damage)
        assert folder.receipts.read("a.arrow", ("a", 1)) is None


def test_a_link_in_the_place_of_the_lock_is_refused(tmp_path: Path) -> None:
    """Its target keeps its contents."""
    (tmp_path / "mine").write_text("years of work")
    (tmp_path / "out" / UNFINISHED).mkdir(parents=True)
    (tmp_path / "out" / UNFINISHED / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="cannot be written"):
        claim(tmp_path / "out")
    assert (tmp_path / "mine").read_text() == "years of work"
