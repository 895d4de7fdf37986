"""What there is to say of vocabularies: what is in them, and how they do on one text."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from wpprep.storage.manifest import read_manifest
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.vocab.quality import Quality, measure

_MOST_TEXT = 2_000_000  # characters to measure on
_LONGEST = 24  # characters; longer pieces are counted with these
_SCRIPTS = 7
_SCRIPT_NAMES = re.compile(
    "ARABIC|ARMENIAN|BENGALI|CJK|CYRILLIC|DEVANAGARI|ETHIOPIC|GEORGIAN|GREEK|GUJARATI|GURMUKHI|HANGUL|HEBREW|"
    "HIRAGANA|KANNADA|KATAKANA|KHMER|LAO|LATIN|MALAYALAM|MONGOLIAN|MYANMAR|ORIYA|SINHALA|SYRIAC|TAMIL|TELUGU|"
    "THAI|TIBETAN"
)
_FIGURES = {  # of `Quality`: what it is called, how it is written, and whether more is better
    "entries": ("entries", "{:,}", None),
    "tokens_per_word": ("tokens a word", "{:.4f}", False),
    "bytes_per_token": ("bytes a token", "{:.3f}", True),
    "bits_per_byte": ("bits a byte", "{:.4f}", False),
    "unk_share": ("[UNK]", "{:.3%}", False),
    "whole_words": ("whole words", "{:.2%}", True),
    "unused": ("entries never used", "{:,}", None),
}


@dataclass(frozen=True)
class Named:
    """A vocabulary, what it is called on the page, and how often its pieces stood in shards, where known."""

    name: str
    path: Path
    vocabulary: Vocabulary
    in_shards: Mapping[str, Ints]


@dataclass(frozen=True)
class Sample:
    """The text that vocabularies are measured on: documents, and whether that is all there is."""

    documents: list[str]
    is_whole: bool

    def __str__(self) -> str:
        size = sum(len(text.encode()) for text in self.documents) / 1e6
        return f"{'' if self.is_whole else 'the first '}{len(self.documents):,} documents, {size:,.2f} MB"


def read_sample(text: Sequence[str]) -> Sample:
    """Documents of a corpus, as many as hold two million characters.

    Raises:
        MissingInputError, CorpusError: there is no text, or none that can be read.
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
    """What is in a vocabulary."""
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
        label = f"How often pieces occur, by rank: {used:,} of {len(pieces):,} do, both axes logarithmic."
        charts.insert(0, zipf("How often pieces occur (Zipf)", label, counts))
    else:
        notes.append(
            "No text and no shards of this vocabulary were given: how often its pieces occur is not known."
        )
    longest = sorted(pieces, key=lambda piece: (-len(piece), piece))[:12]
    some = pieces[:: max(1, len(pieces) // 36)]
    return Section(
        kind="vocabulary",
        title=named.name,
        facts=_facts(vocabulary, pieces, made),
        notes=notes,
        charts=charts,
        passages=[("the longest pieces", " ".join(longest)), ("some pieces", " ".join(some))],
        options=made.get("options", {}),
    )


def compare(several: Sequence[Named], sample: Sample | None) -> Section | None:
    """Vocabularies side by side on one text; without one, by what each was measured on when it was made."""
    if sample:
        title = f"Quality on a text: {sample}"
        notes = ["A vocabulary that was learned from this very text looks better here than it is."]
        figures = {named.name: measure(named.vocabulary.tokenizer, sample.documents) for named in several}
    else:
        title = "Quality on held-out documents"
        notes = ["Measured on the documents kept out of each: figures compare where these are the same."]
        found = {named.name: _held_out(named.path) for named in several}
        figures = {name: quality for name, quality in found.items() if quality}
    if not figures:
        return None
    charts = []
    if sample and len(several) > 1:
        counts = {short_name(named.name): _count(named.vocabulary, sample) for named in several}
        charts.append(zipf("How often pieces occur (Zipf)", "A curve for each, on the same text.", counts))
    meaning = "Bits a byte: what the text costs under the frequencies of its own tokens, an [UNK] at its bytes."
    notes.append(meaning + (" ★ marks the best." if len(figures) > 1 else ""))
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


def _facts(vocabulary: Vocabulary, pieces: list[str], made: dict[str, Any]) -> list[tuple[str, str]]:
    facts = [("entries", f"{len(pieces):,}"), ("identity", vocabulary.sha256[:16])]
    options, statistics, corpus = (made.get(name, {}) for name in ("options", "statistics", "corpus"))
    if made:
        facts.insert(0, ("made by", f"{options['algorithm']}, {options['score']}"))
        facts += [
            ("learned from", f"{corpus['documents']:,} documents, {corpus['text_bytes'] / 1e6:,.1f} MB"),
            ("words", f"{statistics['words']:,}, {statistics['distinct_words']:,} of them distinct"),
        ]
    special = sorted(vocabulary.tokenizer.get_added_tokens_decoder())
    return [*facts, ("special tokens", ", ".join(vocabulary.pieces[i] for i in special[:12]))]


def _lengths(pieces: list[str]) -> Chart:
    """Lengths of the pieces that start words and of those that go on in one."""
    sizes = np.array([min(_LONGEST, len(piece.removeprefix("##"))) for piece in pieces])
    goes_on = np.array([piece.startswith("##") and len(piece) > 2 for piece in pieces])
    groups = {"start a word": sizes[~goes_on], "go on in one (##)": sizes[goes_on]}
    if not goes_on.any():
        groups = {"pieces": sizes}
    counts = {name: np.bincount(values, minlength=_LONGEST + 1)[1:] for name, values in groups.items()}
    label = f"Most pieces have {int(np.bincount(sizes).argmax())} characters, the mean is {sizes.mean():.1f}."
    if (sizes == _LONGEST).any():
        label += f" Those of {_LONGEST} and more are counted together."
    return histogram("Lengths of the pieces", label, counts, first=1, x="characters", y="pieces")


def _scripts(pieces: list[str]) -> Chart:
    """Pieces by the script of their first letter."""
    counts = Counter(_script(piece.removeprefix("##")) for piece in pieces)
    names = [name for name, _ in counts.most_common(_SCRIPTS)]
    heights = [float(counts[name]) for name in names]
    first = f"{names[0]} has most: {percent(heights[0] / len(pieces))} of the pieces."
    return columns("Scripts", first, {"pieces": heights}, names, y="pieces", x="script")


def _script(piece: str) -> str:
    """The script of the first letter or digit, by its Unicode name.

    >>> _script("lamp"), _script("42"), _script("!"), _script("등대")
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
    """How often each piece occurs in the sample."""
    ids = Encoder(vocabulary).encode_batch(sample.documents)
    counts = np.zeros(len(vocabulary.pieces), np.int64)
    for of_document in ids:
        counts += np.bincount(of_document, minlength=len(counts))
    return counts


def _manifest(path: Path) -> dict[str, Any]:
    """What our own manifest says of a vocabulary; nothing of others'."""
    if not (path / MANIFEST).is_file():
        return {}
    manifest = read_manifest(path)
    if manifest.kind != "vocabulary":
        return {}
    return {"options": manifest.options, "statistics": manifest.statistics, "corpus": manifest.corpus}


def _held_out(path: Path) -> Quality | None:
    found = _manifest(path).get("statistics", {}).get("held_out")
    return Quality(**{name: value for name, value in found.items() if name != "documents"}) if found else None
