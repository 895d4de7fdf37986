"""Filters over the whole corpus: exact duplicates, proportions of named corpora, a maximum number of documents.

    --deduplicate                  use only the first, in corpus order, of documents with the same text
    --mix wiki=0.75,books=0.25     then use of each named corpus as much text as these proportions allow
    --max-documents 1000           then use at most this many of the remaining documents

First, a survey reads every task of the corpus once (`SurveySlices`) and writes a table per task, with a row for
each document that passes the filters of `wpprep.corpus.filters`, sorted by the hash of its text:

    text_high, text_low   uint64   128 bits of BLAKE2b of the text
    place                 uint64   64-bit hash of the id, from which random draws are derived
    row                   uint32   index of the document in its task; with --deduplicate, of equal texts
                                   only the first has a row
    bytes                 uint32   size of the text in UTF-8

Then `choose` writes one byte per document, 1 where it is used, to one file that later stages read. Memory does
not grow with the corpus: duplicates are found in one range of hashes after another (bisection finds a range in
a sorted table), and a cut-off is found with a histogram of the draws, then by sorting a single bin of it.

Surplus documents are dropped by a random draw keyed by the document id: the result does not depend on order,
slices or workers, a smaller selection is a subset of a larger one, and the draws of the two filters are
independent, so that ``--max-documents`` keeps the proportions of ``--mix``.

This module does not find near-duplicates.
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
from wpprep.corpus.filters import Dropped, MixFacts, Tally, place_of, used_documents
from wpprep.errors import CorpusError
from wpprep.jobs.plans import Receipt, entry_of
from wpprep.records import Ints, Slice
from wpprep.storage.files import UNFINISHED, atomic_write
from wpprep.storage.manifest import describe_rows

SURVEY = UNFINISHED  # the subfolder for the tables: a node that is late cannot write into a finished folder
_MOST_AT_ONCE = 1 << 22  # maximum number of rows in a range of hashes: about 150 MB
_BINS = 16  # log2 of the number of histogram bins: the leading bits of a draw

Flags = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]


class Table(NamedTuple):
    """The columns of a task's table, one row per document, as in the module docstring."""

    text_high: Hashes
    text_low: Hashes
    place: Hashes
    row: npt.NDArray[np.uint32]
    bytes: npt.NDArray[np.uint32]


class Part(NamedTuple):
    """The table of one task.

    Attributes:
        path: file of the table.
        corpus: name of the corpus that the task belongs to; empty without ``--mix``.
        first: number of documents in the tasks before it.
        documents: number of documents in the task, duplicates included.
    """

    path: Path
    corpus: str
    first: int
    documents: int


@dataclass(frozen=True)
class SurveySlices:
    """The work of one survey task: read its slices and write its table.

    Attributes:
        text: options of the corpus.
        folder: output folder; the tables are in its `SURVEY` subfolder, which exists.
    """

    text: CorpusOptions
    folder: Path

    def __call__(self, task: tuple[str, list[Slice]]) -> Receipt:
        """Write the table of a task, given as its file name and slices, and return its receipt.

        The receipt has the keys ``shards`` (manifest entry of the table), ``ends`` (number of documents up to
        the end of each slice) and ``tally`` (values of a `Tally`).
        """
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
        table = _sorted_table(bytes(hashes), places, sizes, self.text.deduplicate)
        name = f"{SURVEY}/{name}"
        _write(self.folder / name, table)
        entry = entry_of(describe_rows(self.folder / name, len(table.row), name=name))
        return {"shards": [entry], "ends": ends, "tally": asdict(tally)}


def choose(file: Path, parts: Sequence[Part], options: CorpusOptions) -> Dropped:
    """Decide which documents are used, and return the counts of dropped documents for the manifest.

    Args:
        file: output file, one byte per document in corpus order: 1 if it is used, else 0.
        parts: tables of all tasks in corpus order, with at least one document.
        options: options of the corpus.

    Raises:
        CorpusError: a corpus named by the mix has no text.
    """
    facts: Dropped = {}
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


def _sorted_table(hashes: bytes, places: array[int], sizes: array[int], unique: bool) -> Table:
    halves = np.frombuffer(hashes, ">u8").astype(np.uint64).reshape(-1, 2)
    high, low = halves[:, 0], halves[:, 1]
    order = np.lexsort((low, high))  # stable: equal texts stay in corpus order
    if unique:
        order = order[_is_first(high[order], low[order])]
    row = order.astype(np.uint32)
    place, size = np.array(places, np.uint64), np.array(sizes, np.uint32)
    return Table(high[order], low[order], place[order], row, size[order])


