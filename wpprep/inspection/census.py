"""A census of shards: all that the figures of a page need, counted in one pass over the mapped rows.

    census = take_census(open_shards("shards"))
    census.lengths[64]          # rows of 64 tokens
    census.pieces               # how often each piece of the vocabulary stood in the text

Large folders are counted in part: shards in a keyed order until `MOST_TOKENS` are reached. The rows of a shard
are a random share of the corpus, so that what is found in some holds for all; `Census.counted` says how many.
Memory is that of 4,096 rows, and of one number for each piece and each document.

What this module does not do: draw (charts), or judge whether rows are right (audit).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wpprep import rng
from wpprep.errors import ShardError
from wpprep.inspection.find_rows import OpenShards, blocks, predicted_places
from wpprep.records import InstanceBatch, Ints
from wpprep.storage.manifest import Shard

MOST_TOKENS = 200_000_000
_SEED = 12345
_MULTIPLE = 8  # lengths that the loader pads to
_DRAWN = 1 << 17  # rows whose padding is tried out


@dataclass(frozen=True)
class Census:
    """Counts, ``int64`` all; places are positions in a row, 0 is [CLS].

    Attributes:
        counted: how many shards.
        lengths: rows of each length.
        random_next: rows of each length whose label is 1.
        candidates: rows in which a token at the place could have been predicted.
        predicted: rows in which it was; of these it was ``masked`` or ``kept`` as it is, else made random.
        pieces: occurrences of each id, predicted tokens as they were.
        documents: rows of each document; empty where rows do not say.
        label_shares: of each counted shard the share of rows whose label is 1 (``float64``).
    """

    counted: int
    lengths: Ints
    random_next: Ints
    candidates: Ints
    predicted: Ints
    masked: Ints
    kept: Ints
    pieces: Ints
    documents: Ints
    label_shares: Any

    @property
    def rows(self) -> int:
        return int(self.lengths.sum())

    @property
    def tokens(self) -> int:
        return int((self.lengths * np.arange(len(self.lengths))).sum())


def take_census(shards: OpenShards, most_tokens: int = MOST_TOKENS) -> Census:
    """Count the rows of some shards, or of all.

    Raises:
        ShardError: a shard is damaged.
    """
    chosen = _choose(shards.files, most_tokens)
    size = int(shards.manifest.options["max_seq_length"])
    is_dense = shards.manifest.options.get("layout") == "dense"
    documents = 0 if is_dense else int(shards.manifest.corpus["documents"])
    roles = shards.vocabulary.roles
    total = Census(
        counted=len(chosen),
        lengths=np.zeros(size + 1, np.int64),
        random_next=np.zeros(size + 1, np.int64),
        **{name: np.zeros(size, np.int64) for name in ("candidates", "predicted", "masked", "kept")},
        pieces=np.zeros(roles.vocab_size, np.int64),
        documents=np.zeros(documents, np.int64),
        label_shares=np.zeros(0),
    )
    of_shard: dict[str, list[int]] = {file.name: [0, 0] for file in chosen}
    for block in blocks(shards, chosen):
        _refuse_damaged(shards, block.file, block.batch, size, roles.vocab_size, documents)
        _count(total, block.batch, roles.mask)
        of_shard[block.file.name][0] += int(block.batch.next_sentence_label.sum())
        of_shard[block.file.name][1] += len(block.batch)
    shares = np.array([ones / rows for ones, rows in of_shard.values() if rows])
    return replace(total, label_shares=shares)


def _choose(files: list[Shard], most_tokens: int) -> list[Shard]:
    """Shards in a keyed order, at least one, until they have enough tokens; in the order of the manifest."""
    chosen: list[int] = []
    tokens = 0
    for i in rng.permutation(len(files), np.uint64(rng.key(_SEED, rng.SAMPLING, 0, 0))).tolist():
        if chosen and tokens + files[i].tokens > most_tokens:
            break
        chosen.append(i)
        tokens += files[i].tokens
    return [files[i] for i in sorted(chosen)]


def _refuse_damaged(
    shards: OpenShards, file: Shard, batch: InstanceBatch, size: int, vocab_size: int, documents: int
) -> None:
    """What is out of range would be counted in the wrong place, or far outside."""
    lengths = np.diff(batch.offsets)
    fits = (
        lengths.max(initial=0) <= size
        and batch.input_ids.max(initial=0) < vocab_size
        and batch.mlm_labels.max(initial=0) < vocab_size
        and (not documents or 0 <= batch.document.min(initial=0) <= batch.document.max(initial=0) < documents)
        and (batch.mlm_positions < np.repeat(lengths, np.diff(batch.mlm_offsets))).all()
    )
    if not fits:
        raise ShardError(
            f"{shards.folder / file.name}: damaged: a length, id, position or document is out of range; "
            f"wpprep verify --deep {shards.folder} says where"
        )


def _count(total: Census, batch: InstanceBatch, mask: int) -> None:
    """Add the rows of a batch to the counts."""
    lengths, size = np.diff(batch.offsets), len(total.predicted)
    total.lengths[:] += np.bincount(lengths, minlength=size + 1)
    ones = batch.next_sentence_label == 1
    total.random_next[:] += np.bincount(lengths[ones], minlength=size + 1)
    # A row of n tokens has candidates at 1 to n - 2, but for the [SEP] before B.
    ends = np.bincount(np.maximum(lengths - 1, 0), minlength=size + 1)
    total.candidates[1:] += (len(batch) - np.cumsum(ends))[1:size]
    has_b = batch.b_start < lengths
    total.candidates[:] -= np.bincount(batch.b_start[has_b] - 1, minlength=size)[:size]
    places = predicted_places(batch)
    seen, positions = batch.input_ids[places], batch.mlm_positions
    total.predicted[:] += np.bincount(positions, minlength=size)
    total.masked[:] += np.bincount(positions[seen == mask], minlength=size)
    total.kept[:] += np.bincount(positions[seen == batch.mlm_labels], minlength=size)
    vocab_size = len(total.pieces)
    total.pieces[:] += np.bincount(batch.input_ids, minlength=vocab_size)
    total.pieces[:] -= np.bincount(seen, minlength=vocab_size)
    total.pieces[:] += np.bincount(batch.mlm_labels, minlength=vocab_size)
    if len(total.documents):
        total.documents[:] += np.bincount(batch.document, minlength=len(total.documents))


def padding_shares(lengths: Ints, batch_size: int = 256, window: int = 64) -> dict[str, float]:
    """The share of padding in batches, by how they are made.

    Args:
        lengths: ``int64[longest + 1]``, rows of each length, as in `Census`.
        batch_size: rows a batch.
        window: batches whose rows are sorted by length together.

    Rows are drawn as the loader draws them, and widths rounded up to a multiple of 8 as it does.
    """
    rows, size = int(lengths.sum()), len(lengths) - 1
    if not rows:
        return {}
    at = np.linspace(0, rows - 1, min(rows, _DRAWN)).astype(np.int64)
    drawn = np.searchsorted(np.cumsum(lengths), at, side="right")
    drawn = drawn[rng.permutation(len(drawn), np.uint64(rng.key(_SEED, rng.SAMPLING, 0, 1)))]
    sorted_ = np.concatenate(
        [np.sort(drawn[i : i + batch_size * window]) for i in range(0, len(drawn), batch_size * window)]
    )
    ways = {"to the full length": np.full(len(drawn), size)}
    for name, order in (("to the longest of a batch", drawn), ("sorted in 64 batches", sorted_)):
        starts = np.arange(0, len(order), batch_size)
        longest = -(-np.maximum.reduceat(order, starts) // _MULTIPLE) * _MULTIPLE
        ways[name] = np.repeat(np.minimum(longest, size), np.diff(starts, append=len(order)))
    return {name: float(1 - drawn.sum() / widths.sum()) for name, widths in ways.items()}
