"""Rows of shards as people read them: by number, by document, by the words they hold.

    shards = open_shards("shards")
    by_number(shards, [5, 70_000])
    found = with_text(shards, "the sea", most=3)      # stops at the third; found.looked says how far it came

A row becomes plain data: its pieces, what must be predicted where, its label and document. Rows are read from
mapped files, 4,096 at a time, so that a search needs no more memory in a large folder than in a small one.

What this module does not do: print (show), or count (census).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer, decoders

from wpprep.errors import MissingInputError, OptionError
from wpprep.records import InstanceBatch, Ints, Tokens
from wpprep.shards.format import read_rows
from wpprep.storage.manifest import Manifest, Shard, read_manifest
from wpprep.tokenizer.vocabulary import Vocabulary


@dataclass(frozen=True)
class OpenShards:
    """The shards of a folder, or one of them.

    Attributes:
        path: what was asked for, a folder or a file.
        files: the shards, in the order of the manifest.
        pieces: the vocabulary's entries as people read them.
    """

    path: Path
    folder: Path
    manifest: Manifest
    files: list[Shard]
    vocabulary: Vocabulary
    pieces: list[str]

    @property
    def rows(self) -> int:
        return sum(file.rows for file in self.files)


class Found(NamedTuple):
    """Rows that were looked for, as plain data, and how many rows were looked at until there were enough."""

    instances: list[dict[str, Any]]
    looked: int


class Block(NamedTuple):
    """Some rows of a shard: ``start`` is the number of the first in its file, ``first`` in all files."""

    file: Shard
    first: int
    start: int
    batch: InstanceBatch


def open_shards(path: str | os.PathLike[str]) -> OpenShards:
    """The shards in a finished folder, or the one that a file is.

    Raises:
        MissingInputError: there is no such folder or file, or it is unfinished.
        ShardError: it is damaged, or no shards.
    """
    path = Path(path)
    folder = path.parent if path.is_file() else path
    manifest = read_manifest(folder, "shards")
    files = [file for file in manifest.files if isinstance(file, Shard)]
    files = [file for file in files if path.is_dir() or file.name == path.name]
    if not files:
        raise MissingInputError(f"{path}: not among the shards of {folder}")
    vocabulary = Vocabulary.from_folder(folder / "vocab")
    return OpenShards(path, folder, manifest, files, vocabulary, readable(vocabulary))


def blocks(shards: OpenShards, files: Sequence[Shard] | None = None) -> Iterator[Block]:
    """All rows, at most 4,096 at a time, as views of the mapped files; ``files`` are those to read."""
    first = 0
    for file in shards.files:
        if files is None or file in files:
            for start, batch in read_rows(shards.folder / file.name):
                yield Block(file, first + start, start, batch)
        first += file.rows


def by_number(shards: OpenShards, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The rows with these numbers, in this order; they are counted from 0, over all shards.

    Raises:
        OptionError: there is no row of a number.
    """
    for number in numbers:
        if not 0 <= number < shards.rows:
            raise OptionError(f"{shards.path}: no row {number}; it has rows 0 to {shards.rows - 1}")
    found: dict[int, dict[str, Any]] = {}
    wanted = np.unique(np.array(numbers, np.int64))
    for block in blocks(shards, _files_of(shards, wanted)):
        last = block.first + len(block.batch)
        for number in wanted[(wanted >= block.first) & (wanted < last)].tolist():
            found[number] = as_data(shards, block, number - block.first)
    return [found[number] for number in numbers]


def _files_of(shards: OpenShards, numbers: Ints) -> list[Shard]:
    ends = np.cumsum([file.rows for file in shards.files])
    return [shards.files[i] for i in np.unique(np.searchsorted(ends, numbers, side="right")).tolist()]


def of_document(shards: OpenShards, document: int, most: int) -> Found:
    """The first rows whose A is of a document.

    Raises:
        OptionError: there is no such document, or these shards do not say which row is of which.
    """
    documents = shards.manifest.corpus.get("documents", 2**62)
    if shards.manifest.options.get("layout") == "dense":
        raise OptionError(f"{shards.path}: shards of the layout dense do not say which document a row is of")
    if not 0 <= document < documents:
        raise OptionError(
            f"{shards.path}: no document {document}; its corpus has documents 0 to {documents - 1}"
        )
    return _find(shards, lambda batch: np.flatnonzero(batch.document == document), most)


