"""The deep check of shards: what their columns promise, asked of every row.

A checksum says that a file is as it was written; this says that what was written is right. Each rule that some
rows break gives one line with the file, the first of these rows, and how many there are.

What this module does not do: compare files with their checksums (manifest).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from wpprep.config import EngineOptions
from wpprep.errors import WpprepError
from wpprep.instances.statistics import add_statistics, shard_statistics
from wpprep.jobs import engines
from wpprep.records import InstanceBatch, Ints, TokenRoles, Tokens
from wpprep.shards.format import read_rows
from wpprep.storage.cache import fetch_folder
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import Manifest, Shard, read_manifest
from wpprep.tokenizer.vocabulary import Vocabulary

RULES = (
    "its length is not between 3 and max_seq_length",
    "it does not start with [CLS]",
    "it does not end with [SEP]",
    "b_start is neither behind a [SEP] nor the length",
    "a token id is outside the vocabulary",
    "a special token stands in the text",
    "mlm_positions are not sorted, or not places of text",
    "an mlm label is outside the vocabulary, or a special token",
    "a random replacement is a special or unused token",
    "it has not as many predictions as its length asks for",
    "next_sentence_label is not 0 or 1, or 1 without a B",
    "document is not one of the corpus",
)
_LENGTH, _CLS, _SEP, _B, _ID, _SPECIAL, _POSITION, _LABEL, _RANDOM, _COUNT, _NEXT, _DOCUMENT = range(12)
_SUMMED = ("rows", "tokens", "random_next", "unmasked_rows", "predictions", "masked", "random", "kept")

# What an id may be: bits of a table over the vocabulary.
_TEXT, _LABELS, _REPLACES = 1, 2, 4


def find_faults(folder: str | os.PathLike[str], engine: EngineOptions | None = None) -> list[str]:
    """Every rule that rows of a shard folder, or of one inside it, break, one line each."""
    engine = engine or EngineOptions(workers=1)
    faults = []
    for path in sorted(fetch_folder(folder).rglob(MANIFEST)):
        try:
            manifest = read_manifest(path.parent)
            if manifest.kind == "shards":
                faults += _audit_folder(path.parent, manifest, engine)
        except WpprepError as error:
            faults.append(str(error))
    return faults


def _audit_folder(folder: Path, manifest: Manifest, engine: EngineOptions) -> list[str]:
    roles, faults = Vocabulary.from_folder(folder / "vocab").roles, []
    total: dict[str, Any] = {}
    here = [file for file in manifest.files if isinstance(file, Shard) and "/" not in file.name]
    documents = manifest.corpus.get("documents", 2**62)
    check = partial(_audit_shard, folder, roles, manifest.options, documents)
    for own, found in engines.spread(check, here, engine):
        faults += own
        total = add_statistics(total, found)
    for name in _SUMMED if here else ():
        said = manifest.statistics.get(name)
        if total.get(name) != said:
            faults.append(f"{folder}: {name} is {total.get(name)} in the rows, {said} in {MANIFEST}")
    return faults


def _audit_shard(
    folder: Path, roles: TokenRoles, options: dict[str, Any], documents: int, file: Shard
) -> tuple[list[str], dict[str, Any]]:
    """The faults of one shard, and its statistics."""
    found: dict[str, Any] = {}
    counts, firsts = np.zeros(len(RULES), np.int64), np.full(len(RULES), -1)
    try:
        for start, batch in read_rows(folder / file.name):
            check_rows(batch, roles, options, documents, start, counts, firsts)
            found = add_statistics(found, shard_statistics(batch, roles, options["max_seq_length"]))
            forced = int(((batch.b_start == 3) & (batch.next_sentence_label == 1)).sum())
            found = add_statistics(found, {"forced": forced})
    except WpprepError as error:
        return [str(error)], {}
    faults = [
        f"{folder / file.name}: row {firsts[rule]}: {RULES[rule]} ({counts[rule]:,} rows of {file.rows:,})"
        for rule in np.flatnonzero(counts)
    ]
    return faults + _audit_balance(folder / file.name, found, options), found


def _audit_balance(path: Path, found: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """Label 1 may be 5 rows or half a percentage point off its share, but where one token had no choice.

    Of bins nothing is asked: only in all of them together do labels hold their share.
    """
    if options["objective"] == "single" or options.get("bins") or not found.get("rows"):
        return []
    ahead = found["random_next"] - options["random_next_prob"] * found["rows"]
    allowed = max(5.0, 0.005 * found["rows"])
    if -allowed <= ahead <= allowed + (found["forced"] if options["objective"] == "nsp" else 0):
        return []
    share = found["random_next"] / found["rows"]
    return [f"{path}: label 1 has a share of {share:.4f}, expected {options['random_next_prob']}"]


def check_rows(
    batch: InstanceBatch,
    roles: TokenRoles,
    options: dict[str, Any],
    documents: int,
    start: int,
    counts: Ints,
    firsts: Ints,
) -> None:
    """Count the rows that break each of `RULES`.

    Args:
        batch: rows as they were read.
        roles: the vocabulary's.
        options: the data options of the shards.
        documents: how many documents the corpus has.
        start: number of the first row in its file.
        counts: ``int64[rules]``, to be added to.
        firsts: ``int64[rules]``, the first such row in the file, -1 where there is none yet.
    """
    allowed = np.zeros(roles.vocab_size, np.uint8)
    allowed[:] = _TEXT | _LABELS
    allowed[[roles.pad, roles.cls, roles.sep, roles.mask]] = 0
    allowed[roles.replacements] |= _REPLACES
    lengths = np.diff(batch.offsets)
    quotas = np.rint(lengths * options["masked_lm_prob"]).astype(np.int64)
    quotas = np.clip(quotas, 1, options["max_predictions_per_seq"])
    quotas = np.minimum(quotas, lengths - np.where(batch.b_start < lengths, 3, 2))
    if options["masking"] == "dynamic":
        quotas[:] = 0
    broken = np.zeros((len(batch), len(RULES)), np.bool_)
    _check(
        batch.input_ids,
        batch.offsets,
        batch.b_start,
        batch.mlm_positions,
        batch.mlm_labels,
        batch.mlm_offsets,
        quotas,
        options["mask_policy"] == "token",
        options["max_seq_length"],
        (roles.cls, roles.sep, roles.mask),
        allowed,
        broken,
    )
    ones = batch.next_sentence_label
    broken[:, _NEXT] = (ones > 1) | ((ones == 1) & (batch.b_start == lengths))
    broken[:, _DOCUMENT] = (batch.document < 0) | (batch.document >= documents)
    counts += broken.sum(axis=0)
    for rule in np.flatnonzero(broken.any(axis=0) & (firsts < 0)):
        firsts[rule] = start + int(broken[:, rule].argmax())


@njit(cache=True)
def _check(
    input_ids: Tokens,
    offsets: Ints,
    b_start: Ints,
    positions: npt.NDArray[np.uint16],
    labels: Tokens,
    mlm_offsets: Ints,
    quotas: Ints,
    is_exact: bool,
    max_seq_length: int,
    specials: tuple[int, int, int],
    allowed: npt.NDArray[np.uint8],
    broken: npt.NDArray[np.bool_],
) -> None:
    """Set ``broken[row, rule]``, ``bool[rows, rules]``, for what one row alone shows.

    ``specials`` are the ids of [CLS], [SEP] and [MASK]; ``allowed`` (``uint8[vocab_size]``) says by bits
    what an id may be; ``quotas`` has the predictions of each row, or, unless ``is_exact``, the most of them.
    """
    cls, sep, mask = specials
    vocab_size = len(allowed)
    for row in range(len(broken)):
        ids, fails = input_ids[offsets[row] : offsets[row + 1]], broken[row]
        length, b = len(ids), b_start[row]
        if length < 3 or length > max_seq_length:
            fails[_LENGTH] = True
            continue
        fails[_CLS], fails[_SEP] = ids[0] != cls, ids[-1] != sep
        fails[_B] = b < 3 or b > length or b == length - 1 or ids[b - 1] != sep
        if fails[_B]:
            continue
        first, last = mlm_offsets[row], mlm_offsets[row + 1]
        fails[_COUNT] = last - first > quotas[row] or (is_exact and last - first < quotas[row])
        p = first
        for position in range(1, length - 1):
            token = ids[position]
            if token >= vocab_size:
                fails[_ID] = True
                continue
            if p < last and positions[p] == position:
                label = labels[p]
                p += 1
                fails[_POSITION] |= position == b - 1
                if label >= vocab_size or not allowed[label] & _LABELS:
                    fails[_LABEL] = True
                elif token != mask and not (token == label or allowed[token] & _REPLACES):
                    fails[_RANDOM] = True
            elif position != b - 1 and not allowed[token] & _TEXT:
                fails[_SPECIAL] = True
        fails[_POSITION] |= p < last  # out of order or out of the row: the walk above has not met it
