"""Input rows of a model, and batches of rows of similar length, padded to a multiple of 8.

[CLS] A [SEP]              segment 0
[CLS] A [SEP] B [SEP]      segment 0 up to the first [SEP], then 1
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from wpprep.records import Ints, TokenRoles
from wpprep.rng import BATCH_ORDER, key, permutation

_MULTIPLE = 8  # lengths that matrix products on a GPU handle fast


class Part(NamedTuple):
    """One sequence: its ids, special tokens included, and the start of B (its length without B)."""

    ids: list[int]
    b_start: int


class Row(NamedTuple):
    """An input of the model: one sequence, or one for each choice.

    Attributes:
        parts: the sequences.
        target: the target of the loss, which depends on the task; None if it is unknown.
        marks: positions of the tokens in the text, which depend on the task.
        cut: number of tokens that were truncated.
    """

    parts: tuple[Part, ...]
    target: Any
    marks: Any = None
    cut: int = 0


def join(roles: TokenRoles, first: list[int], second: list[int] | None, longest: int) -> tuple[Part, int]:
    """Return the sequence of one or two texts, and the number of tokens truncated.

    Args:
        roles: the ids of special tokens.
        first: ids of the first text.
        second: ids of the second text, if there is one.
        longest: maximum number of tokens, special tokens included.
    """
    if second is None:
        kept = first[: longest - 2]
        return Part([roles.cls, *kept, roles.sep], len(kept) + 2), len(first) - len(kept)
    a, b = fit(len(first), len(second), longest - 3)
    ids = [roles.cls, *first[:a], roles.sep, *second[:b], roles.sep]
    return Part(ids, a + 2), len(first) + len(second) - a - b


def fit(first: int, second: int, room: int) -> tuple[int, int]:
    """Return two lengths that fit in the room; the longer text is truncated first (BERT's run_classifier.py).

    >>> fit(10, 4, 9), fit(3, 4, 9), fit(10, 10, 9)
    ((5, 4), (3, 4), (4, 5))
    """
    if first + second <= room:
        return first, second
    half = room // 2
    if second <= half:
        return room - second, second
    if first <= half:
        return first, room - first
    return half, room - half


def length_of(row: Row) -> int:
    """Return the length of a row's longest sequence, in tokens."""
    return max(len(part.ids) for part in row.parts)


def plan_batches(rows: Sequence[Row], batch_size: int, bins: int, seed: int, epoch: int) -> list[Ints]:
    """Return the batches of an epoch: rows are shuffled, sorted by length within windows, batches shuffled.

    Args:
        rows: the rows.
        batch_size: maximum number of rows in a batch.
        bins: number of batches in a window within which rows are sorted by length.
        seed: seed of the order.
        epoch: number of the epoch; each has its own order.

    Returns:
        Indices of the rows of each batch, ``int64[n]``.
    """
    order = permutation(len(rows), np.uint64(key(seed, BATCH_ORDER, epoch, 0)))
    size = batch_size * bins
    batches = [
        batch
        for start in range(0, len(rows), size)
        for batch in sorted_batches(rows, order[start : start + size], batch_size)
    ]
    return [batches[i] for i in permutation(len(batches), np.uint64(key(seed, BATCH_ORDER, epoch, 1)))]


def sorted_batches(rows: Sequence[Row], chosen: Ints, batch_size: int) -> Iterator[Ints]:
    """Yield the chosen rows in batches of similar length; all rows of a batch have the same number of parts."""
    lengths = np.array([length_of(rows[i]) for i in chosen])
    parts = np.array([len(rows[i].parts) for i in chosen])
    ranked = chosen[np.lexsort((lengths, parts))]
    changes = np.flatnonzero(np.diff(np.sort(parts))) + 1
    for same in np.split(ranked, changes):
        for start in range(0, len(same), batch_size):
            yield same[start : start + batch_size]


def collate(rows: Sequence[Row], pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Return the arguments of a model's forward pass: ``int64[rows * parts, length]`` each."""
    parts = [part for row in rows for part in row.parts]
    longest = max(len(part.ids) for part in parts)
    length = -(-longest // _MULTIPLE) * _MULTIPLE
    ids = np.full((len(parts), length), pad, np.int64)
    segments, mask = np.zeros_like(ids), np.zeros_like(ids)
    for i, part in enumerate(parts):
        n = len(part.ids)
        ids[i, :n], segments[i, part.b_start : n], mask[i, :n] = part.ids, 1, 1
    arrays = {"input_ids": ids, "token_type_ids": segments, "attention_mask": mask}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
