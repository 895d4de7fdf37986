"""Shards to NumPy batches: order, dynamic masks, padding, and a state that is one number.

    loader = Loader("shards", batch_size=256)
    for batch in loader:                      # one epoch; loader.forever() goes on
        batch.input_ids                       # int64[256, length]
    saved = loader.state_dict()               # resumes in O(1), also on another number of ranks

The order is a pure function of (seed, epoch, batch size, tail): the rows of all shards are numbered
through, a Feistel network (`rng.permuted`) permutes the numbers anew every epoch, and batch b is the
b-th run of images. Nothing is stored but how many batches all ranks together have consumed:

    epoch 0                     epoch 1
    | 0 1 2 3 | 4 5 6 7 | 8 9 . 0 | 1 2 ...        rows of 10, batches of 4, tail "carry"
      rank 0    rank 1    rank 0                   world 2: rank r takes every second batch

This is a true shuffle over all shards: rows are read where they lie in memory-mapped files, so it
wants shards on a disk that seeks well or in the page cache. No torch in here; `wpprep.train` makes
tensors of the arrays, other trainers may do what they like with them.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.errors import OptionError, ShardError
from wpprep.manifest import Manifest, Shard, read_manifest
from wpprep.manifest import verify as find_damage
from wpprep.masking import mask_batch
from wpprep.records import InstanceBatch, Ints, TokenRoles, token_dtype
from wpprep.shards import read_metadata, read_shard
from wpprep.vocab.vocabulary import Vocabulary

PADDINGS = ("longest", "full")
TAILS = ("carry", "drop", "keep")
_MULTIPLE = 8  # lengths that matrix units like


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


class ShardFolder:
    """The rows of a finished shard folder, numbered through over its memory-mapped shards.

    Sizes are checked at once, ids and positions when a row is read, checksums only with ``verify``.

    Raises:
        ShardError: the folder is unfinished, a shard is missing, cut short or does not fit the manifest,
            or the vocabulary inside is not the one the shards were made with.
    """

    def __init__(self, folder: str | os.PathLike[str], *, verify: bool = False) -> None:
        self.path = Path(folder)
        self.manifest: Manifest = read_manifest(self.path, kind="shards")
        self.vocabulary = Vocabulary.from_folder(self.path / "vocab")
        if self.vocabulary.sha256 != self.manifest.vocabulary:
            raise ShardError(
                f"{self.path / 'vocab'}: vocabulary {self.vocabulary.sha256[:12]}, but the shards were made "
                f"with {(self.manifest.vocabulary or 'none')[:12]}; put that one there or make the shards again"
            )
        if verify and (damage := find_damage(self.path)):
            raise ShardError("; ".join(damage))
        self.files = [file for file in self.manifest.files if isinstance(file, Shard)]
        self.names = [self.path / file.name for file in self.files]
        self.shards = [
            _open_shard(name, file, self.vocabulary.sha256)
            for name, file in zip(self.names, self.files, strict=True)
        ]
        self.starts: Ints = np.cumsum([0, *(len(shard) for shard in self.shards)])
        if not len(self):
            raise ShardError(f"{self.path}: the shards hold no instances; make them again from a longer corpus")

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def options(self) -> dict[str, Any]:
        """The data options the shards were made with."""
        return self.manifest.options

    @property
    def roles(self) -> TokenRoles:
        return self.vocabulary.roles

    @property
    def max_seq_length(self) -> int:
        return int(self.options["max_seq_length"])

    def gather(self, rows: Ints) -> InstanceBatch:
        """The instances with these global row numbers, in this order, copied out of the shards.

        Raises:
            ShardError: a row is damaged; names the file and the row.
        """
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        cuts = [0, *(np.flatnonzero(np.diff(shard_of[order])) + 1).tolist(), len(rows)]
        parts = []
        for start, stop in itertools.pairwise(cuts):
            places = order[start:stop]
            shard = int(shard_of[places[0]])
            parts.append((shard, places, rows[places] - self.starts[shard]))
        lengths, predictions = np.zeros(len(rows) + 1, np.int64), np.zeros(len(rows) + 1, np.int64)
        for shard, places, local in parts:
            source = self.shards[shard]
            bad = _measure(
                local, places, source.offsets, source.mlm_offsets, self.max_seq_length, lengths, predictions
            )
            self._check(bad, shard)
        result = self._empty(np.cumsum(lengths), np.cumsum(predictions))
        for shard, places, local in parts:
            bad = _copy(local, places, self.roles.vocab_size, *_columns(self.shards[shard]), *_columns(result))
            self._check(bad, shard)
            if result.word_starts is not None:
                source = self.shards[shard]
                _copy_marks(
                    local, places, source.offsets, source.word_starts, result.offsets, result.word_starts
                )
        return result

    def _empty(self, offsets: Ints, mlm_offsets: Ints) -> InstanceBatch:
        rows, tokens, dtype = len(offsets) - 1, int(offsets[-1]), token_dtype(self.roles.vocab_size)
        marked = self.shards[0].word_starts is not None
        return InstanceBatch(
            input_ids=np.empty(tokens, dtype),
            offsets=offsets,
            b_start=np.empty(rows, np.int64),
            next_sentence_label=np.empty(rows, np.uint8),
            document=np.empty(rows, np.int64),
            mlm_positions=np.empty(int(mlm_offsets[-1]), np.uint16),
            mlm_labels=np.empty(int(mlm_offsets[-1]), dtype),
            mlm_offsets=mlm_offsets,
            word_starts=np.empty(tokens, np.bool_) if marked else None,
        )

    def _check(self, bad_row: int, shard: int) -> None:
        if bad_row >= 0:
            raise ShardError(
                f"{self.names[shard]}: row {bad_row} is damaged (a length, position or token id out of range); "
                f"make the shards again or fetch the file anew"
            )

    def held_out(self, least_rows: int, seed: int) -> Ints:
        """Sorted global rows of whole documents, chosen by a keyed draw, at least ``least_rows`` in all.

        With ``dupe_factor`` above 1 a document is in several rows, so rows are held out by document: no
        A segment of these rows is ever an A segment, or its continuation, in a row that remains. (As a
        *random* B a held-out sentence may still be seen. Shards made with ``--holdout`` exclude that.)

        Raises:
            OptionError: whole documents cannot be held out without taking more than half of the rows.
        """
        if least_rows == 0:
            return np.empty(0, np.int64)
        share, limit = min(1.0, least_rows / len(self)), 2**64 - 1
        while True:
            bound = np.uint64(min(limit, int(share * 2.0**64)))
            found = [_low_documents(shard.document, seed, bound) for shard in self.shards]
            keys = np.concatenate([part[1] for part in found])
            if len(keys) >= least_rows or share >= 1.0:
                break
            share = min(1.0, 2 * share)
        rows: Ints = np.concatenate([part[0] + start for part, start in zip(found, self.starts, strict=False)])
        cut = np.sort(keys)[min(least_rows, len(keys)) - 1]
        chosen: Ints = rows[keys <= cut]
        if 2 * len(chosen) > len(self):
            raise OptionError(
                f"eval_rows {least_rows}: holding out whole documents would take {len(chosen)} of {len(self)} "
                f"instances; ask for fewer, or 0 for none"
            )
        return chosen


class Loader:
    """Batches of a shard folder in a keyed order.

    Args:
        folder: a shard folder, or one already open.
        batch_size: rows a batch.
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
        folder: str | os.PathLike[str] | ShardFolder,
        *,
        batch_size: int,
        seed: int = 12345,
        rank: int = 0,
        world: int = 1,
        pad_to: str = "longest",
        tail: str = "carry",
        exclude: Ints | None = None,
    ) -> None:
        if batch_size < 1:
            raise OptionError(f"batch_size is {batch_size}, expected at least 1")
        if not 0 <= rank < world:
            raise OptionError(f"rank is {rank} of world {world}, expected 0 to {world - 1}")
        for name, value, known in (("pad_to", pad_to, PADDINGS), ("tail", tail, TAILS)):
            if value not in known:
                raise OptionError(f"{name} is {value!r}, expected one of {', '.join(known)}")
        self.folder = folder if isinstance(folder, ShardFolder) else ShardFolder(folder)
        self.batch_size, self.seed, self.rank, self.world = batch_size, seed, rank, world
        self.pad_to, self.tail = pad_to, tail
        self.excluded = np.empty(0, np.int64) if exclude is None else exclude
        self.rows = len(self.folder) - len(self.excluded)
        if self.rows < (batch_size if tail == "drop" else 1):
            raise OptionError(f"{self.folder.path}: {self.rows} rows, fewer than one batch of {batch_size}")
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
        return self._first(self.consumed) // self.rows

    def _first(self, batch: int) -> int:
        """The place of a batch's first row in the endless sequence of epochs of rows."""
        if self.tail == "carry":
            return batch * self.batch_size
        full, rest = divmod(self.rows, self.batch_size)
        epoch, inside = divmod(batch, full + (self.tail == "keep" and rest > 0))
        return epoch * self.rows + inside * self.batch_size

    def rows_of(self, batch: int) -> tuple[Ints, Ints]:
        """Global rows of the batch with this number, and the epoch each is drawn in."""
        first = self._first(batch)
        left = self.rows - first % self.rows
        count = min(self.batch_size, left) if self.tail == "keep" else self.batch_size
        return _draw_rows(first, count, self.rows, self.seed, self.excluded)

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
                options["max_predictions_per_seq"],
                options["mask_share"],
                options["random_share"],
                keys,
            )
        return pad_batch(instances, rows, self.folder.roles.pad, self._width(instances))

    def _width(self, instances: InstanceBatch) -> int:
        if self.pad_to == "full":
            return self.folder.max_seq_length
        longest = int(np.diff(instances.offsets).max())
        return min(-(-longest // _MULTIPLE) * _MULTIPLE, self.folder.max_seq_length)

    def state_dict(self) -> dict[str, Any]:
        """The batches that all ranks have consumed, and what order they were consumed in."""
        return {"consumed": self.consumed, "order": self._order()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken, on any rank of any world.

        Raises:
            OptionError: the state is of another order of batches.
        """
        mine, its = self._order(), state["order"]
        for name, value in mine.items():
            if its.get(name) != value:
                raise OptionError(f"the saved loader had {name} {its.get(name)}, this one has {value}")
        self.consumed = int(state["consumed"])

    def _order(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "tail": self.tail,
            "rows": self.rows,
            "vocabulary": self.folder.vocabulary.sha256,
        }


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


def _open_shard(path: Path, expected: Shard, vocabulary: str) -> InstanceBatch:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ShardError(f"{path}: listed in the manifest but not there: {error.strerror}") from error
    if size != expected.bytes:
        raise ShardError(
            f"{path}: {size} bytes, expected {expected.bytes}: cut short or replaced; fetch it anew"
        )
    found = read_metadata(path).vocabulary_sha256
    if found != vocabulary:
        raise ShardError(
            f"{path}: made with vocabulary {found[:12]}, but the folder's is {vocabulary[:12]}; "
            f"this shard is of another run: fetch the right one"
        )
    shard = read_shard(path)
    if len(shard) != expected.rows:
        raise ShardError(f"{path}: {len(shard)} rows, expected {expected.rows}; fetch it anew")
    return shard


def _columns(batch: InstanceBatch) -> tuple[npt.NDArray[Any], ...]:
    return (
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        batch.next_sentence_label,
        batch.document,
        batch.mlm_positions,
        batch.mlm_labels,
        batch.mlm_offsets,
    )


# -- kernels: arrays in, arrays out ------------------------------------------------------------------


@njit(cache=True)
def _draw_rows(first: int, count: int, size: int, seed: int, excluded: Ints) -> tuple[Ints, Ints]:
    """Rows and epochs at places ``first`` and on of the endless sequence of permuted epochs.

    The permutation is over the ``size`` rows that are not excluded; its i-th is the row i + c, c being
    the number of excluded rows before it: those m with excluded[m] - m <= i, as excluded is sorted.
    """
    rows, epochs = np.empty(count, np.int64), np.empty(count, np.int64)
    for j in range(count):
        epoch = (first + j) // size
        key = rng.key(seed, rng.BATCH_ORDER, epoch, 0)
        index = rng.permuted((first + j) % size, size, key)
        low, high = 0, len(excluded)
        while low < high:
            middle = (low + high) // 2
            if excluded[middle] - middle <= index:
                low = middle + 1
            else:
                high = middle
        rows[j] = index + low
        epochs[j] = epoch
    return rows, epochs


@njit(cache=True)
def _mask_keys(rows: Ints, epochs: Ints, seed: int) -> npt.NDArray[np.uint64]:
    """The key of each row's dynamic masks: ``uint64[rows]``."""
    keys = np.empty(len(rows), np.uint64)
    for j in range(len(rows)):
        keys[j] = rng.key(seed, rng.DYNAMIC_MASKING, epochs[j], rows[j])
    return keys


@njit(cache=True)
def _low_documents(
    documents: npt.NDArray[Any], seed: int, bound: np.uint64
) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Rows whose document's key is at most ``bound``, and these keys."""
    rows, keys = np.empty(len(documents), np.int64), np.empty(len(documents), np.uint64)
    found = 0
    for row in range(len(documents)):
        key = rng.key(seed, rng.HOLDOUT, 0, documents[row])
        if key <= bound:
            rows[found], keys[found] = row, key
            found += 1
    return rows[:found].copy(), keys[:found].copy()


@njit(cache=True)
def _measure(
    rows: Ints, places: Ints, offsets: Any, mlm_offsets: Any, longest: int, lengths: Ints, predictions: Ints
) -> int:
    """Put the lengths of one shard's ``rows`` at ``places + 1``; the first damaged row, or -1."""
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        length = offsets[row + 1] - offsets[row]
        count = mlm_offsets[row + 1] - mlm_offsets[row]
        if length < 1 or length > longest or count < 0 or count > length:
            return int(row)
        lengths[place + 1] = length
        predictions[place + 1] = count
    return -1


@njit(cache=True)
def _copy(
    rows: Ints,
    places: Ints,
    vocab_size: int,
    from_ids: Any,
    from_offsets: Any,
    from_b: Any,
    from_next: Any,
    from_document: Any,
    from_positions: Any,
    from_labels: Any,
    from_mlm_offsets: Any,
    ids: Any,
    offsets: Ints,
    b_start: Ints,
    next_sentence: Any,
    document: Ints,
    positions: Any,
    labels: Any,
    mlm_offsets: Ints,
) -> int:
    """Copy ``rows`` of one shard to ``places`` of a batch; the first damaged row, or -1."""
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        source, target = from_offsets[row], offsets[place]
        length = offsets[place + 1] - target
        if source < 0 or source + length > len(from_ids) or from_b[row] > length or from_next[row] > 1:
            return int(row)
        # The largest id is looked for beside the copy, not in a branch inside it, so that both vectorize.
        largest = from_ids[source]
        for j in range(length):
            token = from_ids[source + j]
            largest = max(largest, token)
            ids[target + j] = token
        if largest >= vocab_size:
            return int(row)
        b_start[place] = from_b[row]
        next_sentence[place] = from_next[row]
        document[place] = from_document[row]
        source, target = from_mlm_offsets[row], mlm_offsets[place]
        count = mlm_offsets[place + 1] - target
        if source < 0 or source + count > len(from_positions):
            return int(row)
        for j in range(count):
            position, label = from_positions[source + j], from_labels[source + j]
            if position >= length or label >= vocab_size:
                return int(row)
            positions[target + j] = position
            labels[target + j] = label
    return -1


@njit(cache=True)
def _copy_marks(
    rows: Ints, places: Ints, from_offsets: Any, from_marks: Any, offsets: Ints, marks: Any
) -> None:
    """Copy the word starts of one shard's ``rows``, whose lengths `_copy` has checked."""
    for i in range(len(rows)):
        source, target = from_offsets[rows[i]], offsets[places[i]]
        for j in range(offsets[places[i] + 1] - target):
            marks[target + j] = from_marks[source + j]


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
