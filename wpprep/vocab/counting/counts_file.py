"""Counts on disk: one count of a corpus, from which many vocabularies are learned.

    COUNTS/
      counts.arrow     a sorted run (`runs`); its schema's metadata, under ``wpprep``, is JSON:
                         format_version, rule (how text was cut) and rule_sha256, options, corpus, held_out
      manifest.json    the same facts, what could not be read, the file's checksum

The rule must be that of the vocabulary: ``rule_sha256`` is compared (`CutRule.identity`). Counts of anybody
else's come as TSV, a word and its count a line; nothing tells how they were cut, and each word is taken as a
piece of text. In TSV a tab, a line feed, a carriage return and a backslash are written \\t, \\n, \\r and
\\\\.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from wpprep.errors import MissingInputError, VocabularyError
from wpprep.storage.cache import fetch_folder
from wpprep.storage.files import atomic_write, read_bytes
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.vocab.counting.counts import ChunkCounts
from wpprep.vocab.counting.runs import SCHEMA, chunk_counts, write_run

COUNTS = "counts.arrow"
FORMAT_VERSION = 1

_KEY = b"wpprep"
_BATCHES_AT_ONCE = 32
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}


@dataclass(frozen=True)
class SavedCounts:
    """Counts that were read from disk.

    Attributes:
        path: the file.
        facts: the metadata: what was counted, and how; empty for TSV.
    """

    path: Path
    facts: dict[str, Any]

    def parts(self) -> Iterator[ChunkCounts]:
        """The counts, some ten thousand chunks at a time.

        Raises:
            VocabularyError: the file is damaged.
        """
        return _tsv_parts(self.path) if self.path.suffix == ".tsv" else _arrow_parts(self.path)

    def refuse_other_rule(self, rule: CutRule) -> None:
        """Stop where the counts were cut in another way than a vocabulary needs.

        Raises:
            VocabularyError: it names both rules.
        """
        if self.facts and self.facts["rule_sha256"] != rule.identity:
            raise VocabularyError(
                f"{self.path}: its text was cut by the rule {self.facts['rule']!r}, this vocabulary needs "
                f"{rule.name!r}: count the corpus again with the same --algorithm and --cjk or --no-cjk"
            )


def write_counts(path: Path, tables: Iterable[pa.Table], facts: dict[str, Any]) -> int:
    """Write sorted tables (`runs`) with what is known of the corpus; returns the number of chunks."""
    metadata = json.dumps({"format_version": FORMAT_VERSION, **facts}, sort_keys=True)
    return write_run(path, tables, {_KEY.decode(): metadata})


def open_counts(path: str | os.PathLike[str]) -> SavedCounts:
    """Counts from a folder of count-words, the Arrow file in it, or a TSV file.

    Raises:
        MissingInputError: there is nothing of the kind.
        VocabularyError: the file is damaged, or no counts.
    """
    local = fetch_folder(path)
    file = local / COUNTS if local.is_dir() else local
    if not file.is_file():
        raise MissingInputError(
            f"{path}: no counts; expected a folder of count-words, its {COUNTS}, or a .tsv file"
        )
    if file.suffix == ".tsv":
        return SavedCounts(file, {})
    with _blaming(file):
        schema = ipc.open_file(pa.OSFile(str(file))).schema
        facts = json.loads((schema.metadata or {})[_KEY])
        if facts["format_version"] != FORMAT_VERSION or schema.names != SCHEMA.names:
            raise VocabularyError(f"{file}: of another format version, expected {FORMAT_VERSION}: count again")
    return SavedCounts(file, facts)


def write_tsv(path: Path, parts: Iterable[ChunkCounts]) -> None:
    """Write counts of the documents to learn from as lines of chunk and count."""
    with atomic_write(path) as file:
        for part in parts:
            for chunk, count in zip(part.strings(), part.counts.tolist(), strict=True):
                if count:
                    escaped = re.sub(r"[\\\t\n\r]", lambda found: _ESCAPES[found[0]], chunk)
                    file.write(f"{escaped}\t{count}\n".encode())


def identity_of(counts: SavedCounts) -> str:
    """What tells the corpus of some counts from others."""
    return str(counts.facts.get("corpus_identity") or hashlib.sha256(read_bytes(counts.path)).hexdigest())


@contextlib.contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Turn what pyarrow and json say of a damaged file into one line."""
    try:
        yield
    except VocabularyError:
        raise
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        raise VocabularyError(f"{path}: damaged, or no counts of words: {error}") from error


def _arrow_parts(path: Path) -> Iterator[ChunkCounts]:
    with _blaming(path):
        reader = ipc.open_file(pa.OSFile(str(path)))
        for first in range(0, reader.num_record_batches, _BATCHES_AT_ONCE):
            last = min(first + _BATCHES_AT_ONCE, reader.num_record_batches)
            yield chunk_counts(pa.Table.from_batches([reader.get_batch(i) for i in range(first, last)]))


def _tsv_parts(path: Path) -> Iterator[ChunkCounts]:
    chunks: list[bytes] = []
    counts: list[int] = []
    for number, line in enumerate(read_bytes(path).split(b"\n"), 1):
        if line:
            word, _, count = line.rstrip(b"\r").rpartition(b"\t")
            counts.append(_number(path, number, count))
            chunks.append(_unescaped(path, number, word))
    ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
    yield ChunkCounts(np.frombuffer(b"".join(chunks), np.uint8), ends, np.array(counts, np.int64))


def _unescaped(path: Path, number: int, word: bytes) -> bytes:
    try:
        text = word.decode()
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}:{number}: not valid UTF-8: {error.reason}") from error
    if not text:
        raise VocabularyError(f"{path}:{number}: no word; expected a word, a tab and a count")
    return re.sub(r"\\[\\tnr]", lambda found: _UNESCAPES[found[0]], text).encode()


def _number(path: Path, number: int, count: bytes) -> int:
    if not count.isdigit() or int(count) >= 2**63:
        raise VocabularyError(
            f"{path}:{number}: the count is {count.decode(errors='replace')!r}, expected a number below 2**63"
        )
    return int(count)
