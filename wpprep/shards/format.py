"""Shards: instances on disk, as Arrow IPC files that readers map into memory.

A file is uncompressed and has one record batch, with one unpadded instance per row:

    input_ids            list<uint16>   [CLS] A [SEP] B [SEP], masks applied; uint32 above 65,536 entries
    b_start              uint16         index of B's first token; the row's length when there is no B
    next_sentence_label  uint8          0 = B follows A, 1 = B is random (under sop: A and B are swapped)
    document             uint32         global index of A's document; uint64 above 2**32 documents
    mlm_positions        list<uint16>   sorted positions to predict        } static masking only
    mlm_labels           list<uint16>   the original ids there             }
    word_starts          list<uint8>    1 at the first token of a word; only for dynamic masking of whole words
                                        with a vocabulary that does not show it in the piece

With the layout ``dense`` the columns are those of `wpprep.instances.dense`, padded, in record batches of 4,096
rows. The metadata of the schema has the version of the format, the identity of the vocabulary and the data
options. An instance of 512 tokens takes 1,351 bytes: 1,024 of ids, 308 of positions and labels, 19 of offsets
and the plain columns. Columns without compression take more disk space, and any row is read without the others.

This module does not decide which rows make a shard (`pipeline`), compute statistics (`instances.statistics`),
or make batches (`loader`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wpprep.config import ShardOptions, build
from wpprep.errors import MissingInputError, OptionError, ShardError
from wpprep.instances.dense import DenseRows, pad_rows, unpad_rows
from wpprep.kernels import njit
from wpprep.records import InstanceBatch, Ints, offsets_of
from wpprep.storage.arrays import numbers, plain
from wpprep.storage.files import MANIFEST, atomic_write, sha256_of
from wpprep.storage.manifest import Manifest, Shard

FORMAT_VERSION = "1"
DENSE_ROWS = 4096  # number of rows padded, read or exported at once

_MOST_TOKENS = 2**31 - 1  # offsets in the file are int32
_IDS = (pa.list_(pa.uint16()), pa.list_(pa.uint32()))
_COLUMNS = {
    "input_ids": _IDS,
    "b_start": (pa.uint16(),),
    "next_sentence_label": (pa.uint8(),),
    "document": (pa.uint32(), pa.uint64()),
    "mlm_positions": (pa.list_(pa.uint16()),),
    "mlm_labels": _IDS,
    "word_starts": (pa.list_(pa.uint8()),),
}
_REQUIRED = ("input_ids", "b_start", "next_sentence_label", "document")


class Metadata(NamedTuple):
    """The metadata in a shard file.

    Attributes:
        vocabulary_sha256: identity of the vocabulary, the sha256 of its ``tokenizer.json``.
        options: the data options that the shard was made with.
    """

    vocabulary_sha256: str
    options: dict[str, Any]


def write_shard(
    path: str | os.PathLike[str], batch: InstanceBatch, vocabulary_sha256: str, options: dict[str, Any]
) -> Shard:
    """Write one shard and return its manifest entry.

    Args:
        path: the final path of the file.
        batch: the rows, in the order of the shard.
        vocabulary_sha256: identity of the vocabulary.
        options: the data options; if ``masking`` is ``dynamic``, the columns of predictions are omitted.

    Raises:
        OptionError: the rows have more tokens than 32-bit offsets can address.
        OutputError: the file cannot be written.
    """
    if len(batch.input_ids) > _MOST_TOKENS:
        raise OptionError(
            f"{path}: a shard of {len(batch.input_ids)} tokens, expected at most {_MOST_TOKENS}; "
            "use more shards"
        )
    document_type = np.uint32 if batch.document.max(initial=0) < 2**32 else np.uint64
    columns = {
        "input_ids": _lists(batch.offsets, plain(batch.input_ids)),
        "b_start": plain(batch.b_start.astype(np.uint16)),
        "next_sentence_label": plain(batch.next_sentence_label),
        "document": plain(batch.document.astype(document_type)),
    }
    if options.get("masking") != "dynamic":
        columns["mlm_positions"] = _lists(batch.mlm_offsets, plain(batch.mlm_positions))
        columns["mlm_labels"] = _lists(batch.mlm_offsets, plain(batch.mlm_labels))
    if batch.word_starts is not None:
        columns["word_starts"] = _lists(batch.offsets, plain(batch.word_starts.view(np.uint8)))
    return _write(path, batch, iter([pa.record_batch(columns)]), vocabulary_sha256, options)


def write_dense_shard(
    path: str | os.PathLike[str],
    batch: InstanceBatch,
    vocabulary_sha256: str,
    options: dict[str, Any],
    pad: int,
) -> Shard:
    """Write one shard in the layout ``dense`` and return its manifest entry.

    Args:
        path: the final path of the file.
        batch: the rows, in the order of the shard.
        vocabulary_sha256: identity of the vocabulary.
        options: the data options; if ``masking`` is ``dynamic``, the column ``labels`` is omitted.
        pad: id that rows are padded with to ``max_seq_length``.

    Raises:
        OutputError: the file cannot be written.
    """
    starts = range(0, max(1, len(batch)), DENSE_ROWS)
    width, masked = options["max_seq_length"], options["masking"] != "dynamic"
    padded = (pad_rows(batch, start, start + DENSE_ROWS, width, pad) for start in starts)
    tables = (dense_table(rows, masked=masked) for rows in padded)
    return _write(path, batch, tables, vocabulary_sha256, options)


def dense_table(rows: DenseRows, *, masked: bool) -> Any:
    """Return padded rows as an Arrow record batch, without ``labels`` if the rows are not ``masked``."""
    columns = {
        name: pa.FixedSizeListArray.from_arrays(plain(values.ravel()), values.shape[1])
        if values.ndim == 2
        else plain(values)
        for name, values in rows._asdict().items()
        if masked or name != "labels"
    }
    return pa.record_batch(columns)


def _write(
    path: str | os.PathLike[str],
    batch: InstanceBatch,
    tables: Iterator[Any],
    vocabulary_sha256: str,
    options: dict[str, Any],
) -> Shard:
    """Write the record batches of one shard and return its manifest entry."""
    metadata = {
        "wpprep.shard_version": FORMAT_VERSION,
        "wpprep.vocabulary": vocabulary_sha256,
        "wpprep.options": json.dumps(options, sort_keys=True),
    }
    first = next(tables)
    with (
        atomic_write(path) as file,
        pa.ipc.new_file(file, first.schema.with_metadata(metadata)) as writer,
    ):
        for table in itertools.chain([first], tables):
            writer.write_batch(table)
    return Shard(
        name=os.path.basename(path),
        rows=len(batch),
        tokens=len(batch.input_ids),
        bytes=os.path.getsize(path),
        sha256=sha256_of(path),
    )


def _lists(offsets: Ints, values: Any) -> Any:
    return pa.ListArray.from_arrays(plain(offsets.astype(np.int32)), values)


def read_shard(path: str | os.PathLike[str]) -> InstanceBatch:
    """Map a shard into memory; token ids, positions and labels are read-only views of the file.

    Raises:
        MissingInputError: there is no such file.
        ShardError: the file is damaged, cut short, of the layout ``dense``, or not a shard.
    """
    with _naming(path):
        table = _open(path)
        input_ids, offsets = _views(table["input_ids"])
        positions, labels = np.empty(0, np.uint16), np.empty(0, input_ids.dtype)
        mlm_offsets = np.zeros(len(offsets), np.int64)
        if "mlm_positions" in table.schema.names:
            positions, mlm_offsets = _views(table["mlm_positions"])
            labels, label_offsets = _views(table["mlm_labels"])
            if not np.array_equal(mlm_offsets, label_offsets):
                raise ValueError("a row has different numbers of mlm_positions and mlm_labels")
        word_starts = None
        if "word_starts" in table.schema.names:
            word_starts = numbers(table["word_starts"].values).view(np.bool_)
        return InstanceBatch(
            input_ids=input_ids,
            offsets=offsets,
            b_start=numbers(table["b_start"]).astype(np.int64),
            next_sentence_label=numbers(table["next_sentence_label"]),
            document=numbers(table["document"]).astype(np.int64),
            mlm_positions=positions,
            mlm_labels=labels,
            mlm_offsets=mlm_offsets,
            word_starts=word_starts,
        )


def check_options(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Raise if the options of a shard folder, by which arrays are laid out, are none that shards can have.

    Raises:
        ShardError: an option is missing, of another type or out of range.
    """
    options = {name: value for name, value in manifest.options.items() if name != "bins"}  # those of all bins
    missing = [field.name for field in dataclasses.fields(ShardOptions) if field.name not in manifest.options]
    wrong = f"options.{missing[0]} is missing" if missing else ""
    if not missing:
        try:
            build(ShardOptions, options)
        except OptionError as error:
            wrong = f"options: {error}"
    if wrong:
        raise ShardError(f"{folder}/{MANIFEST}: damaged: {wrong}; make the shards again")


