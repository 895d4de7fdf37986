"""The format ``arrow``: Arrow IPC files and streams, as `datasets` saves them, one document per row.

An IPC file is an IPC stream between a magic number and an index, so both are read as streams, batch by batch,
mapped into memory: skipping a batch does not read its pages. A remote file is first copied to the cache. A
slice is a run of record batches, and its ``start`` and ``stop`` are byte offsets in the file. The format has no
checksums, so the offsets of the columns that are read are checked first.

This module does not read Feather version 1 or tables compressed as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, Unreadable
from wpprep.corpus.readers.columns import (
    Columns,
    check_columns,
    columns_of,
    documents_of,
    failure,
    one_line,
    pack,
    refuse_compressed,
    rows_of_a_document,
)
from wpprep.errors import CorpusError, WpprepError
from wpprep.records import Slice
from wpprep.storage.files import size_of
from wpprep.storage.place import Place

_MAGIC = b"ARROW1"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class _Batch(NamedTuple):
    """A record batch, the byte offset where it starts, and the index of its first row in the file."""

    start: int
    row: int
    data: Any


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut between record batches.

    Raises:
        CorpusError: the file is damaged, or compressed as a whole.
        MissingInputError: it does not exist.
    """
    refuse_compressed(path, "arrow")
    starts = [batch.start for batch in _batches(path)]
    return pack(path, "arrow", [*starts, size_of(path)], target_bytes)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one paragraph per line.

    Raises:
        CorpusError: the file is damaged, or a column is missing or has the wrong type.
    """
    rows = 0
    for batch in _batches(slice_.path):
        if 0 <= slice_.stop <= batch.start:
            return
        columns = columns_of(batch.data.schema, slice_.path, options)
        is_own = batch.start >= slice_.start
        damage = _damage(batch, columns, slice_.path) if is_own or not rows else None
        if not rows:
            names = batch.data.schema.names
            rows = 1 if damage else rows_of_a_document(batch.data, names, columns, options)
        if is_own and damage:
            yield Unreadable(damage)  # other batches may be readable
        elif is_own:
            yield from documents_of(batch.data, columns, batch.row, slice_.path, options, rows)


def _damage(batch: _Batch, columns: Columns, path: str) -> CorpusError | None:
    try:
        check_columns(batch.data, columns)
    except (pa.ArrowInvalid, pa.ArrowIndexError) as error:
        return CorpusError(f"{path}: damaged Arrow data near row {batch.row}: {one_line(error)}")
    return None


def _batches(path: str) -> Iterator[_Batch]:
    row = 0
    try:
        with pa.memory_map(str(Place(path).file())) as source:
            _check_end(source, path)
            with pa.ipc.open_stream(source) as stream:
                while True:
                    start = source.tell()
                    try:
                        data = stream.read_next_batch()
                        data.validate()
                    except StopIteration:
                        return
                    yield _Batch(start, row, data)
                    row += data.num_rows
    except WpprepError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise failure(path, f"damaged Arrow data near row {row}", error) from error


def _check_end(source: Any, path: str) -> None:
    """Raise if the end of the file is missing; else seek to the start of its stream."""
    size = source.size()
    is_file = source.read(len(_MAGIC)) == _MAGIC
    end = _MAGIC if is_file else _END_OF_STREAM
    source.seek(max(0, size - len(end)))
    if source.read(len(end)) != end:
        raise CorpusError(f"{path}: no end of the Arrow data at byte {size}; the file is truncated")
    source.seek(8 if is_file else 0)


def recognises(head: bytes) -> bool:
    """Return whether the file begins like an Arrow IPC file or stream.

    >>> recognises(b"ARROW1\\0\\0"), recognises(b"\\xff\\xff\\xff\\xff\\x10\\0\\0\\0"), recognises(b"PAR1")
    (True, True, False)
    """
    length = int.from_bytes(head[4:8], "little")
    return head.startswith(_MAGIC) or (head.startswith(b"\xff\xff\xff\xff") and 0 < length < 1 << 24)
