"""What is different between two shard folders: options, statistics, and the first row that is not the same.

Rows are compared in the order of their numbers, whatever shards they lie in, and as bytes: ids, positions,
labels. Nothing is held but 4,096 rows of each folder; shards with equal checksums are not read at all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from wpprep.inspection.find_rows import Block, OpenShards, as_data, blocks, open_shards
from wpprep.records import InstanceBatch, Ints
from wpprep.shards.format import slice_rows

_COLUMNS = ("b_start", "next_sentence_label", "document")
_LISTS = {"input_ids": "offsets", "mlm_positions": "mlm_offsets", "mlm_labels": "mlm_offsets"}


def find_differences(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> dict[str, Any]:
    """Two shard folders side by side, as plain data.

    Returns:
        ``options``: those that differ, by name, of either folder. ``statistics``: all numbers, by name, of
        either. ``vocabulary``: both identities. ``same_files``: whether the shards are equal byte by byte.
        ``first``: of the first row that differs its number and its instances (one, where the other folder has
        ended, which is None then); None if there is no such row.

    Raises:
        MissingInputError, ShardError: see `open_shards`.
    """
    both = (open_shards(one), open_shards(other))
    options, statistics = (
        [getattr(shards.manifest, name) for shards in both] for name in ("options", "statistics")
    )
    files = [[(file.rows, file.sha256) for file in shards.files] for shards in both]
    return {
        "kind": "comparison",
        "paths": [str(shards.path) for shards in both],
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


def _first_difference(one: OpenShards, other: OpenShards) -> dict[str, Any] | None:
    """The first row that is not the same in both, with what it is in either."""
    for left, right in _side_by_side(one, other):
        rows = min(len(left.batch), len(right.batch))
        differs = np.flatnonzero(_rows_that_differ(left.batch, right.batch))
        if len(differs):
            row = int(differs[0])
            return {
                "row": left.first + row,
                "instances": [as_data(one, left, row), as_data(other, right, row)],
            }
        at = left.first + rows
    at = min(one.rows, other.rows)
    if one.rows == other.rows:
        return None
    longer = one if one.rows > other.rows else other
    block = next(block for block in blocks(longer) if block.first <= at < block.first + len(block.batch))
    instance = as_data(longer, block, at - block.first)
    return {"row": at, "instances": [instance, None] if longer is one else [None, instance]}


def _side_by_side(one: OpenShards, other: OpenShards) -> Iterator[tuple[Block, Block]]:
    """Blocks of as many rows each, row by row, to the end of the shorter."""
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


def _rows_that_differ(one: InstanceBatch, other: InstanceBatch) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """``bool[rows]`` of two batches of as many rows."""
    differs = np.zeros(len(one), np.bool_)
    for name in _COLUMNS:
        differs |= getattr(one, name) != getattr(other, name)
    for name, offsets in _LISTS.items():
        differs |= _lists_that_differ(
            getattr(one, name), getattr(one, offsets), getattr(other, name), getattr(other, offsets)
        )
    return differs


def _lists_that_differ(
    values: Any, offsets: Ints, others: Any, other_offsets: Ints
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    lengths = np.diff(offsets)
    differs = lengths != np.diff(other_offsets)
    if differs.any():  # behind the first such row nothing needs to be known
        rows = int(differs.argmax())
        values, others, lengths = values[: offsets[rows]], others[: offsets[rows]], lengths[:rows]
    of_row = np.repeat(np.arange(len(lengths)), lengths)
    differs[of_row[values != others]] = True
    return np.asarray(differs)
