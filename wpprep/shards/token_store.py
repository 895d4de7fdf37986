"""The token store: the corpus encoded once, in Arrow files that later tasks map into memory.

There is one part file per slice of the corpus. The global index of a document is its number over all parts:

    part-00000.arrow   Arrow IPC file, uncompressed, one record batch, one row a document
        id           string
        sentences    list<list<uint16>>   uint32 above 65,536 vocabulary entries
        word_starts  list<list<bool>>     one bit per token; only if the piece does not show it
    rows.npy           int64, number of documents in each part
    token_counts.npy   uint32, number of tokens in each document

A part is read through its buffers, without a copy: the token ids, the sentence offsets and the document offsets
of `records.TokenizedDocuments`. Requests are served part by part, in the order of the corpus, so that memory
holds the result and neither the corpus nor a number per document: the two ``.npy`` files are mapped too.

This module does not encode text (`tokenizer.encoder`), and does not check whether a store is finished
(`storage.manifest`).
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wpprep import rng
from wpprep.errors import MissingInputError, OptionError, ShardError
from wpprep.kernels import njit
from wpprep.records import Ints, TokenizedDocuments, Tokens, offsets_of
from wpprep.storage.arrays import numbers, plain, strings
from wpprep.storage.files import atomic_write
from wpprep.storage.place import Place

Bits = npt.NDArray[np.uint8]  # one bit per token, the first in the lowest bit of the first byte

Keys = npt.NDArray[np.uint64]

_PART = "part-{:05}.arrow"
_ROWS, _TOKEN_COUNTS = "rows.npy", "token_counts.npy"
_OPEN_PARTS = 4096  # maximum number of mapped parts; Linux allows a process 65,530 maps by default
_MOST_TOKENS = 2**31 - 1  # offsets in the file are int32


def write_part(path: str | os.PathLike[str], documents: TokenizedDocuments) -> None:
    """Write one part of a token store.

    Args:
        path: the final path of the file.
        documents: the documents of the part, in the order of the corpus.

    Raises:
        OptionError: the part has more tokens than 32-bit offsets can address.
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
        ids: Arrow string array, one id per document.
        tokens: ``uint16`` or ``uint32``, every token of the part.
        sentences: ``int32[n_sentences + 1]``, offsets into ``tokens``.
        documents: ``int32[n_documents + 1]``, offsets into the sentences.
        word_starts: one bit per token; None if the part has none.
    """

    ids: Any
    tokens: Tokens
    sentences: npt.NDArray[np.int32]
    documents: npt.NDArray[np.int32]
    word_starts: Bits | None


def read_part(path: str | os.PathLike[str]) -> Part:
    """Map one part file into memory.

    Raises:
        ShardError: the file is missing, damaged, cut short, or not a part of a token store.
    """
    try:
        with pa.memory_map(os.fspath(path)) as source:  # the arrays keep the map, so that no file stays open
            batch = pa.ipc.open_file(source).get_batch(0)
        batch.validate(full=True)  # all offsets, which kernels use as they are
        part = _columns_of(batch)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
        raise ShardError(
            f"{path}: not a part of a token store, or damaged: {error}; make the token store again"
        ) from error
    return part


def _columns_of(batch: Any) -> Part:
    """Return the columns of a part as arrays.

    Raises:
        ValueError: they do not fit each other.
    """
    sentences = batch["sentences"].values
    tokens, word_starts = numbers(sentences.values), None
    if "word_starts" in batch.schema.names:
        word_starts = np.frombuffer(batch["word_starts"].values.values.buffers()[1], np.uint8)
        if 8 * len(word_starts) < len(tokens):
            raise ValueError("there are fewer word starts than tokens")
    part = Part(
        ids=batch["id"],
        tokens=tokens,
        sentences=numbers(sentences.offsets),
        documents=numbers(batch["sentences"].offsets),
        word_starts=word_starts,
    )
    if (np.diff(part.sentences) < 1).any() or (np.diff(part.documents) < 1).any():
        raise ValueError("a sentence or a document is empty")
    return part


def write_index(folder: str | os.PathLike[str], parts: Sequence[str]) -> list[Path]:
    """Write ``rows.npy`` and ``token_counts.npy`` from the parts, read one after another.

    Args:
        folder: the local folder of the store.
        parts: names of the part files, in the order of the corpus.

    Returns:
        The paths of the two files.

    Raises:
        ShardError: a part is damaged.
        OutputError: a file cannot be written.
    """
    paths = [Path(folder) / name for name in (_ROWS, _TOKEN_COUNTS)]
    with atomic_write(paths[1]) as file:
        rows = [len(read_part(Path(folder) / part).documents) - 1 for part in parts]
        _write_header(file, np.uint32, sum(rows))
        for name in parts:
            part = read_part(Path(folder) / name)
            file.write(np.diff(part.sentences[part.documents]).astype(np.uint32).tobytes())
    with atomic_write(paths[0]) as file:
        _write_header(file, np.int64, len(rows))
        file.write(np.array(rows, np.int64).tobytes())
    return paths


def _write_header(file: IO[bytes], dtype: type[np.generic], size: int) -> None:
    header = {"descr": np.dtype(dtype).str, "fortran_order": False, "shape": (size,)}
    np.lib.format.write_array_header_1_0(file, header)


def read_token_counts(folder: str | os.PathLike[str]) -> npt.NDArray[np.uint32]:
    """Map ``uint32[n_documents]``, the number of tokens of every document, into memory.

    Raises:
        MissingInputError: there is no store in the folder.
        ShardError: the file is damaged.
    """
    return _read_column(Place(folder).folder(), _TOKEN_COUNTS)


def _read_column(folder: Path, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(np.load(folder / name, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise MissingInputError(
            f"{folder}: not a token store, or an unfinished one: there is no {name}"
        ) from error
    except (ValueError, EOFError, OSError) as error:
        raise ShardError(f"{folder / name}: damaged ({error}); make the token store again") from error


class Spans(NamedTuple):
    """Requested tokens; those of request ``i`` are ``tokens[offsets[i]:offsets[i + 1]]``.

    Attributes:
        tokens: ``uint16`` or ``uint32``, of all requests one after another.
        offsets: ``int64[requests + 1]`` into ``tokens``.
        word_starts: ``bool``, one per token; None if the store has none.
    """

    tokens: Tokens
    offsets: Ints
    word_starts: npt.NDArray[np.bool_] | None


class _Group(NamedTuple):
    """The requests to one part: their indices among all requests, and their documents' numbers in the part."""

    part: Part
    rows: Ints
    local: Ints


