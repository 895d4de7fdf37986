"""Making shards of instances from raw text, or from a token store.

    pass 1   corpus -> tasks: encode slices -> token store (`encode`)
    pass 2   token store -> tasks: pair, mask and write shards -> shard folder (`shard_folder`, `shard_task`)

The corpus is split into tasks by files and sizes, independently of the number of workers, and the result of a
task depends only on its input. So any number of workers gives the same bytes, and the same command resumes a
killed run: finished tasks have a receipt (`wpprep.jobs.receipts`).
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Unpack

from wpprep.config import CorpusOptions, RunOptions, ShardOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import MakeShardsKeywords
from wpprep.corpus.tasks import Paths
from wpprep.errors import OptionError, VocabularyError
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.summary import FolderSummary
from wpprep.pipeline.encode import plan_encoding, run_encoding
from wpprep.pipeline.shard_folder import fill_folder, finish_bins, hold_out, manifest_of
from wpprep.shards.split import split_documents
from wpprep.shards.token_source import open_source
from wpprep.storage.files import remove_folder


def make_shards(
    corpus: Paths | None = None,
    vocab: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] = "shards",
    *,
    tokens: str | os.PathLike[str] | None = None,
    from_tokens: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Unpack[MakeShardsKeywords],
) -> FolderSummary:
    """Make shards of pretraining instances from text.

    Args:
        corpus: files and folders of text.
        vocab: a vocabulary folder or file, of wpprep or any other that `Vocabulary.from_folder` reads.
        out: the folder to write.
        tokens: a folder in which to keep the token store, for other shards; by default it is in ``out``, and is
            removed when the shards are finished.
        from_tokens: a finished token store to use instead of ``corpus``; it includes its vocabulary.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `ShardOptions`, `CorpusOptions` and `RunOptions`.

    Raises:
        WpprepError: an input, an option or the output is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, ShardOptions, CorpusOptions, RunOptions)
    shard, run = build(ShardOptions, options), build(RunOptions, options)
    if from_tokens is None:
        encoding = plan_encoding(corpus, vocab, options, run)
        plan = encoding.plan
    else:
        _refuse_beside_tokens(corpus=corpus, tokens=tokens)
        source, plan = open_source(from_tokens, vocab, options, run.workers)
    plan = {**plan, "options": as_dict(shard) | plan["options"]}
    with Job.begin(out, "shards", plan, run, progress) as job:
        if job.is_finished:
            return job.summary("make-shards", started)
        if from_tokens is None:
            source = run_encoding(job, tokens or job.path / "tokens", encoding)
        try:
            trained, held_out = split_documents(source.corpus["documents"], shard)
            inside = hold_out(job, plan, source, held_out, shard)
            receipts = fill_folder("shard", job, source, trained, shard)
        except (OptionError, VocabularyError):
            job.folder.discard()  # these options cannot work, and the folder would refuse others
            raise
        job.elect()
        inside += finish_bins(job.path, source, receipts, shard)
        manifest = manifest_of(job.path, source, plan["options"], receipts, inside)
        if not (tokens or from_tokens):
            job.folder.set_aside(
                "tokens"
            )  # as late as possible: a run that is killed after this must encode again
        job.finish(manifest)
    if run.node and not (tokens or from_tokens):
        with contextlib.suppress(OSError):
            remove_folder(
                job.path / "tokens"
            )  # started again by a node that joined when the others had finished
    return job.summary("make-shards", started)


def _refuse_beside_tokens(**given: object) -> None:
    """Raise OptionError if an argument that from_tokens replaces was given."""
    for name, value in given.items():
        if value:
            raise OptionError(f"{name} cannot be used with from_tokens, which replaces it; omit one of them")
