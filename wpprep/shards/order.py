"""The order of batches: a pure function of a few numbers, which gives any batch of any epoch directly.

    places    0 1 2 3 4 5 6 7 8 9 . 0 1 2 ...      the endless sequence of epochs, permutations of the rows
    windows   |      0      |      1      |        ``bins`` batches' worth of places
    batches   | 0 | 1 | 2 | | 3 | 4 | 5 | |        a window's rows, sorted by length and cut

In every epoch a Feistel network (`rng.permuted`) gives another permutation of the row numbers, without an array
of them. With ``bins`` above 1 a window of that many batches is sorted by length, cut, and its batches are put
in a keyed order: the rows of a batch then have similar lengths, which reduces padding, while the set of rows in
a window remains random. With weights, places are assigned to the folders in shuffled cycles of 1,000, so that
every folder has its share in any part of the sequence, and each folder has its own epochs.

The trade-off: with ``batch_tokens`` the number of batches in a window is known only after it is cut, so that a
batch is found by a search from the nearest known window; the state of a loader has that window.

This module does not read tokens. Lengths come from the offsets of the mapped shards.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, TypedDict

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.errors import OptionError
from wpprep.kernels import njit
from wpprep.records import Ints, offsets_of
from wpprep.shards.folder import ShardFolder

TAILS = ("carry", "drop", "keep")
MULTIPLE = 8  # lengths are multiples of this number, which matrix units need for full speed
_CYCLE = 1000  # number of places in a cycle of weighted folders
_REMEMBERED = 4  # number of windows kept


class Rows(NamedTuple):
    """The global rows of one batch and the epoch of each, both ``int64[n]``."""

    rows: Ints
    epochs: Ints


class Identity(TypedDict):
    """The options that a list of batches depends on; ``full`` only counts with ``batch_tokens``."""

    seed: int
    batch_size: int | None
    batch_tokens: int | None
    bins: int
    tail: str
    weights: list[float] | None
    rows: int
    full: bool
    vocabulary: str


class Order:
    """The list of batches of a folder, numbered from 0 over all epochs.

    Args:
        folder: the open shard folders.
        full: whether rows are padded to the maximum length, which counts for ``batch_tokens``.
        batch_size, batch_tokens, bins, seed, tail, exclude, weights: as in `wpprep.shards.loader.Loader`.

    Raises:
        OptionError: an argument is out of range, or there are fewer rows than one batch needs.
    """

    def __init__(
        self,
        folder: ShardFolder,
        *,
        batch_size: int | None,
        batch_tokens: int | None,
        bins: int | None,
        seed: int,
        tail: str,
        exclude: Ints,
        weights: Sequence[float] | None,
        full: bool,
    ) -> None:
        """Set the order; see the class for the arguments."""
        self.folder, self.batch_size, self.batch_tokens = folder, batch_size, batch_tokens
        self.bins = bins or (64 if batch_tokens else 1)
        self.seed, self.tail, self.full = seed, tail, full
        self.weights = None if weights is None else list(weights)
        self._check()
        self.sources = _deal(folder, exclude, self.weights)
        self.rows = int(self.sources.sizes.sum())
        if self.rows < ((batch_size or 1) if tail == "drop" else 1):
            raise OptionError(f"{folder.path}: {self.rows} rows, fewer than one batch of {batch_size}")
        self._usable = self.rows - (self.rows % batch_size if batch_size and tail == "drop" else 0)
        a_batch = batch_size or max(1, int(batch_tokens or 0) * len(folder) // max(1, folder.tokens))
        self._window = self.bins * a_batch
        self._cursors: deque[tuple[int, int]] = deque([(0, 0)], maxlen=_REMEMBERED)
        self._plans: dict[int, list[Rows]] = {}

    def _check(self) -> None:
        if (self.batch_size is None) == (self.batch_tokens is None):
            raise OptionError("expected either batch_size or batch_tokens, not both or neither")
        if self.batch_size is not None and self.batch_size < 1:
            raise OptionError(f"batch_size is {self.batch_size}, expected at least 1")
        longest = _round_up(self.folder.max_seq_length)
        if self.batch_tokens is not None and self.batch_tokens < longest:
            raise OptionError(
                f"batch_tokens is {self.batch_tokens}, expected at least {longest}, the maximum length of a row"
            )
        if self.bins < 1:
            raise OptionError(f"bins is {self.bins}, expected at least 1")
        if self.tail not in TAILS:
            raise OptionError(f"tail is {self.tail!r}, expected one of {', '.join(TAILS)}")
        if self.batch_tokens is not None and self.tail == "drop":
            raise OptionError("tail is 'drop', which needs batch_size; with batch_tokens use carry or keep")
        if self.weights is not None and self.tail != "carry":
            raise OptionError(f"tail is {self.tail!r}, expected carry, because folders have weights")

    def identity(self) -> Identity:
        """Return the options that the list of batches depends on, as plain values."""
        return {
            "seed": self.seed,
            "batch_size": self.batch_size,
            "batch_tokens": self.batch_tokens,
            "bins": self.bins,
            "tail": self.tail,
            "weights": self.weights,
            "rows": self.rows,
            "full": self.full and self.batch_tokens is not None,
            "vocabulary": self.folder.vocabulary.sha256,
        }

    def batch(self, number: int) -> Rows:
        """Return the rows of the batch with this number."""
        window, index = self._locate(number)
        return self._plan(window)[index]

    def epoch(self, number: int) -> int:
        """Return the epoch of the first place of a batch; with ``batch_tokens``, of its window."""
        if self.batch_size is None:
            return self._places(self._locate(number)[0])[0] // self.rows
        if self.tail == "carry":
            return number * self.batch_size // self.rows
        return number // -(-self._usable // self.batch_size)

    def cursor(self, number: int) -> list[int] | None:
        """Return the window of a batch and the number of its first batch; None if they can be computed."""
        if self.batch_size is not None:
            return None
        window, index = self._locate(number)
        return [window, number - index]

    def seek(self, cursor: Sequence[int] | None) -> None:
        """Keep the window of a saved state as a start for later searches.

        Args:
            cursor: as `cursor` returned it.
        """
        if cursor is not None:
            self._cursors.append((int(cursor[0]), int(cursor[1])))

    def _locate(self, number: int) -> tuple[int, int]:
        """Return the window of a batch, and the index of the batch in it."""
        if self.batch_size is None:
            return self._search(number)
        if self.tail == "carry":
            return divmod(number, self.bins)
        epoch, inside = divmod(number, -(-self._usable // self.batch_size))
        window, index = divmod(inside, self.bins)
        return epoch * -(-self._usable // self._window) + window, index

    def _search(self, number: int) -> tuple[int, int]:
        """Locate a batch of windows with different numbers of batches, from the nearest known window on."""
        window, first = max(
            ((w, f) for w, f in self._cursors if f <= number), key=lambda known: known[1], default=(0, 0)
        )
        while number >= first + (count := len(self._plan(window))):
            window, first = window + 1, first + count
        if (window, first) not in self._cursors:
            self._cursors.append((window, first))
        return window, number - first

    def _places(self, window: int) -> tuple[int, int]:
        """Return the first place of a window, and the number of its places."""
        if self.tail == "carry":
            return window * self._window, self._window
        epoch, inside = divmod(window, -(-self._usable // self._window))
        first = inside * self._window
        return epoch * self.rows + first, min(self._window, self._usable - first)

    def _plan(self, window: int) -> list[Rows]:
        """Return the batches of a window; the last few windows are kept."""
        if window not in self._plans:
            while len(self._plans) >= _REMEMBERED:
                del self._plans[next(iter(self._plans))]
            self._plans[window] = self._cut(window)
        return self._plans[window]

    def _cut(self, window: int) -> list[Rows]:
        rows, epochs = _draw_rows(*self._places(window), self.seed, *self.sources)
        if self.bins == 1 and self.batch_size is not None:
            return [Rows(rows, epochs)]
        lengths = self.folder.lengths(rows)
        by_length = np.argsort(lengths, kind="stable")
        if self.batch_size is not None:
            cuts = np.append(np.arange(0, len(rows), self.batch_size), len(rows))
        else:
            widths = -(-lengths[by_length] // MULTIPLE) * MULTIPLE
            if self.full:
                widths[:] = self.folder.max_seq_length
            cuts = _cut_by_tokens(widths, int(self.batch_tokens or 0))
        key = rng.key(self.seed, rng.SAMPLING, window, 1)
        shuffled = rng.permutation(len(cuts) - 1, np.uint64(key))
        chosen = [by_length[cuts[i] : cuts[i + 1]] for i in shuffled]
        return [Rows(rows[places], epochs[places]) for places in chosen]


class _Sources(NamedTuple):
    """The sources of rows: one with all rows, or with weights one per folder.

    Attributes:
        slots: ``int64[n + 1]``, the first slot of each source in a cycle, and the length of the cycle.
        sizes: ``int64[n]``, number of rows that are not excluded.
        starts: ``int64[n]``, global number of the first row.
        cuts: ``int64[n + 1]``, the first excluded row of each source as an index into ``excluded``.
        excluded: ``int64``, sorted global rows.
    """

    slots: Ints
    sizes: Ints
    starts: Ints
    cuts: Ints
    excluded: Ints


def _deal(folder: ShardFolder, exclude: Ints, weights: list[float] | None) -> _Sources:
    starts = folder.folder_rows if weights is not None else folder.folder_rows[[0, -1]]
    cuts = np.searchsorted(exclude, starts)
    sizes = np.diff(starts) - np.diff(cuts)
    slots: Ints = np.array([0, 1], np.int64)
    if weights is not None:
        if len(weights) != len(sizes) or min(weights) <= 0:
            raise OptionError(f"weights are {weights}, expected {len(sizes)} numbers above 0, one per folder")
        if (sizes == 0).any():
            raise OptionError(f"{folder.path}: all rows of a folder with a weight are excluded")
        shares = np.array(weights) / sum(weights) * _CYCLE
        ends = np.rint(np.cumsum(shares)).astype(np.int64)
        slots = offsets_of(np.diff(ends, prepend=0))
        if (np.diff(slots) < 1).any():
            raise OptionError(f"weights are {weights}, expected each to be at least a thousandth of their sum")
    return _Sources(slots, sizes, starts[:-1], cuts, exclude)


def _round_up(length: int) -> int:
    return -(-length // MULTIPLE) * MULTIPLE


# -- kernels: arrays in, arrays out ------------------------------------------------------------------


@njit(cache=True)
def _draw_rows(
    first: int,
    count: int,
    seed: int,
    slots: Ints,
    sizes: Ints,
    starts: Ints,
    cuts: Ints,
    excluded: Ints,
) -> tuple[Ints, Ints]:
    """Return the rows and epochs (``int64[count]``) at the places from ``first`` on.

    The arrays are those of `_Sources`. A permutation is over the rows of a source that are not excluded. Its
    i-th row has the number i + c, where c is the number of excluded rows before it: of the sorted ``excluded``,
    those with excluded[m] - m <= i.
    """
    rows, epochs = np.empty(count, np.int64), np.empty(count, np.int64)
    cycle_length = slots[-1]
    for j in range(count):
        cycle, slot = (first + j) // cycle_length, (first + j) % cycle_length
        source = 0
        if cycle_length > 1:
            slot = rng.permuted(slot, cycle_length, rng.key(seed, rng.SAMPLING, cycle, 0))
            while slots[source + 1] <= slot:
                source += 1
        place = cycle * (slots[source + 1] - slots[source]) + slot - slots[source]
        epoch = place // sizes[source]
        key = rng.key(seed, rng.BATCH_ORDER, epoch, source)
        index = rng.permuted(place % sizes[source], sizes[source], key)
        low, high = cuts[source], cuts[source + 1]
        while low < high:
            middle = (low + high) // 2
            if excluded[middle] - starts[source] - (middle - cuts[source]) <= index:
                low = middle + 1
            else:
                high = middle
        rows[j] = starts[source] + index + low - cuts[source]
        epochs[j] = epoch
    return rows, epochs


@njit(cache=True)
def _cut_by_tokens(widths: npt.NDArray[np.int64], most: int) -> Ints:
    """Cut ascending ``widths`` into runs with at most ``most`` as length times width: ``int64[runs + 1]``."""
    cuts = np.empty(len(widths) + 1, np.int64)
    cuts[0] = runs = start = 0
    for i in range(len(widths)):
        if (i - start + 1) * widths[i] > most:
            runs += 1
            cuts[runs] = start = i
    cuts[runs + 1] = len(widths)
    return cuts[: runs + 2].copy()
