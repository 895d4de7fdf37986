"""The token store: documents and spans are read as they were written, and damage is named."""

from __future__ import annotations

import resource
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import Document, columns, numbered, store

from wpprep import rng
from wpprep.errors import MissingInputError, OptionError, ShardError
from wpprep.records import TokenizedDocuments
from wpprep.shards import token_store
from wpprep.shards.token_store import TokenStore, read_part, read_token_counts, write_index, write_part

PARTS = ["part-00000.arrow", "part-00001.arrow", "part-00002.arrow"]
LENGTHS = st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), min_size=1, max_size=9)


def documents_of(batch: TokenizedDocuments) -> list[Document]:
    sentences = [s.tolist() for s in np.split(batch.tokens, batch.sentences[1:-1])]
    return [sentences[a:b] for a, b in pairwise(batch.documents)]


def keys(sentences: list[int], counts: list[int]) -> np.ndarray:
    """Keys that draw these sentences of documents with these numbers of sentences."""

    def draws(key: int, count: int) -> int:
        return int(rng.below(np.array([key], np.uint64), count))

    found = [next(k for k in range(10**6) if draws(k, n) == s) for s, n in zip(sentences, counts, strict=True)]
    return np.array(found, np.uint64)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of ten documents in three parts, the second one empty."""
    documents = numbered([[3, 1], [2], [4, 4, 1], [1], [7], [2, 2], [1, 5], [3], [2, 6, 2], [8]])
    for part, (first, last) in enumerate([(0, 4), (4, 4), (4, 10)]):
        write_part(tmp_path / f"part-{part:05}.arrow", columns(documents[first:last], marked=True))
    write_index(tmp_path, PARTS)
    return tmp_path


def test_parts_are_one_corpus(folder: Path) -> None:
    """Documents are numbered over all parts, and their numbers of tokens are read from the index."""
    assert len(TokenStore.open(folder)) == 10
    counts = read_token_counts(folder)
    assert counts.tolist() == [4, 2, 9, 1, 7, 4, 6, 3, 10, 8]
    assert counts.dtype == np.uint32


def test_take_copies_documents_in_the_order_asked_for(folder: Path) -> None:
    """Any documents of any parts can be copied, in any order and more than once."""
    documents = numbered([[3, 1], [2], [4, 4, 1], [1], [7], [2, 2], [1, 5], [3], [2, 6, 2], [8]])
    order = [9, 2, 4, 2, 0]
    taken = TokenStore.open(folder).take(np.array(order))
    assert documents_of(taken) == [documents[d] for d in order]
    assert taken.ids == ["document 5", "document 2", "document 0", "document 2", "document 0"]
    assert taken.word_starts is not None
    assert taken.word_starts.tolist() == [token % 2 == 1 for token in taken.tokens.tolist()]


def test_spans_take_whole_sentences_until_the_target() -> None:
    """A span ends with the sentence that reaches the target, or with the document, and is never empty.

    Document 1 has sentences of 2, 3 and 4 tokens, numbered 7 and 8, 9 to 11, 12 to 15. From its second one
    on, 3 tokens are 9 to 11; 4 need the third sentence too; 99 are more than there are; 0 give one sentence.
    """
    corpus = store(numbered([[2], [2, 3, 4], [5]]), marked=True)
    tokens, offsets, word_starts = corpus.spans(np.full(4, 1), keys([1] * 4, [3] * 4), np.array([3, 4, 99, 0]))
    assert [span.tolist() for span in np.split(tokens, offsets[1:-1])] == [
        [9, 10, 11],
        [9, 10, 11, 12, 13, 14, 15],
        [9, 10, 11, 12, 13, 14, 15],
        [9, 10, 11],
    ]
    assert word_starts is not None
    assert word_starts.tolist() == (tokens % 2 == 1).tolist()


@given(LENGTHS, st.data())
def test_spans_are_those_of_lists(lengths: list[list[int]], data: st.DataObject) -> None:
    """Spans of random requests to random corpora are equal to those from lists."""
    documents = numbered(lengths)
    requests = data.draw(
        st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(-3, 40)), max_size=6)
    )
    asked = [(d % len(documents), s % len(documents[d % len(documents)]), target) for d, s, target in requests]
    expected = []
    for d, s, target in asked:
        span: list[int] = []
        for sentence in documents[d][s:]:
            if span and len(span) >= target:
                break
            span += sentence
        expected.append(span)
    wanted = np.array(asked, np.int64).reshape(-1, 3)
    start_keys = keys(wanted[:, 1].tolist(), [len(documents[d]) for d in wanted[:, 0]])
    tokens, offsets, word_starts = store(documents).spans(wanted[:, 0], start_keys, wanted[:, 2])
    assert [tokens[a:b].tolist() for a, b in pairwise(offsets)] == expected
    assert word_starts is None


def test_large_vocabularies_take_32_bits(tmp_path: Path) -> None:
    """Ids above 65,535 are read as they were written."""
    tokens = np.array([70_000, 5, 119_546], np.uint32)
    write_part(
        tmp_path / "part-00000.arrow", TokenizedDocuments(["a"], tokens, np.array([0, 1, 3]), np.array([0, 2]))
    )
    write_index(tmp_path, PARTS[:1])
    taken = TokenStore.open(tmp_path).take(np.array([0]))
    assert taken.tokens.dtype == np.uint32
    assert documents_of(taken) == [[[70_000], [5, 119_546]]]


def test_parts_are_what_the_design_says(tmp_path: Path) -> None:
    """A part is an Arrow file with the documented columns, with one bit per token for the word starts."""
    write_part(tmp_path / "part-00000.arrow", columns(numbered([[2, 1], [1]]), marked=True))
    with pa.ipc.open_file(tmp_path / "part-00000.arrow") as reader:
        assert reader.num_record_batches == 1
        table = reader.read_all()
    assert table.schema.field("sentences").type == pa.list_(pa.list_(pa.uint16()))
    assert table.to_pydict() == {
        "id": ["document 0", "document 1"],
        "sentences": [[[5, 6], [7]], [[8]]],
        "word_starts": [[[True, False], [True]], [[False]]],
    }


def test_stores_map_more_parts_than_files_may_be_open(tmp_path: Path) -> None:
    """A store with more parts than a process may have open files can be read."""
    for part in range(100):
        write_part(tmp_path / f"part-{part:05}.arrow", columns(numbered([[2, 1]])))
    write_index(tmp_path, [f"part-{part:05}.arrow" for part in range(100)])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
    try:
        assert len(TokenStore.open(tmp_path).take(np.arange(100))) == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_part_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tokens than 32-bit offsets can address are refused, with the option to change."""
    monkeypatch.setattr(token_store, "_MOST_TOKENS", 3)
    with pytest.raises(OptionError, match="slice_bytes"):
        write_part(tmp_path / "part-00000.arrow", columns(numbered([[2, 2]])))
    assert not list(tmp_path.iterdir())


