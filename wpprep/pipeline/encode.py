"""Pass 1 of making shards: encode the slices of a corpus into a token store.

Each task encodes some slices into one part of the store. Sentences are split here, so that pass 2
(`shard_folder`) needs only the token store.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Unpack

import numpy as np

from wpprep.config import CorpusOptions, RunOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import EncodeKeywords
from wpprep.corpus.facts import FACTS, count_document, unused
from wpprep.corpus.filters import Tally, used_documents
from wpprep.corpus.sentences import sentence_splitter
from wpprep.corpus.tasks import Paths, bytes_of, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.errors import OptionError
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.plans import Plan, Receipt, entry_of
from wpprep.jobs.summary import FolderSummary
from wpprep.pipeline.shard_folder import manifest_of_tokens
from wpprep.records import Document, Ints, Slice, TokenizedDocuments, in_batches
from wpprep.shards.token_source import ENCODE_AGAIN, Source
from wpprep.shards.token_store import write_part
from wpprep.storage.manifest import describe_rows, read_manifest, refuse_damage
from wpprep.storage.place import Place
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.vocabulary import Vocabulary

_BATCH_CHARACTERS = 1 << 22


def encode(
    corpus: Paths,
    vocab: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Unpack[EncodeKeywords],
) -> FolderSummary:
    """Encode text with a vocabulary and write it as a token store.

    Args:
        corpus: files and folders of text.
        vocab: a vocabulary folder or file, of wpprep or any other that `Vocabulary.from_folder` reads.
        out: the folder to write.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, CorpusOptions, RunOptions)
    run = build(RunOptions, options)
    encoding = plan_encoding(corpus, vocab, options, run)
    with Job.begin(out, "tokens", encoding.plan, run, progress) as job:
        _fill(job, encoding)
    return job.summary("encode", started)


@dataclass(frozen=True)
class Encoding:
    """Plan of pass 1: the corpus and the vocabulary as given, the tasks, and all that the output depends on."""

    corpus: Paths
    vocab: Place
    vocabulary: Vocabulary
    text: CorpusOptions
    tasks: list[list[Slice]]
    plan: Plan


def plan_encoding(
    corpus: Paths | None, vocab: str | os.PathLike[str] | None, options: Mapping[str, object], run: RunOptions
) -> Encoding:
    """Return the plan of pass 1.

    Raises:
        WpprepError: the corpus, the vocabulary or an option is missing or invalid.
    """
    if not corpus or vocab is None:
        raise OptionError(f"no {'vocab' if corpus else 'corpus'}: expected corpus and vocab, or from_tokens")
    text = build(CorpusOptions, options)
    sentence_splitter(text.sentences, text.language, text.format)
    vocabulary = Vocabulary.from_folder(vocab)
    tasks = tasks_of(corpus, text, run.slice_bytes)
    plan = plan_of(as_dict(text), vocabulary.sha256, tasks)
    return Encoding(corpus, Place(vocab), vocabulary, text, tasks, plan)


def run_encoding(outer: Job, out: str | os.PathLike[str], encoding: Encoding) -> Source:
    """Run the unfinished tasks of pass 1, as a part of another job."""
    with outer.inner(out, "tokens", encoding.plan) as job:
        _fill(job, encoding)
    return Source(job.place, read_manifest(job.place).corpus, encoding.vocabulary)


def _fill(job: Job, encoding: Encoding) -> None:
    """Write the missing parts of the token store, and its manifest."""
    if job.is_finished:
        refuse_damage(Place(job.place).folder(), job.run.workers, ENCODE_AGAIN)
        return
    chosen = survey(encoding.tasks, encoding.text, job)
    names = [f"part-{i:05}.arrow" for i in range(len(chosen.tasks))]
    named = {name: (name, slices) for name, slices in zip(names, chosen.tasks, strict=True)}
    sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
    make = partial(EncodeSlices, encoding.vocab, encoding.text, job.path, job.run.cache_memory)
    job.folder.nodes.agree("encode", named)
    job.folder.remove_others("part-*.arrow", names)  # of a killed run with other slices
    receipts = job.run_tasks("encode", make, named, sizes)
    job.elect()
    job.folder.receipts.bring(receipts)
    not_used = unused(receipts, encoding.text, chosen.dropped)
    manifest = manifest_of_tokens(job.path, encoding.plan, encoding.vocabulary, receipts, not_used)
    if manifest.corpus["documents"] == 0:
        job.folder.discard()
    refuse_empty(manifest.corpus["documents"], encoding.corpus)
    end_survey(job.folder)
    job.finish(manifest)


@dataclass(frozen=True)
class EncodeSlices:
    """Task that encodes some slices into one part of a token store; ``cache_memory`` is in bytes."""

    vocabulary: Place
    text: CorpusOptions
    folder: Path
    cache_memory: int

    def __post_init__(self) -> None:
        """Build the encoder and load its kernels, before workers are forked: forked processes share both."""
        _ = self._encoder

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder.from_folder(self.vocabulary, self.cache_memory)

    def __call__(self, task: tuple[str, list[Slice]]) -> Receipt:
        """Write the part; return its manifest entry, statistics and tally."""
        name, slices = task
        facts = dict.fromkeys(FACTS, 0)
        tally = Tally()
        encoded = [self._encode(batch, facts) for batch in _batches(slices, self.text, tally)]
        documents = _joined(encoded, self._encoder)
        write_part(self.folder / name, documents)
        facts |= {"sentences": len(documents.sentences) - 1, "tokens": len(documents.tokens)}
        entry = entry_of(describe_rows(self.folder / name, len(documents), len(documents.tokens)))
        return {"shard": entry, "statistics": facts, "tally": asdict(tally)}

    def _encode(self, batch: tuple[str, list[Document]], facts: dict[str, int]) -> TokenizedDocuments:
        format_, documents = batch
        split = sentence_splitter(self.text.sentences, self.text.language, format_)
        for document in documents:
            count_document(document, facts)
        return self._encoder.encode_documents((d.id, split(d.text)) for d in documents)


def _batches(slices: list[Slice], text: CorpusOptions, tally: Tally) -> Iterator[tuple[str, list[Document]]]:
    """Yield documents in batches of a few MB, each with its format."""
    for slice_ in slices:
        documents = used_documents(slice_, text, tally)
        for batch in in_batches(documents, lambda document: len(document.text), _BATCH_CHARACTERS):
            yield slice_.format, batch


def _joined(batches: list[TokenizedDocuments], encoder: Encoder) -> TokenizedDocuments:
    """Return several batches as one."""
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
    """Return the offsets of joined batches.

    >>> _joined_offsets([np.array([0, 2, 5]), np.array([0, 3])]).tolist()
    [0, 2, 5, 8]
    """
    joined = [np.zeros(1, np.int64)]
    end = 0
    for of_batch in offsets:
        joined.append(of_batch[1:] + end)
        end += int(of_batch[-1])
    return np.concatenate(joined)
