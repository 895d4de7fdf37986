"""Output folders: claimed, resumed, refused, finished."""

import json
import shutil

import pytest

from wpprep.errors import OutputError
from wpprep.jobs.output import UNFINISHED, OutputFolder
from wpprep.storage.files import sha256_of, write_text
from wpprep.storage.manifest import Manifest

PLAN = {"options": {"seed": 1, "vocab_size": 100}, "vocabulary": None, "corpus": "abc"}
MANIFEST = Manifest(kind="shards", options=PLAN["options"], files=[], corpus={"identity": "abc"})


def claim(path, plan=PLAN, overwrite=False):
    return OutputFolder.claim(path, "shards", plan, overwrite=overwrite)


def write_task(folder, name="a.arrow", task=("a", 1)):
    write_text(folder.path / name, "content")
    entry = {"bytes": 7, "sha256": sha256_of(folder.path / name)}
    folder.note(name, task, {"shard": entry, "statistics": {}})


def test_a_finished_task_is_found_again(tmp_path):
    """A receipt holds for the same task and an untouched file only."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    with claim(tmp_path / "out") as folder:
        assert folder.receipt("a.arrow", ("a", 1)) is not None
        assert folder.receipt("a.arrow", ("a", 2)) is None
        assert folder.receipt("b.arrow", ("a", 1)) is None
        write_text(folder.path / "a.arrow", "CONTENT")
        assert folder.receipt("a.arrow", ("a", 1)) is None


def test_a_failure_takes_away_what_was_half_written(tmp_path):
    """One worker fails, and the others are stopped in the midst of their files: only finished ones stay."""
    with pytest.raises(OSError, match="disk"), claim(tmp_path / "out") as folder:
        write_task(folder)
        (folder.path / ".b.arrow.partial-1-abc").write_text("half")
        raise OSError("disk is full")
    assert not list((tmp_path / "out").glob(".b.arrow*"))
    assert (tmp_path / "out" / "a.arrow").exists()


def test_another_plan_is_refused_with_the_difference(tmp_path):
    """The first differing options are named with both values; --overwrite starts anew."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    other = PLAN | {"options": {"seed": 2, "vocab_size": 100}}
    with pytest.raises(OutputError, match=r"options\.seed 1 instead of 2.*--overwrite"):
        claim(tmp_path / "out", other)
    with claim(tmp_path / "out", other, overwrite=True) as folder:
        assert not (folder.path / "a.arrow").exists()


def test_a_finished_folder_is_not_made_again(tmp_path):
    """The same plan finds it finished; another plan is refused; overwrite makes it anew."""
    with claim(tmp_path / "out") as folder:
        folder.finish(MANIFEST)
    assert not (tmp_path / "out" / UNFINISHED).exists()
    with claim(tmp_path / "out") as folder:
        assert folder.is_finished
    with pytest.raises(OutputError, match=r"corpus 'abc' instead of 'xyz'"):
        claim(tmp_path / "out", PLAN | {"corpus": "xyz"})
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert not folder.is_finished


def test_what_a_lost_worker_had_begun_is_removed(tmp_path):
    """A finished folder holds no half-written file of a worker that was killed while the run went on."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
        (tmp_path / "out" / ".b.arrow.partial-1-abc").write_text("half")
        (tmp_path / "out" / "tokens").mkdir()
        folder.set_aside("tokens")
        folder.finish(MANIFEST)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.arrow", "manifest.json"}


def test_what_an_overwriting_run_left_behind_is_removed(tmp_path, monkeypatch):
    """A run killed while it removes the old folder leaves it renamed; the next claim takes it away."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
        folder.finish(MANIFEST)
    (tmp_path / "out2").mkdir()
    for name in (".out2.partial-1", ".neighbour.partial-1"):  # of other folders
        (tmp_path / name).mkdir()
    (tmp_path / ".out.partial-1-abc").write_text("a file, which another run may be writing")

    def die(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed, pytest.raises(KeyboardInterrupt):
        killed.setattr("wpprep.storage.files.shutil.rmtree", die)
        claim(tmp_path / "out", overwrite=True)
    kept = {"out2", ".out2.partial-1", ".neighbour.partial-1", ".out.partial-1-abc"}
    assert len({path.name for path in tmp_path.iterdir()} - kept) == 1
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert not folder.is_finished
        assert {path.name for path in tmp_path.iterdir()} == kept | {"out"}


def test_two_may_remove_the_same_remains(tmp_path, monkeypatch):
    """A file that vanishes while its folder is removed, by another node, stops neither of them."""
    left = tmp_path / ".out.partial-1"
    left.mkdir()
    (left / "a").write_text("a")
    remove, calls = shutil.rmtree, []

    def race(path):
        calls.append(path)
        if len(calls) == 1:
            raise FileNotFoundError(path)
        remove(path)

    monkeypatch.setattr("wpprep.storage.files.shutil.rmtree", race)
    with claim(tmp_path / "out"):
        assert calls == [left, left]
        assert not left.exists()


def test_folders_of_others_are_left_alone(tmp_path):
    """A folder that holds something else, or a file, is refused even with overwrite."""
    (tmp_path / "thesis.tex").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match=r"holds something else \(thesis\.tex\)"):
            claim(tmp_path, overwrite=overwrite)
    with pytest.raises(OutputError, match="is a file"):
        claim(tmp_path / "thesis.tex")
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_two_runs_on_one_folder_do_not_meet(tmp_path):
    """The second run is refused while the first is at work, also with overwrite."""
    with claim(tmp_path / "out"):
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="another run is at work"):
                claim(tmp_path / "out", overwrite=overwrite)


def test_a_run_that_fails_before_any_task_leaves_nothing(tmp_path):
    """An error at the start removes the folder that the run made."""
    with pytest.raises(RuntimeError), claim(tmp_path / "out"):
        raise RuntimeError
    assert not (tmp_path / "out").exists()


def test_a_run_that_fails_later_keeps_what_is_done(tmp_path):
    """Receipts survive an error, for the same command to go on."""
    with pytest.raises(RuntimeError), claim(tmp_path / "out") as folder:
        write_task(folder)
        raise RuntimeError
    with claim(tmp_path / "out") as folder:
        assert folder.receipt("a.arrow", ("a", 1)) is not None


def test_a_damaged_plan_is_an_error_in_one_line(tmp_path):
    """What a crash of the disk left of the plan is named, not tripped over."""
    with claim(tmp_path / "out") as folder:
        write_task(folder)
    (tmp_path / "out" / UNFINISHED / "plan.json").write_text('{"kind": "sha')
    with pytest.raises(OutputError, match=r"plan\.json: damaged"):
        claim(tmp_path / "out")
    with claim(tmp_path / "out", overwrite=True) as folder:
        assert json.loads((folder.path / UNFINISHED / "plan.json").read_text())["corpus"] == "abc"
