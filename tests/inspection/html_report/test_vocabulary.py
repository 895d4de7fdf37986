"""The sections of vocabularies: scripts, frequencies, and the comparison on a text."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("matplotlib", reason="the section has charts")

import numpy as np

from wpprep.inspection.html_report.vocabulary import Named, Sample, compare, describe, read_sample, script_of
from wpprep.tokenizer.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def named(folders: Path) -> Named:
    """The vocabulary of the folders, without counts from shards."""
    return Named("vocab", folders / "vocab", Vocabulary.from_folder(folders / "vocab"), {})


def test_a_piece_has_the_script_of_its_first_letter() -> None:
    """Marks and digits have no script, and a letter of a script that is not in the list is "other"."""
    pieces = {
        "lamp": "Latin",
        "42": "digits",
        "…": "marks",
        "등대": "Hangul",
        "燈": "CJK",
        "ᚠ": "other",
        "'s": "Latin",
    }
    assert {piece: script_of(piece) for piece in pieces} == pieces


def test_frequencies_need_a_text_or_shards(named: Named) -> None:
    """Without either there is a note and no chart of frequencies; with counts there is the chart."""
    section = describe(named, None)
    assert (
        "Frequencies of pieces are not shown: they need a text, or shards of this vocabulary." in section.notes
    )
    assert [chart.title for chart in section.charts] == ["Lengths of the pieces", "Scripts"]
    counts = np.zeros(len(named.vocabulary.pieces), np.int64)
    counts[[10, 11]] = [5, 1]
    counted = describe(Named("vocab", named.path, named.vocabulary, {"shards": counts}), None)
    assert counted.charts[0].title == "Frequency of pieces (Zipf)"
    assert f"2 of {len(counts)} pieces occur" in counted.charts[0].label


def test_facts_are_those_of_the_manifest(named: Named) -> None:
    """Entries, identity and algorithm are shown."""
    facts = dict(describe(named, None).facts)
    assert facts["entries"] == f"{len(named.vocabulary.pieces):,}"
    assert facts["identity"] == named.vocabulary.sha256[:16]
    assert "algorithm" in facts


def test_vocabularies_are_compared_on_one_text(named: Named, folders: Path) -> None:
    """Equal vocabularies have equal rows and no best value; without a text the manifest has the values."""
    sample = read_sample([str(folders / "corpus.txt")])
    assert sample.is_whole
    other = Named("other", named.path, named.vocabulary, {})
    section = compare([named, other], sample)
    assert section is not None
    first, second = section.tables[0].rows
    assert first[1:] == second[1:]
    assert not any("★" in cell for cell in first)
    held_out = compare([named], None)
    assert held_out is not None
    assert held_out.title == "Quality on held-out documents"


def test_a_sample_has_its_size_in_words() -> None:
    """Three documents of 500,000 bytes are 1.5 MB; a part of a text is called the first documents."""
    documents = ["x" * 500_000] * 3
    assert str(Sample(documents, is_whole=True)) == "3 documents, 1.50 MB"
    assert str(Sample(documents, is_whole=False)) == "the first 3 documents, 1.50 MB"
