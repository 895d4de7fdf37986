"""Count the words of a corpus once, for any number of vocabularies."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from wpprep.config import CorpusOptions, CountOptions, CountRunOptions, as_dict, build, refuse_unknown
from wpprep.corpus.tasks import Paths, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.resume import Progress, Summary, silence
from wpprep.pipeline.counting_task import MERGED, count_in_runs
from wpprep.storage.manifest import Manifest, describe, read_manifest


def count_words(
    corpus: Paths,
    out: str | os.PathLike[str],
    *,
    tsv: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Summary:
    """Count the words of a corpus once, for any number of vocabularies.

    Args:
        corpus: files and folders of text.
        out: the folder to write; `train_vocab` takes it as ``counts``.
        tsv: a file to write the counts to as lines of piece of text, tab, count.
        progress: is told (stage, done, total) now and then.
        **options: fields of `CountOptions`, `CorpusOptions` and `CountRunOptions`.

    Raises:
        WpprepError: an input, an option or the output is at fault; the message says which and where.
    """
    from wpprep.vocab.counting.counts_file import open_counts, write_tsv  # noqa: PLC0415 (loads pyarrow)

    started, say = time.perf_counter(), progress or silence
    refuse_unknown(options, CountOptions, CorpusOptions, CountRunOptions)
    count, text = build(CountOptions, options), build(CorpusOptions, options)
    run = build(CountRunOptions, options)
    tasks = tasks_of(corpus, text, run.slice_bytes)
    plan = plan_of(as_dict(count) | as_dict(text), None, tasks)
    with OutputFolder.claim(out, "counts", plan, **run.among_nodes) as folder:
        if not folder.is_finished:
            chosen = survey(tasks, text, folder, run, say)
            counted = count_in_runs(chosen, plan["corpus"], folder, count, text, run, say)
            if not counted.documents:
                folder.discard()
            refuse_empty(counted.documents, corpus)
            end_survey(folder)
            folder.finish(
                Manifest(
                    kind="counts",
                    options=plan["options"],
                    files=[describe(folder.path / MERGED, folder.path)],
                    corpus={"identity": plan["corpus"]} | counted.for_manifest(),
                    statistics={"held_out": counted.held_out.for_manifest(), "chunks": counted.chunks},
                )
            )
    if tsv is not None:
        write_tsv(Path(tsv), open_counts(folder.place).parts())
    return Summary(folder.place, read_manifest(folder.place), time.perf_counter() - started)
