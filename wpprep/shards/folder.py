"""Finished shard folders: rows numbered over all shards, gathered in any order, held out by document.

    folder = ShardFolder("shards")
    len(folder)                               # number of rows in all shards
    folder.gather(np.array([7, 70_000, 3]))   # an InstanceBatch, copied from memory-mapped shards

Opening a folder reads its manifest and its vocabulary, nothing else. The shards are mapped into memory when the
first row is read, or by `ShardFolder.check`; mapping takes milliseconds per shard whatever its size, and the
memory used is the system's page cache. Every row is checked while it is copied: a damaged row raises an error
that names the file and the row, before a wrong id can reach a model.

This module does not choose an order (`loader`), pad, or mask. Rows of the layout ``dense`` can be counted here
but not gathered; `format.read_rows` reads them.
"""

from __future__ import annotations

import functools
import itertools
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from wpprep import rng
from wpprep.errors import MissingInputError, OptionError, ShardError
from wpprep.kernels import kernel, njit
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens, offsets_of, token_dtype
from wpprep.shards.format import check_options, read_metadata, read_shard
from wpprep.storage.manifest import Manifest, Shard, find_damage, read_manifest
from wpprep.storage.place import Place
from wpprep.tokenizer.vocabulary import Vocabulary

# Options that decide the meaning of labels and dynamic masks: folders read together must have equal values.
_SHARED_OPTIONS = ("objective", "masking", "mask_policy", "masked_lm_prob", "mask_share", "random_share")


Marks = npt.NDArray[np.bool_]


class Columns(NamedTuple):
    """The columns of an `InstanceBatch` but the word starts, as one argument of a kernel.

    Shapes and dtypes are those of the attributes of `InstanceBatch` with these names.
    """

    input_ids: Tokens
    offsets: Ints
    b_start: Ints
    next_sentence_label: npt.NDArray[np.uint8]
    document: Ints
    mlm_positions: npt.NDArray[np.uint16]
    mlm_labels: Tokens
    mlm_offsets: Ints


def columns_of(batch: InstanceBatch) -> Columns:
    """Return the columns of a batch as a NamedTuple, without a copy."""
    return Columns(
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        batch.next_sentence_label,
        batch.document,
        batch.mlm_positions,
        batch.mlm_labels,
        batch.mlm_offsets,
    )


class _Listed(NamedTuple):
    """One folder, or one shard file in it: the path as given, its folder, its manifest, and its shards."""

    location: Path
    folder: Path
    manifest: Manifest
    files: list[Shard]


