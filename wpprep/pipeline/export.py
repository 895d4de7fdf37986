"""Export of shards to the formats of other trainers, one file per shard.

    parquet   the columns of `wpprep.instances.dense`, padded, for `datasets` and transformers' Trainer
    tfrecord  BERT's run_pretraining (google-research/bert): input_ids, input_mask, segment_ids,
              masked_lm_positions, masked_lm_ids, masked_lm_weights (floats), next_sentence_labels
    hdf5      NVIDIA's BERT (DeepLearningExamples): the same without the weights, a dataset each, in files with
              "training" in their names, because its run_pretraining.py reads only those
    jsonl     one object per row, not padded: input_ids, token_type_ids, mlm_positions, mlm_labels,
              next_sentence_label, document (0 for dense shards)

Rows are padded to the shards' max_seq_length and max_predictions_per_seq, predictions with position 0, id 0 and
weight 0, as in BERT. The rows keep the order of the shards. At most 4,096 rows are in memory at a time.

The output folder is a job (`wpprep.jobs`): it is written by one run at a time, resumed by the same command, and
finished when its manifest exists.

This module does not shuffle or mask. The shards must have masks (``--masking static``), except for parquet and
jsonl, which then have no labels.
"""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any, Literal, Unpack

import numpy as np
import numpy.typing as npt

from wpprep.config import RunOptions, build, refuse_unknown
from wpprep.config.keywords import ExportKeywords
from wpprep.errors import OptionError
from wpprep.instances.dense import pad_rows
from wpprep.jobs.job import Job, Progress
from wpprep.jobs.plans import Plan, Receipt, entry_of, files_in
from wpprep.jobs.summary import FolderSummary
from wpprep.records import InstanceBatch, TokenRoles
from wpprep.shards.format import Limits, check_options, dense_table, read_rows
from wpprep.storage.files import MANIFEST, atomic_write, sha256_of
from wpprep.storage.manifest import Manifest, Shard, describe, read_manifest, refuse_damage
from wpprep.storage.place import Place
from wpprep.storage.tfrecords import encode_records
from wpprep.tokenizer.vocabulary import Vocabulary

Columns = dict[str, npt.NDArray[Any]]
Rows = Iterator[InstanceBatch]


def export(
    shards: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    to: Literal["parquet", "tfrecord", "hdf5", "jsonl"],
    progress: Progress | None = None,
    **options: Unpack[ExportKeywords],
) -> FolderSummary:
    """Write the instances of a shard folder in another format.

    Args:
        shards: a finished shard folder, of either layout; its bins are exported too, its holdout is not.
        out: the folder to write.
        to: a key of `FORMATS`.
        progress: called as progress(stage, done, total) during the run.
        **options: fields of `RunOptions`.

    Raises:
        WpprepError: the shards, an option or the output is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, RunOptions)
    run, folder = build(RunOptions, options), Place(shards).folder()
    manifest = read_manifest(folder, "shards")
    check_options(folder, manifest)
    refuse_damage(folder, run.workers, "make the shards again")
    _refuse(to, manifest.options)
    shards_of = {_name_of(file.name, to): file.name for file in manifest.files if isinstance(file, Shard)}
    tasks = {name: (name, shard) for name, shard in shards_of.items()}
    vocabulary = Vocabulary.from_folder(folder / "vocab")
    plan: Plan = {
        "options": {"to": to}, "vocabulary": vocabulary.sha256, "corpus": sha256_of(folder / MANIFEST)
    }  # fmt: skip
    with Job.begin(out, "export", plan, run, progress) as job:
        if job.is_finished:
            return job.summary("export", started)
        make = partial(ExportShard, folder, job.path, to, vocabulary.roles, manifest.options)
        receipts = job.run_tasks("export", make, tasks, dict.fromkeys(tasks, 1))
        job.elect()
        job.finish(
            Manifest(
                kind="export",
                options={"to": to},
                files=files_in(receipts),
                vocabulary=vocabulary.sha256,
                corpus={"identity": plan["corpus"]},
                statistics={
                    "rows": sum(receipt["shard"]["rows"] for receipt in receipts),
                    "tokens": sum(receipt["shard"]["tokens"] for receipt in receipts),
                },
            )
        )
    return job.summary("export", started)


def _refuse(to: str, options: Mapping[str, Any]) -> None:
    """Raise OptionError if shards with these options cannot be exported to a format."""
    if to not in FORMATS:
        raise OptionError(f"to is {to!r}, expected one of {', '.join(FORMATS)}")
    if options["masking"] == "dynamic" and to in {"tfrecord", "hdf5"}:
        raise OptionError(f"{to} needs masks, but these shards have none; make shards with --masking static")
    if to == "hdf5":
        _import_h5py()


def _name_of(shard: str, to: str) -> str:
    """Return the file name for a shard; for a shard of a bin it contains the name of the bin's folder.

    >>> _name_of("bin-64/shard-00000-of-00001.arrow", "hdf5")
    'training-bin-64-shard-00000-of-00001.hdf5'
    """
    return f"{'training-' if to == 'hdf5' else ''}{shard.removesuffix('.arrow').replace('/', '-')}.{to}"


@dataclasses.dataclass(frozen=True)
class ExportShard:
    """Task that writes one shard in another format."""

    folder: Path
    out: Path
    to: str
    roles: TokenRoles
    options: dict[str, Any]

    def __call__(self, task: tuple[str, str]) -> Receipt:
        """Write the file; return its manifest entry."""
        name, shard = task
        rows = tokens = 0

        def counted() -> Rows:
            nonlocal rows, tokens
            limits = Limits(self.roles.vocab_size, self.options["max_seq_length"])
            for _, batch in read_rows(self.folder / shard, limits):
                rows, tokens = rows + len(batch), tokens + len(batch.input_ids)
                yield batch

        with atomic_write(self.out / name) as file:
            FORMATS[self.to](file, counted(), self.roles, self.options)
        entry = describe(self.out / name, self.out)
        return {"shard": entry_of(Shard(name, rows, tokens, entry.bytes, entry.sha256))}


def _padded(batch: InstanceBatch, roles: TokenRoles, options: Mapping[str, Any]) -> Columns:
    """Return rows as BERT's features, ``[rows, max_seq_length]`` and ``[rows, max_predictions_per_seq]``."""
    dense = pad_rows(batch, 0, len(batch), options["max_seq_length"], roles.pad)
    counts = np.diff(batch.mlm_offsets)
    is_there = np.arange(options["max_predictions_per_seq"]) < counts[:, None]
    positions, labels = np.zeros(is_there.shape, np.int32), np.zeros(is_there.shape, np.int32)
    positions[is_there], labels[is_there] = batch.mlm_positions, batch.mlm_labels
    return {
        "input_ids": dense.input_ids,
        "input_mask": dense.attention_mask,
        "segment_ids": dense.token_type_ids,
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "masked_lm_weights": is_there.astype(np.float32),
        "next_sentence_labels": dense.next_sentence_label,
    }


