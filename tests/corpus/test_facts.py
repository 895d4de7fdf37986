"""Corpus statistics of a manifest: sums over documents and tasks."""

from __future__ import annotations

from typing import Any

from wpprep.config import CorpusOptions
from wpprep.corpus.facts import FACTS, count_document, take_facts, unused
from wpprep.records import Document


def test_documents_are_counted_in_bytes() -> None:
    """Text is measured in bytes of UTF-8, and replaced characters are summed."""
    facts = dict.fromkeys(FACTS, 0)
    for document in (Document("1", "Äh.", 2), Document("2", "Oh.")):
        count_document(document, facts)
    assert (facts["documents"], facts["text_bytes"], facts["replaced"]) == (2, 7, 2)


def test_fingerprint_depends_on_texts_alone() -> None:
    """Neither order nor ids matter; a repeated text does."""

    def fingerprint_of(*texts: str) -> int:
        facts = dict.fromkeys(FACTS, 0)
        for i, text in enumerate(texts):
            count_document(Document(str(i), text), facts)
        return facts["fingerprint"]

    assert fingerprint_of("One.", "Two.") == fingerprint_of("Two.", "One.")
    assert fingerprint_of("One.", "One.") != fingerprint_of("One.")
    assert 0 <= fingerprint_of(*map(str, range(99))) < 2**64


def test_corpus_statistics_are_removed_from_sums() -> None:
    """Sums of fingerprints are reduced modulo 2**64; other sums stay; missing sums are 0."""
    total = {"documents": 3, "text_bytes": 30, "replaced": 1, "fingerprint": 2**64 + 10, "rows": 7}
    assert take_facts(total) == {
        "documents": 3, "text_bytes": 30, "replaced": 1, "fingerprint": "000000000000000a"
    }  # fmt: skip
    assert total == {"rows": 7}
    assert take_facts({}) == {"documents": 0, "text_bytes": 0, "replaced": 0, "fingerprint": "0" * 16}


def test_tallies_of_tasks_are_summed() -> None:
    """Errors of tasks are listed in order, next to the counts of the filters over the whole corpus."""

    def receipt(*errors: str, too_short: int) -> dict[str, Any]:
        left_out = {"count": len(errors), "first": list(errors)}
        return {"tally": {"left_out": left_out, "too_short": too_short, "not_sampled": 0}}

    receipts: list[Any] = [receipt("a: bad", too_short=2), receipt("b: bad", "b: worse", too_short=3)]
    assert unused(receipts, CorpusOptions(skip_bad=True, min_chars=5), {"duplicates": 1}) == {
        "left_out": {"count": 3, "first": ["a: bad", "b: bad", "b: worse"]},
        "dropped": {"too_short": 5, "duplicates": 1},
    }
