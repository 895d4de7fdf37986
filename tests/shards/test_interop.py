"""Shards read by other libraries: `datasets` reads both layouts, with a copy and without."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.format import read_shard
from wpprep.storage.manifest import read_manifest

datasets = pytest.importorskip("datasets", reason="needs the package datasets")


@pytest.fixture(scope="module")
def dense(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixture ``shards`` in the layout dense."""
    options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "shards": 3, "layout": "dense"}
    folder = tmp_path_factory.mktemp("dense") / "out"
    make_shards([sample_corpus / "wiki"], vocab, folder, **options)
    return folder


def paths(folder: Path) -> list[str]:
    return sorted(map(str, folder.glob("shard-*.arrow")))


def test_compact_shards_are_a_dataset(shards: Path, tmp_path: Path) -> None:
    """Every column of every row is equal to that of `read_shard`, shards one after another."""
    loaded = datasets.load_dataset(
        "arrow", data_files=paths(shards), split="train", cache_dir=str(tmp_path)
    ).with_format("arrow")[:]
    batches = [read_shard(path) for path in paths(shards)]
    assert len(loaded) == read_manifest(shards).statistics["rows"]
    for name in ("input_ids", "mlm_positions", "mlm_labels"):
        values = np.concatenate([getattr(batch, name) for batch in batches])
        assert loaded[name].combine_chunks().flatten().to_pylist() == values.tolist()
    for name in ("b_start", "next_sentence_label", "document"):
        values = np.concatenate([getattr(batch, name) for batch in batches])
        assert loaded[name].to_pylist() == values.tolist()
    lengths = np.concatenate([np.diff(batch.offsets) for batch in batches])
    assert [len(ids) for ids in loaded["input_ids"]] == lengths.tolist()


def test_dense_shards_are_a_dataset_of_what_bert_takes(shards: Path, dense: Path, tmp_path: Path) -> None:
    """Columns are the arguments of `BertForPreTraining`, padded, with -100 where nothing is predicted."""
    loaded = datasets.load_dataset("arrow", data_files=paths(dense), split="train", cache_dir=str(tmp_path))
    rows = loaded.with_format("numpy")
    row = 0
    for batch in map(read_shard, paths(shards)):
        for (a, b), (m, n) in zip(
            itertools.pairwise(batch.offsets), itertools.pairwise(batch.mlm_offsets), strict=True
        ):
            if row % 50 == 0:
                found, length = rows[row], b - a
                assert found["input_ids"].tolist() == [*batch.input_ids[a:b].tolist(), *[0] * (64 - length)]
                assert found["attention_mask"].tolist() == [1] * length + [0] * (64 - length)
                assert np.flatnonzero(found["labels"] != -100).tolist() == batch.mlm_positions[m:n].tolist()
                assert found["labels"][batch.mlm_positions[m:n]].tolist() == batch.mlm_labels[m:n].tolist()
            row += 1
    assert row == len(loaded)


@pytest.mark.parametrize("layout", ["compact", "dense"])
def test_a_dataset_needs_no_copy(shards: Path, dense: Path, layout: str) -> None:
    """A dataset over the mapped file, as in the README, has the buffers of the file and allocates nothing."""
    path = paths(shards if layout == "compact" else dense)[0]
    before = pa.total_allocated_bytes()
    table = pa.ipc.open_file(pa.memory_map(path)).read_all()
    dataset = datasets.Dataset(datasets.table.InMemoryTable(table.replace_schema_metadata(None)))
    assert pa.total_allocated_bytes() - before < 10_000
    mine, theirs = (t.column("input_ids").chunk(0).values.buffers()[1] for t in (table, dataset.data))
    assert mine.address == theirs.address
    assert dataset[0]["input_ids"] == table["input_ids"][0].as_py()
