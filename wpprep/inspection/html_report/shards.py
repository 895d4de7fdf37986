"""The section of a shard folder: lengths, padding, labels, masks, documents, and twenty instances.

Charts are drawn from a `Census`, which of a large folder is a sample; facts come from the manifest. This module
does not read rows, except the twenty instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from wpprep import rng
from wpprep.inspection.census import Census, padding_shares
from wpprep.inspection.find_rows import by_number
from wpprep.inspection.html_report.parts import Chart, Section, Table, columns, curves, histogram, percent, zipf
from wpprep.records import Ints
from wpprep.shards.folder import ShardFolder
from wpprep.shards.token_store import read_part, read_token_counts
from wpprep.storage.files import HOLDOUT, MANIFEST
from wpprep.storage.manifest import Shard, read_manifest

INSTANCES = 20
_SEED = 12345
_LARGEST = 10  # maximum number of documents and of sources in a table
_FILE_AND_PLACE = r"^.+:\d+$"  # ids that wpprep gives to documents of formats without ids
_NO_FILE = "(ids without a file)"
_PLACES = 64  # maximum number of points of a curve over positions


def describe(shards: ShardFolder, census: Census, store: Path | None, *, has_vocabulary: bool) -> Section:
    """Return the section of a shard folder.

    Args:
        shards: the shards.
        census: their census.
        store: the token store they were made from, which has the documents' names; None if unknown.
        has_vocabulary: whether the page has a section on their vocabulary, which shows the frequency of pieces.

    Raises:
        MissingInputError, ShardError: a shard or a part of the token store is missing or damaged.
    """
    charts = [_lengths(census), _padding(census)] if census.rows else []
    if census.rows and shards.options["objective"] != "single":
        charts.append(_labels(shards, census))
    if census.predicted.any():
        charts += [_masks(census), _corruption(shards, census)]
    if census.documents.any():
        charts.append(_documents(census))
    if census.rows and not has_vocabulary:
        used = int((census.pieces > 0).sum())
        label = (
            f"Frequency by rank; {used:,} of {len(census.pieces):,} pieces occur. Both axes are logarithmic."
        )
        charts.append(zipf("Frequency of pieces (Zipf)", label, {"pieces": census.pieces}))
    return Section(
        kind="shards",
        title=str(shards.location),
        facts=_facts(shards, census),
        notes=_notes(shards, census),
        charts=charts,
        tables=_tables(shards, census, store),
        instances=by_number(shards, _chosen(len(shards))),
        options=shards.options,
    )


def _chosen(rows: int) -> list[int]:
    """Return a keyed sample of twenty row numbers, or all of fewer, in ascending order."""
    key = np.uint64(rng.key(_SEED, rng.SAMPLING, 0, 2))
    return sorted(int(rng.permuted(i, rows, key)) for i in range(min(INSTANCES, rows)))


def _facts(shards: ShardFolder, census: Census) -> list[tuple[str, str]]:
    options, total = shards.options, shards.manifest.statistics
    size = sum(file.bytes for file in shards.files) / 1e6
    rows, tokens = max(1, total["rows"]), max(1, total["tokens"])
    facts = [
        ("instances", f"{total['rows']:,}"),
        ("tokens", f"{total['tokens']:,}, {tokens / rows:.1f} per instance"),
        ("shards", f"{_number(len(shards.files), 'file')}, {size:,.1f} MB, layout {options['layout']}"),
        ("maximum length", f"{options['max_seq_length']:,} tokens"),
        ("objective", f"{options['objective']}, label 1 on {percent(total['random_next'] / rows, 2)}"),
        ("masking", f"{options['masking']}, policy {options['mask_policy']}"),
        ("predictions", f"{total['predictions']:,}, {percent(total['predictions'] / tokens, 2)} of the tokens"),
        ("passes over the corpus", f"{options['dupe_factor']:,}"),
        ("documents", f"{shards.manifest.corpus['documents']:,}"),
        ("vocabulary", f"{len(census.pieces):,} entries, {shards.vocabulary.sha256[:16]}"),
    ]
    if "truncated_tokens" in total:  # not counted for a single bin
        facts.append(
            ("tokens truncated", f"{total['truncated_tokens']:,}, {total['dropped_tokens']:,} more dropped")
        )
    apart = shards.path / HOLDOUT
    if (apart / MANIFEST).is_file():
        facts.append(("held out", f"{read_manifest(apart).statistics['rows']:,} instances, in {HOLDOUT}/"))
    return facts


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _notes(shards: ShardFolder, census: Census) -> list[str]:
    notes = [] if census.rows else ["This folder has no instances."]
    if census.counted < len(shards.files):
        notes.append(
            f"Charts show {census.counted:,} of {len(shards.files):,} shards, chosen with a fixed seed: "
            f"{census.rows:,} instances, {percent(census.rows / max(1, len(shards)))} of all."
        )
    if shards.options["masking"] == "dynamic":
        notes.append("Masking is dynamic: the loader draws masks in each epoch, and the shards contain none.")
    if shards.options["layout"] == "dense":
        notes.append("The layout dense does not store the document of a row.")
    return notes


def _lengths(census: Census) -> Chart:
    longest = len(census.lengths) - 1
    full = percent(census.lengths[-1] / max(1, census.rows))
    label = f"The maximum length is {longest} tokens with special tokens; {full} of the instances have it."
    counts = {"instances": census.lengths[1:]}
    return histogram("Lengths", label, counts, first=1, x="tokens", y="instances")


def _padding(census: Census) -> Chart:
    shares = padding_shares(census.lengths)
    said = ", ".join(f"{percent(share)} {way}" for way, share in shares.items())
    label = f"Share of padding in batches of 256, by the way rows are padded: {said}."
    names = {"to the full length": "full length", "to the longest of a batch": "longest in\nits batch"}
    written = [names.get(way, "sorted in\n64 batches") for way in shares]
    heights = {"padding": list(shares.values())}
    return columns("Padding", label, heights, written, y="share of padding", percent=True)


def _labels(shards: ShardFolder, census: Census) -> Chart:
    """Return the share of label 1 by length, which shows whether a length reveals the label."""
    size = len(census.lengths)
    width = max(1, -(-size // _PLACES))
    starts = np.arange(0, size, width)
    rows, ones = (np.add.reduceat(values, starts) for values in (census.lengths, census.random_next))
    enough = rows >= 20
    points = (starts[enough] + width / 2, ones[enough] / rows[enough])
    least, most = (percent(function(census.label_shares), 2) for function in (np.min, np.max))
    what = "swapped" if shards.options["objective"] == "sop" else "random"
    overall = percent(census.random_next.sum() / max(1, census.rows), 2)
    label = f"B is {what} in {overall} of all instances, in {least} to {most} of those of a shard."
    label += " Lengths with fewer than 20 instances are omitted."
    series = {f"B is {what}": points}
    return curves(
        "Labels by length", label, series, x="tokens", y="share of label 1", percent=True, from_zero=True
    )


def _masks(census: Census) -> Chart:
    size = len(census.predicted)
    width = max(1, -(-size // _PLACES))
    starts = np.arange(0, size, width)
    candidates, predicted, masked = (
        np.add.reduceat(values, starts) for values in (census.candidates, census.predicted, census.masked)
    )
    some = candidates > 0
    places = starts[some] + (width - 1) / 2
    overall = percent(census.predicted.sum() / max(1, census.candidates.sum()), 2)
    shares = predicted[some] / candidates[some]
    label = (
        f"{overall} of the tokens except [CLS] and [SEP] are predicted; by position, "
        f"{percent(shares.min())} to {percent(shares.max())}."
    )
    series = {"predicted": (places, shares)}
    series["predicted, [MASK]"] = (places, masked[some] / candidates[some])
    return curves(
        "Masks by position", label, series, x="position", y="share of tokens", percent=True, from_zero=True
    )


def _corruption(shards: ShardFolder, census: Census) -> Chart:
    options, total = shards.options, max(1, int(census.predicted.sum()))
    masked, kept = int(census.masked.sum()), int(census.kept.sum())
    found = [masked / total, (total - masked - kept) / total, kept / total]
    wanted = [options["mask_share"], options["random_share"]]
    wanted.append(1 - sum(wanted))
    names = ["[MASK]", "random token", "unchanged"]
    said = ", ".join(f"{name} {percent(share, 2)}" for name, share in zip(names, found, strict=True))
    heights = {"counted": found, "options": wanted}
    return columns(
        "Input at predicted tokens", f"{said}.", heights, names, y="share of predicted tokens", percent=True
    )


def _documents(census: Census) -> Chart:
    counts = census.documents[census.documents > 0]
    powers = np.bincount(np.log2(counts).astype(np.int64))
    first = int(powers.nonzero()[0][0])
    names = [f"{2**i:,}" for i in range(first, len(powers))]
    label = (
        f"{len(counts):,} documents have instances, with a median of {np.median(counts):,.0f}; "
        f"the maximum is {counts.max():,}, {percent(counts.max() / counts.sum())} of all instances."
    )
    heights = {"documents": powers[first:].astype(float).tolist()}
    x = "instances, to less than twice as many"
    return columns("Instances per document", label, heights, names, y="documents", x=x)


def _tables(shards: ShardFolder, census: Census, store: Path | None) -> list[Table]:
    tables = []
    mix = shards.manifest.corpus.get("mix")
    if isinstance(mix, Mapping):
        tables.append(_mix(mix))
    if store is not None:
        tables.append(_sources(store, census.documents))
    if census.documents.any():
        order = np.argsort(-census.documents, kind="stable")[:_LARGEST]
        order = order[census.documents[order] > 0]
        named = _names(store, order) if store else {}
        rows = [
            [f"{document:,}", *([named[document]] if named else []), f"{census.documents[document]:,}"]
            for document in order.tolist()
        ]
        head = ["document", *(["id"] if named else []), "instances"]
        tables.append(Table("Documents with the most instances", head, rows))
    return tables


def _mix(mix: Mapping[str, Any]) -> Table:
    """Return a table of the named corpora of a mix, with every value that the manifest has for them."""
    columns_ = sorted({name for about in mix.values() if isinstance(about, Mapping) for name in about})
    rows = [
        [name, *(str(about.get(column, "")) for column in columns_)]
        if isinstance(about, Mapping)
        else [name, str(about)]
        for name, about in mix.items()
    ]
    return Table("Sources", ["corpus", *(columns_ or ["share"])], rows)


def _names(store: Path, documents: Ints) -> dict[int, str]:
    """Return the ids of some documents by their global indices (``int64[n]``)."""
    found: dict[int, str] = {}
    first = 0
    for file in _parts(store):
        mine = documents[(documents >= first) & (documents < first + file.rows)].tolist()
        ids = read_part(store / file.name).ids if mine else []
        found |= {document: str(ids[document - first]) for document in mine}
        first += file.rows
    return found


def _sources(store: Path, rows_of: Ints) -> Table:
    """Count documents, tokens and instances by input file, if the documents' ids contain the file."""
    total: dict[str, list[int]] = {}
    tokens, first = read_token_counts(store), 0
    for file in _parts(store):
        ids = read_part(store / file.name).ids
        named = pc.if_else(pc.match_substring_regex(ids, _FILE_AND_PLACE), ids, f"{_NO_FILE}:0")
        encoded = pc.replace_substring_regex(named, r":\d+$", "").dictionary_encode()
        which, names = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
        mine = slice(first, first + file.rows)
        counts: list[Any] = [np.ones(file.rows), tokens[mine], rows_of[mine]]
        for column, values in enumerate(counts):
            sums = np.bincount(which[: len(values)], values, minlength=len(names))
            for name, value in zip(names, sums.tolist(), strict=True):
                total.setdefault(name, [0, 0, 0])[column] += int(value)
        first += file.rows
    largest = sorted(total.items(), key=lambda item: (-item[1][1], item[0]))
    rows = [[name, *(f"{value:,}" for value in sums)] for name, sums in largest[:_LARGEST]]
    if len(largest) > _LARGEST:
        rest = np.sum([sums for _, sums in largest[_LARGEST:]], axis=0).tolist()
        rows.append([f"{len(largest) - _LARGEST:,} others", *(f"{value:,}" for value in rest)])
    return Table("Sources", ["file", "documents", "tokens", "instances"], rows)


def _parts(store: Path) -> list[Shard]:
    return [file for file in read_manifest(store, "tokens").files if isinstance(file, Shard)]
