"""The format ``parquet``: slices of row groups, batches, and damage in one of them."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.corpora import (
    read,
    read_leniently,
    write_parquet,
)

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices, read_slice
from wpprep.errors import CorpusError


def test_slices_are_row_groups(tmp_path: Path) -> None:
    """The 40 rows have row groups of 7; with a small target each is a slice of consecutive offsets."""
    path = write_parquet(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 1)
    assert slices[0].start == 0
    assert [slice_.stop for slice_ in slices[:-1]] == [slice_.start for slice_ in slices[1:]]
    counts = [len(list(read_slice(slice_, CorpusOptions()))) for slice_ in slices]
    assert counts == [7, 7, 7, 7, 7, 5]


def test_row_groups_are_read_in_batches(tmp_path: Path) -> None:
    """Batches of any size give the same documents and ids."""
    path = write_parquet(tmp_path / "corpus", [{"text": f"Row {i}. And more."} for i in range(40)])
    whole = read(path)
    assert [document.id for document in whole] == [f"corpus:{i}" for i in range(40)]
    for size in (1, 100, 250):
        with mock.patch("wpprep.corpus.readers.parquet.BATCH_BYTES", size):
            assert read(path) == whole


def test_other_row_groups_are_read_after_a_damaged_one(tmp_path: Path) -> None:
    """With --skip-bad a row group with damaged pages is one error, and the next row groups are read."""
    table = pa.table(
        {"id": [str(i) for i in range(30)], "text": [f"Row {i * i} here. And more." for i in range(30)]}
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path, row_group_size=10, compression="zstd", use_dictionary=False)
    column = pq.ParquetFile(path).metadata.row_group(1).column(1)
    start, size = column.data_page_offset, column.total_compressed_size
    data = bytearray(path.read_bytes())
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(CorpusError, match="damaged Parquet in row group 1, near row 10"):
        read(path)
    documents, left_out = read_leniently(path)
    assert [document.id for document in documents] == [str(i) for i in (*range(10), *range(20, 30))]
    assert left_out.count == 1


def test_an_empty_table_has_no_documents(tmp_path: Path) -> None:
    """A table without rows is a valid file without text."""
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == []
