"""The sections of vocabularies: their contents, and their quality compared on one text.

The quality on a text is computed by `vocab.quality`. Without a text, the quality in the manifest of each
vocabulary is shown, which was measured on documents held out of its own corpus.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices, read_slice
from wpprep.inspection.find_rows import readable
from wpprep.inspection.html_report.parts import (
    Chart,
    Section,
    Table,
    columns,
    histogram,
    percent,
    short_name,
    zipf,
)
from wpprep.records import Ints
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import Manifest, read_manifest
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.vocab.quality import Quality, measure

_MOST_TEXT = 2_000_000  # maximum number of characters to measure on
_LONGEST = 24  # characters; longer pieces are counted with those of this length
_SCRIPTS = 7  # maximum number of scripts in the chart
_SCRIPT_NAMES = re.compile(
    "ARABIC|ARMENIAN|BENGALI|CJK|CYRILLIC|DEVANAGARI|ETHIOPIC|GEORGIAN|GREEK|GUJARATI|GURMUKHI|HANGUL|HEBREW|"
    "HIRAGANA|KANNADA|KATAKANA|KHMER|LAO|LATIN|MALAYALAM|MONGOLIAN|MYANMAR|ORIYA|SINHALA|SYRIAC|TAMIL|TELUGU|"
    "THAI|TIBETAN"
)
_FIGURES = {  # by attribute of `Quality`: name, format, whether more is better
    "entries": ("entries", "{:,}", None),
    "tokens_per_word": ("tokens per word", "{:.4f}", False),
    "bytes_per_token": ("bytes per token", "{:.3f}", True),
    "bits_per_byte": ("bits per byte", "{:.4f}", False),
    "unk_share": ("[UNK]", "{:.3%}", False),
    "whole_words": ("whole words", "{:.2%}", True),
    "unused": ("unused entries", "{:,}", None),
}


@dataclass(frozen=True)
class Named:
    """A vocabulary on the page.

    Attributes:
        name: its title.
        path: the folder or file given.
        vocabulary: the vocabulary.
        in_shards: ``int64[vocab_size]``, occurrences of its pieces, by name of a shard folder on the page.
    """

    name: str
    path: Path
    vocabulary: Vocabulary
    in_shards: Mapping[str, Ints]


@dataclass(frozen=True)
class Sample:
    """The text that vocabularies are measured on: documents, and whether they are the whole text given."""

    documents: list[str]
    is_whole: bool

    def __str__(self) -> str:
        """Return the size in words, such as "the first 120 documents, 2.00 MB"."""
        size = sum(len(text.encode()) for text in self.documents) / 1e6
        return f"{'' if self.is_whole else 'the first '}{len(self.documents):,} documents, {size:,.2f} MB"


def read_sample(text: Sequence[str]) -> Sample:
    """Return the first documents of a corpus, up to two million characters.

    Raises:
        MissingInputError, CorpusError: a file is missing, or cannot be read.
    """
    documents: list[str] = []
    size, options = 0, CorpusOptions()
    for slice_ in plan_slices(text, options, 16_000_000):
        for document in read_slice(slice_, options):
            if size > _MOST_TEXT:
                return Sample(documents, is_whole=False)
            documents.append(document.text)
            size += len(document.text)
    return Sample(documents, is_whole=True)


def describe(named: Named, sample: Sample | None) -> Section:
    """Return the section of a vocabulary.

    Args:
        named: the vocabulary.
        sample: a text to count the pieces in; None if there is none.

    Raises:
        ShardError: the manifest is damaged.
    """
    vocabulary = named.vocabulary
    pieces = [piece for piece in readable(vocabulary) if piece]
    made = _manifest(named.path)
    charts = [_lengths(pieces), _scripts(pieces)]
    counts = dict(named.in_shards)
    if sample:
        counts["the text"] = _count(vocabulary, sample)
    notes = []
    if counts:
        used = max(int((values > 0).sum()) for values in counts.values())
        label = f"Frequency by rank; {used:,} of {len(pieces):,} pieces occur. Both axes are logarithmic."
        charts.insert(0, zipf("Frequency of pieces (Zipf)", label, counts))
    else:
        notes.append("Frequencies of pieces are not shown: they need a text, or shards of this vocabulary.")
    longest = sorted(pieces, key=lambda piece: (-len(piece), piece))[:12]
    some = pieces[:: max(1, len(pieces) // 36)]
    return Section(
        kind="vocabulary",
        title=named.name,
        facts=_facts(vocabulary, pieces, made),
        notes=notes,
        charts=charts,
        passages=[("longest pieces", " ".join(longest)), ("pieces at equal distances", " ".join(some))],
        options=made.options if made else {},
    )


def compare(several: Sequence[Named], sample: Sample | None) -> Section | None:
    """Return a section that compares vocabularies.

    Args:
        several: the vocabularies.
        sample: a text to measure all of them on; without it, the quality in their manifests is shown.

    Returns:
        The section; None if no quality is known.

    Raises:
        ShardError: a manifest is damaged.
    """
    if sample:
        title = f"Quality on a text: {sample}"
        notes = ["The values of a vocabulary learned from this text are better than on other texts."]
        figures = {named.name: measure(named.vocabulary.tokenizer, sample.documents) for named in several}
    else:
        title = "Quality on held-out documents"
        notes = ["Measured on documents held out of each corpus: comparable only if these are the same."]
        found = {named.name: _held_out(named.path) for named in several}
        figures = {name: quality for name, quality in found.items() if quality}
    if not figures:
        return None
    charts = []
    if sample and len(several) > 1:
        counts = {short_name(named.name): _count(named.vocabulary, sample) for named in several}
        charts.append(zipf("Frequency of pieces (Zipf)", "One curve per vocabulary, same text.", counts))
    meaning = "Bits per byte: entropy of the text under its own token frequencies; an [UNK] costs its bytes."
    notes.append(meaning + (" ★ marks the best value." if len(figures) > 1 else ""))
    return Section("comparison", title, [], notes=notes, charts=charts, tables=[_table(figures)])


def _table(figures: Mapping[str, Quality]) -> Table:
    head = ["vocabulary", *(name for name, _, _ in _FIGURES.values())]
    rows = []
    for vocabulary, quality in figures.items():
        cells = [vocabulary]
        for name, (_, form, more_is_better) in _FIGURES.items():
            value, all_ = getattr(quality, name), [getattr(other, name) for other in figures.values()]
            best = None if more_is_better is None else max(all_) if more_is_better else min(all_)
            is_best = value == best and len(set(all_)) > 1
            cells.append(form.format(value) + (" ★" if is_best else ""))
        rows.append(cells)
    return Table("Quality", head, rows)


def _facts(vocabulary: Vocabulary, pieces: list[str], made: Manifest | None) -> list[tuple[str, str]]:
    facts = [("entries", f"{len(pieces):,}"), ("identity", vocabulary.sha256[:16])]
    if made:
        options, statistics, corpus = made.options, made.statistics, made.corpus
        facts.insert(0, ("algorithm", f"{options['algorithm']}, {options['score']}"))
        facts += [
            ("learned from", f"{corpus['documents']:,} documents, {corpus['text_bytes'] / 1e6:,.1f} MB"),
            ("words", f"{statistics['words']:,}, {statistics['distinct_words']:,} of them distinct"),
        ]
    special = sorted(vocabulary.tokenizer.get_added_tokens_decoder())
    return [*facts, ("special tokens", ", ".join(vocabulary.pieces[i] for i in special[:12]))]


def _lengths(pieces: list[str]) -> Chart:
    """Return a chart of the lengths of pieces that start a word and of pieces that continue one."""
    sizes = np.array([min(_LONGEST, len(piece.removeprefix("##"))) for piece in pieces])
    goes_on = np.array([piece.startswith("##") and len(piece) > 2 for piece in pieces])
    groups = {"start of a word": sizes[~goes_on], "continuation (##)": sizes[goes_on]}
    if not goes_on.any():
        groups = {"pieces": sizes}
    counts = {name: np.bincount(values, minlength=_LONGEST + 1)[1:] for name, values in groups.items()}
    label = (
        f"The most common length is {int(np.bincount(sizes).argmax())}, the mean {sizes.mean():.1f} characters."
    )
    if (sizes == _LONGEST).any():
        label += f" Pieces of {_LONGEST} and more characters are counted together."
    return histogram("Lengths of the pieces", label, counts, first=1, x="characters", y="pieces")


def _scripts(pieces: list[str]) -> Chart:
    """Return a chart of the scripts of the pieces."""
    counts = Counter(script_of(piece.removeprefix("##")) for piece in pieces)
    names = [name for name, _ in counts.most_common(_SCRIPTS)]
    heights = [float(counts[name]) for name in names]
    first = f"The most common script is {names[0]}, with {percent(heights[0] / len(pieces))} of the pieces."
    return columns("Scripts", first, {"pieces": heights}, names, y="pieces", x="script")


def script_of(piece: str) -> str:
    """Return the script of the first letter or digit, taken from its Unicode name.

    >>> script_of("lamp"), script_of("42"), script_of("!"), script_of("등대")
    ('Latin', 'digits', 'marks', 'Hangul')
    """
    for character in piece:
        if character.isdigit():
            return "digits"
        if character.isalpha():
            found = _SCRIPT_NAMES.match(unicodedata.name(character, ""))
            return "other" if found is None else "CJK" if found[0] == "CJK" else found[0].capitalize()
    return "marks"


def _count(vocabulary: Vocabulary, sample: Sample) -> Ints:
    """Return ``int64[vocab_size]``, the number of occurrences of each piece in the sample."""
    ids = Encoder(vocabulary).encode_batch(sample.documents)
    counts = np.zeros(len(vocabulary.pieces), np.int64)
    for of_document in ids:
        counts += np.bincount(of_document, minlength=len(counts))
    return counts


def _manifest(path: Path) -> Manifest | None:
    """Return the manifest of a vocabulary made by wpprep; None for another one."""
    if not (path / MANIFEST).is_file():
        return None
    manifest = read_manifest(path)
    return manifest if manifest.kind == "vocabulary" else None


def _held_out(path: Path) -> Quality | None:
    made = _manifest(path)
    found = made.statistics.get("held_out") if made else None
    return Quality(**{name: value for name, value in found.items() if name != "documents"}) if found else None
