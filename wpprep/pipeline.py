"""The whole flow: raw text to a vocabulary, and to shards of instances.

    train_vocab    corpus -> tasks: count chunks -> words -> merges -> vocabulary folder
    encode_corpus  corpus -> tasks: encode slices -> token store
    make_shards    token store, just encoded or kept -> tasks: make shards -> shard folder

The corpus is cut into tasks by its files and sizes, never by workers, and a task's result depends on
nothing but its input (`tasks`). So any number of workers gives the same bytes, and a run that was killed
goes on where it stopped: finished tasks have left a receipt (`output`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from wpprep import engines
from wpprep.config import CorpusOptions, RunOptions, ShardOptions, VocabOptions, as_dict, build, refuse_unknown
from wpprep.corpus import Paths, bytes_of, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.dealing import split_documents
from wpprep.errors import OptionError
from wpprep.files import HOLDOUT, remove_folder
from wpprep.filling import (
    Progress,
    fill_folder,
    finish_bins,
    hold_out,
    manifest_of,
    manifest_of_tokens,
    run_resumable,
    unused,
)
from wpprep.filters import Tally
from wpprep.manifest import Manifest, describe, read_manifest
from wpprep.output import OutputFolder
from wpprep.records import Slice
from wpprep.sentences import sentence_splitter
from wpprep.source import Source, open_source, refuse_damage
from wpprep.tasks import CountChunks, EncodeSlices
from wpprep.vocab.counts import ChunkCounter, ChunkCounts, count_words
from wpprep.vocab.normalization import TextRules
from wpprep.vocab.quality import measure_counts
from wpprep.vocab.train import learn_vocabulary
from wpprep.vocab.vocabulary import Vocabulary, write_vocabulary

_TASKS_WORTH_A_PROCESS = 6  # counting them takes longer than starting a process does


@dataclass(frozen=True)
class Summary:
    """What a command did: its folder, the manifest in there, and how long it took in seconds."""

    folder: Path
    manifest: Manifest
    seconds: float


def train_vocab(
    corpus: Paths, out: str | os.PathLike[str], *, progress: Progress | None = None, **options: Any
) -> Summary:
    """Learn a subword vocabulary from text and write it as a vocabulary folder.

    Args:
        corpus: files and folders of text.
        out: the folder to write.
        progress: is told (stage, done, total) now and then.
        **options: fields of `VocabOptions`, `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is at fault; the message says which and where.
    """
    started, say = time.perf_counter(), progress or _silence
    refuse_unknown(options, VocabOptions, CorpusOptions, RunOptions)
    vocab, text, run = build(VocabOptions, options), build(CorpusOptions, options), build(RunOptions, options)
    tasks = tasks_of(corpus, text, run.slice_bytes)
    plan = plan_of(as_dict(vocab) | as_dict(text), None, tasks)
    with OutputFolder.claim(out, "vocabulary", plan, **run.among_nodes) as folder:
        if folder.is_finished:
            return Summary(folder.path, read_manifest(folder.path), time.perf_counter() - started)
        rules = TextRules(vocab)
        chosen = survey(tasks, text, folder, run, say)
        counts, held_out, tally = _count(chosen.tasks, partial(CountChunks, vocab, text), rules, run, say)
        if counts.documents == 0:
            folder.discard()
        refuse_empty(counts.documents, corpus)
        say("normalise", 0, 1)
        words = count_words(counts, rules, vocab.min_word_count)
        size = vocab.vocab_size
        learned = learn_vocabulary(words, vocab, rules, lambda n: say("merge", min(n, size), size))
        names = write_vocabulary(folder.path, learned, vocab)
        end_survey(folder)
        folder.finish(
            Manifest(
                kind="vocabulary",
                options=plan["options"],
                files=[describe(folder.path / name, folder.path) for name in sorted(names)],
                corpus={"identity": plan["corpus"]} | counts.facts() | tally.facts(text, chosen.dropped),
                statistics={
                    "entries": len(learned.pieces),
                    "distinct_words": len(words),
                    "words": sum(words.values()),
                    "dropped_characters": learned.dropped_characters,
                    "unused_entries": learned.unused,
                    "held_out": _quality(folder.path, held_out),
                },
            )
        )
    return Summary(folder.path, read_manifest(folder.path), time.perf_counter() - started)


def encode_corpus(
    corpus: Paths,
    vocab: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Encode text with a vocabulary and write it as a token store.

    Args:
        corpus: files and folders of text.
        vocab: a vocabulary folder or file, ours or any that `Vocabulary.from_folder` reads.
        out: the folder to write.
        progress: is told (stage, done, total) now and then.
        **options: fields of `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is at fault; the message says which and where.
    """
    started, say = time.perf_counter(), progress or _silence
    refuse_unknown(options, CorpusOptions, RunOptions)
    run = build(RunOptions, options)
    folder = _encode(out, _encoding(corpus, vocab, options, run), run, say).store
    return Summary(folder, read_manifest(folder), time.perf_counter() - started)


def make_shards(
    corpus: Paths | None = None,
    vocab: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "shards",
    *,
    tokens: str | os.PathLike[str] | None = None,
    from_tokens: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Turn text into shards of pretraining instances.

    Args:
        corpus: files and folders of text.
        vocab: a vocabulary folder or file, ours or any that `Vocabulary.from_folder` reads.
        out: the folder to write.
        tokens: a folder for the token store, which is kept there and used again; by default it lies in
            ``out`` until the shards are done.
        from_tokens: a finished token store to take the place of ``corpus``; the vocabulary is in it.
        progress: is told (stage, done, total) now and then.
        **options: fields of `ShardOptions`, `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is at fault; the message says which and where.
    """
    started, say = time.perf_counter(), progress or _silence
    refuse_unknown(options, ShardOptions, CorpusOptions, RunOptions)
    shard, run = build(ShardOptions, options), build(RunOptions, options)
    if from_tokens is None:
        encoding = _encoding(corpus, vocab, options, run)
        plan = encoding.plan
    else:
        _refuse_beside_tokens(corpus=corpus, tokens=tokens)
        source, plan = open_source(from_tokens, vocab, options, run.workers)
    plan = plan | {"options": as_dict(shard) | plan["options"]}
    with OutputFolder.claim(out, "shards", plan, **run.among_nodes) as folder:
        if folder.is_finished:
            return Summary(folder.path, read_manifest(folder.path), time.perf_counter() - started)
        if from_tokens is None:
            store = Path(tokens) if tokens else folder.path / "tokens"
            source = _encode(store, encoding, replace(run, overwrite=False), say)
        trained, held_out = split_documents(source.corpus["documents"], shard)
        inside = hold_out(folder.path / HOLDOUT, plan, source, held_out, shard, run, say)
        receipts = fill_folder("shard", folder, source, trained, shard, run, say)
        folder.elect()
        if not (tokens or from_tokens):
            remove_folder(source.store)
        inside += finish_bins(folder.path, source, receipts, shard)
        folder.finish(manifest_of(folder.path, source, plan["options"], receipts, inside))
    return Summary(folder.path, read_manifest(folder.path), time.perf_counter() - started)


