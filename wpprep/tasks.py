"""What a worker does with one task: count slices, encode slices, make one shard.

Each class is built once in a worker and then called with tasks. A task's result depends on its input
alone; nothing here knows of other tasks, workers or folders that are not its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from wpprep import rng
from wpprep.config import CorpusOptions, ShardOptions, VocabOptions, as_dict
from wpprep.encode.encoder import Encoder
from wpprep.encode.tokens import Spans, TokenStore, write_part
from wpprep.errors import OptionError
from wpprep.files import sha256_of
from wpprep.filters import Tally, used_documents
from wpprep.manifest import Shard
from wpprep.masking import mask_batch
from wpprep.pairing import make_instances
from wpprep.records import Document, InstanceBatch, Ints, Slice, TokenizedDocuments, TokenRoles, fingerprint
from wpprep.sentences import sentence_splitter
from wpprep.shards import shard_statistics, shuffle_rows, take_rows, write_dense_shard, write_shard
from wpprep.vocab.counts import ChunkCounter, ChunkCounts
from wpprep.vocab.normalization import TextRules

FACTS = ("documents", "text_bytes", "replaced", "fingerprint")  # what a manifest says of a corpus
_BATCH_CHARACTERS = 1 << 22
_BYTES_PER_TOKEN = {"uint16": 3.2, "uint32": 6.0}  # of a shard, for each token of the corpus: a rough average


@dataclass(frozen=True)
class CountChunks:
    """Counts the chunks of some slices: of the documents to learn from, and of those held out.

    Beside the counts it tells what was not used.
    """

    vocab: VocabOptions
    text: CorpusOptions

    @cached_property
    def _rule(self) -> Any:
        return TextRules(self.vocab).cut_rule()

    def __call__(self, slices: list[Slice]) -> tuple[ChunkCounts, ChunkCounts, Tally]:
        learned, held_out, tally = ChunkCounter(self._rule), ChunkCounter(self._rule), Tally()
        for slice_ in slices:
            aside: list[Document] = []
            learned.add_documents(self._not_held_out(used_documents(slice_, self.text, tally), aside))
            held_out.add_documents(aside)
        return learned.result(), held_out.result(), tally

    def _not_held_out(self, documents: Iterable[Document], aside: list[Document]) -> Iterator[Document]:
        """Pass documents on but those held out, which are chosen by a keyed hash of their text."""
        limit = int(self.vocab.holdout * 2**64)
        for document in documents:
            index = fingerprint(document.text.encode()) if limit else 0
            if limit and int(rng.key(self.vocab.seed, rng.HOLDOUT, 0, np.uint64(index))) < limit:
                aside.append(document)
            else:
                yield document


@dataclass(frozen=True)
class EncodeSlices:
    """Encodes some slices into one part of a token store, with ``cache_memory`` bytes to remember chunks in."""

    vocabulary: Path
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
    """Some documents of a token store, numbered from 0: all that the pairing of a split sees of the corpus.

    Args:
        documents: ``int64[n]``, their global indices, rising.
    """

    def __init__(self, store: TokenStore, documents: Ints) -> None:
        self._store, self.documents = store, documents
        self.sentence_counts = store.sentence_counts[documents]

    def __len__(self) -> int:
        return len(self.documents)

    def take(self, documents: Ints) -> TokenizedDocuments:
        return self._store.take(self.documents[documents])

    def spans(self, documents: Ints, starts: Ints, targets: Ints) -> Spans:
        return self._store.spans(self.documents[documents], starts, targets)


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
    """Makes one shard from the token store (with bins, one of each): pairs, shuffles, masks and writes it.

    Attributes:
        documents: ``int64[n]``, global indices of the split that is made; random nexts come from there too.
        bounds: ``int64[shards + 1]``, each shard's range in the documents of all passes (`share_out`).
    """

    tokens: Path
    folder: Path
    documents: Ints
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
        made = make_instances(split.take(documents), documents, passes, split, self.roles, options)
        batch = replace(made.batch, document=self.documents[made.batch.document])
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


def split_documents(n_documents: int, options: ShardOptions) -> tuple[Ints, Ints]:
    """Global indices of the documents that are trained on, and of those held out, each rising.

    Raises:
        OptionError: one of the two would have too few documents.
    """
    held = round(options.holdout * n_documents)
    order = rng.permutation(n_documents, np.uint64(rng.key(options.seed, rng.HOLDOUT, 0, 0)))
    least = 2 if options.objective == "nsp" and options.random_next_prob > 0 else 1
    if options.holdout and not least <= held <= n_documents - least:
        raise OptionError(
            f"holdout {options.holdout} of {n_documents} documents is {held}, expected {least} to "
            f"{n_documents - least}; give another share, or more documents"
        )
    return np.sort(order[held:]), np.sort(order[:held])


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
    wanted_bytes = int(tokens.sum()) * _BYTES_PER_TOKEN[id_type]
    shards = options.shards or _number_of_shards(wanted_bytes / options.shard_bytes, passes)
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


def _number_of_shards(wanted: float, passes: int) -> int:
    """About as many as are wanted; as many for every pass, where there is one for each."""
    shards = max(1, round(wanted))
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


def _batches(slices: list[Slice], text: CorpusOptions, tally: Tally) -> Iterator[tuple[str, list[Document]]]:
    """Documents in batches of a few MB, each of one format."""
    for slice_ in slices:
        batch: list[Document] = []
        size = 0
        for document in used_documents(slice_, text, tally):
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
