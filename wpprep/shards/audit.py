"""The deep check of shards: every row against the rules of the format.

A checksum shows that a file is as it was written; this check shows that its contents are valid. Each rule that
some rows break gives one line with the file, the first such row, and the number of such rows.

This module does not compare files with their checksums (`storage.manifest`).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.config import EngineOptions
from wpprep.errors import WpprepError
from wpprep.instances.statistics import add_statistics, shard_statistics
from wpprep.jobs import engines
from wpprep.kernels import kernel
from wpprep.records import InstanceBatch, Ints, TokenRoles
from wpprep.shards.folder import Columns, columns_of
from wpprep.shards.format import Limits, check_options, first_out_of_range, read_rows
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import Manifest, Shard, read_manifest
from wpprep.storage.place import Place
from wpprep.tokenizer.vocabulary import Vocabulary

RULES = (
    "its length is not between 3 and max_seq_length",
    "it does not start with [CLS]",
    "it does not end with [SEP]",
    "b_start is neither after a [SEP] nor the length",
    "a token id is outside the vocabulary",
    "a special token is in the text",
    "mlm_positions are not sorted, or not positions of text",
    "an mlm label is outside the vocabulary, or a special token",
    "a random replacement is a special or unused token",
    "its number of predictions does not fit its length",
    "next_sentence_label is not 0 or 1, or 1 without a B",
    "document is not in the corpus",
)
_LENGTH, _CLS, _SEP, _B, _ID, _SPECIAL, _POSITION, _LABEL, _RANDOM, _COUNT, _NEXT, _DOCUMENT = range(12)
_SUMMED = ("rows", "tokens", "random_next", "unmasked_rows", "predictions", "masked", "random", "kept")

# Where an id is allowed: bits of a table over the vocabulary.
_TEXT, _LABELS, _REPLACES = 1, 2, 4


def find_faults(folder: str | os.PathLike[str], engine: EngineOptions | None = None) -> list[str]:
    """Return the rules that rows of a shard folder, or of folders inside it, break.

    Args:
        folder: a local folder or a URL.
        engine: where the shards are checked; by default in this process.

    Returns:
        One line per file and rule. Damaged or missing files give a line too, not an exception.
    """
    engine = engine or EngineOptions(workers=1)
    faults = []
    for path in sorted(Place(folder).folder().rglob(MANIFEST)):
        try:
            manifest = read_manifest(path.parent)
            if manifest.kind == "shards":
                faults += _audit_folder(path.parent, manifest, engine)
        except WpprepError as error:
            faults.append(str(error))
    return faults


def _audit_folder(folder: Path, manifest: Manifest, engine: EngineOptions) -> list[str]:
    check_options(folder, manifest)
    roles, faults = Vocabulary.from_folder(folder / "vocab").roles, []
    total: dict[str, Any] = {}
    here = [file for file in manifest.files if isinstance(file, Shard) and "/" not in file.name]
    documents = manifest.corpus.get("documents", 2**62)
    check = partial(_audit_shard, folder, roles, manifest.options, documents)
    for own, found in engines.spread(check, here, engine):
        faults += own
        total = add_statistics(total, found)
    for name in _SUMMED if here else ():
        expected = manifest.statistics.get(name)
        if total.get(name) != expected:
            faults.append(f"{folder}: {name} is {total.get(name)} in the rows, {expected} in {MANIFEST}")
    return faults


def _audit_shard(
    folder: Path, roles: TokenRoles, options: dict[str, Any], documents: int, file: Shard
) -> tuple[list[str], dict[str, Any]]:
    """Return the faults of one shard, and its statistics."""
    found: dict[str, Any] = {}
    counts, firsts = np.zeros(len(RULES), np.int64), np.full(len(RULES), -1)
    try:
        for start, batch in read_rows(folder / file.name):
            check_rows(batch, roles, options, documents, start, counts, firsts)
            if first_out_of_range(batch, Limits(roles.vocab_size, options["max_seq_length"])) >= 0:
                continue  # named by the rules; statistics of such rows would mean nothing
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
    """Return a fault if the share of label 1 differs from the option.

    The tolerance is 5 rows or half a percentage point, plus the rows in which A had one token and B had to be
    random. A folder of one bin is not checked: only all bins together have the share.
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
        batch: the rows to check.
        roles: ids of the special tokens and allowed replacements.
        options: the data options of the shards.
        documents: number of documents in the corpus.
        start: number of the first row of the batch in its file.
        counts: ``int64[rules]``, increased by the number of such rows.
        firsts: ``int64[rules]``, set to the first such row in the file where it was -1.
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
        columns_of(batch),
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


@kernel
def _check(
    rows: Columns,
    quotas: Ints,
    is_exact: bool,
    max_seq_length: int,
    specials: tuple[int, int, int],
    allowed: npt.NDArray[np.uint8],
    broken: npt.NDArray[np.bool_],
) -> None:
    """Set ``broken[row, rule]`` for the rules on tokens and predictions.

    Args:
        rows: the columns of the rows.
        quotas: ``int64[rows]``, number of predictions of each row; without ``is_exact`` the maximum number.
        is_exact: whether the number of predictions must be equal to the quota.
        max_seq_length: maximum length of a row.
        specials: ids of [CLS], [SEP] and [MASK].
        allowed: ``uint8[vocab_size]``, for each id the bits `_TEXT`, `_LABELS` and `_REPLACES`.
        broken: ``bool[rows, rules]``, receives True.
    """
    cls, sep, mask = specials
    input_ids, offsets, mlm_offsets = rows.input_ids, rows.offsets, rows.mlm_offsets
    positions, labels = rows.mlm_positions, rows.mlm_labels
    vocab_size = len(allowed)
    for row in range(len(broken)):
        ids, fails = input_ids[offsets[row] : offsets[row + 1]], broken[row]
        length, b = len(ids), rows.b_start[row]
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
        fails[_POSITION] |= p < last  # out of order or outside the row: not reached by the loop above