def with_text(shards: OpenShards, text: str, most: int) -> Found:
    """The first rows that hold a text, in A or in B: what stood there before anything was masked.

    The text is cut into pieces as the vocabulary cuts it, and rows are looked for that have these pieces one
    after another: ``sea`` finds sea and sea ##weed, but not over ##sea ##s.

    Raises:
        OptionError: the vocabulary does not know the text, or nothing is left of it.
    """
    ways = [way for way in _ways(shards.vocabulary.tokenizer, text) if way]
    unknown = shards.vocabulary.roles.unk
    if not ways or any(unknown in way for way in ways):
        raise OptionError(f"search is {text!r}, which the vocabulary of {shards.path} has no pieces for")
    return _find(shards, lambda batch: _rows_holding(batch, ways), most)


def _ways(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """The ids of a text as it may stand in a sentence; at a sentence's start byte-level BPE has no blank."""
    if isinstance(tokenizer.decoder, decoders.ByteLevel):
        texts = {text.strip(): None, " " + text.strip(): None} if text.strip() else {}
    else:
        texts = {text: None}
    return [tokenizer.encode(way, add_special_tokens=False).ids for way in texts]


def _rows_holding(batch: InstanceBatch, ways: list[list[int]]) -> Ints:
    ids, rows = originals(batch), []
    for way in ways:
        at = np.flatnonzero(ids[: len(ids) - len(way) + 1] == way[0])
        for i, id_ in enumerate(way[1:], 1):
            at = at[ids[at + i] == id_]
        row = np.searchsorted(batch.offsets, at, side="right") - 1
        rows.append(row[at + len(way) <= batch.offsets[row + 1]])
    return np.unique(np.concatenate(rows))


def originals(batch: InstanceBatch) -> Tokens:
    """A copy of the token ids in which every predicted token is what it was."""
    ids = batch.input_ids.copy()
    ids[predicted_places(batch)] = batch.mlm_labels
    return ids


def predicted_places(batch: InstanceBatch) -> Ints:
    """``int64[predictions]``, where in ``input_ids`` each prediction stands."""
    return np.repeat(batch.offsets[:-1], np.diff(batch.mlm_offsets)) + batch.mlm_positions


def _find(shards: OpenShards, matching: Callable[[InstanceBatch], Ints], most: int) -> Found:
    found: list[dict[str, Any]] = []
    for block in blocks(shards):
        for row in matching(block.batch).tolist():
            found.append(as_data(shards, block, row))
            if len(found) == most:
                return Found(found, block.first + row + 1)
    return Found(found, shards.rows)


def as_data(shards: OpenShards, block: Block, row: int) -> dict[str, Any]:
    """One row of a block as plain data: what the model sees, and what it must predict by position."""
    batch = block.batch
    ids = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]]
    predicted = slice(int(batch.mlm_offsets[row]), int(batch.mlm_offsets[row + 1]))
    labels = zip(batch.mlm_positions[predicted].tolist(), batch.mlm_labels[predicted].tolist(), strict=True)
    return {
        "row": block.start + row,
        "number": block.first + row,
        "pieces": [shards.pieces[i] for i in ids.tolist()],
        "predictions": {position: shards.pieces[label] for position, label in labels},
        "b_start": int(batch.b_start[row]),
        "label": int(batch.next_sentence_label[row]),
        "document": int(batch.document[row]),
        "shard": block.file.name,
        "objective": shards.manifest.options["objective"],
    }


def readable(vocabulary: Vocabulary) -> list[str]:
    """The pieces as people read them: byte-level ones as text, ␣ for a blank, if they are whole characters."""
    if not isinstance(vocabulary.tokenizer.decoder, decoders.ByteLevel):
        return vocabulary.pieces
    texts = [vocabulary.tokenizer.decoder.decode([piece]).replace(" ", "␣") for piece in vocabulary.pieces]
    return [
        text if text.isprintable() and "\ufffd" not in text else piece
        for text, piece in zip(texts, vocabulary.pieces, strict=True)
    ]
