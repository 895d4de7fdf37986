"""Receipts and manifest entries: from plain values to files and back."""

from __future__ import annotations

from wpprep.jobs.plans import Receipt, entries_of, entry_of, files_in
from wpprep.storage.manifest import File, Shard

FILE = File("words.txt", 10, "aa")
SHARD = Shard("shard-0.arrow", 3, 40, 1300, "bb")


def test_entries_are_plain_values() -> None:
    """A file of rows has its rows and tokens in the entry, another file has not."""
    assert entry_of(FILE) == {"name": "words.txt", "bytes": 10, "sha256": "aa"}
    assert entry_of(SHARD) == {
        "name": "shard-0.arrow", "rows": 3, "tokens": 40, "bytes": 1300, "sha256": "bb"
    }  # fmt: skip


def test_a_task_has_one_file_several_or_none() -> None:
    """A single file has the name of its task; several have the names of their entries."""
    assert entries_of("task", {"shard": entry_of(FILE)}) == {"task": entry_of(FILE)}
    several: Receipt = {"shards": [entry_of(FILE), entry_of(SHARD)]}
    assert list(entries_of("task", several)) == ["words.txt", "shard-0.arrow"]
    assert entries_of("task", {"statistics": {}}) == {}


def test_files_of_receipts_keep_their_order_and_type() -> None:
    """Entries become files and shards again, task by task."""
    receipts: list[Receipt] = [{"shards": [entry_of(SHARD), entry_of(FILE)]}, {"shard": entry_of(SHARD)}]
    assert files_in(receipts) == [SHARD, FILE, SHARD]
