"""What a worker does with one task: encode slices, make one shard.

Each class is built once in a worker and then called with tasks. A task's result depends on its input
alone; nothing here knows of other tasks, workers or folders that are not its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wpprep import rng
from wpprep.config import ShardOptions, as_dict
from wpprep.instances.masking import mask_batch
from wpprep.instances.pairing import make_instances
from wpprep.instances.statistics import shard_statistics
from wpprep.jobs.plans import Receipt, entry_of
from wpprep.records import (
    InstanceBatch,
    Ints,
    TokenizedDocuments,
    TokenRoles,
)
from wpprep.shards.format import take_rows, write_dense_shard, write_shard
from wpprep.shards.split import Selection, documents_of
from wpprep.shards.token_store import Keys, Spans, TokenStore
from wpprep.storage.manifest import Shard
from wpprep.storage.place import Location


class Split:
    """The selected documents of a token store: all that the pairing of a split sees of the corpus."""

    def __init__(self, store: TokenStore, documents: Selection) -> None:
        self._store, self._documents = store, documents

    def __len__(self) -> int:
        return self._documents.size

    def take(self, documents: Ints) -> TokenizedDocuments:
        return self._store.take(self._documents.of(documents))

    def spans(self, documents: Ints, start_keys: Keys, targets: Ints) -> Spans:
        return self._store.spans(self._documents.of(documents), start_keys, targets)


class Bin(NamedTuple):
    """Rows of a range of lengths, which have shards of their own.

    Attributes:
        folder: where these are in the shard folder, such as ``bin-128/``; empty where there are no bins.
        above: its rows have more tokens than this.
        options: its data options: ``max_seq_length`` is its longest row.
    """

    folder: str
    above: int
    options: dict[str, Any]


def bins_of(options: ShardOptions) -> list[Bin]:
    """The bins that the rows are put into; without bins, one for all."""
    bins, above = [], 0
    for length in options.bin_lengths:
        most = min(options.max_predictions_per_seq, max(1, round(length * options.masked_lm_prob)))
        own = {"max_seq_length": length, "max_predictions_per_seq": most} if options.bins else {}
        bins.append(Bin(f"bin-{length}/" if options.bins else "", above, as_dict(options) | own))
        above = length
    return bins


@dataclass(frozen=True)
class MakeShard:
    """Makes one shard from the token store (with bins, one of each): pairs, masks and writes it.

    Attributes:
        documents: the split that is made; random nexts come from there too.
        bounds: ``int64[shards + 1]``, each shard's range in the documents of all passes (`share_out`).
    """

    tokens: Location
    folder: Path
    documents: Selection
    bounds: Ints
    roles: TokenRoles
    vocabulary_sha256: str
    options: ShardOptions

    @cached_property
    def _split(self) -> Split:
        return Split(TokenStore.open(self.tokens), self.documents)

    def __call__(self, task: tuple[str, int]) -> Receipt:
        """Write the shard; returns its manifest entries and the statistics of all rows and of each bin."""
        name, index = task
        options, split = self.options, self._split
        passes, documents = documents_of(self.bounds[index], self.bounds[index + 1], len(split), options.seed)
        own = split.take(documents)
        if options.mask_policy == "token":
            own = replace(own, word_starts=None)  # nobody will ask where words start
        order_key = int(rng.key(options.seed, rng.ROW_ORDER, 0, index))
        made = make_instances(own, documents, passes, split, self.roles, options, order_key)
        batch = replace(made.batch, document=self.documents.of(made.batch.document))
        if options.masking == "static":
            batch = mask_batch(
                batch,
                self.roles,
                options.mask_policy,
                options.masked_lm_prob,
                options.max_predictions_per_seq,
                options.mask_share,
                options.random_share,
                made.mask_keys,
            )
        written = [self._write(name, batch, bin_) for bin_ in bins_of(options)]
        of_bins = [statistics for _, statistics in written]
        of_all = shard_statistics(batch, self.roles, options.max_seq_length) if options.bins else of_bins[0]
        return {
            "shards": [entry_of(shard) for shard, _ in written],
            "of_bins": of_bins,
            "statistics": of_all | made.statistics,
        }

    def _write(self, name: str, batch: InstanceBatch, bin_: Bin) -> tuple[Shard, dict[str, Any]]:
        """Write the rows of one bin; returns the entry and the statistics."""
        longest = bin_.options["max_seq_length"]
        if bin_.folder:
            lengths = np.diff(batch.offsets)
            batch = take_rows(batch, np.flatnonzero((lengths > bin_.above) & (lengths <= longest)))
        what = (self.folder / bin_.folder / name, batch, self.vocabulary_sha256, bin_.options)
        is_dense = self.options.layout == "dense"
        shard = write_dense_shard(*what, self.roles.pad) if is_dense else write_shard(*what)
        return replace(shard, name=bin_.folder + name), shard_statistics(batch, self.roles, longest)
