"""Rows of shards in readable form: found by number, by document, or by the words in them.

    shards = ShardFolder("shards")
    by_number(shards, [5, 70_000])
    found = with_text(shards, "the sea", most=3)      # stops after the third; found.looked rows were searched

A row becomes plain data: its pieces, its predictions by position, its label and document. A search is a scan:
there is no index. Rows are read from mapped files, 4,096 at a time, so that the memory of a search does not
depend on the size of the folder. Only the shards that hold the wanted rows are opened.

This module does not print (`terminal`) or count (`census`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypedDict

import numpy as np
from tokenizers import Tokenizer, decoders

from wpprep.errors import OptionError, printable
from wpprep.records import InstanceBatch, Ints, Tokens
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import Limits, read_rows
from wpprep.storage.manifest import Shard
from wpprep.tokenizer.vocabulary import Vocabulary


class Instance(TypedDict):
    """One row of a shard as plain data.

    Attributes:
        row: row number in its shard file.
        number: row number over all shards.
        pieces: the pieces in the input ids, after masking.
        predictions: from position to the original piece.
        b_start: position of the first token of B; the number of pieces if there is no B.
        label: the next sentence label, 0 or 1.
        document: global index of the document of A; 0 under the layout ``dense``, which does not store it.
        shard: name of the shard file.
        objective: ``nsp``, ``sop`` or ``single``.
    """

    row: int
    number: int
    pieces: list[str]
    predictions: dict[int, str]
    b_start: int
    label: int
    document: int
    shard: str
    objective: str


class Found(NamedTuple):
    """Result of a search: the rows found, and the number of rows searched until there were enough."""

    instances: list[Instance]
    looked: int


class Block(NamedTuple):
    """Consecutive rows of a shard.

    Attributes:
        file: the manifest entry of the shard.
        first: number of the first row over all shards.
        start: number of the first row in its shard.
        batch: the rows, as views of the mapped file.
    """

    file: Shard
    first: int
    start: int
    batch: InstanceBatch


def blocks(shards: ShardFolder, chosen: Sequence[int] | None = None) -> Iterator[Block]:
    """Yield the rows of shards of either layout, at most 4,096 at a time.

    Args:
        shards: the shards.
        chosen: indices of the shards to read, in ascending order; None reads all.

    Raises:
        MissingInputError: a shard file is missing.
        ShardError: a shard is damaged.
    """
    limits = Limits(shards.roles.vocab_size, shards.max_seq_length)
    for i in range(len(shards.files)) if chosen is None else chosen:
        for start, batch in read_rows(shards.names[i], limits):
            yield Block(shards.files[i], int(shards.starts[i]) + start, start, batch)


def by_number(shards: ShardFolder, numbers: Sequence[int]) -> list[Instance]:
    """Return the rows with these numbers, counted from 0 over all shards, in this order.

    Raises:
        OptionError: a number is out of range.
        MissingInputError, ShardError: a shard is missing or damaged.
    """
    for number in numbers:
        if not 0 <= number < len(shards):
            raise OptionError(f"{shards.location}: no row {number}; expected 0 to {len(shards) - 1}")
    found: dict[int, Instance] = {}
    wanted = np.unique(np.array(numbers, np.int64))
    holding = np.unique(np.searchsorted(shards.starts, wanted, side="right") - 1)
    pieces = readable(shards.vocabulary)
    for block in blocks(shards, holding.tolist()):
        last = block.first + len(block.batch)
        for number in wanted[(wanted >= block.first) & (wanted < last)].tolist():
            found[number] = as_instance(shards, block, number - block.first, pieces)
    return [found[number] for number in numbers]


def of_document(shards: ShardFolder, document: int, most: int) -> Found:
    """Find the first rows with an A segment from one document.

    Args:
        shards: the shards to search.
        document: global index of the document.
        most: maximum number of rows to find.

    Raises:
        OptionError: the corpus has no such document, or the layout of the shards does not store documents.
        MissingInputError, ShardError: a shard is missing or damaged.
    """
    documents = shards.manifest.corpus.get("documents", 2**62)
    if shards.options.get("layout") == "dense":
        raise OptionError(
            f"{shards.location}: layout is dense, which does not store the document of a row; search for "
            f"words, or make shards of --layout compact"
        )
    if not 0 <= document < documents:
        raise OptionError(f"{shards.location}: no document {document}; expected 0 to {documents - 1}")
    return _find(shards, lambda batch: np.flatnonzero(batch.document == document), most)


def with_text(shards: ShardFolder, text: str, most: int) -> Found:
    """Find the first rows with a text in A or B, as it was before masking.

    The text is encoded with the vocabulary, and a row matches if it has these pieces one after another:
    ``sea`` finds sea and sea ##weed, but not over ##sea ##s.

    Args:
        shards: the shards to search.
        text: the text; it is normalized as the corpus was.
        most: maximum number of rows to find.

    Raises:
        OptionError: the vocabulary cannot encode the text, or nothing remains of it after normalization.
        MissingInputError, ShardError: a shard is missing or damaged.
    """
    ways = [way for way in _ways(shards.vocabulary.tokenizer, text) if way]
    unknown = shards.vocabulary.roles.unk
    if not ways or any(unknown in way for way in ways):
        raise OptionError(f"search is {text!r}, which the vocabulary of {shards.location} cannot encode")
    return _find(shards, lambda batch: rows_holding(batch, ways), most)


def _ways(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """Return the ids of a text: with byte-level BPE two lists, as it begins a sentence and after a blank."""
    if isinstance(tokenizer.decoder, decoders.ByteLevel):
        texts = {text.strip(): None, " " + text.strip(): None} if text.strip() else {}
    else:
        texts = {text: None}
    return [tokenizer.encode(way, add_special_tokens=False).ids for way in texts]


def rows_holding(batch: InstanceBatch, ways: list[list[int]]) -> Ints:
    """Return the rows (``int64[n]``, ascending) that contain one of the id lists, unmasked and contiguous."""
    ids, rows = originals(batch), []
    for way in ways:
        at = np.flatnonzero(ids[: len(ids) - len(way) + 1] == way[0])
        for i, id_ in enumerate(way[1:], 1):
            at = at[ids[at + i] == id_]
        row = np.searchsorted(batch.offsets, at, side="right") - 1
        rows.append(row[at + len(way) <= batch.offsets[row + 1]])
    return np.unique(np.concatenate(rows))


def originals(batch: InstanceBatch) -> Tokens:
    """Return a copy of ``input_ids`` with the original id at every predicted position."""
    ids = batch.input_ids.copy()
    ids[predicted_places(batch)] = batch.mlm_labels
    return ids


def predicted_places(batch: InstanceBatch) -> Ints:
    """Return ``int64[predictions]``, the index in ``input_ids`` of each prediction."""
    return np.repeat(batch.offsets[:-1], np.diff(batch.mlm_offsets)) + batch.mlm_positions


def _find(shards: ShardFolder, matching: Callable[[InstanceBatch], Ints], most: int) -> Found:
    found: list[Instance] = []
    pieces = readable(shards.vocabulary)
    for block in blocks(shards):
        for row in matching(block.batch).tolist():
            found.append(as_instance(shards, block, row, pieces))
            if len(found) == most:
                return Found(found, block.first + row + 1)
    return Found(found, len(shards))


def as_instance(shards: ShardFolder, block: Block, row: int, pieces: list[str]) -> Instance:
    """Return one row of a block as plain data.

    Args:
        shards: the shards that the block was read from.
        block: the block.
        row: index of the row in the block.
        pieces: the vocabulary in readable form, see `readable`.
    """
    batch = block.batch
    ids = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]]
    predicted = slice(int(batch.mlm_offsets[row]), int(batch.mlm_offsets[row + 1]))
    labels = zip(batch.mlm_positions[predicted].tolist(), batch.mlm_labels[predicted].tolist(), strict=True)
    return {
        "row": block.start + row,
        "number": block.first + row,
        "pieces": [pieces[i] for i in ids.tolist()],
        "predictions": {position: pieces[label] for position, label in labels},
        "b_start": int(batch.b_start[row]),
        "label": int(batch.next_sentence_label[row]),
        "document": int(batch.document[row]),
        "shard": block.file.name,
        "objective": shards.options["objective"],
    }


def readable(vocabulary: Vocabulary) -> list[str]:
    """Return the pieces in readable form: byte-level pieces of whole characters as text, with ␣ for a blank.

    Control characters are spelled out, so that no piece can change a terminal.
    """
    if not isinstance(vocabulary.tokenizer.decoder, decoders.ByteLevel):
        return list(map(printable, vocabulary.pieces))
    texts = [vocabulary.tokenizer.decoder.decode([piece]).replace(" ", "␣") for piece in vocabulary.pieces]
    return [
        text if text.isprintable() and "\ufffd" not in text else printable(piece)
        for text, piece in zip(texts, vocabulary.pieces, strict=True)
    ]
