"""What a worker does with one task: encode slices, make one shard.

Each class is built once in a worker and then called with tasks. A task's result depends on its input
alone; nothing here knows of other tasks, workers or folders that are not its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wpprep import rng
from wpprep.config import CorpusOptions, ShardOptions, as_dict
from wpprep.dealing import Selection, documents_of
from wpprep.encode.encoder import Encoder
from wpprep.encode.tokens import Keys, Spans, TokenStore, write_part
from wpprep.figures import shard_statistics
from wpprep.files import Place, sha256_of
from wpprep.filters import Tally, used_documents
from wpprep.manifest import Shard
from wpprep.masking import mask_batch
from wpprep.pairing import make_instances
from wpprep.records import (
    Document,
    InstanceBatch,
    Ints,
    Slice,
    TokenizedDocuments,
    TokenRoles,
    fingerprint,
    in_batches,
)
from wpprep.sentences import sentence_splitter
from wpprep.shards import take_rows, write_dense_shard, write_shard

FACTS = ("documents", "text_bytes", "replaced", "fingerprint")  # what a manifest says of a corpus
_BATCH_CHARACTERS = 1 << 22


@dataclass(frozen=True)
class EncodeSlices:
    """Encodes some slices into one part of a token store, with ``cache_memory`` bytes to remember chunks in."""

    vocabulary: Place
    text: CorpusOptions
    folder: Path
    cache_memory: int

    def __post_init__(self) -> None:
        _ = self._encoder  # built now, before workers are forked: they share it, and the kernels loaded for it

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.from_folder(self.vocabulary, self.cache_memory)

    def __call__(self, task: tuple[str, list[Slice]]) -> dict[str, Any]:
        """Write the part; returns its manifest entry and what the manifest counts."""
        name, slices = task
        facts = dict.fromkeys(FACTS, 0)
        tally = Tally()
        encoded = [self._encode(batch, facts) for batch in _batches(slices, self.text, tally)]
        documents = _joined(encoded, self._encoder)
        write_part(self.folder / name, documents)
        facts |= {"sentences": len(documents.sentences) - 1, "tokens": len(documents.tokens)}
        entry = _entry(self.folder / name, len(documents), len(documents.tokens))
        return {"shard": entry, "statistics": facts, "tally": asdict(tally)}

    def _encode(self, batch: tuple[str, list[Document]], facts: dict[str, int]) -> TokenizedDocuments:
        format_, documents = batch
        split = sentence_splitter(self.text.sentences, self.text.language, format_)
        for document in documents:
            count_document(document, facts)
        return self._encoder.encode_documents((d.id, split(d.text)) for d in documents)


def count_document(document: Document, facts: dict[str, int]) -> None:
    """Add a document to the facts of a corpus."""
    text = document.text.encode()
    facts["documents"] += 1
    facts["text_bytes"] += len(text)
    facts["replaced"] += document.replaced
    facts["fingerprint"] = (facts["fingerprint"] + fingerprint(text)) % 2**64


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
        most = min(int(options.max_predictions_per_seq or 1), max(1, round(length * options.masked_lm_prob)))
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

    tokens: Place
    folder: Path
    documents: Selection
    bounds: Ints
    roles: TokenRoles
    vocabulary_sha256: str
    options: ShardOptions

    @cached_property
    def _split(self) -> Split:
        return Split(TokenStore.open(self.tokens), self.documents)

    def __call__(self, task: tuple[str, int]) -> dict[str, Any]:
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
                int(options.max_predictions_per_seq or 1),
                options.mask_share,
                options.random_share,
                made.mask_keys,
            )
        written = [self._write(name, batch, bin_) for bin_ in bins_of(options)]
        of_bins = [statistics for _, statistics in written]
        of_all = shard_statistics(batch, self.roles, options.max_seq_length) if options.bins else of_bins[0]
        return {
            "shards": [asdict(shard) for shard, _ in written],
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


def _batches(slices: list[Slice], text: CorpusOptions, tally: Tally) -> Iterator[tuple[str, list[Document]]]:
    """Documents in batches of a few MB, each of one format."""
    for slice_ in slices:
        documents = used_documents(slice_, text, tally)
        for batch in in_batches(documents, lambda document: len(document.text), _BATCH_CHARACTERS):
            yield slice_.format, batch


def _joined(batches: list[TokenizedDocuments], encoder: Encoder) -> TokenizedDocuments:
    """Several batches as one."""
    if not batches:
        batches = [encoder.encode_documents([])]
    return TokenizedDocuments(
        ids=[id_ for batch in batches for id_ in batch.ids],
        tokens=np.concatenate([batch.tokens for batch in batches]),
        sentences=_joined_offsets([batch.sentences for batch in batches]),
        documents=_joined_offsets([batch.documents for batch in batches]),
        word_starts=(np.concatenate([batch.word_starts for batch in batches]) if encoder.marks_words else None),
    )


def _joined_offsets(offsets: list[Ints]) -> Ints:
    joined = [np.zeros(1, np.int64)]
    end = 0
    for of_batch in offsets:
        joined.append(of_batch[1:] + end)
        end += int(of_batch[-1])
    return np.concatenate(joined)


def _entry(path: Path, rows: int, tokens: int) -> dict[str, Any]:
    return asdict(Shard(path.name, rows, tokens, os.path.getsize(path), sha256_of(path)))
