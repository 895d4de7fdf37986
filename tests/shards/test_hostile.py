"""Shards and token stores that were made to do harm: no value indexes an array before it is checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.counting import make_folder, rewrite

from wpprep.errors import ShardError
from wpprep.inspection.census import take_census
from wpprep.inspection.terminal import as_data
from wpprep.pipeline.export import FORMATS, export
from wpprep.pipeline.make_shards import make_shards
from wpprep.records import InstanceBatch
from wpprep.shards.audit import find_faults
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import Limits, first_out_of_range
from wpprep.storage.manifest import File, Shard, describe, read_manifest, write_manifest

Change = Callable[[InstanceBatch], dict[str, Any]]


def changed(column: str, place: int, value: int) -> Change:
    """Set one value of a column."""

    def change(batch: InstanceBatch) -> dict[str, Any]:
        values = np.array(getattr(batch, column))
        values[place] = value
        return {column: values}

    return change


def longer(batch: InstanceBatch) -> dict[str, Any]:
    """One row that takes the tokens of all."""
    ends = np.full(len(batch) + 1, len(batch.input_ids))
    ends[0] = 0
    return {"offsets": ends}


CHANGES: dict[str, Change] = {
    "token id": changed("input_ids", 3, 65_535),
    "label": changed("mlm_labels", 0, 65_535),
    "position": changed("mlm_positions", 0, 65_000),
    "b_start": changed("b_start", 0, 65_000),
    "next_sentence_label": changed("next_sentence_label", 0, 9),
    "length": longer,
}


@pytest.fixture(params=CHANGES)
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A shard folder whose manifest is true of its files, and one shard that breaks a rule in row 0 or 1."""
    folder, written = make_folder(tmp_path / "shards")
    batch = written[0]
    rewrite(folder, 0, dataclasses.replace(batch, **CHANGES[request.param](batch)))
    return folder


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_exports_name_the_row(hostile: Path, tmp_path: Path, to: Any) -> None:
    """No file is written, and the message has the shard and the row."""
    if to == "hdf5":
        pytest.importorskip("h5py", reason="needs the package h5py")
    with pytest.raises(ShardError, match=r"shard-00000-of-00003\.arrow: row [01] is damaged"):
        export(hostile, tmp_path / "out", to=to, workers=1)
    assert not list((tmp_path / "out").glob("*shard-00000*"))


def test_inspection_names_the_row(hostile: Path) -> None:
    """`show` and the report's census stop in one line."""
    for look in (
        lambda: as_data(hostile, rows=2),
        lambda: as_data(hostile, search="w1"),
        lambda: take_census(ShardFolder(hostile)),
    ):
        with pytest.raises(ShardError, match="row [01] is damaged"):
            look()


def test_the_deep_check_survives_what_it_judges(hostile: Path) -> None:
    """`verify --deep`, to which messages point, names the shard and the rule."""
    faults = find_faults(hostile)
    assert any("shard-00000-of-00003.arrow: row " in fault for fault in faults)


def test_the_first_of_several_faults_is_found() -> None:
    """Rows of 4 tokens; row 2 has an id of 10 where the vocabulary has 10 entries, row 1 a position of 4."""
    batch = InstanceBatch(
        input_ids=np.array([1, 2, 3, 4, 1, 2, 3, 4, 1, 10, 3, 4], np.uint16),
        offsets=np.array([0, 4, 8, 12]),
        b_start=np.array([4, 4, 4]),
        next_sentence_label=np.zeros(3, np.uint8),
        document=np.zeros(3, np.int64),
        mlm_positions=np.array([3, 4], np.uint16),
        mlm_labels=np.array([9, 9], np.uint16),
        mlm_offsets=np.array([0, 1, 2, 2]),
    )
    limits = Limits(vocab_size=10, max_seq_length=4)
    assert first_out_of_range(batch, limits) == 1
    sound = dataclasses.replace(batch, mlm_positions=np.array([3, 3], np.uint16))
    assert first_out_of_range(sound, limits) == 2
    assert first_out_of_range(sound, Limits(11, 4)) == -1
    assert first_out_of_range(sound, Limits(11, 3)) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_seq_length", "64"), ("max_seq_length", 2**40), ("max_predictions_per_seq", -1), ("layout", "x")],
)
def test_options_of_another_form_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    """Arrays are laid out by the options of the manifest, which anybody can have written."""
    folder, _ = make_folder(tmp_path / "shards")
    manifest = read_manifest(folder)
    write_manifest(folder, dataclasses.replace(manifest, options=manifest.options | {name: value}))
    for use in (
        lambda: ShardFolder(folder),
        lambda: export(folder, tmp_path / "out", to="jsonl", workers=1),
    ):
        with pytest.raises(ShardError, match=rf"manifest\.json: damaged: options: {name}"):
            use()
    assert any("options" in fault for fault in find_faults(folder))


