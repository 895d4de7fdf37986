"""The corpus of a run: its files as tasks, what identifies it, and what filters over the whole of it leave.

    tasks = tasks_of(["wiki/", "books/"], text, run.slice_bytes)     # lists of slices, in corpus order
    with OutputFolder.claim(out, kind, plan_of(options, None, tasks), ...) as folder:
        chosen = survey(tasks, text, folder, run, say)               # the same tasks; slices know what is used
        ...                                                          # tasks call `filters.used_documents`
        end_survey(folder)                                           # before the manifest

Tasks are cut by files and sizes, never by workers. The survey is only made where an option asks for it, and is
resumed like any other work: its tables lie in the output folder until that is finished.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from wpprep.config import CorpusOptions, RunOptions
from wpprep.corpus.readers import plan_slices
from wpprep.errors import CorpusError, MissingInputError, OptionError
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.resume import Progress, run_resumable
from wpprep.records import Kept, Slice
from wpprep.storage.files import is_compressed, size_of

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]

_COMPRESSION = 3  # what a compressed byte counts for when files are put together into tasks
_TABLE = "survey-{:05}.arrow"
_KEPT = "survey-kept"


@dataclass(frozen=True)
class Chosen:
    """The tasks of a corpus after all filters, and the figures of what filters over the whole of it dropped."""

    tasks: list[list[Slice]]
    dropped: dict[str, Any]


def tasks_of(corpus: Paths, text: CorpusOptions, slice_bytes: int) -> list[list[Slice]]:
    """The corpus as groups of slices of about ``slice_bytes``; none has slices of two named corpora.

    Raises:
        MissingInputError: an input does not exist, or holds no file of a known format.
        OptionError: with ``mix``, an input is not given as one of the named corpora.
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
    """The inputs that a corpus names."""
    return [corpus] if isinstance(corpus, (str, os.PathLike)) else list(corpus)


def bytes_of(slice_: Slice) -> int:
    """About how much text a slice has."""
    if slice_.stop >= 0:
        return slice_.stop - slice_.start
    try:
        size = size_of(slice_.path) - slice_.start
        return size * _COMPRESSION if is_compressed(slice_.path) else size
    except MissingInputError:
        return 0  # reading it will say so


def plan_of(options: dict[str, Any], vocabulary: str | None, tasks: list[list[Slice]]) -> dict[str, Any]:
    """What the bytes of an output depend on; the corpus is told by its files' names and sizes."""
    paths = dict.fromkeys((slice_.corpus, slice_.path) for slices in tasks for slice_ in slices)
    names = [f"{name}{name and '='}{os.path.basename(path)}:{_size_or_none(path)}" for name, path in paths]
    corpus = hashlib.sha256("\n".join(names).encode()).hexdigest()
    return {"options": options, "vocabulary": vocabulary, "corpus": corpus}


def _size_or_none(path: str) -> int | None:
    """The size of a file; None of what cannot be read and is left out, as a link to nowhere."""
    if os.path.isdir(path):
        return None
    try:
        return size_of(path)
    except MissingInputError:
        return None


def refuse_empty(documents: int, corpus: Paths) -> None:
    """Raise CorpusError for a corpus without documents."""
    if documents == 0:
        names = ", ".join(map(str, inputs_of(corpus)))
        raise CorpusError(
            f"{names}: the corpus is empty: no document with any text in it, or filters leave none"
        )


def survey(
    tasks: list[list[Slice]], text: CorpusOptions, folder: OutputFolder, run: RunOptions, say: Progress
) -> Chosen:
    """Apply the filters that must know the whole corpus; without any, the tasks are left as they are.

    Raises:
        CorpusError: a file is damaged, or a corpus of the mix is empty.
    """
    if not (text.deduplicate or text.mix or text.max_documents is not None):
        return Chosen(tasks, {})
    from wpprep.corpus.dedup_and_mix import Part, SurveySlices, choose  # noqa: PLC0415 (loads pyarrow)

    named = {_TABLE.format(i): (_TABLE.format(i), slices) for i, slices in enumerate(tasks)}
    folder.remove_others("survey-*", named)  # of a killed run that cut other slices
    sizes = {name: sum(map(bytes_of, slices)) for name, slices in named.values()}
    receipts = run_resumable("survey", partial(SurveySlices, text, folder.path), named, sizes, folder, run, say)
    firsts = itertools.accumulate((receipt["ends"][-1] for receipt in receipts), initial=0)
    parts = [
        Part(folder.path / name, slices[0].corpus, first, receipt["ends"][-1])
        for (name, slices), first, receipt in zip(named.values(), firsts, receipts, strict=False)
    ]
    if not sum(part.documents for part in parts):
        return Chosen(tasks, {})
    dropped = choose(folder.path / _KEPT, parts, text)
    file = str(folder.path / _KEPT)
    chosen = [
        [
            slice_._replace(kept=Kept(file, part.first + start, part.first + stop))
            for slice_, (start, stop) in zip(slices, itertools.pairwise([0, *receipt["ends"]]), strict=True)
        ]
        for slices, part, receipt in zip(tasks, parts, receipts, strict=True)
    ]
    return Chosen(chosen, dropped)


def end_survey(folder: OutputFolder) -> None:
    """Remove what the survey wrote."""
    folder.remove_others("survey-*", [])


def _named(inputs: Sequence[str | os.PathLike[str]], text: CorpusOptions) -> dict[str, list[Any]]:
    """The inputs of each named corpus, in the order of the mix; without a mix, all under no name."""
    if not text.mix:
        return {"": list(inputs)}
    named: dict[str, list[Any]] = {name: [] for name in text.mix_shares}
    for entry in inputs:
        name, found, path = os.fspath(entry).partition("=")
        if not found or name not in named:
            raise OptionError(
                f"{entry}: with mix every input is given as NAME=PATH, NAME one of {', '.join(named)}"
            )
        named[name].append(path)
    if missing := [name for name, paths in named.items() if not paths]:
        raise OptionError(f"mix names {missing[0]}, and no input is given as {missing[0]}=PATH")
    return named
