"""Exports: every format, read back with a reader that is not ours, holds the instances of the shards."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from wpprep.errors import OptionError
from wpprep.pipeline.export import FORMATS, export
from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.format import read_rows, read_shard
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import Shard, find_damage, read_manifest
from wpprep.tokenizer.vocabulary import Vocabulary

Format = Literal["parquet", "tfrecord", "hdf5", "jsonl"]
LENGTH, PREDICTIONS = 64, 10  # of the fixture `shards`


def expected_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a compact shard folder as BERT's features, padded, made the slow way."""
    padded = []
    for file in read_manifest(folder).files:
        if not isinstance(file, Shard):
            continue
        batch = read_shard(folder / file.name)
        for row in range(len(batch)):
            ids = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]].tolist()
            mlm = slice(batch.mlm_offsets[row], batch.mlm_offsets[row + 1])
            positions, labels = batch.mlm_positions[mlm].tolist(), batch.mlm_labels[mlm].tolist()
            b_start, rest, unused = (
                int(batch.b_start[row]),
                [0] * (LENGTH - len(ids)),
                PREDICTIONS - len(positions),
            )
            padded.append(
                {
                    "input_ids": ids + rest,
                    "input_mask": [1] * len(ids) + rest,
                    "segment_ids": [0] * b_start + [1] * (len(ids) - b_start) + rest,
                    "masked_lm_positions": positions + [0] * unused,
                    "masked_lm_ids": labels + [0] * unused,
                    "masked_lm_weights": [1.0] * len(positions) + [0.0] * unused,
                    "next_sentence_labels": [int(batch.next_sentence_label[row])],
                    "document": int(batch.document[row]),
                }
            )
    return padded


def labels_of(row: dict[str, Any]) -> list[int]:
    """The labels of transformers for one of these rows."""
    labels = [-100] * LENGTH
    predictions = zip(row["masked_lm_positions"], row["masked_lm_ids"], row["masked_lm_weights"], strict=True)
    for position, label, weight in predictions:
        if weight:
            labels[position] = label
    return labels


def files_of(folder: Path) -> list[Path]:
    return [folder / file.name for file in read_manifest(folder, "export").files]


def test_tfrecords_are_berts(shards: Path, tmp_path: Path) -> None:
    """An independent reader finds BERT's seven features, padded to its lengths, in every record."""
    loader = pytest.importorskip("tfrecord.reader", reason="needs the package tfrecord")
    export(shards, tmp_path / "out", to="tfrecord", workers=1)
    expected = expected_rows(shards)
    for row in expected:
        del row["document"]
    found = []
    for path in files_of(tmp_path / "out"):
        names = dict.fromkeys(expected[0], "int") | {"masked_lm_weights": "float"}
        records = loader.tfrecord_loader(str(path), None, names)
        found += [{name: values.tolist() for name, values in record.items()} for record in records]
    assert found == expected


def test_hdf5_is_nvidias(shards: Path, tmp_path: Path) -> None:
    """Six datasets with NVIDIA's names, read as its BERT reads them: whole, into arrays."""
    h5py = pytest.importorskip("h5py", reason="needs the package h5py")
    export(shards, tmp_path / "out", to="hdf5", workers=2)
    names = [name for name in expected_rows(shards)[0] if name not in {"masked_lm_weights", "document"}]
    found: dict[str, list[Any]] = {name: [] for name in names}
    for path in files_of(tmp_path / "out"):
        assert "training" in path.name  # NVIDIA's run_pretraining.py passes over all other files
        with h5py.File(path, "r") as file:
            assert sorted(file) == sorted(names)
            for name in names:
                found[name] += np.asarray(file[name][:]).tolist()
    expected = expected_rows(shards)
    for name in names[:-1]:
        assert found[name] == [row[name] for row in expected]
    assert found["next_sentence_labels"] == [row["next_sentence_labels"][0] for row in expected]


def test_parquet_has_the_columns_of_transformers(shards: Path, tmp_path: Path) -> None:
    """Padded rows with labels of -100 where nothing is predicted."""
    export(shards, tmp_path / "out", to="parquet", workers=1)
    found = [row for path in files_of(tmp_path / "out") for row in pq.read_table(path).to_pylist()]
    assert found == [
        {
            "input_ids": row["input_ids"],
            "token_type_ids": row["segment_ids"],
            "attention_mask": row["input_mask"],
            "labels": labels_of(row),
            "next_sentence_label": row["next_sentence_labels"][0],
        }
        for row in expected_rows(shards)
    ]


def test_jsonl_is_a_row_a_line(shards: Path, tmp_path: Path) -> None:
    """Each line is one instance, unpadded, with its document."""
    export(shards, tmp_path / "out", to="jsonl", workers=1)
    lines = [line for path in files_of(tmp_path / "out") for line in path.read_text().splitlines()]
    expected = expected_rows(shards)
    assert len(lines) == len(expected)
    for line, row in zip(lines, expected, strict=True):
        length, predictions = sum(row["input_mask"]), int(sum(row["masked_lm_weights"]))
        assert json.loads(line) == {
            "input_ids": row["input_ids"][:length],
            "token_type_ids": row["segment_ids"][:length],
            "mlm_positions": row["masked_lm_positions"][:predictions],
            "mlm_labels": row["masked_lm_ids"][:predictions],
            "next_sentence_label": row["next_sentence_labels"][0],
            "document": row["document"],
        }