def _is_first(high: Hashes, low: Hashes) -> Flags:
    """Return, for each of the sorted hashes, whether it differs from the one before it."""
    first = np.ones(len(high), np.bool_)
    first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return first


def _write(path: Path, columns: Table) -> None:
    table = pa.table(columns._asdict())
    with atomic_write(path) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def _read(part: Part) -> Table:
    """Return a table whose columns are mapped into memory while they are referenced."""
    with pa.memory_map(str(part.path)) as source:
        table = pa.ipc.open_file(source).read_all().combine_chunks()
    return Table(*(table[name].to_numpy() for name in Table._fields))


def _keep_first(parts: Sequence[Part], kept: Flags) -> None:
    """Mark the first document with each text, one range of hashes at a time."""
    rows = sum(part.documents for part in parts)
    ranges = 1 << max(0, math.ceil(math.log2(max(1, rows) / _MOST_AT_ONCE)))
    width = 2**64 // ranges
    for number in range(ranges):
        found = [_within(part, number * width, (number + 1) * width - 1) for part in parts]
        high, low, document = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.lexsort((document, low, high))
        kept[document[order][_is_first(high[order], low[order])]] = True


def _within(part: Part, least: int, most: int) -> tuple[Hashes, Hashes, Ints]:
    """Return the two halves of the hashes from ``least`` to ``most``, and their documents' corpus indices."""
    table = _read(part)
    high = table.text_high
    start, stop = np.searchsorted(high, np.uint64(least)), np.searchsorted(high, np.uint64(most), "right")
    document = part.first + table.row[start:stop].astype(np.int64)
    return high[start:stop].copy(), table.text_low[start:stop].copy(), document


def _mix(parts: Sequence[Part], kept: Flags, shares: dict[str, Fraction]) -> dict[str, MixFacts]:
    """Reduce every corpus to its share of the largest total that all corpora can fill.

    The total is min(bytes / share) over the corpora: 600 bytes of wiki at 3/4 and 100 bytes of books at 1/4
    allow min(800, 400) = 400 bytes, 300 of wiki and 100 of books.
    """
    of_corpus = {name: [part for part in parts if part.corpus == name] for name in shares}
    sizes = {name: _size(of_corpus[name], kept) for name in shares}
    for name, (_, text_bytes) in sizes.items():
        if not text_bytes:
            raise CorpusError(f"mix: the corpus {name} is empty: none of its documents contains text")
    whole = min(sizes[name][1] / share for name, share in shares.items())
    facts: dict[str, MixFacts] = {}
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
    """Return the number of documents that are kept, and of bytes of their text."""
    used = [(len(size), int(size.sum())) for _, size, _ in _draws(parts, kept, "bytes", rng.MIXING)]
    return sum(n for n, _ in used), sum(size for _, size in used)


def _thin(parts: Sequence[Part], kept: Flags, most: int, measure: str, purpose: int) -> None:
    """Keep the documents with the lowest draws whose total size is at most ``most``; unmark the others.

    The unit of ``most`` is ``measure``: ``documents`` or ``bytes``. A first pass counts sizes in bins of the
    draws to find the bin that contains the cut-off; a second pass drops all later bins and sorts this one.
    """
    bins = np.zeros(1 << _BINS, np.int64)
    for draw, size, _ in _draws(parts, kept, measure, purpose):
        np.add.at(bins, _bin_of(draw), size)
    before = np.cumsum(bins) - bins
    last = int(np.searchsorted(np.cumsum(bins), most, "right"))  # the first bin that exceeds ``most``
    if last == len(bins):
        return
    edge = []
    for draw, size, document in _draws(parts, kept, measure, purpose):
        bin_ = _bin_of(draw)
        kept[document[bin_ > last]] = False
        edge.append((draw[bin_ == last], size[bin_ == last], document[bin_ == last]))
    draw, size, document = (np.concatenate(columns) for columns in zip(*edge, strict=True))
    order = np.lexsort((document, draw))
    is_beyond = int(before[last]) + np.cumsum(size[order]) > most
    kept[document[order][is_beyond]] = False


def _bin_of(draw: Hashes) -> Ints:
    return (draw >> np.uint64(64 - _BINS)).astype(np.int64)


def _draws(
    parts: Sequence[Part], kept: Flags, measure: str, purpose: int
) -> Iterator[tuple[Hashes, Ints, Ints]]:
    """Yield per task the draw, size (in bytes, or 1) and corpus index of the documents kept so far."""
    for part in parts:
        table = _read(part)
        document = part.first + table.row.astype(np.int64)
        here = kept[document]
        draw = rng.keys(0, purpose, 0, table.place[here])
        size = table.bytes[here].astype(np.int64) if measure == "bytes" else np.ones(len(draw), np.int64)
        yield draw, size, document[here]
