"""Filters over the whole corpus: the documents of a slow twin, for any slices and number of workers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.checksums import checksums

from wpprep import rng
from wpprep.config import CorpusOptions
from wpprep.corpus import dedup_and_mix as survey
from wpprep.corpus.dedup_and_mix import Part, SurveySlices, choose
from wpprep.corpus.filters import Dropped, place_of
from wpprep.corpus.tasks import tasks_of
from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document

Corpora = dict[str, list[list[Document]]]  # by name: the documents of each task


def write(path: Path, documents: Sequence[Document]) -> Path:
    """Documents as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"id": d.id, "text": d.text}) + "\n" for d in documents), encoding="utf-8"
    )
    return path


def draw(document: Document, purpose: int) -> int:
    """Return the random draw of a document for one of the filters."""
    return int(rng.key(0, purpose, 0, np.uint64(place_of(document.id))))


def twin(corpora: Corpora, options: CorpusOptions) -> list[bool]:
    """The slow twin of `choose`: whether each document is used, from whole lists of them."""
    everything = [
        (name, document) for name, tasks in corpora.items() for documents in tasks for document in documents
    ]
    used, seen = [True] * len(everything), set[str]()
    for i, (_, document) in enumerate(everything):
        if options.deduplicate and document.text in seen:
            used[i] = False
        seen.add(document.text)

    def cut(chosen: list[int], purpose: int, sizes: dict[int, int], most: Any) -> None:
        total = 0
        for i in sorted(chosen, key=lambda i: (draw(everything[i][1], purpose), i)):
            total += sizes[i]
            used[i] = total <= most

    size = {i: len(document.text.encode()) for i, (_, document) in enumerate(everything)}
    if options.mix:
        mine = {
            name: [i for i, (corpus, _) in enumerate(everything) if used[i] and corpus == name]
            for name in corpora
        }
        whole = min(sum(size[i] for i in mine[name]) / share for name, share in options.mix_shares.items())
        for name, share in options.mix_shares.items():
            cut(mine[name], rng.MIXING, size, whole * share)
    if options.max_documents is not None:
        left = [i for i in range(len(everything)) if used[i]]
        cut(left, rng.LIMITING, dict.fromkeys(left, 1), options.max_documents)
    return used


def surveyed(folder: Path, corpora: Corpora, options: CorpusOptions) -> tuple[list[bool], Dropped]:
    """Return the marks and counts of `choose` for the same documents, written to one file per task."""
    parts: list[Part] = []
    (folder / survey.SURVEY).mkdir(parents=True)
    for name, tasks in corpora.items():
        for documents in tasks:
            file = write(folder / f"{len(parts)}.jsonl", documents)
            slices = [slice_ for task in tasks_of(file, CorpusOptions(format="jsonl"), 50) for slice_ in task]
            receipt = SurveySlices(options, folder)((f"{len(parts)}.arrow", slices))
            first = parts[-1].first + parts[-1].documents if parts else 0
            ends = receipt["ends"] or [0]
            parts.append(Part(folder / survey.SURVEY / f"{len(parts)}.arrow", name, first, ends[-1]))
    facts = choose(folder / "kept", parts, options)
    return [bool(byte) for byte in (folder / "kept").read_bytes()], facts


TEXTS = st.sampled_from(["One.", "Two is longer.", "Drei.", "Vier ist länger als zwei.", "5"])
DOCUMENTS = st.lists(st.builds(Document, st.integers(0, 12).map(str), TEXTS), min_size=1, max_size=12)


@settings(max_examples=25)
@given(
    a=st.lists(DOCUMENTS, min_size=1, max_size=3),
    b=st.lists(DOCUMENTS, min_size=1, max_size=3),
    deduplicate=st.booleans(),
    max_documents=st.none() | st.integers(1, 20),
    mix=st.sampled_from([None, "a=0.5,b=0.5", "a=3,b=1", "a=.1,b=.9"]),
    at_once=st.sampled_from([1, 3, 1 << 22]),
    bins=st.sampled_from([1, 4, 16]),
)
def test_chosen_documents_are_those_of_the_slow_twin(
    tmp_path_factory: pytest.TempPathFactory,
    a: list[list[Document]],
    b: list[list[Document]],
    deduplicate: bool,
    max_documents: int | None,
    mix: str | None,
    at_once: int,
    bins: int,
) -> None:
    """For any number of ranges and bins, the filters keep the documents that sorting whole lists keeps."""
    options = CorpusOptions(format="jsonl", deduplicate=deduplicate, max_documents=max_documents, mix=mix)
    corpora = {"a": a, "b": b}
    expected = twin(corpora, options)
    if mix and deduplicate and {x.text for task in b for x in task} <= {x.text for task in a for x in task}:
        return  # the second corpus is empty: another test
    with mock.patch.multiple(survey, _MOST_AT_ONCE=at_once, _BINS=bins):
        found, facts = surveyed(tmp_path_factory.mktemp("survey"), corpora, options)
    assert found == expected
    dropped = facts.get("duplicates", 0) + facts.get("beyond_max_documents", 0)
    dropped += sum(of_corpus["surplus_documents"] for of_corpus in facts.get("mix", {}).values())
    assert dropped == expected.count(False)


