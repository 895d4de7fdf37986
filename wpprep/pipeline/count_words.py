"""Count the words of a corpus once, for any number of vocabularies."""

from __future__ import annotations

import os
import time
from typing import Unpack

from wpprep.config import CorpusOptions, CountOptions, CountRunOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import CountWordsKeywords
from wpprep.corpus.tasks import Paths, end_survey, paths_of, plan_of, refuse_empty, survey, tasks_of
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.summary import FolderSummary
from wpprep.pipeline.counting_task import MERGED, count_in_runs
from wpprep.storage.manifest import Manifest, describe
from wpprep.storage.output_file import output_file, refuse_output


def count_words(
    corpus: Paths,
    out: str | os.PathLike[str],
    *,
    tsv: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Unpack[CountWordsKeywords],
) -> FolderSummary:
    """Count the words of a corpus once, for any number of vocabularies.

    Args:
        corpus: files and folders of text.
        out: the folder to write; the ``counts`` of `train_vocab`.
        tsv: a file to write the counts to in addition, as lines of text, tab, count.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `CountOptions`, `CorpusOptions` and `CountRunOptions`.

    Raises:
        WpprepError: an input, an option or the output is invalid; the message names it.
    """
    from wpprep.vocab.counting.counts_file import is_tsv, open_counts, write_tsv  # noqa: PLC0415 (loads pyarrow)

    started = time.perf_counter()
    refuse_unknown(options, CountOptions, CorpusOptions, CountRunOptions)
    count, text = build(CountOptions, options), build(CorpusOptions, options)
    run = build(CountRunOptions, options)
    tasks = tasks_of(corpus, text, run.slice_bytes)
    if tsv is not None:
        refuse_output(tsv, inputs=paths_of(tasks), is_ours=is_tsv, overwrite=run.overwrite)
    plan = plan_of(as_dict(count) | as_dict(text), None, tasks)
    with Job.begin(out, "counts", plan, run, progress) as job:
        if not job.is_finished:
            chosen = survey(tasks, text, job)
            counted = count_in_runs(chosen, plan["corpus"], job, count, text, run)
            if not counted.documents:
                job.folder.discard()
            refuse_empty(counted.documents, corpus)
            end_survey(job.folder)
            job.finish(
                Manifest(
                    kind="counts",
                    options=plan["options"],
                    files=[describe(job.path / MERGED, job.path)],
                    corpus={"identity": plan["corpus"]} | counted.for_manifest(),
                    statistics={"held_out": counted.held_out.for_manifest(), "chunks": counted.chunks},
                )
            )
    if tsv is not None:
        with output_file(tsv, inputs=paths_of(tasks), is_ours=is_tsv, overwrite=run.overwrite) as file:
            write_tsv(file, open_counts(job.place).parts())
    return job.summary("count-words", started)