class Limits(NamedTuple):
    """Upper limits of the values of a row, which are the sizes of the arrays that they index."""

    vocab_size: int
    max_seq_length: int


def first_out_of_range(batch: InstanceBatch, limits: Limits) -> int:
    """Return the first row with a length, position, label or id out of range, or -1.

    A checksum shows damage; this also holds against a file that was made to do harm.
    """
    lengths, predictions = np.diff(batch.offsets), np.diff(batch.mlm_offsets)
    bad = (lengths < 1) | (lengths > limits.max_seq_length) | (predictions < 0) | (predictions > lengths)
    bad |= (batch.b_start < 0) | (batch.b_start > lengths) | (batch.next_sentence_label > 1)
    found = [int(np.argmax(bad))] if bad.any() else []
    if not found:  # lengths can be trusted
        found += _rows_of(batch.input_ids >= limits.vocab_size, batch.offsets)
        found += _rows_of(batch.mlm_labels >= limits.vocab_size, batch.mlm_offsets)
        found += _rows_of(batch.mlm_positions >= np.repeat(lengths, predictions), batch.mlm_offsets)
    return min(found, default=-1)


def _rows_of(is_bad: npt.NDArray[np.bool_], offsets: Ints) -> list[int]:
    """Return the row of the first bad value, if there is one."""
    if not is_bad.any():
        return []
    return [int(np.searchsorted(offsets, np.argmax(is_bad), side="right")) - 1]