class ShardFolder:
    """The rows of one finished shard folder, of several with one vocabulary, or of single shard files.

    Rows have global numbers: from 0, over all shards of the first folder, then over those of the next. The
    number of rows is the manifest's. Shards are mapped, and compared with the manifest in size, vocabulary and
    number of rows, when the first row is read; checksums are compared only with ``verify``.

    Args:
        folder: a shard folder, its URL, or one shard file in such a folder.
        *more: further ones; their rows follow.
        verify: compare every file with its checksum now.

    Attributes:
        location: the local path of the first argument: a folder or a shard file.
        path: the local folder of the first argument.
        paths: the local folder of each argument.
        manifests: the manifest of each folder.
        vocabulary: the vocabulary of the first folder, which is that of all.
        files: the manifest entry of each shard.
        names: the path of each shard.
        starts: ``int64[shards + 1]``, the global number of the first row of each shard.
        folder_of: ``int64[shards]``, the index in ``paths`` of the folder of each shard.
        folder_rows: ``int64[folders + 1]``, the global number of the first row of each folder.

    Raises:
        MissingInputError: there is no such folder or file, the folder is unfinished, or the file is not among
            its shards.
        ShardError: the manifest is damaged or of another kind, the vocabulary in the folder is not the one the
            shards were made with, or, with ``verify``, a file is damaged.
        OptionError: the folders have different vocabularies, objectives or masking options.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *more: str | os.PathLike[str],
        verify: bool = False,
    ) -> None:
        """Open the folders; see the class for the arguments."""
        listed = [_list_shards(path, verify=verify) for path in (folder, *more)]
        self.location = listed[0].location
        self.paths = [one.folder for one in listed]
        self.path = self.paths[0]
        self.manifests = [one.manifest for one in listed]
        self.vocabulary = Vocabulary.from_folder(self.path / "vocab")
        for one in listed:
            self._check_options(one.folder, one.manifest)
        self.files = [file for one in listed for file in one.files]
        self.names = [one.folder / file.name for one in listed for file in one.files]
        self.starts: Ints = offsets_of(np.array([file.rows for file in self.files], np.int64))
        sizes = np.array([len(one.files) for one in listed], np.int64)
        self.folder_of: Ints = np.repeat(np.arange(len(listed)), sizes)
        self.folder_rows: Ints = self.starts[offsets_of(sizes)]

    @functools.cached_property
    def shards(self) -> list[InstanceBatch]:
        """The rows of each shard, mapped into memory at the first use.

        Raises:
            ShardError: a shard is missing, cut short, of the layout ``dense``, or not the one in the manifest.
        """
        return [
            _open_shard(name, file, self.vocabulary.sha256)
            for name, file in zip(self.names, self.files, strict=True)
        ]

    @functools.cached_property
    def _columns(self) -> list[Columns]:
        return [columns_of(shard) for shard in self.shards]

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the mapped shards, which a process that unpickles it maps anew."""
        return {name: value for name, value in vars(self).items() if name not in {"shards", "_columns"}}

    def check(self) -> None:
        """Map every shard now, so that a fault is reported before the work begins.

        Raises:
            ShardError: as `shards` raises it, or a folder has no rows.
        """
        _ = self.shards
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
        """Return the number of rows in all shards."""
        return int(self.starts[-1])

    @property
    def manifest(self) -> Manifest:
        """The manifest of the first folder."""
        return self.manifests[0]

    @property
    def options(self) -> dict[str, Any]:
        """The data options of the first folder."""
        return self.manifest.options

    @property
    def roles(self) -> TokenRoles:
        """The ids of the vocabulary that loading needs."""
        return self.vocabulary.roles

    @property
    def max_seq_length(self) -> int:
        """The maximum number of tokens per row that the options allow, over all folders."""
        return max(int(manifest.options["max_seq_length"]) for manifest in self.manifests)

    @property
    def max_predictions_per_seq(self) -> int:
        """The maximum number of predictions per row that the options allow, over all folders."""
        return max(int(manifest.options["max_predictions_per_seq"]) for manifest in self.manifests)

    @property
    def tokens(self) -> int:
        """The number of tokens in all shards, without padding."""
        return sum(file.tokens for file in self.files)

    def lengths(self, rows: Ints) -> Ints:
        """Return ``int64[n]``, the number of tokens in each of the rows with these global numbers."""
        shard_of = np.searchsorted(self.starts, rows, side="right") - 1
        found = np.empty(len(rows), np.int64)
        for shard in np.unique(shard_of):
            mine = shard_of == shard
            offsets, local = self.shards[shard].offsets, rows[mine] - self.starts[shard]
            found[mine] = offsets[local + 1] - offsets[local]
        return found

    def places(self, rows: Ints) -> dict[str, list[int]]:
        """Return the shards of these global rows: from path to row numbers in that shard, both in order."""
        found: dict[str, list[int]] = {}
        for row in np.sort(rows).tolist():
            shard = int(np.searchsorted(self.starts, row, side="right")) - 1
            found.setdefault(str(self.names[shard]), []).append(row - int(self.starts[shard]))
        return found

    def gather(self, rows: Ints) -> InstanceBatch:
        """Copy the rows with these global numbers out of the shards.

        Args:
            rows: ``int64[n]``, in any order; a number may occur more than once.

        Returns:
            The rows in the order of ``rows``.

        Raises:
            ShardError: a row is damaged (the message names the file and the row), or a shard is.
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
            self._refuse_damaged(bad, shard)
        result = self._empty(np.cumsum(lengths), np.cumsum(predictions))
        for shard, places, local in parts:
            bad = _copy(local, places, self.roles.vocab_size, self._columns[shard], columns_of(result))
            self._refuse_damaged(bad, shard)
            if result.word_starts is not None:
                source = self.shards[shard]
                assert source.word_starts is not None  # stored by vocabulary, which all shards share
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

    def _refuse_damaged(self, bad_row: int, shard: int) -> None:
        if bad_row >= 0:
            raise ShardError(
                f"{self.names[shard]}: row {bad_row} is damaged (a length, position or token id out of range); "
                f"make the shards again or fetch the file anew"
            )

    def hold_out(self, least_rows: int, seed: int) -> int:
        """Return the bound on document keys below which whole documents are held out.

        Every document has a key, drawn from the seed, the corpus and its index. With ``dupe_factor`` above 1,
        or with several folders of one corpus, a document is in several rows. Rows are held out by document, so
        that neither the A segment of a held-out row nor its continuation is the A segment of a row that
        remains. (A held-out sentence can still be the *random* B of such a row.)

        Args:
            least_rows: minimum number of rows to hold out; 0 holds out none.
            seed: seed of the keys.

        Returns:
            An argument for `held_out`, in [0, 2**64); -1 if nothing is held out.

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
        """Return the global rows of the documents with a key of at most ``bound``.

        Args:
            bound: as `hold_out` returned it; if negative, there are no such rows.
            seed: seed of the keys, as given to `hold_out`.

        Returns:
            ``int64[rows]``, sorted.
        """
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


