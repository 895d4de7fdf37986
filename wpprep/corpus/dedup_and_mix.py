"""The survey: filters that must know the whole corpus before one document can be used.

    --deduplicate                  of documents with the same text, the first in corpus order is used
    --mix wiki=0.75,books=0.25     then of each named corpus as much text as its share of the whole allows
    --max-documents 1000           then so many of all that are left

Every task of the corpus is read once (`SurveySlices`), and leaves a table with a row for each document that
passes by itself, sorted by the hash of its text:

    text_high, text_low   uint64   128 bits of BLAKE2b of the text
    place                 uint64   64 bits of the id's hash, which decides what is in a sample
    row                   uint32   its number in the task; of equal texts only the first has a row here
    bytes                 uint32   size of its text

Then `choose` writes a byte for each document, 1 where it is used, into one file that the tasks read later.
Memory does not grow with the corpus: duplicates are looked for in one range of hashes after another (sorted
tables give a range by bisection), and a share of a corpus by a histogram of draws and one of its bins.

What is surplus goes by a draw keyed by the id: neither order nor slices nor workers matter, a
smaller number is part of a larger one, and the draws of the two filters are independent, so that
``--max-documents`` does not undo ``--mix``. What this module does not do: find texts that are nearly the same.
"""

from __future__ import annotations

import hashlib
import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wpprep import rng
from wpprep.config import CorpusOptions
from wpprep.corpus.filters import Tally, place_of, used_documents
from wpprep.errors import CorpusError
from wpprep.records import Ints, Slice
from wpprep.storage.files import atomic_write
from wpprep.storage.manifest import describe_rows

_MOST_AT_ONCE = 1 << 22  # rows in a range of hashes: about 150 MB
_BINS = 16  # bits of a draw that its histogram tells apart

Flags = npt.NDArray[np.bool_]
Columns = dict[str, npt.NDArray[Any]]


class Part(NamedTuple):
    """The table of one task.

    Attributes:
        corpus: the name of the corpus its documents are of, or nothing.
        first: how many documents the tasks before it have.
        documents: how many documents it has, duplicates included.
    """

    path: Path
    corpus: str
    first: int
    documents: int


@dataclass(frozen=True)
class SurveySlices:
    """Writes the table of one task."""

    text: CorpusOptions
    folder: Path

    def __call__(self, task: tuple[str, list[Slice]]) -> dict[str, Any]:
        """Write the table; returns its entry, what was dropped, and how many documents each slice has."""
        name, slices = task
        tally, hashes, places, sizes = Tally(), bytearray(), array("Q"), array("L")
        ends = []
        for slice_ in slices:
            for document in used_documents(slice_, self.text, tally):
                text = document.text.encode()
                hashes += hashlib.blake2b(text, digest_size=16).digest()
                places.append(place_of(document.id))
                sizes.append(len(text))
            ends.append(len(places))
        columns = _sorted_columns(bytes(hashes), places, sizes, self.text.deduplicate)
        _write(self.folder / name, columns)
        entry = asdict(describe_rows(self.folder / name, len(columns["row"])))
        return {"shard": entry, "ends": ends, "text_bytes": sum(sizes), "tally": asdict(tally)}


def choose(file: Path, parts: Sequence[Part], options: CorpusOptions) -> dict[str, Any]:
    """Write which documents are used, a byte each in corpus order; returns the figures for the manifest.

    Raises:
        CorpusError: a corpus that the mix names has no documents.
    """
    facts: dict[str, Any] = {}
    total = parts[-1].first + parts[-1].documents
    with atomic_write(file) as out:
        kept: Any = np.memmap(out, np.bool_, "r+", shape=(total,))
        if options.deduplicate:
            _keep_first(parts, kept)
            facts["duplicates"] = total - int(kept.sum())
        else:
            kept[:] = True
        if options.mix:
            facts["mix"] = _mix(parts, kept, options.mix_shares)
        if options.max_documents is not None:
            before = int(kept.sum())
            _thin(parts, kept, options.max_documents, "documents", rng.LIMITING)
            facts["beyond_max_documents"] = before - int(kept.sum())
        kept.flush()
    return facts


def _sorted_columns(hashes: bytes, places: array[int], sizes: array[int], unique: bool) -> Columns:
    halves = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    high, low = halves[:, 0], halves[:, 1]
    order = np.lexsort((low, high))  # stable: of equal texts the first comes first
    if unique:
        order = order[_is_first(high[order], low[order])]
    row = order.astype(np.uint32)
    place, size = np.array(places, np.uint64), np.array(sizes, np.uint32)
    return {
        "text_high": high[order],
        "text_low": low[order],
        "place": place[order],
        "row": row,
        "bytes": size[order],
    }


