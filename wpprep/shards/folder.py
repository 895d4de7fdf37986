"""The rows of finished shard folders: numbered through, gathered in any order, held out by document.

    folder = ShardFolder("shards")
    len(folder)                               # rows of all shards
    folder.gather(np.array([7, 70_000, 3]))   # an InstanceBatch, copied out of memory-mapped shards

Shards stay mapped, so that opening a folder costs milliseconds a shard whatever its size, and what is
held in memory is what the system keeps in its page cache. Rows are checked when they are copied: a
damaged one is named by file and row, before a wrong id can reach a model.

What this module does not do: choose an order (loader), pad, or mask.
"""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep import rng
from wpprep.errors import OptionError, ShardError
from wpprep.records import InstanceBatch, Ints, TokenRoles, offsets_of, token_dtype
from wpprep.shards.format import read_metadata, read_shard
from wpprep.storage.cache import fetch_folder
from wpprep.storage.manifest import Manifest, Shard, read_manifest
from wpprep.storage.manifest import verify as find_damage
from wpprep.tokenizer.vocabulary import Vocabulary

# What labels and dynamic masks depend on: folders that are read together must agree on it.
_SHARED_OPTIONS = ("objective", "masking", "mask_policy", "masked_lm_prob", "mask_share", "random_share")


