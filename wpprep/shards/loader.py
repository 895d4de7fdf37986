"""Shards to NumPy batches: order, dynamic masks, padding, and a state that is one number.

    loader = Loader("shards", batch_size=256)
    for batch in loader:                      # one epoch; loader.forever() goes on
        batch.input_ids                       # int64[256, length]
    saved = loader.state_dict()               # resumes in O(1), also on another number of ranks

The order is a pure function of (seed, epoch, batch options), see `wpprep.shards.order`. Nothing is stored but
how many batches all ranks together have consumed:

    epoch 0                     epoch 1
    | 0 1 2 3 | 4 5 6 7 | 8 9 . 0 | 1 2 ...        rows of 10, batches of 4, tail "carry"
      rank 0    rank 1    rank 0                   world 2: rank r takes every second batch

This is a true shuffle over all shards: rows are read where they lie in memory-mapped files, so it
wants shards on a disk that seeks well or in the page cache. No torch in here: the arrays
are NumPy's, and `wpprep.training.pretraining.torch_data` makes tensors of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.errors import OptionError
from wpprep.instances.masking import mask_batch
from wpprep.records import InstanceBatch, Ints
from wpprep.shards.folder import ShardFolder
from wpprep.shards.order import MULTIPLE, Order, Rows

PADDINGS = ("longest", "full")

Folder = str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | ShardFolder


@dataclass(frozen=True)
class Batch:
    """What a model is fed: padded arrays, ``int64`` as PyTorch's embeddings and losses take them.

    Attributes:
        input_ids: ``[rows, length]``, [PAD] behind the end of a row.
        token_type_ids: ``[rows, length]``, 1 in B.
        attention_mask: ``[rows, length]``, 0 at padding; None where nothing is padded.
        mlm_positions: ``[predictions]``, places to predict in the flattened batch: row * length + position.
        mlm_labels: ``[predictions]``, the original ids there.
        next_sentence_label: ``[rows]``, 1 where B is random.
        rows: ``[rows]``, global row numbers: they name the instances, in errors too.
        tokens: tokens that are not padding.
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
        return len(self.rows)


class Loader:
    """Batches of a shard folder, or of several, in a keyed order.

    Args:
        folder: a shard folder, several of one vocabulary, or a `ShardFolder` that is already open.
        batch_size: rows a batch; or
        batch_tokens: the most tokens of a batch, padding included: rows times length.
        bins: the rows of this many batches are sorted by length before they are cut into batches, so that
            little is padded; what epochs do then holds for such windows, not for each batch in them.
            [default: 1 with ``batch_size``, which is the plain shuffle, else 64]
        weights: of several folders: the share of rows that comes from each. Without them every row of
            every folder comes once an epoch; with them each folder has epochs of its own, and an epoch of
            the loader is as many rows as there are.
        seed: of the order and of dynamic masks.
        rank, world: this process is ``rank`` of ``world`` and takes every ``world``-th batch. The list of
            batches is the same for any ``world``; an epoch ends on the same step for every rank, and when
            ``world`` does not divide the number of batches, the last step of an epoch reaches into the
            next, which then starts behind these batches: nothing is lost or repeated.
        pad_to: ``longest`` pads to the longest row of a batch, rounded up to a multiple of 8; ``full`` to
            the length of the shards.
        tail: the rows behind the last full batch of an epoch. ``carry``: the batch is filled from the next
            epoch, so that every row comes once an epoch and all batches are full; ``drop``: they are
            left out, others each epoch; ``keep``: they make a short batch.
        exclude: sorted global rows that never come, such as those of `ShardFolder.held_out`.

    Raises:
        ShardError: see `ShardFolder`.
        OptionError: an argument out of range.
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
        """This rank's batches to the end of the epoch that the next of them is in."""
        epoch = self.epoch
        while self.epoch == epoch:
            yield self.next_batch()

    def forever(self) -> Iterator[Batch]:
        """This rank's batches, epoch after epoch."""
        while True:
            yield self.next_batch()

    def next_batch(self) -> Batch:
        """This rank's batch of the next step; the state moves on by one batch for every rank."""
        batch = self.assemble(*self.rows_of(self.consumed + self.rank))
        self.consumed += self.world
        return batch

    @property
    def epoch(self) -> int:
        """The epoch that the next step starts in."""
        return self.order.epoch(self.consumed)

    def rows_of(self, batch: int) -> Rows:
        """Global rows of the batch with this number, and the epoch each is drawn in."""
        return self.order.batch(batch)

    def assemble(self, rows: Ints, epochs: Ints | None = None) -> Batch:
        """The batch of these rows; the epochs (0 if not given) choose their dynamic masks.

        Raises:
            ShardError: a row is damaged; names the file and the row.
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
        """The batches that all ranks have consumed, and what order they were consumed in."""
        cursor = self.order.cursor(self.consumed)
        return {"consumed": self.consumed, "cursor": cursor, "order": self.order.identity()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken, on any rank of any world.

        Raises:
            OptionError: the state is of another order of batches.
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
    """Instances as rectangles ``width`` wide, [PAD] behind the end of each row."""
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
    """The key of each row's dynamic masks: ``uint64[rows]``."""
    keys = np.empty(len(rows), np.uint64)
    for j in range(len(rows)):
        keys[j] = rng.key(seed, rng.DYNAMIC_MASKING, epochs[j], rows[j])
    return keys


@njit(cache=True)
def _fill(tokens: Any, offsets: Ints, b_start: Ints, pad: int, ids: Ints, types: Ints) -> None:
    """Lay rows into ``ids`` and ``types``, ``int64[rows, width]``."""
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