def _list_shards(path: str | os.PathLike[str], *, verify: bool) -> _Listed:
    """Read the manifest of a folder, or of the folder of a shard file, without opening a shard."""
    location = Place(path).folder()
    folder = location.parent if location.is_file() else location
    manifest = read_manifest(folder, kind="shards")
    check_options(folder, manifest)
    if verify and (damage := find_damage(folder)):
        raise ShardError("; ".join(damage))
    files = [file for file in manifest.files if isinstance(file, Shard)]
    if location != folder:
        files = [file for file in files if file.name == location.name]
        if not files:
            raise MissingInputError(f"{location}: not among the shards of {folder}")
    return _Listed(location, folder, manifest, files)


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


# -- kernels: arrays in, arrays out ------------------------------------------------------------------


@njit(cache=True)
def _low_documents(
    documents: npt.NDArray[Any], seed: np.uint64, corpus: np.uint64, bound: np.uint64
) -> tuple[Ints, npt.NDArray[np.uint64]]:
    """Return the rows (``int64[n]``) of documents with a key of at most ``bound``, and these keys."""
    rows, keys = np.empty(len(documents), np.int64), np.empty(len(documents), np.uint64)
    found = 0
    for row in range(len(documents)):
        key = rng.key(seed, rng.HOLDOUT, corpus, np.uint64(documents[row]))
        if key <= bound:
            rows[found], keys[found] = row, key
            found += 1
    return rows[:found].copy(), keys[:found].copy()


@kernel
def _measure(
    rows: Ints, places: Ints, offsets: Ints, mlm_offsets: Ints, longest: int, lengths: Ints, predictions: Ints
) -> int:
    """Write the lengths of one shard's ``rows`` to ``places + 1``; return the first damaged row, or -1.

    Args:
        rows: ``int64[n]``, row numbers in the shard.
        places: ``int64[n]``, their places in the batch.
        offsets: ``int64``, of the shard's ``input_ids``.
        mlm_offsets: ``int64``, of the shard's predictions.
        longest: maximum length of a row.
        lengths: ``int64[batch + 1]``, receives numbers of tokens.
        predictions: ``int64[batch + 1]``, receives numbers of predictions.
    """
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        length = offsets[row + 1] - offsets[row]
        count = mlm_offsets[row + 1] - mlm_offsets[row]
        if length < 1 or length > longest or count < 0 or count > length:
            return int(row)
        lengths[place + 1] = length
        predictions[place + 1] = count
    return -1


@kernel
def _copy(rows: Ints, places: Ints, vocab_size: int, shard: Columns, batch: Columns) -> int:
    """Copy ``rows`` of a shard to ``places`` of a batch; return the first damaged row, or -1.

    ``rows`` and ``places`` are ``int64[n]``; the offsets of ``batch`` are already filled in.
    """
    ids, new_ids = shard.input_ids, batch.input_ids
    positions, new_positions = shard.mlm_positions, batch.mlm_positions
    labels, new_labels = shard.mlm_labels, batch.mlm_labels
    for i in range(len(rows)):
        row, place = rows[i], places[i]
        source, target = shard.offsets[row], batch.offsets[place]
        length = batch.offsets[place + 1] - target
        b_start, label_of_pair = shard.b_start[row], shard.next_sentence_label[row]
        if source < 0 or source + length > len(ids) or b_start > length or label_of_pair > 1:
            return int(row)
        # The largest id is found beside the copy, not by a branch inside it, so that both vectorize.
        largest = ids[source]
        for j in range(length):
            token = ids[source + j]
            largest = max(largest, token)
            new_ids[target + j] = token
        if largest >= vocab_size:
            return int(row)
        batch.b_start[place] = b_start
        batch.next_sentence_label[place] = label_of_pair
        batch.document[place] = shard.document[row]
        source, target = shard.mlm_offsets[row], batch.mlm_offsets[place]
        count = batch.mlm_offsets[place + 1] - target
        if source < 0 or source + count > len(positions):
            return int(row)
        for j in range(count):
            position, label = positions[source + j], labels[source + j]
            if position >= length or label >= vocab_size:
                return int(row)
            new_positions[target + j] = position
            new_labels[target + j] = label
    return -1


@kernel
def _copy_marks(
    rows: Ints, places: Ints, from_offsets: Ints, from_marks: Marks, offsets: Ints, marks: Marks
) -> None:
    """Copy the word starts of one shard's ``rows``, which `_copy` has checked, to ``places`` of a batch."""
    for i in range(len(rows)):
        source, target = from_offsets[rows[i]], offsets[places[i]]
        for j in range(offsets[places[i] + 1] - target):
            marks[target + j] = from_marks[source + j]