class ShardFolder:
    """The rows of a finished shard folder, or of several of one vocabulary, numbered through.

    Sizes are checked at once, ids and positions when a row is read, checksums only with ``verify``.

    Args:
        folder, more: shard folders; rows of the first come first.
        verify: compare every file with its checksum before anything else.

    Raises:
        ShardError: a folder is unfinished, a shard is missing, cut short or does not fit the manifest,
            or the vocabulary inside is not the one the shards were made with.
        OptionError: folders of different vocabularies, objectives or masking options.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *more: str | os.PathLike[str],
        verify: bool = False,
    ) -> None:
        self.paths = [fetch_folder(path) for path in (folder, *more)]
        self.path = self.paths[0]
        self.manifests: list[Manifest] = [_open_manifest(path, verify=verify) for path in self.paths]
        self.vocabulary = Vocabulary.from_folder(self.path / "vocab")
        for path, manifest in zip(self.paths, self.manifests, strict=True):
            self._check_options(path, manifest)
        listed = [
            [(path / file.name, file) for file in manifest.files if isinstance(file, Shard)]
            for path, manifest in zip(self.paths, self.manifests, strict=True)
        ]
        self.names = [name for files in listed for name, _ in files]
        self.files = [file for files in listed for _, file in files]
        self.shards = [
            _open_shard(name, file, self.vocabulary.sha256)
            for name, file in zip(self.names, self.files, strict=True)
        ]
        self.starts: Ints = offsets_of(np.array([len(shard) for shard in self.shards], np.int64))
        self.folder_of = np.repeat(np.arange(len(listed)), [len(files) for files in listed])
        self.folder_rows: Ints = offsets_of(
            np.array([sum(file.rows for _, file in files) for files in listed], np.int64)
        )
        for path, rows in zip(self.paths, np.diff(self.folder_rows), strict=True):
            if rows == 0:
                raise ShardError(f"{path}: the shards hold no instances; make them again from a longer corpus")

    def _check_options(self, path: Path, manifest: Manifest) -> None:
        if manifest.vocabulary != self.vocabulary.sha256:
            raise ShardError(
                f"{self.path / 'vocab'}: vocabulary {self.vocabulary.sha256[:12]}, but the shards in {path} "
                f"were made with {(manifest.vocabulary or 'none')[:12]}; make them again with one vocabulary"
            )
        for name in _SHARED_OPTIONS:
            first, this = self.manifests[0].options.get(name), manifest.options.get(name)
            if first != this:
                raise OptionError(f"{path}: {name} is {this}, but {first} in {self.path}; they cannot be mixed")

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def options(self) -> dict[str, Any]:
        """The data options of the (first) folder."""
        return self.manifests[0].options

    @property
    def roles(self) -> TokenRoles:
        return self.vocabulary.roles

    @property
    def max_seq_length(self) -> int:
        """The longest row that the options allow, over all folders."""
        return max(int(manifest.options["max_seq_length"]) for manifest in self.manifests)

    @property
    def max_predictions_per_seq(self) -> int:
        return max(int(manifest.options["max_predictions_per_seq"]) for manifest in self.manifests)

    @property
    def tokens(self) -> int:
        return sum(file.tokens for file in self.files)

    def lengths(self, rows: Ints) -> Ints:
        """``int64[n]``, the tokens of each of these rows."""
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        found = np.empty(len(rows), np.int64)
        for shard in np.unique(shard_of):
            mine = shard_of == shard
            offsets, local = self.shards[shard].offsets, rows[mine] - self.starts[shard]
            found[mine] = offsets[local + 1] - offsets[local]
        return found

    def places(self, rows: Ints) -> dict[str, list[int]]:
        """Where these global rows lie: the path of each shard, and their row numbers in it, both in order."""
        found: dict[str, list[int]] = {}
        for row in np.sort(rows).tolist():
            shard = int(np.searchsorted(self.starts, row, side="right")) - 1
            found.setdefault(str(self.names[shard]), []).append(row - int(self.starts[shard]))
        return found

    def gather(self, rows: Ints) -> InstanceBatch:
        """The instances with these global row numbers, in this order, copied out of the shards.

        Raises:
            ShardError: a row is damaged; names the file and the row.
        """
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        order = np.argsort(shard_of, kind="stable")
        cuts = [0, *(np.flatnonzero(np.diff(shard_of[order])) + 1).tolist(), len(rows)]
        parts = []
        for start, stop in itertools.pairwise(cuts):
            places = order[start:stop]
            shard = int(shard_of[places[0]])
            parts.append((shard, places, rows[places] - self.starts[shard]))
        lengths, predictions = np.zeros(len(rows) + 1, np.int64), np.zeros(len(rows) + 1, np.int64)
        for shard, places, local in parts:
            source = self.shards[shard]
            bad = _measure(
                local, places, source.offsets, source.mlm_offsets, self.max_seq_length, lengths, predictions
            )
            self._check(bad, shard)
        result = self._empty(np.cumsum(lengths), np.cumsum(predictions))
        for shard, places, local in parts:
            bad = _copy(local, places, self.roles.vocab_size, *_columns(self.shards[shard]), *_columns(result))
            self._check(bad, shard)
            if result.word_starts is not None:
                source = self.shards[shard]
                _copy_marks(
                    local, places, source.offsets, source.word_starts, result.offsets, result.word_starts
                )
        return result

    def _empty(self, offsets: Ints, mlm_offsets: Ints) -> InstanceBatch:
        rows, tokens, dtype = len(offsets) - 1, int(offsets[-1]), token_dtype(self.roles.vocab_size)
        marked = self.shards[0].word_starts is not None
        return InstanceBatch(
            input_ids=np.empty(tokens, dtype),
            offsets=offsets,
            b_start=np.empty(rows, np.int64),
            next_sentence_label=np.empty(rows, np.uint8),
            document=np.empty(rows, np.int64),
            mlm_positions=np.empty(int(mlm_offsets[-1]), np.uint16),
            mlm_labels=np.empty(int(mlm_offsets[-1]), dtype),
            mlm_offsets=mlm_offsets,
            word_starts=np.empty(tokens, np.bool_) if marked else None,
        )

    def _check(self, bad_row: int, shard: int) -> None:
        if bad_row >= 0:
            raise ShardError(
                f"{self.names[shard]}: row {bad_row} is damaged (a length, position or token id out of range); "
                f"make the shards again or fetch the file anew"
            )

    def hold_out(self, least_rows: int, seed: int) -> int:
        """The bound under which whole documents are held out, so that they are at least ``least_rows`` rows.

        Every document has a key, drawn from the seed, the corpus and its index. With ``dupe_factor`` above 1,
        or several folders of one corpus, a document is in several rows: rows are held out by document, so no
        A segment of a held-out row, or its continuation, is ever an A segment in a row that remains. (As a
        *random* B a held-out sentence may still be seen.)

        Raises:
            OptionError: whole documents cannot be held out without taking more than half of the rows.
        """
        if least_rows == 0:
            return -1
        share = min(1.0, least_rows / len(self))
        while True:
            bound = min(2**64 - 1, int(share * 2.0**64))
            keys = np.concatenate([keys for _, keys in self._low_keys(seed, bound)])
            if len(keys) >= least_rows or share >= 1.0:
                break
            share = min(1.0, 2 * share)
        cut = int(np.sort(keys)[min(least_rows, len(keys)) - 1])
        if 2 * (count := int((keys <= cut).sum())) > len(self):
            raise OptionError(
                f"eval_rows {least_rows}: holding out whole documents would take {count} of {len(self)} "
                f"instances; ask for fewer, or 0 for none"
            )
        return cut

    def held_out(self, bound: int, seed: int) -> Ints:
        """Sorted global rows of the documents whose key is at most ``bound``; none if it is negative."""
        if bound < 0:
            return np.empty(0, np.int64)
        found = self._low_keys(seed, bound)
        return np.concatenate([rows + start for (rows, _), start in zip(found, self.starts, strict=False)])

    def _low_keys(self, seed: int, bound: int) -> list[tuple[Ints, npt.NDArray[np.uint64]]]:
        corpora = [int(manifest.corpus.get("fingerprint", "0"), 16) for manifest in self.manifests]
        return [
            _low_documents(shard.document, np.uint64(seed), np.uint64(corpora[folder]), np.uint64(bound))
            for folder, shard in zip(self.folder_of, self.shards, strict=True)
        ]


def _open_manifest(path: Path, *, verify: bool) -> Manifest:
    manifest = read_manifest(path, kind="shards")
    if verify and (damage := find_damage(path)):
        raise ShardError("; ".join(damage))
    return manifest


def _open_shard(path: Path, expected: Shard, vocabulary: str) -> InstanceBatch:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ShardError(f"{path}: listed in the manifest but not there: {error.strerror}") from error
    if size != expected.bytes:
        raise ShardError(
            f"{path}: {size} bytes, expected {expected.bytes}: cut short or replaced; fetch it anew"
        )
    found = read_metadata(path).vocabulary_sha256
    if found != vocabulary:
        raise ShardError(
            f"{path}: made with vocabulary {found[:12]}, but the folder's is {vocabulary[:12]}; "
            f"this shard is of another run: fetch the right one"
        )
    shard = read_shard(path)
    if len(shard) != expected.rows:
        raise ShardError(f"{path}: {len(shard)} rows, expected {expected.rows}; fetch it anew")
    return shard


def _columns(batch: InstanceBatch) -> tuple[npt.NDArray[Any], ...]:
    return (
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        batch.next_sentence_label,
        batch.document,
        batch.mlm_positions,
        batch.mlm_labels,
        batch.mlm_offsets,
    )


# -- kernels: arrays in, arrays out ------------------------------------------------------------------


@njit(cache=True)
def _low_documents(
    documents: npt.NDArray[Any], seed: np.uint64, corpus: np.uint64, bound: np.uint64
) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Rows whose document's key is at most ``bound``, and these keys."""
    rows, keys = np.empty(len(documents), np.int64), np.empty(len(documents), np.uint64)
    found = 0
    for row in range(len(documents)):
        key = rng.key(seed, rng.HOLDOUT, corpus, np.uint64(documents[row]))
        if key <= bound:
            rows[found], keys[found] = row, key
            found += 1
    return rows[:found].copy(), keys[:found].copy()


