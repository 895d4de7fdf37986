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
from dataclasses import replace
from typing import Any

from wpprep.config import CorpusOptions, RunOptions, ShardOptions, as_dict, build, refuse_unknown
from wpprep.corpus.tasks import Paths
from wpprep.errors import OptionError, VocabularyError
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.resume import Progress, Summary, silence
from wpprep.pipeline.encode import plan_encoding, run_encoding
from wpprep.pipeline.shard_folder import fill_folder, finish_bins, hold_out, manifest_of
from wpprep.shards.split import split_documents
from wpprep.shards.token_source import open_source
from wpprep.storage.files import HOLDOUT, place, remove_folder
from wpprep.storage.manifest import read_manifest


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
        encoding = plan_encoding(corpus, vocab, options, run)
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
            source = run_encoding(store, encoding, replace(run, overwrite=False), say)
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


def _refuse_beside_tokens(**given: object) -> None:
    for name, value in given.items():
        if value:
            raise OptionError(f"{name} does not go with from_tokens, which takes its place; leave one out")
