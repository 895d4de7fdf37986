"""The records that stages hand to one another: text as documents, everything after it as columns.

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
        id: names its place in the corpus; the same for any slice size.
        text: one paragraph (under the format ``lines``, one sentence) a line.
        replaced: how many invalid byte sequences became U+FFFD.
        title: what the corpus calls it; empty where the format has no titles.
    """

    id: str
    text: str
    replaced: int = 0
    title: str = ""


class Kept(NamedTuple):
    """Which documents of a slice are used: bytes ``start`` to ``stop`` of a file, one a document, 1 or 0."""

    path: str
    start: int
    stop: int


class Slice(NamedTuple):
    """A piece of one input file that can be read on its own: the unit in which the corpus is cut.

    ``start`` and ``stop`` are byte offsets in the file (``stop`` -1: to its end); compressed files are
    one slice each, but for bzip2 dumps of many streams, which are cut between these. Parquet counts the
    bytes of its row groups, uncompressed. ``corpus`` is the name that ``--mix`` knows the file by; ``kept``
    is None where the documents have not been compared with others.
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
        ids: document ids, one string a document.
        tokens: ``uint16`` or ``uint32``, every token of every document.
        sentences: ``int64[n_sentences + 1]``, offsets into ``tokens``.
        documents: ``int64[n_documents + 1]``, offsets into the sentences.
        word_starts: ``bool[n_tokens]``, true where a token starts a word; None where the piece alone tells.
    """

    ids: list[str]
    tokens: Tokens
    sentences: Ints
    documents: Ints
    word_starts: npt.NDArray[np.bool_] | None = field(default=None)

    def __len__(self) -> int:
        return len(self.documents) - 1


@dataclass(frozen=True)
class InstanceBatch:
    """Pretraining instances as columns; row ``r`` holds ``input_ids[offsets[r]:offsets[r + 1]]``.

    Attributes:
        input_ids: ``uint16`` or ``uint32``, all rows one after another, unpadded: ``[CLS] A [SEP] B [SEP]``.
        offsets: ``int64[rows + 1]`` into ``input_ids``.
        b_start: ``int64[rows]``, index of B's first token in its row; the row's length when there is no B.
        next_sentence_label: ``uint8[rows]``, 1 where B is random (objective sop: where A and B are swapped).
        document: ``int64[rows]``, global index of A's document.
        mlm_positions: ``uint16``, sorted positions to predict, all rows one after another; empty if unmasked.
        mlm_labels: dtype of ``input_ids``, the original ids at these positions.
        mlm_offsets: ``int64[rows + 1]`` into ``mlm_positions`` and ``mlm_labels``.
        word_starts: ``bool`` beside ``input_ids``, carried only where whole-word masking needs it.
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
        return len(self.offsets) - 1


class TokenRoles(NamedTuple):
    """What pairing, masking and loading must know of a vocabulary.

    Attributes:
        vocab_size: number of ids.
        pad, unk, cls, sep, mask: ids of the special tokens.
        replacements: ``int64``, the ids a masked token may turn into: neither special nor ``[unused…]``.
        starts_word: ``bool[vocab_size]``, false where a piece continues a word; None where the piece alone
            does not tell (then the token store carries one bit a token).
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
    """A 64-bit hash of one document's text; a corpus has the sum of those of its documents, modulo 2**64."""
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def token_dtype(vocab_size: int) -> type[np.uint16 | np.uint32]:
    """The narrowest dtype that holds every id of a vocabulary."""
    return np.uint16 if vocab_size <= 65536 else np.uint32


def offsets_of(lengths: npt.NDArray[Any]) -> Ints:
    """Where pieces of these lengths start when laid one after another, and where the last one ends.

    >>> offsets_of(np.array([3, 2, 4])).tolist()
    [0, 3, 5, 9]
    """
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def in_batches(items: Iterable[Item], size_of: Callable[[Item], int], full: int) -> Iterator[list[Item]]:
    """Items in their order; a batch ends with the item that brings it to the size at which it is full.

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
