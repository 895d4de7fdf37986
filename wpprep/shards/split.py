"""The assignment of documents to splits (trained on or held out) and to shards.

Both use Feistel permutations of the document numbers (`rng.permuted`), so that memory does not grow with the
corpus: a selection is four numbers, and the bounds of the shards are found in one pass over the token counts of
the documents, which are in a mapped file. The trade-off is time: the counts are read in a random order.

This module does not read documents (`token_store`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.kernels import njit
from wpprep.records import Ints

Counts = npt.NDArray[np.uint32]

_BYTES_PER_TOKEN = {"uint16": 3.2, "uint32": 6.0}  # bytes of shards per token of the corpus, roughly
_BLOCK = 1 << 20  # number of documents summed at once


class Selection(NamedTuple):
    """A subset of the documents of a store, numbered from 0: a range of places of a permutation.

    >>> everything = Selection(0, 5, 5, 99)
    >>> everything.of(np.arange(5)).tolist()
    [0, 1, 2, 3, 4]
    >>> held, rest = Selection(0, 2, 5, 99), Selection(2, 3, 5, 99)
    >>> sorted([*held.of(np.arange(2)).tolist(), *rest.of(np.arange(3)).tolist()])
    [0, 1, 2, 3, 4]

    Attributes:
        first: the first place.
        size: number of places; if it is ``n_documents``, documents keep their order.
        n_documents: number of documents in the store.
        key: key of the permutation.
    """

    first: int
    size: int
    n_documents: int
    key: int

    def of(self, places: Ints) -> Ints:
        """Return the global indices of the selected documents with these numbers; both ``int64[n]``."""
        if self.size == self.n_documents:
            return places
        return rng.permuted_all(places + self.first, self.n_documents, np.uint64(self.key))


def split_documents(n_documents: int, options: ShardOptions) -> tuple[Selection, Selection]:
    """Select the documents to train on and those to hold out, in this order.

    Raises:
        OptionError: one of the two selections has too few documents.
    """
    held = round(options.holdout * n_documents)
    least = 2 if options.objective == "nsp" and options.random_next_prob > 0 else 1
    if options.holdout and not least <= held <= n_documents - least:
        raise OptionError(
            f"holdout {options.holdout} of {n_documents} documents is {held}, expected {least} to "
            f"{n_documents - least}; use another share, or more documents"
        )
    permutation = (n_documents, int(rng.key(options.seed, rng.HOLDOUT, 0, 0)))
    return Selection(held, n_documents - held, *permutation), Selection(0, held, *permutation)


def share_out(token_counts: Counts, documents: Selection, options: ShardOptions, id_type: str) -> Ints:
    """Divide the documents of all passes into shards of about equal numbers of tokens.

    Every pass has its own order of the documents; places are numbered through all passes.

    Args:
        token_counts: ``uint32[n_documents]``, number of tokens of each document in the store.
        documents: the documents to divide.
        options: number of shards, or their size in bytes, number of passes, and seed.
        id_type: ``uint16`` or ``uint32``, from which the size of a shard in bytes is estimated.

    Returns:
        ``int64[shards + 1]``: shard k has the places from ``bounds[k]`` to before ``bounds[k + 1]``.

    Raises:
        OptionError: there are more shards than documents times passes.
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
    # No shard may be empty: move bounds apart where a document is longer than a shard.
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
    """Write to ``bounds[1:-1]`` the first place with the middle of its document at or after ``wanted`` tokens.

    Args:
        token_counts: ``uint32[n_documents]``.
        first: as in the `Selection`, like the next three.
        size: number of selected documents.
        n_documents: number of documents in the store.
        key: key of the permutation of the selection.
        order_keys: ``uint64[passes]``, key of the order of each pass.
        wanted: ``float64[shards - 1]``, ascending numbers of tokens.
        bounds: ``int64[shards + 1]``, receives places.
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
    """Return about the wanted number of shards: a multiple of the number of passes, if not fewer."""
    shards = max(1, round(wanted))
    return shards if shards < passes else round(shards / passes) * passes


def documents_of(first: int, last: int, n_documents: int, seed: int) -> tuple[Ints, Ints]:
    """Return the pass and the number of the documents at some places.

    Args:
        first: the first place, numbered through all passes.
        last: the place after the last.
        n_documents: number of documents in a pass.
        seed: seed of the order.

    Returns:
        Two arrays ``int64[last - first]``.
    """
    places = np.arange(first, last)
    passes, within = places // n_documents, places % n_documents
    documents = np.empty(len(places), np.int64)
    for pass_ in np.unique(passes):
        here = passes == pass_
        documents[here] = rng.permuted_all(within[here], n_documents, np.uint64(_order_key(seed, int(pass_))))
    return passes, documents


def _order_key(seed: int, pass_: int) -> int:
    return int(rng.key(seed, rng.DOCUMENT_ORDER, pass_, 0))
