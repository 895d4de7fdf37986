"""A census of shards: the counts that a report shows, taken in one pass over the mapped rows.

    census = take_census(ShardFolder("shards"))
    census.lengths[64]          # number of rows of 64 tokens
    census.pieces               # number of occurrences of each piece in the text

Of a large folder only a sample is counted: shards in a keyed order up to `MOST_TOKENS` tokens. The rows of a
shard are a random sample of the corpus, so that the shares found in some shards hold for all of them;
`Census.counted` is the number of shards counted. Memory is that of 4,096 rows, plus one number per piece and
per document.

This module does not draw (`charts`), and does not check rows (`shards.audit`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.errors import ShardError
from wpprep.inspection.find_rows import Block, blocks, predicted_places
from wpprep.records import InstanceBatch, Ints
from wpprep.shards.folder import ShardFolder
from wpprep.storage.manifest import Shard

MOST_TOKENS = 200_000_000
_SEED = 12345
_MULTIPLE = 8  # the loader pads to multiples of this length
_DRAWN = 1 << 17  # maximum number of rows that padding is computed for


@dataclass(frozen=True)
class Census:
    """Counts over the rows of shards; position 0 is [CLS].

    Attributes:
        counted: number of shards counted.
        lengths: ``int64[max_seq_length + 1]``, number of rows of each length.
        random_next: ``int64[max_seq_length + 1]``, number of rows of each length with label 1.
        candidates: ``int64[max_seq_length]``, number of rows with a token there that may be predicted.
        predicted: ``int64[max_seq_length]``, number of rows with a prediction there.
        masked: ``int64[max_seq_length]``, number of predictions with [MASK] as the input.
        kept: ``int64[max_seq_length]``, number of predictions with the original token as the input.
        pieces: ``int64[vocab_size]``, number of occurrences of each id before masking.
        documents: ``int64[documents]``, number of rows per document; empty under the layout ``dense``.
        label_shares: ``float64[counted]``, share of rows with label 1 in each counted shard that has rows.
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
    label_shares: npt.NDArray[np.float64]

    @property
    def rows(self) -> int:
        """The number of rows counted."""
        return int(self.lengths.sum())

    @property
    def tokens(self) -> int:
        """The number of tokens counted, without padding."""
        return int((self.lengths * np.arange(len(self.lengths))).sum())


def take_census(shards: ShardFolder, most_tokens: int = MOST_TOKENS) -> Census:
    """Count the rows of a sample of shards, or of all.

    Args:
        shards: the shards, of either layout.
        most_tokens: maximum number of tokens to count; at least one shard is counted.

    Raises:
        MissingInputError: a shard file is missing.
        ShardError: a shard is damaged.
    """
    chosen = _choose(shards.files, most_tokens)
    size = int(shards.options["max_seq_length"])
    is_dense = shards.options.get("layout") == "dense"
    documents = 0 if is_dense else shards.manifest.corpus.get("documents")
    if documents is None:
        raise ShardError(f"{shards.path}: its manifest has no number of documents; make the shards again")
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
    of_shard: dict[str, list[int]] = {shards.files[i].name: [0, 0] for i in chosen}
    for block in blocks(shards, chosen):
        _refuse_damaged(shards, block, size, roles.vocab_size, documents)
        _count(total, block.batch, roles.mask)
        of_shard[block.file.name][0] += int(block.batch.next_sentence_label.sum())
        of_shard[block.file.name][1] += len(block.batch)
    shares = np.array([ones / rows for ones, rows in of_shard.values() if rows], np.float64)
    return replace(total, label_shares=shares)


def _choose(files: list[Shard], most_tokens: int) -> list[int]:
    """Return the ascending indices of a keyed sample of shards: at least one, with at most so many tokens."""
    chosen: list[int] = []
    tokens = 0
    for i in rng.permutation(len(files), np.uint64(rng.key(_SEED, rng.SAMPLING, 0, 0))).tolist():
        if chosen and tokens + files[i].tokens > most_tokens:
            break
        chosen.append(i)
        tokens += files[i].tokens
    return sorted(chosen)


def _refuse_damaged(shards: ShardFolder, block: Block, size: int, vocab_size: int, documents: int) -> None:
    """Raise ShardError if a value is out of range, which would be counted at a wrong index."""
    batch = block.batch
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
            f"{shards.path / block.file.name}: damaged: a length, id, position or document is out of range; "
            f"wpprep verify --deep {shards.path} lists the rows"
        )


def _count(total: Census, batch: InstanceBatch, mask: int) -> None:
    """Add the rows of a batch to the counts, in place."""
    lengths, size = np.diff(batch.offsets), len(total.predicted)
    total.lengths[:] += np.bincount(lengths, minlength=size + 1)
    ones = batch.next_sentence_label == 1
    total.random_next[:] += np.bincount(lengths[ones], minlength=size + 1)
    # A row of n tokens has candidates at positions 1 to n - 2, except the [SEP] before B.
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
    """Return the share of padding in batches, by the way rows are padded.

    Rows are drawn at random, and the width of a batch is a multiple of 8, as in `shards.loader`.

    Args:
        lengths: ``int64[longest + 1]``, number of rows of each length, as in `Census`.
        batch_size: rows per batch.
        window: number of batches sorted by length together.

    Returns:
        Shares from 0 to 1 by the name of the way; empty if there are no rows.
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
