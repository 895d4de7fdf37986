"""Shards: rows are read as they were written, the file has the documented layout, damage is named."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import CLS, MASK, SEP, columns, roles, store, synthetic

from wpprep.config import ShardOptions, as_dict
from wpprep.errors import MissingInputError, OptionError, OutputError, ShardError
from wpprep.instances.dense import pad_rows, unpad_rows
from wpprep.instances.masking import mask_batch
from wpprep.instances.pairing import make_instances
from wpprep.records import InstanceBatch, offsets_of
from wpprep.shards import format as shard_format
from wpprep.shards.format import read_metadata, read_rows, read_shard, take_rows, write_dense_shard, write_shard
from wpprep.storage.manifest import Shard

OPTIONS = ShardOptions(max_seq_length=32)
CORPUS = synthetic(documents=40, sentences=10, words=6, seed=1)


def instances(*, masked: bool = True, marked: bool = False) -> InstanceBatch:
    """The instances of a small corpus."""
    documents = np.arange(len(CORPUS))
    made = make_instances(
        columns(CORPUS, marked=marked), documents, documents * 0, store(CORPUS, marked=marked), roles(), OPTIONS
    )
    if not masked:
        return made.batch
    return mask_batch(made.batch, roles(), "token", 0.15, 5, 0.8, 0.1, made.mask_keys)


def row(batch: InstanceBatch, r: int) -> dict[str, Any]:
    """All values of one row."""
    tokens = slice(batch.offsets[r], batch.offsets[r + 1])
    predicted = slice(batch.mlm_offsets[r], batch.mlm_offsets[r + 1])
    return {
        "input_ids": batch.input_ids[tokens].tolist(),
        "b_start": int(batch.b_start[r]),
        "next_sentence_label": int(batch.next_sentence_label[r]),
        "document": int(batch.document[r]),
        "mlm_positions": batch.mlm_positions[predicted].tolist(),
        "mlm_labels": batch.mlm_labels[predicted].tolist(),
        "word_starts": None if batch.word_starts is None else batch.word_starts[tokens].tolist(),
    }


def all_rows(batch: InstanceBatch) -> list[dict[str, Any]]:
    return [row(batch, r) for r in range(len(batch))]


def write(path: Path, batch: InstanceBatch, masking: str = "static") -> Shard:
    return write_shard(path, batch, "f00d", {**as_dict(OPTIONS), "masking": masking})


# -- there and back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("marked", [True, False])
def test_rows_come_back(tmp_path: Path, masked: bool, marked: bool) -> None:
    """All values of every row are read as they were written; word starts are stored until masks are applied."""
    batch = instances(masked=masked, marked=marked)
    assert (batch.word_starts is not None) == (marked and not masked)
    write(tmp_path / "shard.arrow", batch, "static" if masked else "dynamic")
    read = read_shard(tmp_path / "shard.arrow")
    assert all_rows(read) == all_rows(batch)
    for field in dataclasses.fields(InstanceBatch):
        written, found = getattr(batch, field.name), getattr(read, field.name)
        assert (written is None) == (found is None)
        assert written is None or written.dtype == found.dtype


def test_large_vocabularies_take_32_bits(tmp_path: Path) -> None:
    """Ids above 65,535 are read as they were written."""
    batch = instances()
    wide = dataclasses.replace(
        batch,
        input_ids=batch.input_ids.astype(np.uint32) + 70_000,
        mlm_labels=batch.mlm_labels.astype(np.uint32),
    )
    write(tmp_path / "shard.arrow", wide)
    assert all_rows(read_shard(tmp_path / "shard.arrow")) == all_rows(wide)


def test_ids_are_mapped_not_copied(tmp_path: Path) -> None:
    """Token ids are views of the file: read-only, owning no memory, and no file stays open."""
    write(tmp_path / "shard.arrow", instances())
    read = read_shard(tmp_path / "shard.arrow")
    for array in (read.input_ids, read.mlm_positions, read.mlm_labels):
        assert not array.flags.owndata
        assert not array.flags.writeable
    assert not any("shard.arrow" in str(link.resolve()) for link in Path("/proc/self/fd").iterdir())


def test_an_empty_shard_is_one(tmp_path: Path) -> None:
    """A shard without rows can be written and read."""
    entry = write(tmp_path / "shard.arrow", take_rows(instances(), np.empty(0, np.int64)))
    assert (entry.rows, entry.tokens) == (0, 0)
    assert len(read_shard(tmp_path / "shard.arrow")) == 0


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_the_file_is_what_the_design_says(tmp_path: Path, masking: str) -> None:
    """Any Arrow reader finds the documented columns and types in one record batch."""
    batch = instances(masked=masking == "static")
    write(tmp_path / "shard.arrow", batch, masking)
    with pa.ipc.open_file(tmp_path / "shard.arrow") as reader:
        assert reader.num_record_batches == 1
        table = reader.read_all()
    ids = pa.list_(pa.uint16())
    types = {
        "input_ids": ids,
        "b_start": pa.uint16(),
        "next_sentence_label": pa.uint8(),
        "document": pa.uint32(),
    }
    if masking == "static":
        types |= {"mlm_positions": ids, "mlm_labels": ids}
    assert {field.name: field.type for field in table.schema} == types
    assert table.to_pylist() == [{name: row(batch, r)[name] for name in types} for r in range(len(batch))]


def test_a_shard_says_what_it_is(tmp_path: Path) -> None:
    """The manifest entry has rows, size and checksum, and the metadata of the file vocabulary and options."""
    batch = instances()
    path = tmp_path / "shard-00000-of-00001.arrow"
    entry = write(path, batch)
    content = path.read_bytes()
    assert entry == Shard(
        name="shard-00000-of-00001.arrow",
        rows=len(batch),
        tokens=len(batch.input_ids),
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    assert read_metadata(path) == ("f00d", as_dict(OPTIONS))


def test_equal_rows_give_equal_bytes(tmp_path: Path) -> None:
    """Two shards of the same rows are equal byte for byte."""
    assert write(tmp_path / "a.arrow", instances()).sha256 == write(tmp_path / "b.arrow", instances()).sha256


def test_an_instance_of_512_takes_1351_bytes(tmp_path: Path) -> None:
    """1,024 for ids, 308 for predictions, 3 * 4 for offsets, 7 for the plain columns: 1,351 bytes a row."""
    n = 1000
    batch = InstanceBatch(
        input_ids=np.zeros(512 * n, np.uint16),
        offsets=offsets_of(np.full(n, 512)),
        b_start=np.full(n, 200),
        next_sentence_label=np.zeros(n, np.uint8),
        document=np.arange(n),
        mlm_positions=np.zeros(77 * n, np.uint16),
        mlm_labels=np.zeros(77 * n, np.uint16),
        mlm_offsets=offsets_of(np.full(n, 77)),
    )
    assert 1351 <= write(tmp_path / "shard.arrow", batch).bytes / n < 1355


# -- dense rows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["compact", "dense"])
@pytest.mark.parametrize("at_once", [7, 1000])
def test_rows_are_read_a_few_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str, at_once: int
) -> None:
    """Rows of either layout are read in parts, each with its first row number; dense rows have no document."""
    monkeypatch.setattr(shard_format, "DENSE_ROWS", at_once)
    batch = instances()
    options = {**as_dict(OPTIONS), "layout": layout}
    path = tmp_path / "shard.arrow"
    if layout == "dense":
        entry = write_dense_shard(path, batch, "f00d", options, 0)
        batch = dataclasses.replace(batch, document=np.zeros(len(batch), np.int64))
    else:
        entry = write_shard(path, batch, "f00d", options)
    assert (entry.rows, entry.tokens) == (len(batch), len(batch.input_ids))
    pieces = list(read_rows(path))
    assert [start for start, _ in pieces] == list(range(0, len(batch), at_once))
    assert [row for _, piece in pieces for row in all_rows(piece)] == all_rows(batch)
    assert read_metadata(path).options["layout"] == layout


def test_dense_rows_worked_by_hand() -> None:
    """Padding is [PAD], 0 and -100; B and the [SEP] after it have type 1; a single segment has no B."""
    batch = InstanceBatch(
        input_ids=np.array([CLS, MASK, SEP, 11, SEP, CLS, 12, 13, SEP], np.uint16),
        offsets=np.array([0, 5, 9]),
        b_start=np.array([3, 4]),
        next_sentence_label=np.array([1, 0], np.uint8),
        document=np.array([4, 5]),
        mlm_positions=np.array([1, 2], np.uint16),
        mlm_labels=np.array([10, 13], np.uint16),
        mlm_offsets=np.array([0, 1, 2]),
    )
    dense = pad_rows(batch, 0, 100, 6, pad=9)
    assert dense.input_ids.tolist() == [[CLS, MASK, SEP, 11, SEP, 9], [CLS, 12, 13, SEP, 9, 9]]
    assert dense.token_type_ids.tolist() == [[0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 0, 0]]
    assert dense.attention_mask.tolist() == [[1, 1, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]]
    assert dense.labels.tolist() == [[-100, 10, -100, -100, -100, -100], [-100, -100, 13, -100, -100, -100]]
    assert dense.next_sentence_label.tolist() == [1, 0]
    assert all_rows(unpad_rows(dense)) == [row(batch, r) | {"document": 0} for r in range(2)]
    assert pad_rows(batch, 1, 2, 6, pad=9).input_ids.tolist() == [[CLS, 12, 13, SEP, 9, 9]]


def test_dense_shards_are_not_for_the_loader(tmp_path: Path) -> None:
    """A dense shard read as a compact one is refused for its layout, and not as damaged."""
    write_dense_shard(tmp_path / "shard.arrow", instances(), "f00d", as_dict(OPTIONS), 0)
    with pytest.raises(ShardError, match="the layout is dense, which is for other readers"):
        read_shard(tmp_path / "shard.arrow")


# -- damage ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.5, 0.9, 0.999])
def test_a_shard_cut_short_is_named(tmp_path: Path, keep: float) -> None:
    """A shard cut short raises an error with its name."""
    path = tmp_path / "shard.arrow"
    write(path, instances())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    for read in (read_shard, read_metadata):
        with pytest.raises(ShardError, match=r"shard\.arrow: damaged"):
            read(path)


def test_flipped_bits_are_named_or_harmless(tmp_path: Path) -> None:
    """With any bit flipped, a shard is refused by its name or read as rows with valid offsets."""
    path = tmp_path / "shard.arrow"
    write(path, take_rows(instances(), np.arange(5)))
    whole = path.read_bytes()
    generator = random.Random(1)
    refused = []
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        try:
            read = read_shard(path)
        except ShardError as error:
            refused.append(str(error))
        else:
            for offsets, values in ((read.offsets, read.input_ids), (read.mlm_offsets, read.mlm_labels)):
                assert offsets[0] >= 0
                assert np.all(np.diff(offsets) >= 0)
                assert offsets[-1] <= len(values)
    assert len(refused) > 50
    assert all(message.startswith(str(path)) for message in refused)


def test_other_arrow_files_are_no_shards(tmp_path: Path) -> None:
    """An Arrow file without the metadata of a shard is refused, and so is a column of another type."""
    path = tmp_path / "shard.arrow"
    for metadata, found in (
        (None, "format version none"),
        ({"wpprep.shard_version": "1"}, "b_start is of type int64"),
    ):
        table = pa.record_batch({"input_ids": pa.array([[1]], pa.list_(pa.uint16())), "b_start": [1]})
        with (
            pa.OSFile(str(path), "wb") as sink,
            pa.ipc.new_file(sink, table.schema.with_metadata(metadata)) as out,
        ):
            out.write_batch(table)
        with pytest.raises(ShardError, match=found):
            read_shard(path)


def test_a_missing_shard_is_said(tmp_path: Path) -> None:
    """A missing shard raises another error than a damaged one."""
    with pytest.raises(MissingInputError, match="no such file"):
        read_shard(tmp_path / "shard.arrow")


def test_nothing_half_made_keeps_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that cannot be written leaves no file."""

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wpprep.storage.files.os.fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        write(tmp_path / "shard.arrow", instances())
    assert not list(tmp_path.iterdir())


def test_a_shard_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More tokens than 32-bit offsets can address are refused, with the option to change."""
    monkeypatch.setattr(shard_format, "_MOST_TOKENS", 3)
    with pytest.raises(OptionError, match="more shards"):
        write(tmp_path / "shard.arrow", instances())


# -- rows and statistics -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 99), max_size=8), st.booleans())
def test_rows_are_taken_with_all_that_is_theirs(wanted: list[int], masked: bool) -> None:
    """Any rows can be copied, in any order, with all their columns."""
    batch = instances(masked=masked, marked=True)
    taken = take_rows(batch, np.array(wanted, np.int64))
    assert all_rows(taken) == [row(batch, r) for r in wanted]