def test_dense_shards_hold_the_same_rows(
    shards: Path, sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """With --layout dense any Arrow reader finds the padded columns; exports of both layouts are equal."""
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "dupe_factor": 2,
        "shards": 3,
        "layout": "dense",
        "workers": 1,
    }
    dense = Path(make_shards([sample_corpus / "wiki"], vocab, tmp_path / "dense", **options).folder)
    export(shards, tmp_path / "a", to="parquet", workers=1)
    found = []
    for file in read_manifest(dense).files:
        if isinstance(file, Shard):
            with pa.ipc.open_file(dense / file.name) as reader:
                found += reader.read_all().to_pylist()
    parquet = [row for path in files_of(tmp_path / "a") for row in pq.read_table(path).to_pylist()]
    assert found == parquet
    export(dense, tmp_path / "b", to="tfrecord", workers=1)
    export(shards, tmp_path / "c", to="tfrecord", workers=1)
    for one, other in zip(files_of(tmp_path / "b"), files_of(tmp_path / "c"), strict=True):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize("to", sorted(FORMATS))
def test_exports_are_the_same_for_any_workers_and_resumed(shards: Path, tmp_path: Path, to: Format) -> None:
    """Two workers and one give the same bytes; a finished export is left as it is."""
    if to == "hdf5":
        pytest.importorskip("h5py", reason="needs the package h5py")
    for name, workers in (("one", 1), ("two", 2)):
        export(shards, tmp_path / name, to=to, workers=workers)
        assert find_damage(tmp_path / name) == []
    sums = [[sha256_of(path) for path in files_of(tmp_path / name)] for name in ("one", "two")]
    assert sums[0] == sums[1]
    before = (tmp_path / "one" / "manifest.json").stat().st_mtime_ns
    export(shards, tmp_path / "one", to=to, workers=1)
    assert (tmp_path / "one" / "manifest.json").stat().st_mtime_ns == before


def test_a_failed_export_leaves_no_half_file_and_goes_on(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second of three files fails, the first is there, and the next run does the other two."""
    write, calls = FORMATS["jsonl"], []

    def fails_once(*args: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OptionError("no more")
        write(*args)

    monkeypatch.setitem(FORMATS, "jsonl", fails_once)
    with pytest.raises(OptionError, match="no more"):
        export(shards, tmp_path / "out", to="jsonl", workers=1)
    assert len([path for path in (tmp_path / "out").iterdir() if path.is_file()]) == 1
    export(shards, tmp_path / "out", to="jsonl", workers=1)
    assert len(calls) == 4  # one done, one failed, two more
    assert find_damage(tmp_path / "out") == []


def test_what_cannot_be_exported_is_said(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Formats that need masks refuse shards without; parquet and jsonl then leave the labels out."""
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "dupe_factor": 1,
        "shards": 1,
        "masking": "dynamic",
        "workers": 1,
    }
    folder = Path(make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options).folder)
    for to in ("tfrecord", "hdf5"):
        with pytest.raises(OptionError, match="masking static"):
            export(folder, tmp_path / "out", to=to)
    with pytest.raises(OptionError, match="expected one of parquet, tfrecord, hdf5, jsonl"):
        export(folder, tmp_path / "out", to="csv")  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()
    export(folder, tmp_path / "out", to="parquet", workers=1)
    assert "labels" not in pq.read_table(files_of(tmp_path / "out")[0]).column_names


def test_bins_are_exported_together(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Of a folder with bins every bin's rows are exported; of a bin's folder its own, padded to its length."""
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "dupe_factor": 2,
        "shards": 1,
        "bins": "32,64",
        "workers": 1,
    }
    folder = Path(make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options).folder)
    whole = export(folder, tmp_path / "whole", to="parquet", workers=1)
    parts = [export(folder / f"bin-{n}", tmp_path / f"{n}", to="parquet", workers=1) for n in (32, 64)]
    assert whole.manifest.statistics["rows"] == sum(part.manifest.statistics["rows"] for part in parts)
    widths = [pq.read_table(files_of(tmp_path / f"{n}")[0])["input_ids"].type.list_size for n in (32, 64)]
    assert widths == [32, 64]


@pytest.mark.parametrize("to", sorted(FORMATS))
@pytest.mark.parametrize("layout", ["compact", "dense"])
def test_a_bin_without_rows_is_an_empty_file(
    vocab: Path, tmp_path: Path, to: Format, layout: Literal["compact", "dense"]
) -> None:
    """Two documents of two short sentences leave the longest bin empty, which is no reason to stop."""
    if to == "hdf5":
        pytest.importorskip("h5py", reason="needs the package h5py")
    (tmp_path / "text").write_text("The lamp.\nThe sea.\n\nThe tide.\nThe moon.\n")
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "shards": 1,
        "bins": "16,64",
        "workers": 1,
        "format": "lines",
    }
    folder = Path(make_shards([tmp_path / "text"], vocab, tmp_path / "shards", layout=layout, **options).folder)
    counts = [file.rows for file in read_manifest(folder).files if isinstance(file, Shard)]
    assert counts[0] > 0
    assert counts[1] == 0
    made = export(folder, tmp_path / "out", to=to, workers=1)
    assert made.manifest.statistics["rows"] == counts[0]
    assert [file.rows for file in made.manifest.files if isinstance(file, Shard)] == counts


def test_hdf5_that_cannot_be_written_leaves_nothing(shards: Path, tmp_path: Path) -> None:
    """HDF5 is made in memory, so that the error of a full disk is met where it is not lost."""
    h5py = pytest.importorskip("h5py", reason="needs the package h5py")

    class Full(io.BytesIO):
        name = str(tmp_path / "x")

        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    rows = (batch for _, batch in read_rows(shards / "shard-00000-of-00003.arrow"))
    roles = Vocabulary.from_folder(shards / "vocab").roles
    with pytest.raises(OSError, match="No space left"):
        FORMATS["hdf5"](Full(), rows, roles, read_manifest(shards).options)
    assert h5py is not None
    assert not (tmp_path / "x").exists()