class TokenStore:
    """All documents of an encoded corpus, by their global indices.

    >>> store = TokenStore.open("tokens")                            # doctest: +SKIP
    >>> store.spans(np.array([7]), np.array([2]), np.array([100]))   # doctest: +SKIP
    Spans(tokens=array([...], dtype=uint16), offsets=array([0, 113]), word_starts=None)
    """

    def __init__(self, read: Callable[[int], Part], rows: Sequence[int] | Ints) -> None:
        """Make a store of parts that a function reads.

        Args:
            read: returns the part with a number.
            rows: number of documents in each part.
        """
        self._read = functools.lru_cache(_OPEN_PARTS)(read)
        self._starts = offsets_of(np.asarray(rows, np.int64))

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> TokenStore:
        """Open a store; a part is mapped into memory when it is first read.

        Args:
            folder: a local folder or a URL.

        Raises:
            MissingInputError: there is no store in the folder.
            ShardError: the index is damaged. A damaged part raises this error when it is first read.
        """
        local = Place(folder).folder()
        rows = _read_column(local, _ROWS)

        def read(number: int) -> Part:
            path = local / _PART.format(number)
            part = read_part(path)
            if len(part.documents) - 1 != rows[number]:
                raise ShardError(
                    f"{path}: not the part of this store: {len(part.documents) - 1} documents, "
                    f"expected {rows[number]}; make the token store again"
                )
            return part

        return cls(read, rows)

    def __len__(self) -> int:
        """Return the number of documents."""
        return int(self._starts[-1])

    def take(self, documents: Ints) -> TokenizedDocuments:
        """Return copies of some documents.

        Args:
            documents: ``int64[n]``, global indices in any order; one may occur more than once.

        Raises:
            ShardError: a part is damaged.
        """
        groups = self._by_part(documents)
        first, last, counts = (np.empty(len(documents), np.int64) for _ in range(3))
        for part, rows, local in groups:
            first[rows] = part.sentences[part.documents[local]]
            last[rows] = part.sentences[part.documents[local + 1]]
            counts[rows] = part.documents[local + 1] - part.documents[local]
        tokens, token_offsets, word_starts = _copy(groups, first, last)
        sentence_offsets = offsets_of(counts)
        sentences = np.zeros(sentence_offsets[-1] + 1, np.int64)
        ids = np.empty(len(documents), object)
        for part, rows, local in groups:
            _copy_sentence_ends(
                part.sentences, part.documents, rows, local, sentence_offsets, token_offsets, sentences
            )
            ids[rows] = part.ids.take(plain(local)).to_pylist()
        return TokenizedDocuments(ids.tolist(), tokens, sentences, sentence_offsets, word_starts)

    def spans(self, documents: Ints, start_keys: Keys, targets: Ints) -> Spans:
        """Return whole sentences from a random one on, until a number of tokens or the end of the document.

        Args:
            documents: ``int64[n]``, the global index of the document of each request.
            start_keys: ``uint64[n]``, the state of the random stream that draws the first sentence.
            targets: ``int64[n]``, number of tokens after which a span ends; a span has at least one sentence.

        Raises:
            ShardError: a part is damaged.
        """
        groups = self._by_part(documents)
        first, last = np.empty(len(documents), np.int64), np.empty(len(documents), np.int64)
        for part, rows, local in groups:
            _find_spans(part.sentences, part.documents, rows, local, start_keys, targets, first, last)
        return _copy(groups, first, last)

    def _by_part(self, documents: Ints) -> list[_Group]:
        order = np.argsort(documents, kind="stable")
        numbers_ = np.searchsorted(self._starts, documents[order], side="right") - 1
        found, bounds = np.unique(numbers_, return_index=True)
        return [
            _Group(self._read(int(number)), rows, documents[rows] - self._starts[number])
            for number, rows in zip(found, np.split(order, bounds[1:]), strict=False)
        ]


