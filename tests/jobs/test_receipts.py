"""Receipts: kept for the same task and untouched files, never for a file that is not visible here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wpprep.errors import OutputError
from wpprep.jobs import receipts
from wpprep.jobs.plans import Receipt, entry_of
from wpprep.jobs.receipts import Receipts, ReceiptStore
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import File


@pytest.fixture
def store(tmp_path: Path) -> ReceiptStore:
    """The receipts of an empty output folder, which is the test's own."""
    (tmp_path / ".unfinished").mkdir()
    return ReceiptStore(tmp_path)


def written(path: Path, text: str = "rows") -> Receipt:
    """Write a task's file and return its receipt."""
    path.write_text(text)
    return {"shard": entry_of(File(path.name, len(text), sha256_of(path)))}


def test_a_receipt_is_json_with_the_task(store: ReceiptStore, tmp_path: Path) -> None:
    """The layout on disk is that of the module's docstring; reading gives the receipt back."""
    receipt = written(tmp_path / "a.arrow")
    store.write("a.arrow", ("a", 1), receipt)
    note = json.loads((tmp_path / ".unfinished" / "a.arrow.json").read_text())
    assert note == {"task": "('a', 1)", "receipt": receipt}
    assert store.read("a.arrow", ("a", 1)) == receipt
    assert store.read("a.arrow", ("a", 2)) is None
    assert store.read("b.arrow", ("a", 1)) is None


def test_a_file_that_differs_counts_only_where_it_is_trusted(store: ReceiptStore, tmp_path: Path) -> None:
    """A file of the same size with other bytes is found, unless files are not to be read."""
    store.write("a.arrow", 1, written(tmp_path / "a.arrow"))
    (tmp_path / "a.arrow").write_text("ROWS")
    assert store.read("a.arrow", 1) is None
    assert store.read("a.arrow", 1, is_trusted=True) is not None


def test_all_files_of_a_task_are_checked(store: ReceiptStore, tmp_path: Path) -> None:
    """Of a task with several files each must be as it was written."""
    entries = [written(tmp_path / name)["shard"] for name in ("a.arrow", "b.arrow")]
    store.write("slice-0", 1, {"shards": entries})
    assert store.read("slice-0", 1) is not None
    (tmp_path / "b.arrow").unlink()
    assert store.read("slice-0", 1) is None


def test_a_file_that_is_not_visible_has_no_receipt(
    store: ReceiptStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with another folder of the same name is an error before the receipt is written."""
    monkeypatch.setattr(receipts, "LATE", ())
    receipt = written(tmp_path / "a.arrow")
    (tmp_path / "a.arrow").unlink()
    with pytest.raises(OutputError, match=r"a\.arrow: was written, and is not here"):
        store.write("a.arrow", 1, receipt)
    assert list((tmp_path / ".unfinished").iterdir()) == []


def test_a_file_may_be_late(store: ReceiptStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that a network file system shows after the first pause is waited for."""
    receipt = written(tmp_path / "a.arrow")
    (tmp_path / "a.arrow").unlink()
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if seconds:
            written(tmp_path / "a.arrow")

    monkeypatch.setattr("wpprep.jobs.receipts.time.sleep", sleep)
    store.write("a.arrow", 1, receipt)
    assert pauses == [0, 1]
    assert store.read("a.arrow", 1) == receipt


def test_receipts_come_in_the_order_of_the_tasks(store: ReceiptStore, tmp_path: Path) -> None:
    """Whatever the order in which tasks ended, and as often as they are read."""
    for name in ("b", "a"):
        store.write(name, name, written(tmp_path / name, name))
    found = Receipts(store, {"a": "a", "b": "b"})
    assert len(found) == 2
    for _ in range(2):
        assert [receipt["shard"]["name"] for receipt in found] == ["a", "b"]
