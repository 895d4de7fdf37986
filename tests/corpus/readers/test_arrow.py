"""The format ``arrow``: files and streams, their slices and their ends."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from support.corpora import (
    Writer,
    read,
    write_arrow_file,
    write_arrow_stream,
)

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices, read_slice
from wpprep.corpus.readers.arrow import recognises
from wpprep.errors import CorpusError


@pytest.mark.parametrize("write", [write_arrow_file, write_arrow_stream])
def test_slices_start_at_record_batches(tmp_path: Path, write: Writer) -> None:
    """The 40 rows have batches of 7; with a small target each is a slice, and slices cover the file."""
    path = write(tmp_path / "corpus")
    slices = plan_slices([path], CorpusOptions(), 1)
    assert len(slices) == 6
    assert [slice_.stop for slice_ in slices[:-1]] == [slice_.start for slice_ in slices[1:]]
    assert slices[-1].stop == path.stat().st_size
    counts = [len(list(read_slice(slice_, CorpusOptions()))) for slice_ in slices]
    assert counts == [7, 7, 7, 7, 7, 5]


@pytest.mark.parametrize("write", [write_arrow_file, write_arrow_stream])
def test_an_empty_table_has_no_documents(tmp_path: Path, write: Writer) -> None:
    """A table without record batches is a valid file without text."""
    table = pa.table({"text": pa.array([], pa.string())})
    new = pa.ipc.new_file if write is write_arrow_file else pa.ipc.new_stream
    with pa.OSFile(str(tmp_path / "a"), "wb") as file, new(file, table.schema):
        pass
    assert read(tmp_path / "a", format="arrow") == []


@pytest.mark.parametrize(
    ("write", "end"), [(write_arrow_file, b"ARROW1"), (write_arrow_stream, b"\xff" * 4 + bytes(4))]
)
def test_the_end_is_required(tmp_path: Path, write: Writer, end: bytes) -> None:
    """A file must end with its magic number, a stream with its end marker; the error has the file size."""
    path = write(tmp_path / "corpus")
    whole = path.read_bytes()
    assert whole.endswith(end)
    path.write_bytes(whole[: -len(end)] + b"?" * len(end))
    with pytest.raises(
        CorpusError, match=f"no end of the Arrow data at byte {len(whole)}; the file is truncated"
    ):
        read(path)


def test_a_stream_is_recognised_by_its_length() -> None:
    """After the continuation marker comes the length of the schema, which is positive and not huge."""
    assert recognises(b"\xff\xff\xff\xff" + (200).to_bytes(4, "little"))
    assert not recognises(b"\xff\xff\xff\xff" + bytes(4))
    assert not recognises(b"\xff\xff\xff\xff" + (1 << 24).to_bytes(4, "little"))
    assert not recognises("\uffff\uffff".encode("utf-16-le") + bytes(4))
