"""The token store: the corpus encoded once, in Arrow files that every later task maps into memory.

One part file a slice of the corpus; the global index of a document is its place in the parts, in name order:

    part-00000.arrow   Arrow IPC file, uncompressed, one record batch, one row a document
        id           string
        sentences    list<list<uint16>>   uint32 above 65,536 vocabulary entries
        word_starts  list<list<bool>>     one bit a token; only where the piece alone does not tell

A part is read through its buffers, without a copy: the token ids, the sentence offsets and the document
offsets of `records.TokenizedDocuments`. Whatever is asked of the store is answered in the order of the
corpus, part by part, so that memory holds what was asked for and never the corpus.

What this module does not do: encode text (encoder), or say whether a store is finished (manifest).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

from wpprep.arrays import numbers, plain, strings
from wpprep.errors import MissingInputError, OptionError, ShardError
from wpprep.files import atomic_write
from wpprep.records import Ints, TokenizedDocuments, Tokens, offsets_of

Bits = npt.NDArray[np.uint8]  # one bit a token, the first in the lowest bit of the first byte

_MOST_TOKENS = 2**31 - 1  # offsets in the file are int32


def write_part(path: str | os.PathLike[str], documents: TokenizedDocuments) -> None:
    """Write one part of a token store.

    Raises:
        OptionError: the part has more tokens than 32-bit offsets reach.
        OutputError: the file cannot be written.
    """
    if len(documents.tokens) > _MOST_TOKENS:
        raise OptionError(
            f"{path}: a part of {len(documents.tokens)} tokens, expected at most {_MOST_TOKENS}; "
            "use a smaller slice_bytes"
        )
    columns = {
        "id": strings(documents.ids),
        "sentences": _nested(documents, plain(documents.tokens)),
    }
    if documents.word_starts is not None:
        bits = pa.py_buffer(np.packbits(documents.word_starts, bitorder="little"))
        starts = pa.Array.from_buffers(pa.bool_(), len(documents.tokens), [None, bits])
        columns["word_starts"] = _nested(documents, starts)
    batch = pa.record_batch(columns)
    with atomic_write(path) as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _nested(documents: TokenizedDocuments, values: Any) -> Any:
    sentences = pa.ListArray.from_arrays(plain(documents.sentences.astype(np.int32)), values)
    return pa.ListArray.from_arrays(plain(documents.documents.astype(np.int32)), sentences)


@dataclass(frozen=True)
class Part:
    """One part file, mapped into memory; its arrays are read-only views of the file.

    Attributes:
        ids: Arrow string array, one id a document.
        tokens: ``uint16`` or ``uint32``, every token of the part.
        sentences: ``int32[n_sentences + 1]``, offsets into ``tokens``.
        documents: ``int32[n_documents + 1]``, offsets into the sentences.
        word_starts: one bit a token, or None.
    """

    ids: Any
    tokens: Tokens
    sentences: npt.NDArray[np.int32]
    documents: npt.NDArray[np.int32]
    word_starts: Bits | None


def read_part(path: str | os.PathLike[str]) -> Part:
    """Map one part file into memory.

    Raises:
        ShardError: the file is damaged, cut short, or no part of a token store.
    """
    try:
        with pa.memory_map(os.fspath(path)) as source:  # the arrays keep the map, so that no file stays open
            batch = pa.ipc.open_file(source).get_batch(0)
        batch.validate()
        sentences = batch["sentences"].values
        word_starts = None
        if "word_starts" in batch.schema.names:
            word_starts = np.frombuffer(batch["word_starts"].values.values.buffers()[1], np.uint8)
        return Part(
            ids=batch["id"],
            tokens=numbers(sentences.values),
            sentences=numbers(sentences.offsets),
            documents=numbers(batch["sentences"].offsets),
            word_starts=word_starts,
        )
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError) as error:
        raise ShardError(
            f"{path}: not a part of a token store, or damaged: {error}; make the token store again"
        ) from error


class Spans(NamedTuple):
    """Tokens that were asked for; request ``i`` got ``tokens[offsets[i]:offsets[i + 1]]``.

    Attributes:
        tokens: ``uint16`` or ``uint32``, all requests one after another.
        offsets: ``int64[requests + 1]`` into ``tokens``.
        word_starts: ``bool`` beside ``tokens``, or None.
    """

    tokens: Tokens
    offsets: Ints
    word_starts: npt.NDArray[np.bool_] | None


class _Group(NamedTuple):
    """The requests to one part: ``rows`` among all requests, ``local`` their documents within the part."""

    part: Part
    rows: Ints
    local: Ints


class TokenStore:
    """All documents of an encoded corpus, by their global indices.

    >>> store = TokenStore.open("tokens")                            # doctest: +SKIP
    >>> store.spans(np.array([7]), np.array([2]), np.array([100]))   # doctest: +SKIP
    Spans(tokens=array([...], dtype=uint16), offsets=array([0, 113]), word_starts=None)
    """

    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts
        sizes = [len(part.documents) - 1 for part in parts]
        self._starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> TokenStore:
        """Map all parts of a folder into memory, in name order.

        Raises:
            MissingInputError: the folder holds no part.
            ShardError: a part is damaged.
        """
        paths = sorted(Path(folder).glob("part-*.arrow"))
        if not paths:
            raise MissingInputError(f"{folder}: no token store here; expected part-00000.arrow")
        return cls([read_part(path) for path in paths])

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def sentence_counts(self) -> npt.NDArray[np.int32]:
        """``int32[n_documents]``, the number of sentences of every document."""
        return np.concatenate([np.diff(part.documents) for part in self._parts])

    @cached_property
    def token_counts(self) -> Ints:
        """``int64[n_documents]``, the number of tokens of every document."""
        counts = [np.diff(part.sentences[part.documents]) for part in self._parts]
        return np.concatenate(counts).astype(np.int64)

    def take(self, documents: Ints) -> TokenizedDocuments:
        """Copies of these documents, in this order; ``documents`` is ``int64[n]`` of global indices."""
        groups = self._by_part(documents)
        first, last = np.empty(len(documents), np.int64), np.empty(len(documents), np.int64)
        for part, rows, local in groups:
            first[rows] = part.sentences[part.documents[local]]
            last[rows] = part.sentences[part.documents[local + 1]]
        tokens, token_offsets, word_starts = self._copy(groups, first, last)
        sentence_offsets = offsets_of(self.sentence_counts[documents])
        sentences = np.zeros(sentence_offsets[-1] + 1, np.int64)
        ids = np.empty(len(documents), object)
        for part, rows, local in groups:
            _copy_sentence_ends(
                part.sentences, part.documents, rows, local, sentence_offsets, token_offsets, sentences
            )
            ids[rows] = part.ids.take(plain(local)).to_pylist()
        return TokenizedDocuments(ids.tolist(), tokens, sentences, sentence_offsets, word_starts)

    def spans(self, documents: Ints, starts: Ints, targets: Ints) -> Spans:
        """Whole sentences from a given one on, until a number of tokens is reached or the document ends.

        Args:
            documents: ``int64[n]``, the global index of each request's document.
            starts: ``int64[n]``, its first sentence, counted within the document.
            targets: ``int64[n]``, tokens wanted; there is always at least one sentence.
        """
        groups = self._by_part(documents)
        first, last = np.empty(len(documents), np.int64), np.empty(len(documents), np.int64)
        for part, rows, local in groups:
            _find_spans(part.sentences, part.documents, rows, local, starts, targets, first, last)
        return self._copy(groups, first, last)

    def _by_part(self, documents: Ints) -> list[_Group]:
        order = np.argsort(documents, kind="stable")
        bounds = np.searchsorted(documents[order], self._starts)
        groups = []
        for number, part in enumerate(self._parts):
            rows = order[bounds[number] : bounds[number + 1]]
            if len(rows):
                groups.append(_Group(part, rows, documents[rows] - self._starts[number]))
        return groups

    def _copy(self, groups: list[_Group], first: Ints, last: Ints) -> Spans:
        """For every request ``row`` the tokens ``first[row]`` to ``last[row]`` of its part."""
        offsets = offsets_of(last - first)
        tokens = np.empty(offsets[-1], self._parts[0].tokens.dtype)
        marked = self._parts[0].word_starts is not None
        word_starts = np.empty(offsets[-1], np.bool_) if marked else None
        for part, rows, _ in groups:
            _copy_tokens(part.tokens, rows, first, offsets, tokens)
            if word_starts is not None and part.word_starts is not None:
                _copy_bits(part.word_starts, rows, first, offsets, word_starts)
        return Spans(tokens, offsets, word_starts)


@njit(cache=True)
def _find_spans(
    sentences: npt.NDArray[np.int32],
    documents: npt.NDArray[np.int32],
    rows: Ints,
    local: Ints,
    starts: Ints,
    targets: Ints,
    first: Ints,
    last: Ints,
) -> None:
    """Write the token range of each request to one part to ``first`` and ``last``.

    ``sentences`` and ``documents`` are the part's offsets; ``rows`` (``int64[n]``) the requests to it and
    ``local`` (``int64[n]``) their documents within it; the other arrays are ``int64``, one entry a request.
    """
    for i in range(len(rows)):
        row = rows[i]
        sentence = documents[local[i]] + starts[row]
        end = documents[local[i] + 1]
        first[row] = sentences[sentence]
        sentence += 1
        while sentence < end and sentences[sentence] - first[row] < targets[row]:
            sentence += 1
        last[row] = sentences[sentence]


@njit(cache=True)
def _copy_tokens(source: Tokens, rows: Ints, first: Ints, offsets: Ints, target: Tokens) -> None:
    """Fill ``target[offsets[row]:offsets[row + 1]]`` with the tokens from ``source[first[row]]`` on."""
    for row in rows:
        old, new = source[first[row] :], target[offsets[row] : offsets[row + 1]]
        for j in range(len(new)):  # four times as fast as `new[:] = old[:len(new)]` in Numba
            new[j] = old[j]


@njit(cache=True)
def _copy_bits(source: Bits, rows: Ints, first: Ints, offsets: Ints, target: npt.NDArray[np.bool_]) -> None:
    """As `_copy_tokens`, from one bit a token to one ``bool`` a token."""
    for row in rows:
        shift = first[row] - offsets[row]
        for place in range(offsets[row], offsets[row + 1]):
            bit = place + shift
            target[place] = (source[bit >> 3] >> (bit & 7)) & 1


@njit(cache=True)
def _copy_sentence_ends(
    sentences: npt.NDArray[np.int32],
    documents: npt.NDArray[np.int32],
    rows: Ints,
    local: Ints,
    sentence_offsets: Ints,
    token_offsets: Ints,
    target: Ints,
) -> None:
    """Write the sentence offsets of copied documents, moved to where their tokens now are.

    ``sentence_offsets`` and ``token_offsets`` (``int64[n_rows + 1]``) say where the copies start; ``target``
    (``int64``) is indexed by sentence, and entry ``s + 1`` is where sentence ``s`` ends.
    """
    for i in range(len(rows)):
        start = documents[local[i]]
        shift = token_offsets[rows[i]] - sentences[start]
        for s in range(sentence_offsets[rows[i] + 1] - sentence_offsets[rows[i]]):
            target[sentence_offsets[rows[i]] + s + 1] = sentences[start + s + 1] + shift
