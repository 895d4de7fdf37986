"""The format ``parquet``: tables of documents, such as Wikipedia and BookCorpus on the Hugging Face Hub.

A slice is a run of row groups; its ``start`` and ``stop`` are offsets in the uncompressed bytes of all row
groups. A row group is read in batches of about 4 MiB, page by page, so that memory does not grow with its size.

This module does not read nested columns: the text is a top-level string column.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, Unreadable
from wpprep.corpus.readers.columns import (
    BATCH_BYTES,
    Columns,
    check_columns,
    columns_of,
    documents_of,
    failure,
    pack,
    refuse_compressed,
    rows_of_a_document,
)
from wpprep.corpus.readers.lines import SENTENCES
from wpprep.errors import CorpusError, WpprepError
from wpprep.records import Slice
from wpprep.storage.files import open_raw
from wpprep.storage.remote import is_url


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut between row groups.

    Raises:
        CorpusError: the file is damaged, or compressed as a whole.
        MissingInputError: it does not exist.
    """
    refuse_compressed(path, "parquet")
    with _open(path) as file:
        return pack(path, "parquet", _offsets(file.metadata), target_bytes)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one paragraph per line, or their errors.

    Raises:
        CorpusError: the file is damaged, or a column is missing or has the wrong type.
    """
    row = 0
    with _open(slice_.path) as file:
        columns = columns_of(file.schema_arrow, slice_.path, options)
        rows = _rows(file, columns, slice_.path, options)
        for group, offset in enumerate(_offsets(file.metadata)[:-1]):
            if slice_.start <= offset < slice_.stop:
                yield from _read_group(file, group, columns, row, slice_.path, options, rows)
            row += file.metadata.row_group(group).num_rows


def _read_group(
    file: Any, group: int, columns: Columns, row: int, path: str, options: CorpusOptions, rows: int
) -> Outcomes:
    about = file.metadata.row_group(group)
    size = max(1, BATCH_BYTES * about.num_rows // max(1, about.total_byte_size) // rows) * rows
    batches = file.iter_batches(size, [group], list(filter(None, columns)), use_threads=False)
    while True:
        try:
            batch = next(batches, None)
            if batch is not None:
                check_columns(batch, columns)
        except WpprepError:
            raise
        except (pa.ArrowException, OSError) as error:
            damage = failure(path, f"damaged Parquet in row group {group}, near row {row}", error)
            if not isinstance(damage, CorpusError):
                raise damage from error
            damage.__cause__ = error
            yield Unreadable(damage)  # other row groups may be readable
            return
        if batch is None:
            return
        yield from documents_of(batch, columns, row, path, options, rows)
        row += batch.num_rows


def _rows(file: Any, columns: Columns, path: str, options: CorpusOptions) -> int:
    """Return the number of rows per document of a file; 1 if the first row group is damaged."""
    if options.rows_per_document is not None or file.schema_arrow.names != [columns.text]:
        return options.rows_per_document or 1  # without reading rows
    try:
        first = next(file.iter_batches(SENTENCES, [0], [columns.text], use_threads=False), None)
        if first is not None:
            check_columns(first, Columns(columns.text))
    except WpprepError:
        raise
    except IndexError:  # no row groups
        first = None
    except (pa.ArrowException, OSError) as error:
        damage = failure(path, "damaged Parquet in row group 0", error)
        if not isinstance(damage, CorpusError):
            raise damage from error
        first = None  # reading the row group raises the error
    return 1 if first is None else rows_of_a_document(first, file.schema_arrow.names, columns, options)


def _offsets(metadata: Any) -> list[int]:
    """Return the offsets where each row group starts and the last one ends, in uncompressed bytes."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return [0, *np.cumsum([max(1, group.total_byte_size) for group in groups], dtype=np.int64).tolist()]


def _open(path: str) -> Any:
    source = open_raw(path) if is_url(path) else path  # Arrow's own files are faster than Python's
    try:
        return pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20)
    except WpprepError:
        raise
    except (pa.ArrowException, OSError) as error:
        raise failure(path, "damaged or truncated Parquet file", error) from error


def recognises(head: bytes) -> bool:
    """Return whether the file begins with the magic number of Parquet.

    >>> recognises(b"PAR1\\x15"), recognises(b"PAR")
    (True, False)
    """
    return head.startswith(b"PAR1")