def _write_parquet(file: IO[bytes], rows: Rows, roles: TokenRoles, options: Mapping[str, Any]) -> None:
    import pyarrow as pa  # noqa: PLC0415 (with the line below: parquet takes a while to load)
    import pyarrow.parquet as pq  # noqa: PLC0415

    masked, writer = options["masking"] != "dynamic", None
    for batch in rows:
        dense = pad_rows(batch, 0, len(batch), options["max_seq_length"], roles.pad)
        table = pa.Table.from_batches([dense_table(dense, masked=masked)])
        writer = writer or pq.ParquetWriter(file, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()


def _write_tfrecord(file: IO[bytes], rows: Rows, roles: TokenRoles, options: Mapping[str, Any]) -> None:
    for batch in rows:
        file.write(encode_records(_padded(batch, roles, options)))


def _write_hdf5(file: IO[bytes], rows: Rows, roles: TokenRoles, options: Mapping[str, Any]) -> None:
    """Write a shard as HDF5, made in memory: errors that HDF5 meets when it writes by itself can be lost."""
    with _import_h5py().File(file.name, "w", driver="core", backing_store=False) as target:
        for batch in rows:
            columns = _padded(batch, roles, options)
            del columns["masked_lm_weights"]
            for name, values in columns.items():
                shape = (None, *values.shape[1:])
                if name not in target:
                    chunks = (min(1024, max(1, len(values))), *values.shape[1:])
                    target.create_dataset(
                        name, data=values, maxshape=shape, chunks=chunks, compression="gzip", compression_opts=1
                    )
                else:
                    target[name].resize(len(target[name]) + len(values), axis=0)
                    target[name][-len(values) :] = values
        target.flush()
        file.write(target.id.get_file_image())


def _import_h5py() -> Any:
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise OptionError("hdf5 needs h5py, which is not installed: pip install 'wpprep[export]'") from error


def _write_jsonl(file: IO[bytes], rows: Rows, roles: TokenRoles, options: Mapping[str, Any]) -> None:
    for batch in rows:
        ids, positions, labels = (
            batch.input_ids.tolist(),
            batch.mlm_positions.tolist(),
            batch.mlm_labels.tolist(),
        )
        offsets, mlm_offsets = batch.offsets.tolist(), batch.mlm_offsets.tolist()
        facts = zip(
            batch.b_start.tolist(), batch.next_sentence_label.tolist(), batch.document.tolist(), strict=True
        )
        spans = zip(itertools.pairwise(offsets), itertools.pairwise(mlm_offsets), facts, strict=True)
        for (first, last), (first_mlm, last_mlm), (b_start, label, document) in spans:
            row = {
                "input_ids": ids[first:last],
                "token_type_ids": [0] * b_start + [1] * (last - first - b_start),
                "mlm_positions": positions[first_mlm:last_mlm],
                "mlm_labels": labels[first_mlm:last_mlm],
                "next_sentence_label": label,
                "document": document,
            }
            file.write(json.dumps(row).encode() + b"\n")


FORMATS: dict[str, Callable[[IO[bytes], Rows, TokenRoles, Mapping[str, Any]], None]] = {
    "parquet": _write_parquet,
    "tfrecord": _write_tfrecord,
    "hdf5": _write_hdf5,
    "jsonl": _write_jsonl,
}
