"""Plans, receipts and manifest entries: the records between a job and its tasks, as plain JSON values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NotRequired, TypedDict, cast

from wpprep.storage.manifest import File, Shard


class Plan(TypedDict):
    """Everything that the bytes of an output folder depend on: equal plans give equal bytes.

    The job adds ``kind``, the kind of the folder.
    """

    kind: NotRequired[str]
    options: dict[str, Any]  # data options by name
    vocabulary: str | None  # sha256 of tokenizer.json
    corpus: Any  # identity of the inputs: a sha256, or one for each file


class Entry(TypedDict):
    """A manifest entry of a written file; a file of rows has ``rows`` and ``tokens``."""

    name: str
    bytes: int
    sha256: str
    rows: NotRequired[int]
    tokens: NotRequired[int]


class Receipt(TypedDict, total=False):
    """The record of a task that has written its files: their entries, and figures for the manifest."""

    shard: Entry  # the file of a task that writes one
    shards: Sequence[Entry]  # the files of a task that writes several
    statistics: dict[str, Any]  # sums of figures; nested dictionaries are summed by key
    of_bins: list[dict[str, Any]]  # statistics of each bin, in the order of `shards`
    tally: Any  # documents that filters left out (`corpus.filters.Tally`)
    learned: dict[str, Any]  # facts of the documents counted (`vocab.counting.counts.CorpusFacts`)
    held_out: dict[str, Any]  # facts of the documents held out
    found: Any  # result of a seed (`training.finetuning.tuning.SeedResult`)
    ends: list[int]  # documents of a survey table up to the end of each slice


def entry_of(file: File | Shard) -> Entry:
    """Return a manifest entry as plain values."""
    return cast(Entry, dataclasses.asdict(file))


def entries_of(name: str, receipt: Receipt) -> dict[str, Entry]:
    """Return the entries of the files that a task wrote, by name; ``name`` is that of a single file."""
    listed = {entry["name"]: entry for entry in receipt.get("shards", ())}
    return listed or ({name: receipt["shard"]} if "shard" in receipt else {})


def files_in(receipts: Iterable[Receipt]) -> list[File | Shard]:
    """Return the manifest entries of all files that tasks wrote, in the order of the tasks."""
    entries = [entry for receipt in receipts for entry in receipt.get("shards") or [receipt["shard"]]]
    return [Shard(**entry) if "rows" in entry else File(**entry) for entry in entries]  # type: ignore[misc]
