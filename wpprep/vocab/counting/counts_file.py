"""Counts on disk: one count of a corpus, from which many vocabularies can be learned.

    COUNTS/
      counts.arrow     a sorted run (`runs`); its schema's metadata, under ``wpprep``, is JSON:
                         format_version and the keys of `CountsFacts`
      manifest.json    the same facts, input that could not be read, the file's checksum

The rule must be that of the vocabulary: ``rule_sha256`` is compared (`CutRule.identity`). Counts from other
programs are read as TSV, one word and its count per line; their rule is unknown, and each word is treated as a
piece of text. In TSV a tab, a line feed, a carriage return and a backslash are written \\t, \\n, \\r and
\\\\.

This module does not count (`counts`), and does not write the manifest (`pipeline`).
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
from typing import IO, Any, TypedDict

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from wpprep.errors import MissingInputError, VocabularyError
from wpprep.storage.files import MANIFEST, read_bytes
from wpprep.storage.manifest import find_damage
from wpprep.storage.place import Place
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.vocab.counting.counts import ChunkCounts
from wpprep.vocab.counting.runs import SCHEMA, chunk_counts, write_run

COUNTS = "counts.arrow"
FORMAT_VERSION = 1

_KEY = b"wpprep"
_BATCHES_AT_ONCE = 32
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}


class CountsFacts(TypedDict, total=False):
    """Metadata of counts; all keys are missing for TSV.

    Attributes:
        format_version: `FORMAT_VERSION`.
        rule: name of the rule that text was cut by.
        rule_sha256: identity of the rule.
        options: options of the count and of the corpus.
        corpus_identity: identity of the corpus.
        learned: fields of `CorpusFacts` of the documents to learn from.
        held_out: fields of `CorpusFacts` of the held-out documents.
        unused: documents that were not used, by reason.
    """

    format_version: int
    rule: str
    rule_sha256: str
    options: dict[str, Any]
    corpus_identity: str
    learned: dict[str, int]
    held_out: dict[str, int]
    unused: dict[str, Any]


@dataclass(frozen=True)
class SavedCounts:
    """Counts read from disk.

    Attributes:
        path: the file.
        facts: the metadata; empty for TSV.
    """

    path: Path
    facts: CountsFacts

    def parts(self) -> Iterator[ChunkCounts]:
        """Yield the counts in parts of about 65,000 chunks (TSV: in one part).

        Raises:
            VocabularyError: the file is damaged, or a line of TSV is malformed.
        """
        return _tsv_parts(self.path) if self.path.suffix == ".tsv" else _arrow_parts(self.path)

    def refuse_other_rule(self, rule: CutRule) -> None:
        """Raise if the counts were cut by another rule than ``rule``; TSV passes.

        Raises:
            VocabularyError: the rules differ; the message names both.
        """
        if self.facts and self.facts["rule_sha256"] != rule.identity:
            raise VocabularyError(
                f"{self.path}: its text was cut by the rule {self.facts['rule']!r}, this vocabulary requires "
                f"{rule.name!r}: count the corpus again with the same --algorithm and --cjk or --no-cjk"
            )


def write_counts(path: Path, tables: Iterable[pa.Table], facts: dict[str, Any]) -> int:
    """Write sorted tables (`runs`) with metadata about the corpus; return the number of chunks."""
    metadata = json.dumps({"format_version": FORMAT_VERSION, **facts}, sort_keys=True)
    return write_run(path, tables, {_KEY.decode(): metadata})


def open_counts(path: str | os.PathLike[str]) -> SavedCounts:
    """Open counts: an output folder of count-words, the Arrow file in it, or a TSV file.

    Raises:
        MissingInputError: there is no such file.
        VocabularyError: the file is damaged, of another format version, or does not contain counts.
    """
    place = Place(path)
    is_file = place.is_remote and str(place).endswith((".tsv", ".arrow"))
    local = place.file() if is_file else place.folder()
    file = local / COUNTS if local.is_dir() else local
    if not file.is_file():
        raise MissingInputError(
            f"{path}: no counts found; expected a folder of count-words, its {COUNTS}, or a .tsv file"
        )
    if file.suffix == ".tsv":
        return SavedCounts(file, {})
    if local.is_dir() and (local / MANIFEST).is_file() and (damage := find_damage(local)):
        raise VocabularyError(f"{damage[0]}; run count-words again")
    with _damage_reported(file):
        schema = ipc.open_file(pa.OSFile(str(file))).schema
        facts = json.loads((schema.metadata or {})[_KEY])
        if facts["format_version"] != FORMAT_VERSION or schema.names != SCHEMA.names:
            raise VocabularyError(
                f"{file}: format version {facts['format_version']!r}, expected {FORMAT_VERSION}: "
                "run count-words again"
            )
    return SavedCounts(file, facts)


def is_tsv(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is one that `write_tsv` wrote, by its first line."""
    return re.match(rb"[^\t\n]*\t\d+\n", head) is not None