def _copy(groups: list[_Group], first: Ints, last: Ints) -> Spans:
    """Copy, for every request ``row``, the tokens from ``first[row]`` to before ``last[row]`` of its part."""
    offsets = offsets_of(last - first)
    some = groups[0].part if groups else None
    tokens = np.empty(offsets[-1], some.tokens.dtype if some else np.uint16)
    marked = some is not None and some.word_starts is not None
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
    start_keys: Keys,
    targets: Ints,
    first: Ints,
    last: Ints,
) -> None:
    """Write the token range of each request to one part to ``first`` and ``last``.

    Args:
        sentences: ``int32``, sentence offsets of the part.
        documents: ``int32``, document offsets of the part.
        rows: ``int64[n]``, indices of the requests to this part.
        local: ``int64[n]``, the document of each of them, as its number in the part.
        start_keys: ``uint64[requests]``, states of the random streams.
        targets: ``int64[requests]``, numbers of tokens.
        first: ``int64[requests]``, receives the first token.
        last: ``int64[requests]``, receives the token after the last.
    """
    state = np.empty(1, np.uint64)
    for i in range(len(rows)):
        row = rows[i]
        state[0] = start_keys[row]
        end = documents[local[i] + 1]
        sentence = documents[local[i]] + rng.below(state, end - documents[local[i]])
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
    """Fill ``target`` as `_copy_tokens` does, from one bit per token to one ``bool`` per token."""
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
    """Write the sentence offsets of copied documents.

    Args:
        sentences: ``int32``, sentence offsets of the part.
        documents: ``int32``, document offsets of the part.
        rows: ``int64[n]``, indices of the requests to this part.
        local: ``int64[n]``, the document of each of them, as its number in the part.
        sentence_offsets: ``int64[requests + 1]``, first sentence of each copy.
        token_offsets: ``int64[requests + 1]``, first token of each copy.
        target: ``int64[sentences + 1]`` of all copies; entry ``s + 1`` receives the end of sentence ``s``.
    """
    for i in range(len(rows)):
        start = documents[local[i]]
        shift = token_offsets[rows[i]] - sentences[start]
        for s in range(sentence_offsets[rows[i] + 1] - sentence_offsets[rows[i]]):
            target[sentence_offsets[rows[i]] + s + 1] = sentences[start + s + 1] + shift