def test_mix_by_hand(tmp_path: Path) -> None:
    """Of 600 bytes of wiki and 100 of books at 3 to 1, all books and 300 bytes of wiki are used."""
    wiki = [Document(f"w{i}", f"{i:09}.") for i in range(60)]
    books = [Document(f"b{i}", f"{i:09}!") for i in range(10)]
    options = CorpusOptions(format="jsonl", mix="wiki=0.75,books=0.25")
    found, facts = surveyed(tmp_path, {"wiki": [wiki[:25], wiki[25:]], "books": [books]}, options)
    assert facts["mix"] == {
        "wiki": {"documents": 30, "text_bytes": 300, "surplus_documents": 30, "surplus_bytes": 300},
        "books": {"documents": 10, "text_bytes": 100, "surplus_documents": 0, "surplus_bytes": 0},
    }
    assert all(found[60:])
    draws = [draw(document, rng.MIXING) for document in wiki]
    assert max(d for d, used in zip(draws, found, strict=False) if used) < min(
        d for d, used in zip(draws, found, strict=False) if not used
    )


def test_fewer_documents_are_some_of_more_and_keep_the_mix(tmp_path: Path) -> None:
    """--max-documents 100 of a mix at 1 to 1 uses about as many of each, and contains those of 40."""
    wiki = [Document(f"w{i}", f"{i:09}.") for i in range(2000)]
    books = [Document(f"b{i}", f"{i:09}!") for i in range(300)]
    used = []
    for most in (40, 100):
        options = CorpusOptions(format="jsonl", mix="wiki=1,books=1", max_documents=most)
        found, _ = surveyed(tmp_path / str(most), {"wiki": [wiki], "books": [books]}, options)
        used.append({i for i, is_used in enumerate(found) if is_used})
    assert [len(numbers) for numbers in used] == [40, 100]
    assert used[0] < used[1]
    assert 35 < sum(i < 2000 for i in used[1]) < 65


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora of several files, with equal texts in each and between them."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, numbers in (("wiki", range(300)), ("books", range(200, 400))):
        for file in range(3):
            documents = [
                Document(
                    f"{name}-{file}-{n}",
                    f"Sentence {n % 250} tells of {name if n % 7 else 'all'}. The {n % 250}th goes on.",
                )
                for n in list(numbers)[file::3]
            ]
            write(folder / name / f"{file}.jsonl", documents)
    return folder


FILTERS: dict[str, Any] = {
    "deduplicate": True,
    "mix": "books=0.5,wiki=0.5",
    "max_documents": 120,
    "min_chars": 43,
}


@pytest.mark.parametrize(("workers", "slice_bytes"), [(2, 2_000), (3, 9_000)])
def test_stages_use_the_same_documents_for_any_workers_and_slices(
    corpora: Path, tmp_path: Path, workers: int, slice_bytes: int
) -> None:
    """Vocabulary and shards have the same bytes and statistics, and no file of the survey remains."""
    inputs = [f"wiki={corpora / 'wiki'}", f"books={corpora / 'books'}"]
    made = []
    runs: dict[str, dict[str, Any]] = {
        "one": {"workers": 1},
        "more": {"workers": workers, "slice_bytes": slice_bytes},
    }
    for name, run in runs.items():
        vocab = train_vocab(inputs, tmp_path / name / "vocab", vocab_size=110, **FILTERS, **run)
        more: dict[str, Any] = {"max_seq_length": 32, "dupe_factor": 1, "shards": 2}
        shards = make_shards(inputs, vocab.folder, tmp_path / name / "shards", **more, **FILTERS, **run)
        made.append(checksums(tmp_path / name))
        assert vocab.manifest.corpus["dropped"] == shards.manifest.corpus["dropped"]
        assert vocab.manifest.corpus["fingerprint"] == shards.manifest.corpus["fingerprint"]
        assert shards.manifest.corpus["documents"] == 120
    assert made[0] == made[1]
    assert not any("survey" in file for file in made[0])
    dropped = shards.manifest.corpus["dropped"]
    assert dropped["duplicates"] > 30
    assert dropped["mix"]["wiki"]["surplus_documents"] > 0


def test_first_in_corpus_order_stays(tmp_path: Path) -> None:
    """Of equal texts in three files, that of the first file is encoded, in whatever order workers read them."""
    for name in "abc":
        write(
            tmp_path / "corpus" / name, [Document(f"{name}{i}", f"Text {i} it is. And more.") for i in range(9)]
        )
    write(tmp_path / "corpus" / "d", [Document("new", "Another text. And more.")])
    vocab = train_vocab(tmp_path / "corpus", tmp_path / "vocab", vocab_size=45, workers=1).folder
    options: dict[str, Any] = {"deduplicate": True, "workers": 2, "slice_bytes": 100}
    manifest = encode(tmp_path / "corpus", vocab, tmp_path / "tokens", **options).manifest
    from wpprep.shards.token_store import TokenStore

    ids = TokenStore.open(tmp_path / "tokens").take(np.arange(10)).ids
    assert ids == [*(f"a{i}" for i in range(9)), "new"]
    assert (manifest.corpus["documents"], manifest.corpus["dropped"]) == (10, {"duplicates": 18})