def write_tsv(file: IO[bytes], parts: Iterable[ChunkCounts]) -> None:
    """Write the counts of the documents to learn from, one line per chunk; chunks without any are omitted."""
    for part in parts:
        for chunk, count in zip(part.strings(), part.counts.tolist(), strict=True):
            if count:
                escaped = re.sub(r"[\\\t\n\r]", lambda found: _ESCAPES[found[0]], chunk)
                file.write(f"{escaped}\t{count}\n".encode())


def identity_of(counts: SavedCounts) -> str:
    """Return a string that identifies the corpus: its identity, or for TSV the sha256 of the file."""
    return str(counts.facts.get("corpus_identity") or hashlib.sha256(read_bytes(counts.path)).hexdigest())


@contextlib.contextmanager
def _damage_reported(path: Path) -> Iterator[None]:
    """Convert errors of pyarrow and json about a damaged file into a `VocabularyError`."""
    try:
        yield
    except VocabularyError:
        raise
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
        raise VocabularyError(f"{path}: damaged, or not a file of word counts: {error}") from error


def _arrow_parts(path: Path) -> Iterator[ChunkCounts]:
    """Yield the counts of an Arrow file, `_BATCHES_AT_ONCE` of its batches at a time."""
    with _damage_reported(path):
        reader = ipc.open_file(pa.OSFile(str(path)))
        for first in range(0, reader.num_record_batches, _BATCHES_AT_ONCE):
            last = min(first + _BATCHES_AT_ONCE, reader.num_record_batches)
            batches = [reader.get_batch(i) for i in range(first, last)]
            for batch in batches:
                batch.validate(full=True)  # all offsets, which kernels use as they are
            counts = chunk_counts(pa.Table.from_batches(batches))
            if min(counts.counts.min(initial=0), counts.held_out.min(initial=0)) < 0:
                raise VocabularyError(f"{path}: damaged: a count is negative; run count-words again")
            yield counts


def _tsv_parts(path: Path) -> Iterator[ChunkCounts]:
    """Yield the counts of a TSV file; empty lines are skipped."""
    chunks: list[bytes] = []
    counts: list[int] = []
    for number, line in enumerate(read_bytes(path).split(b"\n"), 1):
        if line:
            word, _, count = line.rstrip(b"\r").rpartition(b"\t")
            counts.append(_count_of(path, number, count))
            chunks.append(_unescaped(path, number, word))
    ends = np.cumsum([len(chunk) for chunk in chunks], dtype=np.int64)
    yield ChunkCounts(np.frombuffer(b"".join(chunks), np.uint8), ends, np.array(counts, np.int64))


def _unescaped(path: Path, number: int, word: bytes) -> bytes:
    """Return the word in line ``number`` without escapes."""
    try:
        text = word.decode()
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}:{number}: not valid UTF-8: {error.reason}") from error
    if not text:
        raise VocabularyError(f"{path}:{number}: no word; expected a word, a tab and a count")
    return re.sub(r"\\[\\tnr]", lambda found: _UNESCAPES[found[0]], text).encode()


def _count_of(path: Path, number: int, count: bytes) -> int:
    """Return the count in line ``number``."""
    if not count.isdigit() or int(count) >= 2**63:
        raise VocabularyError(
            f"{path}:{number}: the count is {count.decode(errors='replace')!r}, "
            "expected an integer from 0 to 2**63 - 1"
        )
    return int(count)