def _is_first(high: npt.NDArray[np.uint64], low: npt.NDArray[np.uint64]) -> Flags:
    """Where, in sorted hashes, a new one begins."""
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return first


def _write(path: Path, columns: Columns) -> None:
    table = pa.table(columns)
    with atomic_write(path) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _columns(part: Part) -> Columns:
    """The columns of a table, mapped into memory for as long as they are used."""
    with pa.memory_map(str(part.path)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    return {name: table[name].to_numpy() for name in table.column_names}


def _keep_first(parts: Sequence[Part], kept: Flags) -> None:
    """Mark the first document of each text."""
    rows = sum(part.documents for part in parts)
    ranges = 1 << max(0, math.ceil(math.log2(max(1, rows) / _MOST_AT_ONCE)))
    width = 2**64 // ranges
    for number in range(ranges):
        found = [_within(part, number * width, (number + 1) * width - 1) for part in parts]
        high, low, document = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((document, low, high))
        kept[document[order][_is_first(high[order], low[order])]] = True


def _within(part: Part, least: int, most: int) -> tuple[Any, Any, Ints]:
    """Hashes from ``least`` to ``most`` in a table, and the number of each one's document in the corpus."""
    columns = _columns(part)
    high = columns["text_high"]
    start, stop = np.searchsorted(high, np.uint64(least)), np.searchsorted(high, np.uint64(most), "right")
    document = part.first + columns["row"][start:stop].astype(np.int64)
    return high[start:stop].copy(), columns["text_low"][start:stop].copy(), document


def _mix(parts: Sequence[Part], kept: Flags, shares: dict[str, Fraction]) -> dict[str, Any]:
    """Reduce every corpus to its share of the most text that the shares allow."""
    of_corpus = {name: [part for part in parts if part.corpus == name] for name in shares}
    sizes = {name: _size(of_corpus[name], kept) for name in shares}
    for name, (_, text_bytes) in sizes.items():
        if not text_bytes:
            raise CorpusError(f"mix: the corpus {name} is empty: no document with any text in it")
    whole = min(sizes[name][1] / share for name, share in shares.items())
    facts = {}
    for name, share in shares.items():
        _thin(of_corpus[name], kept, math.floor(whole * share), "bytes", rng.MIXING)
        (documents, text_bytes), (used, used_bytes) = sizes[name], _size(of_corpus[name], kept)
        facts[name] = {
            "documents": used,
            "text_bytes": used_bytes,
            "surplus_documents": documents - used,
            "surplus_bytes": text_bytes - used_bytes,
        }
    return facts


def _size(parts: Sequence[Part], kept: Flags) -> tuple[int, int]:
    """Documents and bytes of text that are kept."""
    used = [(len(size), int(size.sum())) for _, size, _ in _draws(parts, kept, "bytes", rng.MIXING)]
    return sum(n for n, _ in used), sum(size for _, size in used)


def _thin(parts: Sequence[Part], kept: Flags, most: int, measure: str, purpose: int) -> None:
    """Keep the documents of the lowest draws, as many as go into ``most`` documents or bytes."""
    bins = np.zeros(1 << _BINS, np.int64)
    for draw, size, _ in _draws(parts, kept, measure, purpose):
        np.add.at(bins, _bin_of(draw), size)
    before = np.cumsum(bins) - bins
    last = int(np.searchsorted(np.cumsum(bins), most, "right"))  # the first bin that does not go in whole
    if last == len(bins):
        return
    edge = []
    for draw, size, document in _draws(parts, kept, measure, purpose):
        bin_ = _bin_of(draw)
        kept[document[bin_ > last]] = False
        edge.append((draw[bin_ == last], size[bin_ == last], document[bin_ == last]))
    draw, size, document = (np.concatenate(columns) for columns in zip(*edge, strict=True))
    order = np.lexsort((document, draw))
    goes = int(before[last]) + np.cumsum(size[order]) > most
    kept[document[order][goes]] = False


def _bin_of(draw: npt.NDArray[np.uint64]) -> Ints:
    return (draw >> np.uint64(64 - _BINS)).astype(np.int64)


def _draws(
    parts: Sequence[Part], kept: Flags, measure: str, purpose: int
) -> Iterator[tuple[npt.NDArray[np.uint64], Ints, Ints]]:
    """Draw, size (in bytes, or 1) and number of the documents kept so far, task by task."""
    for part in parts:
        columns = _columns(part)
        document = part.first + columns["row"].astype(np.int64)
        here = kept[document]
        draw = rng.keys(0, purpose, 0, columns["place"][here])
        size = columns["bytes"][here].astype(np.int64) if measure == "bytes" else np.ones(len(draw), np.int64)
        yield draw, size, document[here]