def test_a_damaged_shard_is_not_exported(tmp_path: Path) -> None:
    """A flipped bit that breaks no rule is seen by the checksum in the manifest."""
    folder, _ = make_folder(tmp_path / "shards")
    path = folder / "shard-00001-of-00003.arrow"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ShardError, match="shard-00001-of-00003.arrow: damaged"):
        export(folder, tmp_path / "out", to="jsonl", workers=1)


# -- token stores ------------------------------------------------------------------------------------


def lists(offsets: list[int], values: Any) -> Any:
    """A list column with these offsets, without any check."""
    buffer = pa.py_buffer(np.array(offsets, np.int32))
    return pa.Array.from_buffers(pa.list_(values.type), len(offsets) - 1, [None, buffer], children=[values])


TOKENS = pa.array(np.array([5, 6, 7, 8, 9, 5, 6, 7], np.uint16))
STORES = {
    "sentences go outside": ([0, 2, 4], [0, 2, 2**30, 6, 8]),
    "sentences go back": ([0, 2, 4], [0, 6, 2, 7, 8]),
    "negative sentence": ([0, 2, 4], [0, -9, 4, 6, 8]),
    "documents go outside": ([0, 2**29, 4], [0, 2, 4, 6, 8]),
    "documents go back": ([0, 4, 2], [0, 2, 4, 6, 8]),
    "an empty sentence": ([0, 2, 4], [0, 2, 2, 6, 8]),
    "an empty document": ([0, 0, 4], [0, 2, 4, 6, 8]),
}


def store_with(tokens: Path, documents: list[int], sentences: list[int], values: Any = TOKENS) -> None:
    """Replace the part of a kept token store, and make its manifest true of it."""
    part = tokens / "part-00000.arrow"
    columns = [pa.array(["a", "b"]), lists(documents, lists(sentences, values))]
    batch = pa.RecordBatch.from_arrays(columns, names=["id", "sentences"])
    with pa.OSFile(str(part), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    np.save(tokens / "rows.npy", np.array([2], np.int64))
    np.save(tokens / "token_counts.npy", np.array([4, 4], np.uint32))
    manifest = read_manifest(tokens)
    files: list[File | Shard] = []
    for file in manifest.files:
        if file.name in {"part-00000.arrow", "rows.npy", "token_counts.npy"}:
            entry = describe(tokens / file.name, tokens)
            files.append(dataclasses.replace(file, bytes=entry.bytes, sha256=entry.sha256))
        else:
            files.append(file)
    corpus = manifest.corpus | {"documents": 2}
    write_manifest(tokens, dataclasses.replace(manifest, files=files, corpus=corpus))


@pytest.fixture
def tokens(sample_corpus: Path, vocab: Path, tmp_path: Path) -> Path:
    """A kept token store."""
    from wpprep.pipeline.encode import encode

    return Path(encode([sample_corpus / "wiki" / "wiki_00"], vocab, tmp_path / "tokens", workers=1).folder)


@pytest.mark.parametrize("name", STORES)
def test_offsets_of_a_store_are_checked(tokens: Path, tmp_path: Path, name: str) -> None:
    """A store whose manifest is true, but whose offsets are not, is one line that names the part."""
    store_with(tokens, *STORES[name])
    with pytest.raises(ShardError, match=r"part-00000\.arrow: not a part of a token store, or damaged"):
        make_shards(from_tokens=tokens, out=tmp_path / "out", max_seq_length=16, workers=1)


def test_ids_of_a_store_are_checked(tokens: Path, tmp_path: Path) -> None:
    """An id outside the vocabulary does not reach a shard."""
    store_with(tokens, [0, 2, 4], [0, 2, 4, 6, 8], pa.array(np.array([5, 6, 7, 8, 9, 5, 60_000, 7], np.uint16)))
    with pytest.raises(ShardError, match="token id 60000 is outside the vocabulary of 2,000 entries"):
        make_shards(from_tokens=tokens, out=tmp_path / "out", max_seq_length=16, workers=1)


def test_a_store_with_fewer_documents_than_its_manifest(tokens: Path, tmp_path: Path) -> None:
    """The numbers of documents are compared before anything is drawn from them."""
    manifest = read_manifest(tokens)
    write_manifest(tokens, dataclasses.replace(manifest, corpus=manifest.corpus | {"documents": 10**9}))
    with pytest.raises(ShardError, match=r"documents, but 1000000000 in manifest\.json"):
        make_shards(from_tokens=tokens, out=tmp_path / "out", max_seq_length=16, workers=1)