def read_rows(
    path: str | os.PathLike[str], limits: Limits | None = None
) -> Iterator[tuple[int, InstanceBatch]]:
    """Yield the rows of a shard of either layout: pairs of a first row number and at most 4,096 rows.

    Dense rows do not store the document; it is 0 here.

    Args:
        path: the shard.
        limits: what values of the rows must be below; without, they are not checked and must index no array.

    Raises:
        MissingInputError: there is no such file.
        ShardError: the file is damaged, cut short, or not a shard, or a value is out of range.
    """
    for start, batch in _read_rows(path):
        bad = -1 if limits is None else first_out_of_range(batch, limits)
        if bad >= 0:
            raise ShardError(
                f"{path}: row {start + bad} is damaged (a length, position, label or token id out of range); "
                "wpprep verify --deep names the rule; make the shards again"
            )
        yield start, batch


def _read_rows(path: str | os.PathLike[str]) -> Iterator[tuple[int, InstanceBatch]]:
    if read_metadata(path).options.get("layout") != "dense":
        whole = read_shard(path)
        for start in range(0, max(1, len(whole)), DENSE_ROWS):
            yield start, slice_rows(whole, start, min(start + DENSE_ROWS, len(whole)))
        return
    start = 0
    with _naming(path), pa.memory_map(os.fspath(path)) as source:
        reader = pa.ipc.open_file(source)
        for number in range(reader.num_record_batches):
            table = reader.get_batch(number)
            columns = {name: _dense_values(table[name]) for name in table.schema.names}
            rows = DenseRows(**{"labels": np.full_like(columns["input_ids"], -100), **columns})
            yield start, unpad_rows(rows)
            start += table.num_rows


