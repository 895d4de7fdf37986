"""The state of a folder: its plan, its lock, and foreign contents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wpprep.errors import OutputError
from wpprep.jobs.lock import difference, found_plan, lock_folder, refuse_foreign
from wpprep.storage.manifest import Manifest, write_manifest


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    """A missing or empty folder, or one of wpprep, passes; any other folder, and a file, is refused."""
    refuse_foreign(tmp_path / "none")
    refuse_foreign(tmp_path)
    (tmp_path / "a").touch()
    with pytest.raises(OutputError, match=r"holds something else \(a\)"):
        refuse_foreign(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        refuse_foreign(tmp_path / "a")
    (tmp_path / ".unfinished").mkdir()
    refuse_foreign(tmp_path)


def test_the_plan_is_that_of_the_work_or_of_the_manifest(tmp_path: Path) -> None:
    """The plan of unfinished work comes first; a finished folder has the plan of its manifest."""
    assert found_plan(tmp_path, overwrite=False) is None
    write_manifest(tmp_path, Manifest(kind="text", options={"a": 1}, files=[], corpus={"identity": "c"}))
    plan = {"kind": "text", "options": {"a": 1}, "vocabulary": None, "corpus": "c"}
    assert found_plan(tmp_path, overwrite=False) == plan
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "plan.json").write_text(json.dumps({"kind": "tokens"}))
    assert found_plan(tmp_path, overwrite=False) == {"kind": "tokens"}


def test_a_damaged_plan_is_named_or_overwritten(tmp_path: Path) -> None:
    """A damaged manifest is an error that names the way out; with overwrite it is a plan of another kind."""
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(OutputError, match=r"damaged \(.*\); use --overwrite"):
        found_plan(tmp_path, overwrite=False)
    assert found_plan(tmp_path, overwrite=True) == {"kind": "damaged"}


def test_a_lock_is_held_alone_or_shared(tmp_path: Path) -> None:
    """Nodes share a lock; a lone run has it alone, until it is closed."""
    (tmp_path / ".unfinished").mkdir()
    refused = "another run is at work"
    with lock_folder(tmp_path, is_shared=True), lock_folder(tmp_path, is_shared=True):  # noqa: SIM117
        with pytest.raises(OutputError, match=refused):
            lock_folder(tmp_path, is_shared=False)
    with lock_folder(tmp_path, is_shared=False), pytest.raises(OutputError, match=refused):
        lock_folder(tmp_path, is_shared=True)
    lock_folder(tmp_path, is_shared=False).close()


def test_the_difference_of_plans_is_short() -> None:
    """Another kind is named first; else up to three values, in the order of their names."""
    wanted = {"kind": "shards", "options": {"a": 1, "b": 2, "c": 3, "d": 4}}
    assert difference({"kind": "text"}, wanted) == "a folder of kind text, not shards"
    found = {"kind": "shards", "options": {"d": 0, "c": 0, "a": 1, "b": 0}, "corpus": "x"}
    assert difference(found, wanted) == (
        "the work of another command: corpus 'x' instead of None, options.b 0 instead of 2, "
        "options.c 0 instead of 3"
    )
