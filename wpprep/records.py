"""Records passed between stages: text as documents, everything after it as columns.

A batch of tokenized documents is three arrays, which is exactly an Arrow ``list<list<uint16>>``:

    tokens     [ 7  9  4 | 8  3 | 5  5  5  1 ]     all token ids, one after another
    sentences  [ 0         3      5           9 ]  sentence s is tokens[sentences[s]:sentences[s + 1]]
    documents  [ 0                2           3 ]  document d is the sentences documents[d] to documents[d + 1]
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")
Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Tokens = npt.NDArray[Any]  # uint16 below 65,536 vocabulary entries, else uint32


class Document(NamedTuple):
    """One document of the corpus.

    Attributes:
        id: identifies its position in the corpus; the same for any slice size.
        text: one paragraph per line (one sentence per line in the format ``lines``).
        replaced: number of invalid byte sequences replaced with U+FFFD.
        title: title of the document; empty if the format has no titles.
    """

    id: str
    text: str
    replaced: int = 0
    title: str = ""


class Kept(NamedTuple):
    """Use flags of a slice: bytes ``start`` to ``stop`` of a file, one per document, 1 to use it, else 0."""

    path: str
    start: int
    stop: int


class Slice(NamedTuple):
    """A part of one input file that can be read on its own: the unit in which the corpus is divided.

    Attributes:
        path: the input file.
        format: name of its reader.
        start: byte offset in the file at which the slice begins.
        stop: byte offset at which it ends; -1 for the end of the file. A compressed file is one slice, except
            bzip2 dumps of many streams, which are divided between streams. For Parquet, offsets count the
            uncompressed bytes of row groups.
        corpus: name of the corpus in ``--mix``.
        kept: which documents to use; None for all, if documents were not deduplicated.
    """

    path: str
    format: str
    start: int
    stop: int
    corpus: str = ""
    kept: Kept | None = None


@dataclass(frozen=True)
class TokenizedDocuments:
    """Encoded documents as columns.

    Attributes:
        ids: document ids, one string per document.
        tokens: ``uint16`` or ``uint32``, every token of every document.
        sentences: ``int64[n_sentences + 1]``, offsets into ``tokens``.
        documents: ``int64[n_documents + 1]``, offsets into the sentences.
        word_starts: ``bool[n_tokens]``, true where a token starts a word; None if the piece alone shows it.
    """

    ids: list[str]
    tokens: Tokens
    sentences: Ints
    documents: Ints
    word_starts: npt.NDArray[np.bool_] | None = field(default=None)

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self.documents) - 1


@dataclass(frozen=True)
class InstanceBatch:
    """Pretraining instances as columns; row ``r`` holds ``input_ids[offsets[r]:offsets[r + 1]]``.

    Attributes:
        input_ids: ``uint16`` or ``uint32``, all rows one after another, unpadded: ``[CLS] A [SEP] B [SEP]``.
        offsets: ``int64[rows + 1]`` into ``input_ids``.
        b_start: ``int64[rows]``, index of B's first token in its row; the length of the row if it has no B.
        next_sentence_label: ``uint8[rows]``, 1 where B is random (objective sop: where A and B are swapped).
        document: ``int64[rows]``, global index of A's document.
        mlm_positions: ``uint16``, sorted positions to predict, all rows one after another; empty if unmasked.
        mlm_labels: dtype of ``input_ids``, the original ids at these positions.
        mlm_offsets: ``int64[rows + 1]`` into ``mlm_positions`` and ``mlm_labels``.
        word_starts: ``bool``, aligned with ``input_ids``; None unless whole-word masking needs it.
    """

    input_ids: Tokens
    offsets: Ints
    b_start: Ints
    next_sentence_label: npt.NDArray[np.uint8]
    document: Ints
    mlm_positions: npt.NDArray[np.uint16]
    mlm_labels: Tokens
    mlm_offsets: Ints
    word_starts: npt.NDArray[np.bool_] | None = field(default=None)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.offsets) - 1


class TokenRoles(NamedTuple):
    """Facts about a vocabulary that pairing, masking and loading need.

    Attributes:
        vocab_size: number of ids.
        pad, unk, cls, sep, mask: ids of the special tokens.
        replacements: ``int64``, ids that may replace a masked token: neither special nor ``[unused…]``.
        starts_word: ``bool[vocab_size]``, false where a piece continues a word; None if the piece alone does
            not show it (the token store then has one bit per token).
    """

    vocab_size: int
    pad: int
    unk: int
    cls: int
    sep: int
    mask: int
    replacements: Ints
    starts_word: npt.NDArray[np.bool_] | None


def fingerprint(text: bytes) -> int:
    """Return a 64-bit hash of one document's text.

    The fingerprint of a corpus is the sum of those of its documents modulo 2**64.
    """
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def token_dtype(vocab_size: int) -> type[np.uint16 | np.uint32]:
    """Return the narrowest dtype that holds every id of a vocabulary."""
    return np.uint16 if vocab_size <= 65536 else np.uint32


def offsets_of(lengths: npt.NDArray[Any]) -> Ints:
    """Return the start of every part when parts of these lengths are concatenated, and the end of the last.

    >>> offsets_of(np.array([3, 2, 4])).tolist()
    [0, 3, 5, 9]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def in_batches(items: Iterable[Item], size_of: Callable[[Item], int], full: int) -> Iterator[list[Item]]:
    """Group items into batches in their order; a batch ends with the item that makes its size ``full`` or more.

    >>> list(in_batches(["a", "bcd", "e", "fgh", "i"], len, 4))
    [['a', 'bcd'], ['e', 'fgh'], ['i']]
    """
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += size_of(item)
        if size >= full:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
