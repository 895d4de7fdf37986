"""From shards to NumPy batches: order, dynamic masks, padding, and a state that is one number.

    loader = Loader("shards", batch_size=256)
    for batch in loader:                      # one epoch; loader.forever() does not end
        batch.input_ids                       # int64[256, length]
    saved = loader.state_dict()               # resumes in O(1), also on another number of ranks

The order is a pure function of (seed, epoch, batch options), see `wpprep.shards.order`. The only state is the
number of batches that all ranks together have consumed:

    epoch 0                     epoch 1
    | 0 1 2 3 | 4 5 6 7 | 8 9 . 0 | 1 2 ...        rows of 10, batches of 4, tail "carry"
      rank 0    rank 1    rank 0                   world 2: rank r takes every second batch

This is a full shuffle over all shards, not one within a buffer. Rows are read at random places of memory-mapped
files, so that the shards should be in the page cache or on a disk with fast random reads.

This module does not import torch; `wpprep.training.pretraining.torch_data` makes tensors of the arrays.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.errors import OptionError
from wpprep.instances.masking import mask_batch
from wpprep.kernels import njit
from wpprep.records import InstanceBatch, Ints, Tokens
from wpprep.shards.folder import ShardFolder
from wpprep.shards.order import MULTIPLE, Order, Rows

PADDINGS = ("longest", "full")

Folder = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | ShardFolder


@dataclass(frozen=True)
class Batch:
    """The input of a model: padded arrays, all ``int64``, as PyTorch's embeddings and losses take them.

    Attributes:
        input_ids: ``[rows, length]``, [PAD] after the end of a row.
        token_type_ids: ``[rows, length]``, 1 in B.
        attention_mask: ``[rows, length]``, 0 at padding; None if nothing is padded.
        mlm_positions: ``[predictions]``, indices into the flattened batch: row * length + position.
        mlm_labels: ``[predictions]``, the original ids there.
        next_sentence_label: ``[rows]``, 1 where B is random (objective sop: where A and B are swapped).
        rows: ``[rows]``, global row numbers, which identify the instances.
        tokens: number of tokens without padding.
    """

    input_ids: Ints
    token_type_ids: Ints
    attention_mask: Ints | None
    mlm_positions: Ints
    mlm_labels: Ints
    next_sentence_label: Ints
    rows: Ints
    tokens: int

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


class Loader:
    """Batches of one or several shard folders, in a keyed order.

    Args:
        folder: a shard folder, several with one vocabulary, or an open `ShardFolder`.
        batch_size: number of rows per batch; either this or ``batch_tokens`` must be given.
        batch_tokens: maximum number of tokens per batch with padding: rows times length.
        bins: number of batches in a window. The rows of a window are sorted by length before they are cut into
            batches, which reduces padding; an epoch is then complete to the window, not to the batch.
            [default: 1 with ``batch_size``, which is the plain shuffle, else 64]
        weights: with several folders, the relative number of rows from each. Without weights every row of
            every folder occurs once per epoch; with weights each folder has its own epochs, and an epoch of the
            loader is as many rows as all folders have.
        seed: seed of the order and of dynamic masks.
        rank: index of this process, which takes the batches ``rank``, ``rank + world`` and so on.
        world: number of processes. The list of batches is the same for any ``world``. An epoch ends at the same
            step for every rank; if ``world`` does not divide the number of batches, the last step of an epoch
            contains the first batches of the next, which are not repeated.
        pad_to: ``longest`` pads to the longest row of a batch, rounded up to a multiple of 8; ``full`` pads to
            the maximum length of the shards.
        tail: use of the rows after the last full batch of an epoch. ``carry``: the batch is filled from the
            next epoch, so that every row occurs once per epoch and all batches are full; ``drop``: they are
            omitted, different ones in each epoch; ``keep``: they make a short batch.
        exclude: ``int64``, sorted global rows that do not occur, such as those of `ShardFolder.held_out`.

    Attributes:
        folder: the open shard folders.
        order: the list of batches.
        rows: number of rows without the excluded ones.
        consumed: number of batches that all ranks together have consumed.

    Raises:
        MissingInputError: a folder is missing or unfinished.
        ShardError: a folder or a shard is damaged, see `ShardFolder`.
        OptionError: an argument is out of range, or the folders have different options.
    """

    def __init__(
        self,
        folder: Folder,
        *,
        batch_size: int | None = None,
        batch_tokens: int | None = None,
        bins: int | None = None,
        weights: Sequence[float] | None = None,
        seed: int = 12345,
        rank: int = 0,
        world: int = 1,
        pad_to: str = "longest",
        tail: str = "carry",
        exclude: Ints | None = None,
    ) -> None:
        """Open the folders, map their shards and set the order; see the class for the arguments."""
        if not 0 <= rank < world:
            raise OptionError(f"rank is {rank} of world {world}, expected 0 to {world - 1}")
        if pad_to not in PADDINGS:
            raise OptionError(f"pad_to is {pad_to!r}, expected one of {', '.join(PADDINGS)}")
        self.folder = _open_folder(folder)
        self.folder.check()
        self.seed, self.rank, self.world, self.pad_to = seed, rank, world, pad_to
        self.order = Order(
            self.folder,
            batch_size=batch_size,
            batch_tokens=batch_tokens,
            bins=bins,
            seed=seed,
            tail=tail,
            exclude=np.empty(0, np.int64) if exclude is None else exclude,
            weights=weights,
            full=pad_to == "full",
        )
        self.rows = self.order.rows
        self.consumed = 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield this rank's batches to the end of the current epoch."""
        epoch = self.epoch
        while self.epoch == epoch:
            yield self.next_batch()

    def forever(self) -> Iterator[Batch]:
        """Yield this rank's batches without end, epoch after epoch."""
        while True:
            yield self.next_batch()

    def next_batch(self) -> Batch:
        """Return this rank's batch of the next step, and advance the state by one batch per rank."""
        batch = self.assemble(*self.rows_of(self.consumed + self.rank))
        self.consumed += self.world
        return batch

    @property
    def epoch(self) -> int:
        """The epoch, from 0, in which the next step starts."""
        return self.order.epoch(self.consumed)

    def rows_of(self, batch: int) -> Rows:
        """Return the global rows of the batch with this number, and the epoch of each row."""
        return self.order.batch(batch)

    def assemble(self, rows: Ints, epochs: Ints | None = None) -> Batch:
        """Read, mask and pad some rows.

        Args:
            rows: ``int64[n]``, global row numbers.
            epochs: ``int64[n]``, epochs that decide the dynamic masks; 0 by default.

        Raises:
            ShardError: a row is damaged; the message names the file and the row.
        """
        instances = self.folder.gather(rows)
        options = self.folder.options
        if options["masking"] == "dynamic":
            keys = _mask_keys(rows, np.zeros_like(rows) if epochs is None else epochs, self.seed)
            instances = mask_batch(
                instances,
                self.folder.roles,
                options["mask_policy"],
                options["masked_lm_prob"],
                self.folder.max_predictions_per_seq,
                options["mask_share"],
                options["random_share"],
                keys,
            )
        return pad_batch(instances, rows, self.folder.roles.pad, self._width(instances))

    def _width(self, instances: InstanceBatch) -> int:
        if self.pad_to == "full":
            return self.folder.max_seq_length
        longest = int(np.diff(instances.offsets).max())
        return min(-(-longest // MULTIPLE) * MULTIPLE, self.folder.max_seq_length)

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values: the number of consumed batches, and the options of the order."""
        cursor = self.order.cursor(self.consumed)
        return {"consumed": self.consumed, "cursor": cursor, "order": self.order.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where a state was saved, on any rank of any number of processes.

        Args:
            state: as `state_dict` returned it.

        Raises:
            OptionError: the state was saved with another order of batches.
        """
        for name, value in self.order.identity().items():
            if (its := state["order"].get(name)) != value:
                raise OptionError(f"the saved loader had {name} {its}, this one has {value}")
        self.consumed = int(state["consumed"])
        self.order.seek(state["cursor"])


def _open_folder(folder: Folder) -> ShardFolder:
    if isinstance(folder, ShardFolder):
        return folder
    if isinstance(folder, (str, os.PathLike)):
        return ShardFolder(folder)
    if not folder:
        raise OptionError("no shard folder given, expected at least one")
    return ShardFolder(*folder)


def pad_batch(instances: InstanceBatch, rows: Ints, pad: int, width: int) -> Batch:
    """Return instances as a padded batch.

    Args:
        instances: the instances, none longer than ``width``.
        rows: ``int64[rows]``, their global row numbers.
        pad: id of [PAD].
        width: length of the padded rows.
    """
    tokens = len(instances.input_ids)
    shape = (len(instances), width)
    ids, types = np.empty(shape, np.int64), np.empty(shape, np.int64)
    _fill(instances.input_ids, instances.offsets, instances.b_start, pad, ids, types)
    mask = None
    if tokens < ids.size:
        mask = (np.arange(width) < np.diff(instances.offsets)[:, None]).astype(np.int64)
    row_of = np.repeat(np.arange(len(instances)), np.diff(instances.mlm_offsets))
    return Batch(
        input_ids=ids,
        token_type_ids=types,
        attention_mask=mask,
        mlm_positions=row_of * width + instances.mlm_positions,
        mlm_labels=instances.mlm_labels.astype(np.int64),
        next_sentence_label=instances.next_sentence_label.astype(np.int64),
        rows=rows,
        tokens=tokens,
    )


# -- kernels: arrays in, arrays out ------------------------------------------------------------------


@njit(cache=True)
def _mask_keys(rows: Ints, epochs: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """Return ``uint64[rows]``, the key of the dynamic masks of each row."""
    keys = np.empty(len(rows), np.uint64)
    for j in range(len(rows)):
        keys[j] = rng.key(seed, rng.DYNAMIC_MASKING, epochs[j], rows[j])
    return keys


@njit(cache=True)
def _fill(tokens: Tokens, offsets: Ints, b_start: Ints, pad: int, ids: Ints, types: Ints) -> None:
    """Write padded rows to ``ids`` and token types to ``types``, both ``int64[rows, width]``.

    ``tokens`` are the ids of all rows, row ``r`` from ``offsets[r]`` (``int64[rows + 1]``) on; ``b_start``
    (``int64[rows]``) is the position of B's first token.
    """
    for row in range(ids.shape[0]):
        start, length = offsets[row], offsets[row + 1] - offsets[row]
        for j in range(length):
            ids[row, j] = tokens[start + j]
        for j in range(length, ids.shape[1]):
            ids[row, j] = pad
        b = min(b_start[row], length)
        types[row, :b] = 0
        types[row, b:length] = 1
        types[row, length:] = 0
