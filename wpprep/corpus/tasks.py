"""The corpus of a run: its files as tasks, its identity, and the filters over the whole corpus.

    tasks = tasks_of(["wiki/", "books/"], text, run.slice_bytes)     # lists of slices, in corpus order
    with Job.begin(out, kind, plan_of(options, None, tasks), run) as job:
        chosen = survey(tasks, text, job)                            # the same tasks, with `Slice.kept`
        ...                                                          # tasks call `filters.used_documents`
        end_survey(job.folder)                                       # before the manifest

Tasks depend on files and sizes, never on the number of workers. The survey (`dedup_and_mix`) runs only if an
option requires it, and is resumed like any other stage: its tables are in ``.unfinished`` of the output folder.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.filters import Dropped
from wpprep.corpus.readers import plan_slices
from wpprep.errors import CorpusError, MissingInputError, OptionError
from wpprep.jobs.job import Job
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan
from wpprep.records import Kept, Slice
from wpprep.storage.files import is_compressed, size_of

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_COMPRESSION = 3  # estimated bytes of text per compressed byte
_TABLE = "survey-{:05}.arrow"
_KEPT = "survey-kept"


@dataclass(frozen=True)
class Chosen:
    """The corpus after the filters over the whole corpus.

    Attributes:
        tasks: the tasks, whose slices refer to the documents that are used.
        dropped: counts of the dropped documents, for the manifest.
    """

    tasks: list[list[Slice]]
    dropped: Dropped


def tasks_of(corpus: Paths, text: CorpusOptions, slice_bytes: int) -> list[list[Slice]]:
    """Return the corpus as tasks, each a list of consecutive slices with about ``slice_bytes`` of text.

    With ``mix``, no task has slices of two named corpora.

    Raises:
        MissingInputError: an input does not exist, or contains no file of a known format.
        OptionError: with ``mix``, an input is not one of the named corpora, or one of them has no input.
        CorpusError: a file is damaged.
    """
    tasks: list[list[Slice]] = []
    size = slice_bytes
    for name, inputs in _named(inputs_of(corpus), text).items():
        size = slice_bytes  # a named corpus begins a task
        for slice_ in plan_slices(inputs, text, slice_bytes):
            if size >= slice_bytes:
                tasks.append([])
                size = 0
            tasks[-1].append(slice_._replace(corpus=name))
            size += bytes_of(slice_)
    return tasks


def inputs_of(corpus: Paths) -> list[str | os.PathLike[str]]:
    """Return the inputs of a corpus as a list."""
    return [corpus] if isinstance(corpus, (str, os.PathLike)) else list(corpus)


def paths_of(tasks: list[list[Slice]]) -> list[str]:
    """Return the files of a corpus, each once, in corpus order."""
    return list(dict.fromkeys(slice_.path for slices in tasks for slice_ in slices))


def bytes_of(slice_: Slice) -> int:
    """Return the approximate number of bytes of text in a slice; 0 if the file does not exist."""
    if slice_.stop >= 0:
        return slice_.stop - slice_.start
    try:
        size = size_of(slice_.path) - slice_.start
        return size * _COMPRESSION if is_compressed(slice_.path) else size
    except MissingInputError:
        return 0  # reading the slice raises the error


def plan_of(options: dict[str, Any], vocabulary: str | None, tasks: list[list[Slice]]) -> Plan:
    """Return everything that the output depends on; the corpus is identified by file names and sizes."""
    paths = dict.fromkeys((slice_.corpus, slice_.path) for slices in tasks for slice_ in slices)
    names = [f"{name}{name and '='}{os.path.basename(path)}:{_size_or_none(path)}" for name, path in paths]
    corpus = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {"options": options, "vocabulary": vocabulary, "corpus": corpus}


def _size_or_none(path: str) -> int | None:
    """Return the size of a file; None if it cannot be read (a broken link with ``--skip-bad``)."""
    if os.path.isdir(path):
        return None
    try:
        return size_of(path)
    except MissingInputError:
        return None


def refuse_empty(documents: int, corpus: Paths) -> None:
    """Raise CorpusError if the number of documents is zero."""
    if documents == 0:
        names = ", ".join(map(str, inputs_of(corpus)))
        raise CorpusError(
            f"{names}: the corpus is empty: no document contains text, or the filters drop all of them"
        )


def survey(tasks: list[list[Slice]], text: CorpusOptions, job: Job) -> Chosen:
    """Apply the filters over the whole corpus; if all are off, return the tasks unchanged.

    Raises:
        CorpusError: a file is damaged, or a corpus of the mix is empty.
    """
    if not (text.deduplicate or text.mix or text.max_documents is not None):
        return Chosen(tasks, {})
    from wpprep.corpus.dedup_and_mix import (  # noqa: PLC0415 (loads pyarrow)
        SURVEY,
        Part,
        SurveySlices,
        choose,
    )

    named = {_TABLE.format(i): (_TABLE.format(i), slices) for i, slices in enumerate(tasks)}
    tables = job.path / SURVEY
    job.folder.remove_others(f"{SURVEY}/survey-*.arrow", named)  # left by a killed run with other slices
    sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
    receipts = job.run_tasks("survey", partial(SurveySlices, text, job.path), named, sizes)
    firsts = itertools.accumulate((receipt["ends"][-1] for receipt in receipts), initial=0)
    parts = [
        Part(tables / name, slices[0].corpus, first, receipt["ends"][-1])
        for (name, slices), first, receipt in zip(named.values(), firsts, receipts, strict=False)
    ]
    if not sum(part.documents for part in parts):
        return Chosen(tasks, {})
    dropped = choose(tables / _KEPT, parts, text)
    file = str(tables / _KEPT)
    chosen = [
        [
            slice_._replace(kept=Kept(file, part.first + start, part.first + stop))
            for slice_, (start, stop) in zip(slices, itertools.pairwise([0, *receipt["ends"]]), strict=True)
        ]
        for slices, part, receipt in zip(tasks, parts, receipts, strict=True)
    ]
    return Chosen(chosen, dropped)


def end_survey(folder: OutputFolder) -> None:
    """Remove survey tables that an earlier version of wpprep left beside the output.

    Those of this version are in ``.unfinished``, which is removed as a whole when the folder is finished.
    """
    folder.remove_others("survey-*", [])


def _named(
    inputs: Sequence[str | os.PathLike[str]], text: CorpusOptions
) -> dict[str, list[str | os.PathLike[str]]]:
    """Return the inputs of each named corpus, in the order of the mix; without a mix, all under ``""``."""
    if not text.mix:
        return {"": list(inputs)}
    named: dict[str, list[str | os.PathLike[str]]] = {name: [] for name in text.mix_shares}
    for entry in inputs:
        name, found, path = os.fspath(entry).partition("=")
        if not found or name not in named:
            raise OptionError(
                f"{entry}: with mix every input must be NAME=PATH, with NAME one of {', '.join(named)}"
            )
        named[name].append(path)
    if missing := [name for name, paths in named.items() if not paths]:
        raise OptionError(f"mix names {missing[0]}, but no input is {missing[0]}=PATH")
    return named