def _dense_values(column: Any) -> npt.NDArray[Any]:
    if not pa.types.is_fixed_size_list(column.type):
        return numbers(column)
    return numbers(column.flatten()).reshape(len(column), column.type.list_size)


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Return the metadata of a shard of either layout.

    Raises:
        MissingInputError: there is no such file.
        ShardError: the file is damaged, cut short, or not a shard.
    """
    with _naming(path):
        with pa.memory_map(os.fspath(path)) as source:
            stored = pa.ipc.open_file(source).schema.metadata or {}
        _check_version(stored)
        return Metadata(stored[b"wpprep.vocabulary"].decode(), json.loads(stored[b"wpprep.options"]))


@contextlib.contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn any error of reading in the body into one that names the shard."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingInputError(f"{path}: no such file; expected a shard") from error
    except ShardError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise ShardError(f"{path}: damaged, or not a shard of wpprep: {error}; make it again") from error


def _open(path: str | os.PathLike[str]) -> Any:
    """Map the record batch of a shard, and raise unless its columns and offsets are valid."""
    with pa.memory_map(os.fspath(path)) as source:  # the columns keep the map, so that no file stays open
        table = pa.ipc.open_file(source).get_batch(0)
    _check_version(table.schema.metadata or {})
    if "attention_mask" in table.schema.names:
        raise ShardError(
            f"{path}: the layout is dense, which is for other readers; make the shards with --layout compact"
        )
    for name, types in _COLUMNS.items():
        if name in _REQUIRED or name in table.schema.names:
            found = table.schema.field(name).type
            if found not in types:
                raise ValueError(f"column {name} is of type {found}, expected {types[0]}")
    table.validate(full=True)
    return table


def _check_version(metadata: dict[bytes, bytes]) -> None:
    version = metadata.get(b"wpprep.shard_version", b"none").decode()
    if version != FORMAT_VERSION:
        raise ValueError(f"format version {version}, expected {FORMAT_VERSION}")


def _views(column: Any) -> tuple[npt.NDArray[Any], Ints]:
    """Return the values of a list column, and ``int64[rows + 1]`` offsets into them."""
    return numbers(column.values), numbers(column.offsets).astype(np.int64)


def slice_rows(batch: InstanceBatch, start: int, stop: int) -> InstanceBatch:
    """Return the rows from ``start`` to before ``stop``, as views of the batch."""
    offsets, mlm_offsets = batch.offsets[start : stop + 1], batch.mlm_offsets[start : stop + 1]
    tokens, predictions = slice(offsets[0], offsets[-1]), slice(mlm_offsets[0], mlm_offsets[-1])
    return InstanceBatch(
        input_ids=batch.input_ids[tokens],
        offsets=offsets - offsets[0],
        b_start=batch.b_start[start:stop],
        next_sentence_label=batch.next_sentence_label[start:stop],
        document=batch.document[start:stop],
        mlm_positions=batch.mlm_positions[predictions],
        mlm_labels=batch.mlm_labels[predictions],
        mlm_offsets=mlm_offsets - mlm_offsets[0],
        word_starts=None if batch.word_starts is None else batch.word_starts[tokens],
    )


def take_rows(batch: InstanceBatch, rows: Ints) -> InstanceBatch:
    """Return copies of some rows of a batch; ``rows`` is ``int64[n]``, in any order."""
    offsets = offsets_of(np.diff(batch.offsets)[rows])
    mlm_offsets = offsets_of(np.diff(batch.mlm_offsets)[rows])
    word_starts = batch.word_starts
    if word_starts is not None:
        word_starts = _take(word_starts, batch.offsets, rows, offsets)
    return InstanceBatch(
        input_ids=_take(batch.input_ids, batch.offsets, rows, offsets),
        offsets=offsets,
        b_start=batch.b_start[rows],
        next_sentence_label=batch.next_sentence_label[rows],
        document=batch.document[rows],
        mlm_positions=_take(batch.mlm_positions, batch.mlm_offsets, rows, mlm_offsets),
        mlm_labels=_take(batch.mlm_labels, batch.mlm_offsets, rows, mlm_offsets),
        mlm_offsets=mlm_offsets,
        word_starts=word_starts,
    )


def _take(source: npt.NDArray[Any], source_offsets: Ints, rows: Ints, offsets: Ints) -> npt.NDArray[Any]:
    target = np.empty(offsets[-1], source.dtype)
    _copy_rows(source, source_offsets, rows, offsets, target)
    return target


@njit(cache=True)
def _copy_rows(
    source: npt.NDArray[Any], source_offsets: Ints, rows: Ints, offsets: Ints, target: npt.NDArray[Any]
) -> None:
    """Copy row ``rows[i]`` of ``source`` to ``target[offsets[i]:offsets[i + 1]]``.

    ``source`` and ``target`` have one dtype; the offsets and ``rows`` are ``int64``.
    """
    for i in range(len(rows)):
        old = source[source_offsets[rows[i]] : source_offsets[rows[i] + 1]]
        new = target[offsets[i] : offsets[i + 1]]
        for j in range(len(new)):  # four times as fast as `new[:] = old` in Numba
            new[j] = old[j]
