"""The format ``arrow``: Arrow IPC files and streams, as `datasets` saves them, a document a row.

An IPC file is an IPC stream between a magic word and an index, so both are walked as streams, batch after
batch, mapped into memory: the pages of a batch that is passed over are never touched. (A remote file is first
copied into the cache.) Slices are runs of
record batches, and ``start`` and ``stop`` are their true places in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes
from wpprep.corpus.readers.columns import (
    columns_of,
    documents_of,
    one_line,
    pack,
    refuse_compressed,
    rows_of_a_document,
)
from wpprep.errors import CorpusError, MissingInputError
from wpprep.records import Slice
from wpprep.storage.files import local_copy, size_of

_MAGIC = b"ARROW1"
_END_OF_STREAM = b"\xff\xff\xff\xff\0\0\0\0"


class _Batch(NamedTuple):
    """A record batch and where it starts: its place in the file, and its first row."""

    start: int
    row: int
    data: Any


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Slices of a file, cut between record batches."""
    refuse_compressed(path, "arrow")
    starts = [batch.start for batch in _batches(path)]
    return pack(path, "arrow", [*starts, size_of(path)], target_bytes)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """The documents of a slice, one paragraph a line.

    Raises:
        CorpusError: the file is damaged, or a column is not as it should be.
    """
    rows = 0
    for batch in _batches(slice_.path):
        if 0 <= slice_.stop <= batch.start:
            return
        columns = columns_of(batch.data.schema, slice_.path, options)
        rows = rows or rows_of_a_document(batch.data, batch.data.schema.names, columns, options)
        if batch.start >= slice_.start:
            yield from documents_of(batch.data, columns, batch.row, slice_.path, options, rows)


def _batches(path: str) -> Iterator[_Batch]:
    row = 0
    try:
        with pa.memory_map(local_copy(path)) as source:
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
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: cannot be opened: {error}") from error
    except (pa.ArrowException, OSError) as error:
        raise CorpusError(f"{path}: damaged Arrow data near row {row}: {one_line(error)}") from error


def _check_end(source: Any, path: str) -> None:
    """Leave an open file at the start of its stream, after seeing that it ends as it should."""
    size = source.size()
    is_file = source.read(len(_MAGIC)) == _MAGIC
    end = _MAGIC if is_file else _END_OF_STREAM
    source.seek(max(0, size - len(end)))
    if source.read(len(end)) != end:
        raise CorpusError(f"{path}: Arrow data without its end (byte {size}); the file is cut short")
    source.seek(8 if is_file else 0)


def recognises(head: bytes) -> bool:
    """Whether the file begins with the magic of an IPC file, or as an IPC stream does."""
    length = int.from_bytes(head[4:8], "little")
    return head.startswith(_MAGIC) or (head.startswith(b"\xff\xff\xff\xff") and 0 < length < 1 << 24)
