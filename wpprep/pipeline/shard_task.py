"""Task that makes one shard: pair documents into instances, mask them, write them.

The class is built once per worker and then called with tasks. The result of a task depends only on its input,
not on other tasks or workers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wpprep import rng
from wpprep.config import ShardOptions, as_dict
from wpprep.errors import ShardError
from wpprep.instances.masking import mask_batch
from wpprep.instances.pairing import make_instances
from wpprep.instances.statistics import shard_statistics
from wpprep.jobs.plans import Receipt, entry_of
from wpprep.records import InstanceBatch, Ints, TokenizedDocuments, TokenRoles, Tokens
from wpprep.shards.format import take_rows, write_dense_shard, write_shard
from wpprep.shards.split import Selection, documents_of
from wpprep.shards.token_store import Keys, Spans, TokenStore
from wpprep.storage.manifest import Shard
from wpprep.storage.place import Location


class Split:
    """Selected documents of a token store, numbered from 0: the only documents that pairing can use."""

    def __init__(self, store: TokenStore, documents: Selection, vocab_size: int, place: Location) -> None:
        """Select documents of a store.

        Args:
            store: the store.
            documents: their indices in it.
            vocab_size: number of entries of the vocabulary; no id may be above.
            place: names the store in messages.
        """
        self._store, self._documents = store, documents
        self._vocab_size, self._place = vocab_size, place

    def __len__(self) -> int:
        """Return the number of documents."""
        return self._documents.size

    def take(self, documents: Ints) -> TokenizedDocuments:
        """Return documents by their numbers in the split, ``int64[n]``.

        Raises:
            ShardError: a token id is outside the vocabulary.
        """
        taken = self._store.take(self._documents.of(documents))
        self._refuse_unknown(taken.tokens)
        return taken

    def spans(self, documents: Ints, start_keys: Keys, targets: Ints) -> Spans:
        """Return a random span of each document, as `TokenStore.spans` does; errors are those of `take`."""
        spans = self._store.spans(self._documents.of(documents), start_keys, targets)
        self._refuse_unknown(spans.tokens)
        return spans

    def _refuse_unknown(self, tokens: Tokens) -> None:
        if len(tokens) and (largest := int(tokens.max())) >= self._vocab_size:
            raise ShardError(
                f"{self._place}: token id {largest} is outside the vocabulary of {self._vocab_size:,} entries; "
                "make the token store again"
            )


class Bin(NamedTuple):
    """Range of row lengths with its own shards.

    Attributes:
        folder: subfolder of its shards, such as ``bin-128/``; empty without bins.
        above: its rows have more than this number of tokens.
        options: its data options; ``max_seq_length`` is the maximum length of its rows.
    """

    folder: str
    above: int
    options: dict[str, Any]


def bins_of(options: ShardOptions) -> list[Bin]:
    """Return the bins of the rows; without bins, one for all rows.

    >>> [(b.folder, b.above) for b in bins_of(ShardOptions(max_seq_length=128, bins="64,128"))]
    [('bin-64/', 0), ('bin-128/', 64)]
    """
    bins, above = [], 0
    for length in options.bin_lengths:
        most = min(options.max_predictions_per_seq, max(1, round(length * options.masked_lm_prob)))
        own = {"max_seq_length": length, "max_predictions_per_seq": most} if options.bins else {}
        bins.append(Bin(f"bin-{length}/" if options.bins else "", above, as_dict(options) | own))
        above = length
    return bins


@dataclass(frozen=True)
class MakeShard:
    """Task that makes one shard, or with bins one shard of each, from the token store.

    Attributes:
        documents: the documents of the split; random nexts are from the same split.
        bounds: ``int64[shards + 1]``, the range of each shard in the documents of all passes (`share_out`).
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
        return Split(TokenStore.open(self.tokens), self.documents, self.roles.vocab_size, self.tokens)

    def __call__(self, task: tuple[str, int]) -> Receipt:
        """Write the shard; return its manifest entries and the statistics of all rows and of each bin."""
        name, index = task
        options, split = self.options, self._split
        passes, documents = documents_of(self.bounds[index], self.bounds[index + 1], len(split), options.seed)
        own = split.take(documents)
        if options.mask_policy == "token":
            own = replace(own, word_starts=None)  # the policy token does not use word starts
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
        """Write the rows of one bin; return the manifest entry and the statistics."""
        longest = bin_.options["max_seq_length"]
        if bin_.folder:
            lengths = np.diff(batch.offsets)
            batch = take_rows(batch, np.flatnonzero((lengths > bin_.above) & (lengths <= longest)))
        what = (self.folder / bin_.folder / name, batch, self.vocabulary_sha256, bin_.options)
        is_dense = self.options.layout == "dense"
        shard = write_dense_shard(*what, self.roles.pad) if is_dense else write_shard(*what)
        return replace(shard, name=bin_.folder + name), shard_statistics(batch, self.roles, longest)
