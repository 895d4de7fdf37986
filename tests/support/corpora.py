"""Small corpora for tests of the readers: the same rows in each format, and each compression."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import LeftOut, plan_slices, read_slice
from wpprep.records import Document

TEXTS = [f"Paragraph {i} of ä tale.\n\n It goes on.\n" * (1 + i % 5) for i in range(40)]
ROWS = [{"id": str(100 + i), "url": "u", "title": f"T{i}", "text": text} for i, text in enumerate(TEXTS)]


def zstd(data: bytes) -> bytes:
    """Data as two zstd frames."""
    half = len(data) // 2
    codec = pa.Codec("zstd")
    return bytes(codec.compress(data[:half], asbytes=True) + codec.compress(data[half:], asbytes=True))


COMPRESSORS = [bytes, gzip.compress, bz2.compress, lzma.compress, zstd]


def read(path: Path | str, target_bytes: int = 10**9, **options: Any) -> list[Document]:
    """Every document of a corpus, read slice by slice."""
    corpus = CorpusOptions(**options)
    slices = plan_slices([path], corpus, target_bytes)
    return [document for slice_ in slices for document in read_slice(slice_, corpus)]


def read_leniently(path: Path, target_bytes: int = 10**9, **options: Any) -> tuple[list[Document], LeftOut]:
    """Every document that can be read, and what was left out."""
    corpus, left_out = CorpusOptions(skip_bad=True, **options), LeftOut()
    slices = plan_slices([path], corpus, target_bytes)
    return [d for slice_ in slices for d in read_slice(slice_, corpus, left_out)], left_out


def documents_of(path: Path, format: str, target_bytes: int = 10**9, errors: str = "strict") -> list[Document]:
    """Return every document of a file of a given format, read slice by slice."""
    return read(path, target_bytes, format=format, errors=errors)


def file_of(folder: Path, content: str | bytes, name: str = "corpus.txt") -> Path:
    """Write a file in a folder and return its path."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


STORY = [
    (
        "The harbour was empty when the two of them came down to it that evening. The lamps along the quay "
        "had not been lit. Nobody had told them that the last boat went at six, or that it went at all."
    ),
    '"We could walk," said Ida.',
    (
        "They walked. It took until morning, and by then neither of them could have said whose idea it had "
        "been to come to the islands in the first place, or why it had seemed so good."
    ),
]


def wrapped_story(separator: str) -> str:
    """Return hard-wrapped paragraphs, enough of them to detect the width."""
    return separator.join(textwrap.fill(paragraph, 72) for paragraph in STORY * 5) + "\n"


def write_jsonl(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as JSON lines, every other one in ASCII."""
    lines = [json.dumps(row, ensure_ascii=bool(i % 2)) for i, row in enumerate(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as a Parquet file of row groups of 7."""
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=7)
    return path


def write_arrow_file(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as an Arrow IPC file of record batches of 7."""
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


def write_arrow_stream(path: Path, rows: list[dict[str, Any]] = ROWS) -> Path:
    """Rows as an Arrow IPC stream of record batches of 7."""
    table = pa.Table.from_pylist(rows)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)
    return path


WRITERS = [write_jsonl, write_parquet, write_arrow_file, write_arrow_stream]
Writer = Callable[..., Path]
