"""Learning a vocabulary from text, or from the counts of a text.

    count_words   corpus -> counts of chunks (`counting_task`) -> counts folder
    train_vocab   corpus or counts folder -> words -> merges -> vocabulary folder

Normalization and merging process each distinct chunk once, so that a vocabulary from counts takes seconds.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Unpack

from wpprep.config import (
    CorpusOptions,
    CountOptions,
    CountRunOptions,
    VocabOptions,
    as_dict,
    build,
    refuse_unknown,
)
from wpprep.config.keywords import TrainVocabKeywords
from wpprep.corpus.tasks import Paths, end_survey, plan_of, refuse_empty, survey, tasks_of
from wpprep.errors import OptionError
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.nodes import Nodes
from wpprep.jobs.plans import Plan
from wpprep.jobs.summary import FolderSummary
from wpprep.pipeline.count_words import count_words
from wpprep.pipeline.counting_task import Counted, count_at_hand, fits_in_memory, table_bytes
from wpprep.storage.files import UNFINISHED
from wpprep.storage.manifest import Manifest, describe
from wpprep.tokenizer.normalization import TextRules, counting_rule
from wpprep.tokenizer.vocabulary import Vocabulary, write_vocabulary
from wpprep.vocab.counting.counts import CorpusFacts
from wpprep.vocab.counting.words import WordCounts
from wpprep.vocab.counting.words import count_words as words_of
from wpprep.vocab.quality import measure_counts
from wpprep.vocab.train import learn_vocabulary

_log = logging.getLogger(__name__)

_COUNTS = f"{UNFINISHED}/counts"  # folder of the counts in an unfinished vocabulary
_WORTH_A_LINE = 1 << 30  # bytes of memory for merging; above this, a warning is logged
_OF_COUNTS = ("cjk", "holdout", "seed")  # options that are fixed by the counts


def train_vocab(
    corpus: Paths | None,
    out: str | os.PathLike[str],
    *,
    counts: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Unpack[TrainVocabKeywords],
) -> FolderSummary:
    """Learn a subword vocabulary from text and write it as a vocabulary folder.

    Args:
        corpus: files and folders of text; None or empty with ``counts``.
        out: the folder to write.
        counts: a folder of `count_words`, or a TSV file of words and counts, to use instead of a corpus.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `VocabOptions`, `CorpusOptions` and `CountRunOptions`. With ``counts``, the options
            for reading text, cjk, holdout and seed are those of the counts.

    Raises:
        WpprepError: an input, an option or the output is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, VocabOptions, CorpusOptions, CountRunOptions)
    if (counts is None) == (not corpus):
        raise OptionError("expected either a corpus or counts (--counts)")
    run = build(CountRunOptions, options)
    source = _Corpus(corpus, options, run) if counts is None else _Counts(counts, options)
    with Job.begin(out, "vocabulary", source.plan, run, progress) as job:
        if not job.is_finished:
            _learn(job, source, run)
    return job.summary("train-vocab", started)


def _learn(job: Job, source: _Corpus | _Counts, run: CountRunOptions) -> None:
    """Learn the vocabulary, write it into the folder of the job, and finish the folder."""
    vocab, say = source.vocab, job.say
    counted = source.count(job)
    if counted.held_out.documents:
        counted = counted.with_something_to_learn()
    say("normalise", 0, 1)
    rules = TextRules(vocab)
    words = _words(counted, rules, vocab, job, run)
    size = vocab.vocab_size
    learned = learn_vocabulary(words, vocab, rules, lambda n: say("merge", min(n, size), size), _log_need)
    names = write_vocabulary(job.path, learned, vocab)
    manifest = Manifest(
        kind="vocabulary",
        options=source.plan["options"],
        files=[describe(job.path / name, job.path) for name in sorted(names)],
        corpus={"identity": source.plan["corpus"]} | counted.for_manifest(),
        statistics={
            "entries": len(learned.pieces),
            "distinct_words": len(words),
            "words": int(words.counts.sum()),
            "dropped_characters": learned.dropped_characters,
            "unused_entries": learned.unused,
            "held_out": _quality(job.path, counted),
        },
    )
    end_survey(job.folder)
    job.finish(manifest)


