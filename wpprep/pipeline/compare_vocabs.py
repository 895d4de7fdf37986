"""Comparison of vocabularies on the same text, which should be text that none of them was learned from.

    compare_vocabs(["vocab", "bert-base-uncased"], "held-out.txt", out="comparison")

    comparison/
      zipf.png       count of each entry by rank, both axes logarithmic
      lengths.png    fraction of the tokens by length in characters
      quality.json   the measures (`wpprep.vocab.quality.Quality`) of each vocabulary

Charts need matplotlib (`pip install 'wpprep[report]'`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from wpprep.config import CorpusOptions, build, refuse_unknown
from wpprep.config.keywords import CompareVocabsKeywords
from wpprep.corpus.filters import used_documents
from wpprep.corpus.tasks import Paths, refuse_empty, tasks_of
from wpprep.errors import OptionError
from wpprep.inspection.charts import bars, lines, save
from wpprep.jobs.summary import Summary
from wpprep.records import Ints
from wpprep.storage.files import make_folder
from wpprep.storage.output_file import output_file
from wpprep.storage.place import Place
from wpprep.vocab.any_tokenizer import open_subject
from wpprep.vocab.quality import LONGEST, Measured, Quality, compare

_SLICE_BYTES = 16_000_000
_MOST_POINTS = 400  # maximum number of points of a curve, at even distances on the logarithmic axis


@dataclass(frozen=True, kw_only=True, repr=False)
class CompareSummary(Summary):
    """Measures of vocabularies on one text.

    Attributes:
        qualities: the measures of each vocabulary, by its path as given.
    """

    qualities: dict[str, Quality]

    @property
    def headline(self) -> str:
        """The number of vocabularies."""
        return f"{len(self.qualities)} {'vocabulary' if len(self.qualities) == 1 else 'vocabularies'}"


def compare_vocabs(
    vocabs: Sequence[str | os.PathLike[str]],
    text: Paths,
    *,
    out: str | os.PathLike[str] | None = None,
    **options: Unpack[CompareVocabsKeywords],
) -> CompareSummary:
    """Compare vocabularies on the same text.

    Args:
        vocabs: vocabulary folders of wpprep, tokenizer.json files, folders that AutoTokenizer loads, or .model
            files of sentencepiece.
        text: files and folders of text, which the vocabularies should not have been learned from.
        out: a folder for charts and measures; they need matplotlib.
        **options: fields of `CorpusOptions`.

    Raises:
        WpprepError: a tokenizer or the text cannot be read, or a package is missing.
    """
    started = time.perf_counter()
    refuse_unknown(options, CorpusOptions)
    corpus = build(CorpusOptions, options)
    if not vocabs:
        raise OptionError("no vocabulary to compare: expected one or more folders")
    subjects = {os.fspath(path): open_subject(path) for path in vocabs}
    measured = compare(subjects, _texts(text, corpus))
    qualities = {name: each.quality() for name, each in measured.items()}
    refuse_empty(next(iter(qualities.values())).text_bytes, text)
    if out is not None:
        _draw(measured, Place(out))
        figures = json.dumps({n: asdict(q) for n, q in qualities.items()}, indent=2)
        with output_file(Place(out) / "quality.json", is_ours=_is_figures) as file:
            file.write(figures.encode())
    return CompareSummary(command="compare-vocabs", seconds=time.perf_counter() - started, qualities=qualities)


def _is_figures(head: bytes) -> bool:
    """Return whether a file that begins with these bytes has measures of vocabularies."""
    return head.startswith(b"{") and b'"tokens_per_word"' in head


def _texts(text: Paths, corpus: CorpusOptions) -> Iterator[str]:
    """Yield the texts of the documents that pass the filters."""
    for slices in tasks_of(text, corpus, _SLICE_BYTES):
        for slice_ in slices:
            for document in used_documents(slice_, corpus):
                yield document.text


def _draw(measured: dict[str, Measured], out: Place) -> None:
    """Write both charts."""
    if not out.is_remote:
        make_folder(Path(out))
    names = [Path(name).name for name in measured]
    labels = names if len(set(names)) == len(names) else list(measured)
    curves = {label: _by_rank(each) for label, each in zip(labels, measured.values(), strict=True)}
    chart = lines(curves, title="Entries by rank", x_label="rank", y_label="count", log_x=True, log_y=True)
    save(chart, out / "zipf.png")
    lengths = {
        label: each.lengths[1:] / max(1, int(each.lengths.sum()))
        for label, each in zip(labels, measured.values(), strict=True)
    }
    places = np.arange(1, LONGEST + 1)
    chart = bars(lengths, places, title="Tokens by length", x_label="characters", y_label="fraction of tokens")
    save(chart, out / "lengths.png")


def _by_rank(measured: Measured) -> tuple[Ints, Ints]:
    """Return some ranks, and the counts of the entries at them."""
    counts = np.sort(measured.counts[measured.counts > 0])[::-1]
    ranks = np.unique(np.geomspace(1, max(1, len(counts)), _MOST_POINTS).astype(np.int64))[: len(counts)]
    return ranks, counts[ranks - 1]
