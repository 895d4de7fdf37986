"""Filters on single documents, and marks of filters over the whole corpus."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from wpprep.config import CorpusOptions
from wpprep.corpus.filters import Tally, is_sampled, passing, used_documents
from wpprep.corpus.readers import LeftOut
from wpprep.corpus.tasks import tasks_of
from wpprep.errors import CorpusError, OptionError
from wpprep.pipeline.encode import encode
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document, Kept
from wpprep.storage.files import read_bytes


def write(path: Path, documents: Sequence[Document]) -> Path:
    """Documents as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"id": d.id, "text": d.text}) + "\n" for d in documents), encoding="utf-8"
    )
    return path


def test_filters_choose_documents_by_themselves(tmp_path: Path) -> None:
    """Length, sentences and sample depend on the document alone; larger samples contain smaller ones."""
    documents = [Document(str(i), "One. " * (i % 5 + 1)) for i in range(2000)]
    assert list(passing(documents, CorpusOptions(), "prose")) == documents
    long = list(passing(documents, CorpusOptions(min_chars=20), "prose"))
    assert {len(document.text) for document in long} == {20, 25}
    many = list(passing(documents, CorpusOptions(min_sentences=3), "prose"))
    assert {len(document.text) for document in many} == {15, 20, 25}
    samples = [{d.id for d in passing(documents, CorpusOptions(sample=s), "prose")} for s in (0.01, 0.1, 0.5)]
    assert samples[0] < samples[1] < samples[2]
    assert [abs(len(sample) - share) < 60 for sample, share in zip(samples, (20, 200, 1000), strict=True)] == [
        True
    ] * 3
    with pytest.raises(OptionError, match=r"sample is 0(\.0)?, expected above 0 and at most 1"):
        CorpusOptions(sample=0)


def test_a_corpus_that_changes_after_the_survey_is_refused(tmp_path: Path) -> None:
    """A slice with more or fewer documents than in the survey is an error with its file."""
    file = write(tmp_path / "a.jsonl", [Document(str(i), "Text.") for i in range(5)])
    (tmp_path / "kept").write_bytes(bytes([9, 1, 0, 0, 1, 1, 9]))
    options = CorpusOptions()
    (slice_,) = (s._replace(kept=Kept(str(tmp_path / "kept"), 1, 6)) for s in tasks_of(file, options, 10**6)[0])
    assert [d.id for d in used_documents(slice_, options)] == ["0", "3", "4"]
    for stop in (5, 7):
        with pytest.raises(CorpusError, match=r"a\.jsonl: found 5 documents from byte 0 on, expected [46]: "):
            list(used_documents(slice_._replace(kept=Kept(str(tmp_path / "kept"), 1, stop)), options))
    assert read_bytes(tmp_path / "kept", 1, 3) == b"\1\0"


def test_dropped_documents_are_in_manifests(tmp_path: Path) -> None:
    """Manifests of vocabularies and token stores count short, unsampled and bad documents alike."""
    rows = [json.dumps({"id": str(i), "text": "Word " * (i % 10) + "end."}) for i in range(200)]
    rows[9] = "{"
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    options: dict[str, Any] = {
        "min_chars": 20,
        "sample": 0.5,
        "skip_bad": True,
        "workers": 2,
        "slice_bytes": 900,
    }
    vocab = train_vocab(tmp_path / "a.jsonl", tmp_path / "vocab", vocab_size=20, **options)
    tokens = encode(tmp_path / "a.jsonl", vocab.folder, tmp_path / "tokens", **options)
    for name in ("documents", "dropped", "left_out"):
        assert vocab.manifest.corpus[name] == tokens.manifest.corpus[name]
    facts = tokens.manifest.corpus
    assert facts["left_out"]["count"] == 1
    assert facts["documents"] + sum(facts["dropped"].values()) == 199
    assert min(facts["dropped"].values()) > 20


def test_dropped_documents_are_counted_by_reason() -> None:
    """A document that is not sampled is not measured; each is counted once."""
    documents = [Document(str(i), "One. Two." if i % 2 else "One.") for i in range(1000)]
    options, tally = CorpusOptions(sample=0.5, min_sentences=2), Tally()
    used = list(passing(documents, options, "prose", tally))
    sampled = [document for document in documents if is_sampled(document.id, 0.5)]
    assert tally.not_sampled == 1000 - len(sampled)
    assert tally.too_short == sum(document.text == "One." for document in sampled)
    assert used == [document for document in sampled if document.text == "One. Two."]


def test_every_document_is_in_a_sample_of_all() -> None:
    """The whole corpus is its sample of 1, and no document is in a sample of 0."""
    assert all(is_sampled(str(i), 1.0) for i in range(1000))
    assert not any(is_sampled(str(i), 0.0) for i in range(1000))


def test_manifests_mention_filters_that_are_on() -> None:
    """Counts appear for the filters and options that are used, zero or not."""
    tally = Tally(LeftOut(1, ["a: bad"]), 2, 3)
    assert tally.facts(CorpusOptions(), {}) == {}
    assert tally.facts(CorpusOptions(skip_bad=True), {}) == {"left_out": {"count": 1, "first": ["a: bad"]}}
    assert tally.facts(CorpusOptions(min_chars=9), {}) == {"dropped": {"too_short": 2}}
    assert Tally().facts(CorpusOptions(sample=0.5), {"duplicates": 4}) == {
        "dropped": {"not_sampled": 0, "duplicates": 4}
    }


def test_tallies_add_up() -> None:
    """Each count is summed, and errors stay in corpus order."""
    total = Tally(LeftOut(1, ["a"]), 2, 3)
    total.add(Tally(LeftOut(2, ["b", "c"]), 10, 20))
    assert total == Tally(LeftOut(3, ["a", "b", "c"]), 12, 23)
