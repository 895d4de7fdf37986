"""The whole flow: raw text to a vocabulary (in `learning`), and to shards of instances.

    train_vocab    corpus -> tasks: count chunks -> words -> merges -> vocabulary folder
    encode_corpus  corpus -> tasks: encode slices -> token store
    make_shards    token store, just encoded or kept -> tasks: make shards -> shard folder

The corpus is cut into tasks by its files and sizes, never by workers, and a task's result depends on
nothing but its input (`tasks`). So any number of workers gives the same bytes, and a run that was killed
goes on where it stopped: finished tasks have left a receipt (`output`).
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from wpprep.cache import fetch_folder
from wpprep.config import CorpusOptions, RunOptions, ShardOptions, as_dict, build, refuse_unknown
from wpprep.corpus import Paths, bytes_of, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.dealing import split_documents
from wpprep.errors import OptionError, VocabularyError
from wpprep.files import HOLDOUT, Place, place, remove_folder
from wpprep.filling import (
    fill_folder,
    finish_bins,
    hold_out,
    manifest_of,
    manifest_of_tokens,
    unused,
)
from wpprep.jobs import Progress, Summary, run_resumable, silence
from wpprep.learning import count_words, train_vocab
from wpprep.manifest import read_manifest
from wpprep.output import OutputFolder
from wpprep.records import Slice
from wpprep.sentences import sentence_splitter
from wpprep.source import Source, open_source, refuse_damage
from wpprep.tasks import EncodeSlices
from wpprep.vocab.vocabulary import Vocabulary

__all__ = ["Summary", "count_words", "encode_corpus", "make_shards", "train_vocab"]


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
    started, say = time.perf_counter(), progress or silence
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
    started, say = time.perf_counter(), progress or silence
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
            return Summary(folder.place, read_manifest(folder.place), time.perf_counter() - started)
        if from_tokens is None:
            store = place(tokens) if tokens else folder.path / "tokens"
            source = _encode(store, encoding, replace(run, overwrite=False), say)
        try:
            trained, held_out = split_documents(source.corpus["documents"], shard)
            inside = hold_out(folder.path / HOLDOUT, plan, source, held_out, shard, run, say)
            receipts = fill_folder("shard", folder, source, trained, shard, run, say)
        except (OptionError, VocabularyError):
            folder.discard()  # with these options no run ends, and one with others would be refused here
            raise
        folder.elect()
        inside += finish_bins(folder.path, source, receipts, shard)
        manifest = manifest_of(folder.path, source, plan["options"], receipts, inside)
        if not (tokens or from_tokens):
            folder.set_aside("tokens")  # at the last moment: a run killed after this encodes again
        folder.finish(manifest)
    if run.node and not (tokens or from_tokens):
        with contextlib.suppress(OSError):
            remove_folder(folder.path / "tokens")  # begun anew by a node that came as the others finished
    return Summary(folder.place, read_manifest(folder.place), time.perf_counter() - started)


@dataclass(frozen=True)
class _Encoding:
    """Pass 1, planned: the corpus and the vocabulary as given, the tasks, and what the bytes depend on."""

    corpus: Paths
    vocab: Place
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
    vocabulary = Vocabulary.from_folder(vocab)
    tasks = tasks_of(corpus, text, run.slice_bytes)
    plan = plan_of(as_dict(text), vocabulary.sha256, tasks)
    return _Encoding(corpus, place(vocab), vocabulary, text, tasks, plan)


def _encode(out: str | os.PathLike[str], encoding: _Encoding, run: RunOptions, say: Progress) -> Source:
    """Do what is left of pass 1."""
    with OutputFolder.claim(out, "tokens", encoding.plan, **run.among_nodes) as folder:
        if folder.is_finished:
            refuse_damage(fetch_folder(folder.place), run.workers)
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
            folder.bring(receipts)
            not_used = unused(receipts, encoding.text, chosen.dropped)
            manifest = manifest_of_tokens(folder.path, encoding.plan, encoding.vocabulary, receipts, not_used)
            if manifest.corpus["documents"] == 0:
                folder.discard()
            refuse_empty(manifest.corpus["documents"], encoding.corpus)
            end_survey(folder)
            folder.finish(manifest)
    return Source(folder.place, read_manifest(folder.place).corpus, encoding.vocabulary)


def _refuse_beside_tokens(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise OptionError(f"{name} does not go with from_tokens, which takes its place; leave one out")