@dataclass(frozen=True)
class _Encoding:
    """Pass 1, planned: the corpus and the vocabulary as given, the tasks, and what the bytes depend on."""

    corpus: Paths
    vocab: Path
    vocabulary: Vocabulary
    text: CorpusOptions
    tasks: list[list[Slice]]
    plan: dict[str, Any]


def _encoding(
    corpus: Paths | None, vocab: str | os.PathLike[str] | None, options: dict[str, Any], run: RunOptions
) -> _Encoding:
    """Plan pass 1; a vocabulary or a language that does not exist is refused here, before any work."""
    if not corpus or vocab is None:
        raise OptionError(f"no {'vocab' if corpus else 'corpus'}: give corpus and vocab, or from_tokens")
    text = build(CorpusOptions, options)
    sentence_splitter(text.sentences, text.language, text.format)
    vocabulary = Vocabulary.from_folder(Path(vocab))
    tasks = tasks_of(corpus, text, run.slice_bytes)
    plan = plan_of(as_dict(text), vocabulary.sha256, tasks)
    return _Encoding(corpus, Path(vocab), vocabulary, text, tasks, plan)


def _encode(out: str | os.PathLike[str], encoding: _Encoding, run: RunOptions, say: Progress) -> Source:
    """Do what is left of pass 1."""
    with OutputFolder.claim(out, "tokens", encoding.plan, **run.among_nodes) as folder:
        if folder.is_finished:
            refuse_damage(folder.path, run.workers)
        else:
            chosen = survey(encoding.tasks, encoding.text, folder, run, say)
            names = [f"part-{i:05}.arrow" for i in range(len(chosen.tasks))]
            named = {name: (name, slices) for name, slices in zip(names, chosen.tasks, strict=True)}
            sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
            make = partial(EncodeSlices, encoding.vocab, encoding.text, folder.path, run.cache_memory)
            folder.agree("encode", named)
            folder.remove_others("part-*.arrow", names)  # of a killed run that cut other slices
            receipts = run_resumable("encode", make, named, sizes, folder, run, say)
            folder.elect()
            not_used = unused(receipts, encoding.text, chosen.dropped)
            manifest = manifest_of_tokens(folder.path, encoding.plan, encoding.vocabulary, receipts, not_used)
            if manifest.corpus["documents"] == 0:
                folder.discard()
            refuse_empty(manifest.corpus["documents"], encoding.corpus)
            end_survey(folder)
            folder.finish(manifest)
    return Source(folder.path, read_manifest(folder.path).corpus, encoding.vocabulary)


def _refuse_beside_tokens(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise OptionError(f"{name} does not go with from_tokens, which takes its place; leave one out")


def _count(
    tasks: list[list[Slice]], make: Callable[[], CountChunks], rules: TextRules, run: RunOptions, say: Progress
) -> tuple[ChunkCounts, ChunkCounts, Tally]:
    """Count the chunks of all tasks: of documents to learn from and of those held out."""
    learned, held_out = ChunkCounter(rules.cut_rule()), ChunkCounter(rules.cut_rule())
    sizes = [sum(map(bytes_of, slices)) for slices in tasks]
    tallies = [Tally() for _ in tasks]
    done = 0
    say("count", done, sum(sizes))
    workers = min(int(run.workers or 1), 1 + len(tasks) // _TASKS_WORTH_A_PROCESS)
    for index, (to_learn, to_measure, not_used) in engines.run(make, tasks, replace(run, workers=workers)):
        learned.add(to_learn)
        held_out.add(to_measure)
        tallies[index] = not_used
        done += sizes[index]
        say("count", done, sum(sizes))
    tally = Tally()
    for of_task in tallies:  # in the order of the corpus
        tally.add(of_task)
    return learned.result(), held_out.result(), tally


def _quality(vocab: Path, held_out: ChunkCounts) -> dict[str, Any] | None:
    """The figures of a vocabulary on the documents that nothing was learned from."""
    if not held_out.documents:
        return None
    quality = measure_counts(Vocabulary.from_folder(vocab).tokenizer, held_out)
    return {"documents": held_out.documents} | asdict(quality)


def _silence(stage: str, done: int, total: int) -> None:
    """Progress that nobody asked for."""