def test_a_folder_without_parts_is_said(tmp_path: Path) -> None:
    """Opening a folder without a store raises an error with its name."""
    with pytest.raises(MissingInputError, match=str(tmp_path)):
        TokenStore.open(tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 0.5, -1])
def test_a_part_cut_short_is_named(folder: Path, keep: float) -> None:
    """A part cut short raises an error with its name."""
    path = folder / "part-00002.arrow"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(ShardError, match=r"part-00002\.arrow: not a part"):
        TokenStore.open(folder).take(np.arange(10))


def test_a_part_of_another_store_is_named(folder: Path) -> None:
    """A part of another store is refused, because document numbers would shift."""
    (folder / "part-00002.arrow").write_bytes((folder / "part-00000.arrow").read_bytes())
    with pytest.raises(ShardError, match=r"part-00002\.arrow: not the part .*: 4 documents, expected 6"):
        TokenStore.open(folder).take(np.array([5]))


@pytest.mark.parametrize("name", ["rows.npy", "token_counts.npy"])
def test_a_damaged_index_is_named(folder: Path, name: str) -> None:
    """An index that is cut short, or has pickled objects, is refused by its name."""
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:-1])
    reading = TokenStore.open if name == "rows.npy" else read_token_counts
    with pytest.raises(ShardError, match=f"{name}: damaged"):
        reading(folder)
    np.save(folder / name, np.array([{}]), allow_pickle=True)
    with pytest.raises(ShardError, match=f"{name}: damaged"):
        reading(folder)


def test_another_arrow_file_is_no_part(tmp_path: Path) -> None:
    """An Arrow file with other columns is refused by its name."""
    path = tmp_path / "part-00000.arrow"
    batch = pa.record_batch({"id": ["a"], "sentences": [[1, 2]]})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    with pytest.raises(ShardError, match=r"part-00000\.arrow"):
        read_part(path)
