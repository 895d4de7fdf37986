"""The differences between two shard folders: options, statistics, and the first row that differs.

Rows are compared by number, in whatever shards they are, and column by column: ids, positions, labels. Memory
is that of 4,096 rows of each folder. If the shards of both have equal checksums, no row is read.

This module does not align rows: after an inserted row, every later row differs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from wpprep.inspection.find_rows import Block, Instance, as_instance, blocks, by_number, readable
from wpprep.records import InstanceBatch, Ints
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import slice_rows

_COLUMNS = ("b_start", "next_sentence_label", "document")
_LISTS = {"input_ids": "offsets", "mlm_positions": "mlm_offsets", "mlm_labels": "mlm_offsets"}


class Difference(TypedDict):
    """The first row that differs.

    Attributes:
        row: its number over all shards.
        instances: the row in each folder; None for a folder with fewer rows.
    """

    row: int
    instances: list[Instance | None]


class Comparison(TypedDict):
    """Two shard folders side by side; every pair is a list of two, in the order of the folders.

    Attributes:
        kind: ``comparison``, as in the other results of `terminal.as_data`.
        paths: the folders.
        vocabulary: the identities of their vocabularies.
        corpus: the fingerprints of their corpora.
        options: the options that differ, by name.
        statistics: all numbers in the statistics of either folder, by name; None for a missing one.
        same_files: whether the shards have equal checksums.
        first: the first row that differs; None if all rows are equal.
    """

    kind: Literal["comparison"]
    paths: list[str]
    vocabulary: list[str | None]
    corpus: list[str | None]
    options: dict[str, list[Any]]
    statistics: dict[str, list[Any]]
    same_files: bool
    first: Difference | None


def find_differences(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> Comparison:
    """Compare two shard folders, or two shard files.

    Raises:
        MissingInputError, ShardError: a folder cannot be opened (see `ShardFolder`), or a shard is missing or
            damaged.
    """
    both = (ShardFolder(one), ShardFolder(other))
    options, statistics = (
        [getattr(shards.manifest, name) for shards in both] for name in ("options", "statistics")
    )
    files = [[(file.rows, file.sha256) for file in shards.files] for shards in both]
    return {
        "kind": "comparison",
        "paths": [str(shards.location) for shards in both],
        "vocabulary": [shards.manifest.vocabulary for shards in both],
        "corpus": [shards.manifest.corpus.get("fingerprint") for shards in both],
        "options": {name: pair for name, pair in _pairs(options[0], options[1]).items() if pair[0] != pair[1]},
        "statistics": {
            name: pair for name, pair in _pairs(statistics[0], statistics[1]).items() if _are_numbers(pair)
        },
        "same_files": files[0] == files[1],
        "first": None if files[0] == files[1] else _first_difference(*both),
    }


def _pairs(one: dict[str, Any], other: dict[str, Any]) -> dict[str, list[Any]]:
    return {name: [one.get(name), other.get(name)] for name in {**one, **other}}


def _are_numbers(pair: list[Any]) -> bool:
    return all(value is None or isinstance(value, (int, float)) for value in pair)


def _first_difference(one: ShardFolder, other: ShardFolder) -> Difference | None:
    """Return the first row that differs, as it is in either folder."""
    pieces, other_pieces = readable(one.vocabulary), readable(other.vocabulary)
    for left, right in _side_by_side(one, other):
        differs = np.flatnonzero(rows_that_differ(left.batch, right.batch))
        if len(differs):
            row = int(differs[0])
            return {
                "row": left.first + row,
                "instances": [
                    as_instance(one, left, row, pieces),
                    as_instance(other, right, row, other_pieces),
                ],
            }
    if len(one) == len(other):
        return None
    at = min(len(one), len(other))
    longer = one if len(one) > len(other) else other
    (instance,) = by_number(longer, [at])
    return {"row": at, "instances": [instance, None] if longer is one else [None, instance]}


def _side_by_side(one: ShardFolder, other: ShardFolder) -> Iterator[tuple[Block, Block]]:
    """Yield pairs of blocks of equal numbers and numbers of rows, to the end of the shorter folder."""
    lefts, rights = blocks(one), blocks(other)
    left, right = next(lefts, None), next(rights, None)
    while left and right:
        rows = min(len(left.batch), len(right.batch))
        yield _cut(left, 0, rows), _cut(right, 0, rows)
        left = _cut(left, rows) if rows < len(left.batch) else next(lefts, None)
        right = _cut(right, rows) if rows < len(right.batch) else next(rights, None)


def _cut(block: Block, start: int, stop: int | None = None) -> Block:
    batch = slice_rows(block.batch, start, len(block.batch) if stop is None else stop)
    return Block(block.file, block.first + start, block.start + start, batch)


def rows_that_differ(one: InstanceBatch, other: InstanceBatch) -> npt.NDArray[np.bool_]:
    """Return ``bool[rows]``, true where a column of two batches of equal numbers of rows differs."""
    differs = np.zeros(len(one), np.bool_)
    for name in _COLUMNS:
        differs |= getattr(one, name) != getattr(other, name)
    for name, offsets in _LISTS.items():
        differs |= _lists_that_differ(
            getattr(one, name), getattr(one, offsets), getattr(other, name), getattr(other, offsets)
        )
    return differs


def _lists_that_differ(
    values: npt.NDArray[Any], offsets: Ints, others: npt.NDArray[Any], other_offsets: Ints
) -> npt.NDArray[np.bool_]:
    lengths = np.diff(offsets)
    differs = lengths != np.diff(other_offsets)
    if differs.any():  # only the first row that differs matters: compare no row after it
        rows = int(differs.argmax())
        values, others, lengths = values[: offsets[rows]], others[: offsets[rows]], lengths[:rows]
    of_row = np.repeat(np.arange(len(lengths)), lengths)
    differs[of_row[values != others]] = True
    return np.asarray(differs)