@njit(cache=True)
def _measure(
    rows: Ints, places: Ints, offsets: Any, mlm_offsets: Any, longest: int, lengths: Ints, predictions: Ints
) -> int:
    """Put the lengths of one shard's ``rows`` at ``places + 1``; the first damaged row, or -1."""
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        length = offsets[row + 1] - offsets[row]
        count = mlm_offsets[row + 1] - mlm_offsets[row]
        if length < 1 or length > longest or count < 0 or count > length:
            return int(row)
        lengths[place + 1] = length
        predictions[place + 1] = count
    return -1


@njit(cache=True)
def _copy(
    rows: Ints,
    places: Ints,
    vocab_size: int,
    from_ids: Any,
    from_offsets: Any,
    from_b: Any,
    from_next: Any,
    from_document: Any,
    from_positions: Any,
    from_labels: Any,
    from_mlm_offsets: Any,
    ids: Any,
    offsets: Ints,
    b_start: Ints,
    next_sentence: Any,
    document: Ints,
    positions: Any,
    labels: Any,
    mlm_offsets: Ints,
) -> int:
    """Copy ``rows`` of one shard to ``places`` of a batch; the first damaged row, or -1."""
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        source, target = from_offsets[row], offsets[place]
        length = offsets[place + 1] - target
        if source < 0 or source + length > len(from_ids) or from_b[row] > length or from_next[row] > 1:
            return int(row)
        # The largest id is looked for beside the copy, not in a branch inside it, so that both vectorize.
        largest = from_ids[source]
        for j in range(length):
            token = from_ids[source + j]
            largest = max(largest, token)
            ids[target + j] = token
        if largest >= vocab_size:
            return int(row)
        b_start[place] = from_b[row]
        next_sentence[place] = from_next[row]
        document[place] = from_document[row]
        source, target = from_mlm_offsets[row], mlm_offsets[place]
        count = mlm_offsets[place + 1] - target
        if source < 0 or source + count > len(from_positions):
            return int(row)
        for j in range(count):
            position, label = from_positions[source + j], from_labels[source + j]
            if position >= length or label >= vocab_size:
                return int(row)
            positions[target + j] = position
            labels[target + j] = label
    return -1


@njit(cache=True)
def _copy_marks(
    rows: Ints, places: Ints, from_offsets: Any, from_marks: Any, offsets: Ints, marks: Any
) -> None:
    """Copy the word starts of one shard's ``rows``, whose lengths `_copy` has checked."""
    for i in range(len(rows)):
        source, target = from_offsets[rows[i]], offsets[places[i]]
        for j in range(offsets[places[i] + 1] - target):
            marks[target + j] = from_marks[source + j]
