"""Dealing: which documents of a token store are trained on and which held out, and which go into which shard.

Both are Feistel permutations of the documents' numbers (`rng.permuted`), so that nothing here grows with the
corpus: a selection is four numbers, and the shards' bounds are found in one walk over the documents' token
counts, which lie in a mapped file. At five billion documents that walk is long, and still takes no memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.records import Ints

Counts = npt.NDArray[np.uint32]

_BYTES_PER_TOKEN = {"uint16": 3.2, "uint32": 6.0}  # of a shard, for each token of the corpus: a rough average
_BLOCK = 1 << 20  # documents whose tokens are summed at once


class Selection(NamedTuple):
    """Some documents of a store, numbered from 0: those at the places from ``first`` on of a permutation.

    >>> everything = Selection(0, 5, 5, 99)
    >>> everything.of(np.arange(5)).tolist()
    [0, 1, 2, 3, 4]
    >>> held, rest = Selection(0, 2, 5, 99), Selection(2, 3, 5, 99)
    >>> sorted([*held.of(np.arange(2)).tolist(), *rest.of(np.arange(3)).tolist()])
    [0, 1, 2, 3, 4]

    Attributes:
        first, size: the range of places; the whole store is taken as it stands.
        n_documents: how many the store has.
        key: names the permutation.
    """

    first: int
    size: int
    n_documents: int
    key: int

    def of(self, places: Ints) -> Ints:
        """The global indices of the selection's documents with these numbers; both ``int64[n]``."""
        if self.size == self.n_documents:
            return places
        return rng.permuted_all(places + self.first, self.n_documents, np.uint64(self.key))


def split_documents(n_documents: int, options: ShardOptions) -> tuple[Selection, Selection]:
    """The documents that are trained on, and those held out.

    Raises:
        OptionError: one of the two would have too few documents.
    """
    held = round(options.holdout * n_documents)
    least = 2 if options.objective == "nsp" and options.random_next_prob > 0 else 1
    if options.holdout and not least <= held <= n_documents - least:
        raise OptionError(
            f"holdout {options.holdout} of {n_documents} documents is {held}, expected {least} to "
            f"{n_documents - least}; give another share, or more documents"
        )
    permutation = (n_documents, int(rng.key(options.seed, rng.HOLDOUT, 0, 0)))
    return Selection(held, n_documents - held, *permutation), Selection(0, held, *permutation)


def share_out(token_counts: Counts, documents: Selection, options: ShardOptions, id_type: str) -> Ints:
    """Cut the documents of all passes into shards of equal numbers of tokens.

    Every pass takes the documents in an order of its own; the passes are laid one after another.

    Args:
        token_counts: ``uint32[n_documents]`` of the store; read in the order of the passes, never copied whole.
        documents: those that the shards are made of.
        id_type: ``uint16`` or ``uint32``, which decides how many shards make about 64 MB each.

    Returns:
        ``int64[shards + 1]``: shard k has the places ``bounds[k]`` to ``bounds[k + 1]`` of that long row.

    Raises:
        OptionError: there are more shards than documents to put into them.
    """
    n, passes = documents.size, options.dupe_factor
    tokens = passes * sum(
        int(token_counts[documents.of(np.arange(start, min(start + _BLOCK, n)))].sum(dtype=np.int64))
        for start in range(0, n, _BLOCK)
    )
    wanted_shards = tokens * _BYTES_PER_TOKEN[id_type] / options.shard_bytes
    shards = options.shards or _number_of_shards(wanted_shards, passes)
    if shards > n * passes:
        raise OptionError(f"shards is {shards}, expected at most {n * passes} (documents times dupe_factor)")
    wanted = (np.arange(1, shards) * (tokens / shards)).astype(np.float64)
    bounds = np.full(shards + 1, n * passes, np.int64)
    bounds[0] = 0
    keys = np.array([_order_key(options.seed, pass_) for pass_ in range(passes)], np.uint64)
    _walk(token_counts, *documents[:3], np.uint64(documents.key), keys, wanted, bounds)
    # No shard is empty: move the bounds apart where a document is longer than a share.
    steps = np.arange(shards + 1)
    bounds = np.maximum.accumulate(bounds - steps) + steps
    spread: Ints = np.minimum(bounds, n * passes - shards + steps)
    return spread


@njit(cache=True)
def _walk(
    token_counts: Counts,
    first: int,
    size: int,
    n_documents: int,
    key: np.uint64,
    order_keys: npt.NDArray[np.uint64],
    wanted: npt.NDArray[np.float64],
    bounds: Ints,
) -> None:
    """Enter in ``bounds[1:-1]`` the first place whose document has its middle at or behind ``wanted`` tokens.

    ``first`` to ``key`` are the selection's; ``order_keys`` (``uint64[passes]``) name the order of each pass;
    ``wanted`` is ``float64[shards - 1]``, rising, and ``bounds`` ``int64[shards + 1]``.
    """
    tokens = shard = 0
    for pass_ in range(len(order_keys)):
        for place in range(size):
            document = int(rng.permuted(place, size, order_keys[pass_]))
            if size < n_documents:
                document = int(rng.permuted(document + first, n_documents, key))
            count = int(token_counts[document])
            while shard < len(wanted) and tokens + count - count // 2 >= wanted[shard]:
                shard += 1
                bounds[shard] = pass_ * size + place
            tokens += count


def _number_of_shards(wanted: float, passes: int) -> int:
    """About as many as are wanted; as many for every pass, where there is one for each."""
    shards = max(1, round(wanted))
    return shards if shards < passes else round(shards / passes) * passes


def documents_of(first: int, last: int, n_documents: int, seed: int) -> tuple[Ints, Ints]:
    """Pass and number of the documents at the places ``first`` to ``last`` of all passes."""
    places = np.arange(first, last)
    passes, within = places // n_documents, places % n_documents
    documents = np.empty(len(places), np.int64)
    for pass_ in np.unique(passes):
        here = passes == pass_
        documents[here] = rng.permuted_all(within[here], n_documents, np.uint64(_order_key(seed, int(pass_))))
    return passes, documents


def _order_key(seed: int, pass_: int) -> int:
    return int(rng.key(seed, rng.DOCUMENT_ORDER, pass_, 0))
