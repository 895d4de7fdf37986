"""Vectors of texts: the hidden states of a model's layers, in files.

    x.parquet   line, layer_12: [0.1, ...]                     one row per line of text (pooling cls, mean)
                line, position, piece, layer_12: [0.1, ...]    one row per token (pooling tokens)
    x.npy       float32[lines, hidden], with several layers float32[lines, layers, hidden]
                float32[tokens, ...] for tokens; x.offsets.npy, int64[lines + 1], has the start of each line

Layer 0 is the embeddings, layer n the output of the n-th layer: transformers' ``hidden_states``. The vector of
[CLS] is its hidden state, without the pooler; the mean is over all tokens of a text, including [CLS] and [SEP]
and excluding padding, as in sentence-transformers. Text is streamed, with one chunk of it in memory.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Unpack, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from transformers import BertModel

from wpprep.config import EmbedOptions, build, refuse_unknown
from wpprep.config.keywords import EmbedKeywords
from wpprep.corpus.text_lines import read_lines
from wpprep.errors import CorpusError, OptionError
from wpprep.jobs.summary import Summary
from wpprep.records import in_batches, offsets_of
from wpprep.storage.output_file import output_file, refuse_output
from wpprep.storage.place import Location, Place
from wpprep.tokenizer.encoder import Encoder
from wpprep.training.model.loading import load, open_model, read_config, read_vocabulary
from wpprep.training.model.ranks import Ranks

Vectors = npt.NDArray[np.float32]
LONG = 1 << 17  # characters of a text above which it is encoded in parts
_CACHE_MEMORY = 64_000_000
CHUNK_TOKENS = 1 << 13  # number of tokens whose texts are sorted by length together and held in memory


@dataclass(frozen=True, kw_only=True, repr=False)
class EmbedSummary(Summary):
    """The result of `embed`.

    Attributes:
        path: the file.
        texts: number of lines.
        vectors: number of vectors per layer.
        cut: number of texts that were truncated.
        layers: the layers, from 0.
    """

    path: Location
    texts: int
    vectors: int
    cut: int
    layers: list[int]

    @property
    def place(self) -> Location:
        """The file of vectors."""
        return self.path

    @property
    def headline(self) -> str:
        """The number of texts."""
        return f"{self.texts:,} texts"


class Text(NamedTuple):
    """An encoded text: ids with [CLS] and [SEP], and the number of tokens truncated."""

    ids: list[int]
    cut: int


class Reader:
    """An encoder of texts: a model without its head, its vocabulary, and the layers to return."""

    def __init__(self, folder: str | os.PathLike[str], options: EmbedOptions) -> None:
        """Load a model.

        Args:
            folder: any BERT's folder with its vocabulary; weights of a head are ignored.
            options: layers, pooling, batch size and maximum length.

        Raises:
            MissingInputError: there is no model.
            OptionError: the model does not have a layer, or has fewer positions than ``max_seq_length``.
        """
        path = open_model(folder)
        config = read_config(path)
        self.options, self.vocabulary = options, read_vocabulary(path, config)
        self.layers = _layers(options.layers, config.num_hidden_layers)
        self.longest = options.max_seq_length or config.max_position_embeddings
        if self.longest > config.max_position_embeddings:
            raise OptionError(
                f"max_seq_length is {self.longest}, the model takes at most {config.max_position_embeddings}"
            )
        self.hidden = config.hidden_size
        model = load(BertModel, path, config, add_pooling_layer=False)
        self.model = model.to(Ranks().device()).eval()

    def encode(self, text: str) -> Text:
        """Encode a text, truncated to the maximum length; names of special tokens in it are plain text."""
        ids: Sequence[int]
        if len(text) <= LONG:
            ids = self.vocabulary.tokenizer.encode(text, add_special_tokens=False).ids
        else:
            ids = cast(Sequence[int], self._encoder.encode(text))
        roles, room = self.vocabulary.roles, self.longest - 2
        return Text([roles.cls, *map(int, ids[:room]), roles.sep], max(0, len(ids) - room))

    @functools.cached_property
    def _encoder(self) -> Encoder:
        """Encoder of long texts: the same ids, without 60 bytes of memory for each byte of text."""
        return Encoder(self.vocabulary, _CACHE_MEMORY)

    def vectors(self, texts: Sequence[Text]) -> list[Vectors]:
        """Return the vectors of each text, in order.

        Each is ``float32[layers, hidden]``; with pooling ``tokens``, ``float32[tokens, layers, hidden]``.
        """
        found: list[Vectors] = [np.empty(0, np.float32)] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: len(texts[i].ids))
        for start in range(0, len(order), self.options.batch_size):
            batch = order[start : start + self.options.batch_size]
            for i, vectors in zip(batch, self._forward([texts[i].ids for i in batch]), strict=True):
                found[i] = vectors
        return found

    def _forward(self, batch: Sequence[list[int]]) -> Iterator[Vectors]:
        ids = np.full((len(batch), max(map(len, batch))), self.vocabulary.roles.pad, np.int64)
        mask = np.zeros_like(ids)
        for i, row in enumerate(batch):
            ids[i, : len(row)], mask[i, : len(row)] = row, 1
        inputs, masks = (torch.from_numpy(array).to(self.model.device) for array in (ids, mask))
        with torch.inference_mode():
            states = self.model(inputs, attention_mask=masks, output_hidden_states=True).hidden_states
            chosen = torch.stack([states[layer] for layer in self.layers], 2)  # [texts, tokens, layers, hidden]
            if self.options.pooling == "cls":
                yield from chosen[:, 0].cpu().numpy()
            elif self.options.pooling == "mean":
                summed = (chosen * masks[:, :, None, None]).sum(1)
                yield from (summed / masks.sum(1)[:, None, None]).cpu().numpy()
            else:
                for i, row in enumerate(batch):
                    yield chosen[i, : len(row)].cpu().numpy()


def embed(
    model: str | os.PathLike[str],
    text: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    **options: Unpack[EmbedKeywords],
) -> EmbedSummary:
    """Write the vectors of every line of a text file.

    Args:
        model: any BERT's folder, of wpprep or of transformers, fine-tuned or not.
        text: a file with one text per line, plain or compressed; an empty line is a text without words.
        out: a file that ends in ``.parquet`` or ``.npy``.
        overwrite: whether to replace an existing file.
        **options: see `wpprep.config.EmbedOptions`.

    Raises:
        MissingInputError: the model or the text does not exist.
        OutputError: ``out`` exists, or is an input.
        CorpusError: the text has no lines.
        TextDecodeError: a line is not UTF-8; the message has file and line.
        OptionError: an option is unknown, out of range or does not fit the model; ``out`` has a wrong suffix.
    """
    started = time.perf_counter()
    refuse_unknown(options, EmbedOptions)
    wanted, ending = build(EmbedOptions, options), Path(str(out)).suffix
    if ending not in (".parquet", ".npy"):
        raise OptionError(f"{out}: ends in {ending!r}, expected .parquet or .npy")
    offsets_out = f"{str(out).removesuffix('.npy')}.offsets.npy" if _has_offsets(wanted, ending) else None
    for name in (out, offsets_out):
        if name is not None:
            refuse_output(name, inputs=[text], overwrite=overwrite)
    reader = Reader(model, wanted)
    texts = cut = 0
    counts: list[int] = []
    write = _write_parquet if ending == ".parquet" else _write_npy
    with output_file(out, inputs=[text], overwrite=overwrite) as file, write(file, reader) as add:
        for chunk in chunks(reader.encode(line) for _, line in read_lines(text)):
            vectors = reader.vectors(chunk)
            add(texts, chunk, vectors)
            texts, cut = texts + len(chunk), cut + sum(each.cut > 0 for each in chunk)
            counts += [len(each.ids) if wanted.pooling == "tokens" else 1 for each in chunk]
        if not texts:
            raise CorpusError(f"{text}: holds no text; expected a text a line")
    if offsets_out is not None:
        with output_file(offsets_out, inputs=[text], overwrite=overwrite) as file:
            np.save(file, offsets_of(np.array(counts)))
    return EmbedSummary(
        command="embed",
        seconds=time.perf_counter() - started,
        path=Place(out).location,
        texts=texts,
        vectors=sum(counts),
        cut=cut,
        layers=reader.layers,
    )


def _has_offsets(options: EmbedOptions, ending: str) -> bool:
    """Return whether the first vector of each text is written to a second file."""
    return ending == ".npy" and options.pooling == "tokens"


def similarity(
    model: str | os.PathLike[str],
    first: str | os.PathLike[str],
    second: str | os.PathLike[str],
    **options: Unpack[EmbedKeywords],
) -> Iterator[float]:
    """Yield the cosine of the vectors of each line of one file and the same line of another, -1 to 1.

    Args:
        model: any BERT's folder, of wpprep or of transformers.
        first: a file with one text per line, plain or compressed.
        second: the other file.
        **options: see `wpprep.config.EmbedOptions`.

    Raises:
        MissingInputError: the model or a file does not exist.
        CorpusError: one file has more lines than the other.
        OptionError: options give more than one vector per line (pooling ``tokens``, or several layers).
    """
    refuse_unknown(options, EmbedOptions)
    reader = Reader(model, build(EmbedOptions, options))
    if reader.options.pooling == "tokens" or len(reader.layers) > 1:
        raise OptionError("similarity needs one vector per line: pooling mean or cls, and one layer")
    left, right = ((line for _, line in read_lines(path)) for path in (first, second))
    pairs = itertools.zip_longest(left, right)
    number = 0
    while lines := list(itertools.islice(pairs, 256)):
        for a, b in lines:
            number += 1
            if a is None or b is None:
                longer, shorter = (second, first) if a is None else (first, second)
                raise CorpusError(
                    f"{longer}:{number}: {shorter} has no such line; expected the same number of lines in both"
                )
        found = [reader.vectors([reader.encode(line[side]) for line in lines]) for side in (0, 1)]
        for a, b in zip(*found, strict=True):
            yield cosine(a[0], b[0])


def cosine(a: Vectors, b: Vectors) -> float:
    """Return the cosine of two vectors, -1 to 1; 0 if either is zero.

    >>> cosine(np.array([3, 4], np.float32), np.array([4, 3], np.float32))  # 24 / 25
    0.96
    """
    x, y = a.astype(np.float64), b.astype(np.float64)
    below = float(np.linalg.norm(x) * np.linalg.norm(y))
    return max(-1.0, min(1.0, float(x @ y) / below)) if below else 0.0


def chunks(texts: Iterable[Text]) -> Iterator[list[Text]]:
    """Yield texts in order, in chunks of about ``CHUNK_TOKENS`` tokens."""
    return in_batches(texts, lambda text: len(text.ids), CHUNK_TOKENS)


def _layers(wanted: str, layers: int) -> list[int]:
    """Return the layers that an option names, for a model with a number of layers.

    >>> _layers("last", 4), _layers("all", 2), _layers("0,-2", 4)
    ([4], [0, 1, 2], [0, 3])
    """
    if wanted == "all":
        return list(range(layers + 1))
    numbers = [-1] if wanted == "last" else [int(number) for number in wanted.split(",")]
    for number in numbers:
        if not -layers - 1 <= number <= layers:
            raise OptionError(
                f"layers has {number}, expected 0 to {layers}, or -1 to {-layers - 1} from the end"
            )
    return [number % (layers + 1) for number in numbers]


@contextlib.contextmanager
def _write_parquet(file: IO[bytes], reader: Reader) -> Iterator[Any]:
    """Yield a function that appends the vectors of a chunk to a Parquet file."""
    is_tokens = reader.options.pooling == "tokens"
    vector = pa.list_(pa.float32(), reader.hidden)
    fields = [("line", pa.int64())] + ([("position", pa.int32()), ("piece", pa.string())] if is_tokens else [])
    schema = pa.schema(fields + [(f"layer_{layer}", vector) for layer in reader.layers])
    pieces = reader.vocabulary.pieces

    def add(first: int, chunk: Sequence[Text], vectors: Sequence[Vectors]) -> None:
        lengths = [len(text.ids) for text in chunk]
        columns: list[Any] = [pa.array(np.arange(first, first + len(chunk)))]
        if is_tokens:
            columns = [
                pa.array(np.repeat(np.arange(first, first + len(chunk)), lengths)),
                pa.array(np.concatenate([np.arange(length, dtype=np.int32) for length in lengths])),
                pa.array([pieces[i] for text in chunk for i in text.ids]),
            ]
        stacked = np.concatenate(vectors) if is_tokens else np.stack(vectors)
        columns += [
            pa.FixedSizeListArray.from_arrays(pa.array(stacked[:, i].reshape(-1)), reader.hidden)
            for i in range(len(reader.layers))
        ]
        writer.write_table(pa.Table.from_arrays(columns, schema=schema))

    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        yield add


@contextlib.contextmanager
def _write_npy(file: IO[bytes], reader: Reader) -> Iterator[Any]:
    """Yield a function that appends the vectors of a chunk to a .npy file; the header is completed last."""
    rows = 0
    several = (len(reader.layers),) if len(reader.layers) > 1 else ()
    size = _npy_header(file, (0, *several, reader.hidden))

    def add(first: int, chunk: Sequence[Text], vectors: Sequence[Vectors]) -> None:
        nonlocal rows
        stacked = np.concatenate(vectors) if reader.options.pooling == "tokens" else np.stack(vectors)
        file.write(np.ascontiguousarray(stacked, np.float32).tobytes())
        rows += len(stacked)

    yield add
    file.seek(0)
    final = _npy_header(file, (rows, *several, reader.hidden))
    assert final == size  # NumPy pads the header so that the number of rows can grow


def _npy_header(file: IO[bytes], shape: tuple[int, ...]) -> int:
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return file.tell()