class _Corpus:
    """Corpus as the source of a vocabulary: counted in memory if it is small, else by `count_words`."""

    def __init__(self, corpus: Paths | None, options: Mapping[str, object], run: CountRunOptions) -> None:
        self._corpus, self._options, self._run = corpus or [], options, run
        self.vocab, self._text = build(VocabOptions, options), build(CorpusOptions, options)
        self._tasks = tasks_of(self._corpus, self._text, run.slice_bytes)
        self.plan = plan_of(as_dict(self.vocab) | as_dict(self._text), None, self._tasks)

    def count(self, job: Job) -> Counted:
        """Count the corpus; counts on disk are in the folder of the job until the vocabulary is finished."""
        if fits_in_memory(self._tasks, self._run):
            chosen = survey(self._tasks, self._text, job)
            job.elect()
            counted = count_at_hand(chosen, self.vocab, self._text, self._run, job.say)
            if not counted.documents:
                job.folder.discard()
            refuse_empty(counted.documents, self._corpus)
            return counted
        counting = build(CountOptions, as_dict(self.vocab))
        run = {field.name: getattr(self._run, field.name) for field in dataclasses.fields(self._run)}
        options = as_dict(counting) | as_dict(self._text) | run | {"overwrite": False}
        if isinstance(job.folder.nodes, Nodes):
            job.folder.nodes.refuse_finished()
        count_words(self._corpus, job.path / _COUNTS, progress=job.say, **options)
        return _Counts(job.path / _COUNTS, {"algorithm": self.vocab.algorithm}).count(job)


class _Counts:
    """Saved counts as the source of a vocabulary."""

    def __init__(self, path: str | os.PathLike[str], options: Mapping[str, object]) -> None:
        from wpprep.vocab.counting.counts_file import identity_of, open_counts  # noqa: PLC0415 (loads pyarrow)

        self._saved = open_counts(path)
        settled = self._saved.facts.get("options", {})
        _refuse_settled(self._saved.path, settled, options)
        known = {name: settled[name] for name in _OF_COUNTS if name in settled} or {"holdout": 0.0}
        self.vocab = build(VocabOptions, {**options, **known})
        self._saved.refuse_other_rule(counting_rule(self.vocab))
        text = build(CorpusOptions, settled)
        self.plan: Plan = {
            "options": as_dict(self.vocab) | as_dict(text),
            "vocabulary": None,
            "corpus": identity_of(self._saved),
        }

    def count(self, job: Job) -> Counted:
        """Return the saved counts."""
        job.elect()
        facts = self._saved.facts
        return Counted(
            self._saved.parts,
            CorpusFacts(**facts.get("learned", {})),
            CorpusFacts(**facts.get("held_out", {})),
            facts.get("unused", {}),
        )


def _refuse_settled(path: Path, settled: dict[str, Any], options: Mapping[str, object]) -> None:
    """Raise OptionError if an option contradicts the counts."""
    reading = {field.name for field in dataclasses.fields(CorpusOptions)}
    for name, value in options.items():
        if value is not None and name in {*reading, *_OF_COUNTS} and value != settled.get(name):
            found = f"was counted with {settled[name]!r}" if name in settled else "contains only words"
            raise OptionError(
                f"{name} is {value!r}, but {path} {found}; omit {name}, or count the corpus again"
            )


def _words(
    counted: Counted, rules: TextRules, vocab: VocabOptions, job: Job, run: CountRunOptions
) -> WordCounts:
    """Return the words of counted chunks, spilled into the folder of the job if they exceed the memory."""
    aside = None
    if not counted.is_at_hand:
        from wpprep.vocab.counting.runs import Spill  # noqa: PLC0415 (loads pyarrow)

        aside = Spill(job.path, "words", table_bytes(run))
    return words_of(counted.parts(), rules, vocab.min_word_count, aside)


def _log_need(need: int, words: int) -> None:
    """Log the memory that merging needs, in bytes, before it starts."""
    has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else 0
    level = logging.WARNING if need > _WORTH_A_LINE else logging.INFO
    of = f" of {has / 1e9:,.1f} GB" if has else ""
    hint = "; a higher min_word_count reduces it" if level == logging.WARNING else ""
    _log.log(
        level,
        "merging %s distinct words needs about %s GB of memory%s%s",
        f"{words:,}",
        f"{need / 1e9:,.2f}",
        of,
        hint,
    )


def _quality(vocab: Path, counted: Counted) -> dict[str, Any] | None:
    """Return the measures of a vocabulary on the held-out documents; None if there are none."""
    if not counted.held_out.documents:
        return None
    tokenizer = Vocabulary.from_folder(vocab).tokenizer
    quality = measure_counts(tokenizer, counted.parts(), counted.held_out.text_bytes)
    return {"documents": counted.held_out.documents} | asdict(quality)
