"""What a worker does with one task: count slices, encode slices, make one shard.

Each class is built once in a worker and then called with tasks. A task's result depends on its input
alone; nothing here knows of other tasks, workers or folders that are not its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from wpprep import rng
from wpprep.config import CorpusOptions, ShardOptions, VocabOptions, as_dict
from wpprep.encode.encoder import Encoder
from wpprep.encode.tokens import TokenStore, write_part
from wpprep.errors import OptionError
from wpprep.files import sha256_of
from wpprep.manifest import Shard
from wpprep.masking import mask_batch
from wpprep.pairing import make_instances
from wpprep.readers import read_slice
from wpprep.records import Document, Ints, Slice, TokenizedDocuments, TokenRoles, fingerprint
from wpprep.sentences import sentence_splitter
from wpprep.shards import shard_statistics, shuffle_rows, write_shard
from wpprep.vocab.counts import ChunkCounter, ChunkCounts
from wpprep.vocab.normalization import TextRules

_BATCH_CHARACTERS = 1 << 22
_SHARD_BYTES = 64_000_000
_BYTES_PER_TOKEN = {"uint16": 3.2, "uint32": 6.0}  # of a shard, for each token of the corpus: a rough average


@dataclass(frozen=True)
class CountChunks:
    """Counts the chunks of some slices."""

    vocab: VocabOptions
    text: CorpusOptions

    @cached_property
    def _rule(self) -> Any:
        return TextRules(self.vocab).cut_rule()

    def __call__(self, slices: list[Slice]) -> ChunkCounts:
        counter = ChunkCounter(self._rule)
        for slice_ in slices:
            counter.add_documents(read_slice(slice_, self.text.errors))
        return counter.result()


@dataclass(frozen=True)
class EncodeSlices:
    """Encodes some slices into one part of a token store."""

    vocabulary: Path
    text: CorpusOptions
    folder: Path

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.from_folder(self.vocabulary)

    def __call__(self, task: tuple[str, list[Slice]]) -> dict[str, Any]:
        """Write the part; returns its manifest entry and what the manifest counts."""
        name, slices = task
        facts = {"documents": 0, "text_bytes": 0, "replaced": 0, "fingerprint": 0}
        encoded = [self._encode(batch, facts) for batch in _batches(slices, self.text.errors)]
        documents = _joined(encoded, self._encoder)
        write_part(self.folder / name, documents)
        facts |= {"sentences": len(documents.sentences) - 1, "tokens": len(documents.tokens)}
        return {"shard": _entry(self.folder / name, len(documents), len(documents.tokens)), "statistics": facts}

    def _encode(self, batch: tuple[str, list[Document]], facts: dict[str, int]) -> TokenizedDocuments:
        format_, documents = batch
        split = sentence_splitter(self.text.sentences, self.text.language, format_)
        for document in documents:
            text = document.text.encode()
            facts["text_bytes"] += len(text)
            facts["replaced"] += document.replaced
            facts["fingerprint"] = (facts["fingerprint"] + fingerprint(text)) % 2**64
        facts["documents"] += len(documents)
        return self._encoder.encode_documents((d.id, split(d.text)) for d in documents)


@dataclass(frozen=True)
class MakeShard:
    """Makes one shard from the token store: pairs, shuffles, masks and writes it.

    Attributes:
        bounds: ``int64[shards + 1]``, each shard's range in the documents of all passes (`share_out`).
    """

    tokens: Path
    folder: Path
    bounds: Ints
    roles: TokenRoles
    vocabulary_sha256: str
    options: ShardOptions

    @cached_property
    def _store(self) -> TokenStore:
        return TokenStore.open(self.tokens)

    def __call__(self, task: tuple[str, int]) -> dict[str, Any]:
        """Write the shard; returns its manifest entry and its statistics."""
        name, index = task
        options, path = self.options, self.folder / name
        passes, documents = documents_of(
            self.bounds[index], self.bounds[index + 1], len(self._store), options.seed
        )
        made = make_instances(self._store.take(documents), documents, passes, self._store, self.roles, options)
        batch = made.batch
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
        batch = shuffle_rows(batch, int(rng.key(options.seed, rng.ROW_ORDER, 0, index)))
        shard = write_shard(path, batch, self.vocabulary_sha256, as_dict(options))
        statistics = shard_statistics(batch, self.roles, options.max_seq_length) | made.statistics
        return {"shard": asdict(shard), "statistics": statistics}


def share_out(token_counts: Ints, options: ShardOptions, id_type: str) -> Ints:
    """Cut the documents of all passes into shards of equal numbers of tokens.

    Every pass takes the documents in an order of its own; the passes are laid one after another.

    Args:
        token_counts: ``int64[n_documents]``.
        id_type: ``uint16`` or ``uint32``, which decides how many shards make about 64 MB each.

    Returns:
        ``int64[shards + 1]``: shard k has the places ``bounds[k]`` to ``bounds[k + 1]`` of that long row.

    Raises:
        OptionError: there are more shards than documents to put into them.
    """
    n, passes = len(token_counts), options.dupe_factor
    tokens = np.concatenate(
        [
            token_counts[rng.permutation(n, np.uint64(_order_key(options.seed, pass_)))]
            for pass_ in range(passes)
        ]
    )
    shards = options.shards or _number_of_shards(int(tokens.sum()), passes, id_type)
    if shards > n * passes:
        raise OptionError(f"shards is {shards}, expected at most {n * passes} (documents times dupe_factor)")
    before = np.cumsum(tokens) - tokens // 2  # a document belongs where its middle lies
    wanted = np.arange(1, shards) * (int(tokens.sum()) / shards)
    bounds = np.concatenate([[0], np.searchsorted(before, wanted), [n * passes]])
    # No shard is empty: move the bounds apart where a document is longer than a share.
    steps = np.arange(shards + 1)
    bounds = np.maximum.accumulate(bounds - steps) + steps
    spread: Ints = np.minimum(bounds, n * passes - shards + steps)
    return spread


def _number_of_shards(tokens: int, passes: int, id_type: str) -> int:
    """So many that each has about 64 MB; as many for every pass, where there is one for each."""
    shards = max(1, round(tokens * _BYTES_PER_TOKEN[id_type] / _SHARD_BYTES))
    return shards if shards < passes else round(shards / passes) * passes


def documents_of(first: int, last: int, n_documents: int, seed: int) -> tuple[Ints, Ints]:
    """Pass and global index of the documents at the places ``first`` to ``last`` of all passes."""
    places = np.arange(first, last)
    passes, within = places // n_documents, places % n_documents
    documents = np.empty(len(places), np.int64)
    for pass_ in np.unique(passes):
        here = passes == pass_
        documents[here] = rng.permuted_all(within[here], n_documents, np.uint64(_order_key(seed, int(pass_))))
    return passes, documents


def _order_key(seed: int, pass_: int) -> int:
    return int(rng.key(seed, rng.DOCUMENT_ORDER, pass_, 0))


def _batches(slices: list[Slice], errors: str) -> Iterator[tuple[str, list[Document]]]:
    """Documents in batches of a few MB, each of one format."""
    for slice_ in slices:
        batch: list[Document] = []
        size = 0
        for document in read_slice(slice_, errors):
            batch.append(document)
            size += len(document.text)
            if size >= _BATCH_CHARACTERS:
                yield slice_.format, batch
                batch, size = [], 0
        if batch:
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
