"""Instances, vocabularies and differences, printed in a terminal or as plain data.

    [CLS] the tide is ⟨the → [MASK]⟩ rise and fall of the sea [SEP] ...

A predicted position shows the original piece and the piece in the input; ⟨word⟩ alone is a prediction with the
input unchanged. Segment A, segment B and predictions have different colours where the terminal has colours.

This module does not find rows (`find_rows`), count pieces (`census`), or compare folders (`diff`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, Unpack

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wpprep.config import ShowOptions, build, refuse_unknown
from wpprep.config.keywords import ShowKeywords
from wpprep.errors import MissingInputError, OptionError
from wpprep.inspection.census import take_census
from wpprep.inspection.diff import Comparison, find_differences
from wpprep.inspection.find_rows import Instance, by_number, of_document, readable, with_text
from wpprep.jobs.summary import Summary
from wpprep.shards.folder import ShardFolder
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import read_manifest
from wpprep.storage.place import Location, Place
from wpprep.tokenizer.vocabulary import VOCABULARY_FILES, Vocabulary

LABELS = {"nsp": ("B follows A", "B is random"), "sop": ("B follows A", "A and B are swapped")}
_STYLES = {"special": "dim", "a": "cyan", "b": "green", "predicted": "bold yellow"}
_SAMPLE = "The lighthouse keeper's unusual handwriting was hard to read."


class Instances(TypedDict):
    """Rows of shards.

    Attributes:
        kind: ``shards``.
        path: the shard folder or shard file.
        rows: number of rows in it.
        instances: the rows chosen.
        looked: number of rows searched; only after a search.
        wanted: description of the search, such as ``document 7``; only after a search.
    """

    kind: Literal["shards"]
    path: str
    rows: int
    instances: list[Instance]
    looked: NotRequired[int]
    wanted: NotRequired[str]


class Piece(TypedDict):
    """One entry of a vocabulary: its id, its readable form, its length without ##, its count in shards."""

    id: int
    piece: str
    characters: int
    count: NotRequired[int]


class Pieces(TypedDict):
    """Entries of a vocabulary.

    Attributes:
        kind: ``pieces``.
        path: the vocabulary, or the shards that contain it.
        entries: number of entries in the vocabulary.
        fitting: number of entries that match the prefix and the length.
        pieces: the entries chosen.
    """

    kind: Literal["pieces"]
    path: str
    entries: int
    fitting: int
    pieces: list[Piece]


class VocabularySummary(TypedDict):
    """Overview of a vocabulary.

    Attributes:
        kind: ``vocabulary``.
        path: the vocabulary.
        entries: number of entries.
        sha256: its identity.
        first: the first 20 pieces.
        some: about 40 pieces at equal distances.
        longest: the 10 longest pieces.
        lengths: from number of characters, without ##, to number of pieces.
        sample: from a sentence to its pieces.
    """

    kind: Literal["vocabulary"]
    path: str
    entries: int
    sha256: str
    first: list[str]
    some: list[str]
    longest: list[str]
    lengths: dict[int, int]
    sample: dict[str, list[str]]


Shown = Instances | Pieces | VocabularySummary | Comparison


@dataclass(frozen=True, kw_only=True, repr=False)
class ShowSummary(Summary):
    """Result of `show`.

    Attributes:
        path: the folder or file.
        data: the printed content as plain data, see `as_data`.
    """

    path: Location
    data: Shown

    @property
    def place(self) -> Location:
        """The folder or file."""
        return self.path


def show(
    path: str | os.PathLike[str], console: Console | None = None, **options: Unpack[ShowKeywords]
) -> ShowSummary:
    """Print instances of shards, a vocabulary or its pieces, or the differences from other shards.

    Args:
        path: a shard folder, a shard file, or a vocabulary folder or file; local or a URL.
        console: console to print on; by default one for stdout.
        **options: fields of `ShowOptions`.

    Raises:
        MissingInputError: there are no shards and no vocabulary at ``path``.
        OptionError: an option is out of range, or does not apply to what is at ``path``.
        WpprepError: a file is damaged.
    """
    started = time.perf_counter()
    console = console or Console(highlight=False)
    data = as_data(path, **options)
    if data["kind"] == "shards":
        _print_instances(console, data)
    elif data["kind"] == "pieces":
        _print_pieces(console, data)
    elif data["kind"] == "vocabulary":
        _print_vocabulary(console, data)
    else:
        _print_comparison(console, data)
    return ShowSummary(
        command="show", seconds=time.perf_counter() - started, path=Place(path).location, data=data
    )


def as_data(path: str | os.PathLike[str], **options: Unpack[ShowKeywords]) -> Shown:
    """Return as plain data what `show` prints; arguments and errors are those of `show`."""
    refuse_unknown(options, ShowOptions)
    wanted, folder = build(ShowOptions, options), Place(path).folder(*VOCABULARY_FILES)
    if not folder.exists():
        raise MissingInputError(f"{folder}: no such file or folder; expected shards or a vocabulary")
    is_shards = (folder / MANIFEST).is_file() and read_manifest(folder).kind == "shards"
    is_shards = is_shards or folder.suffix == ".arrow"
    if wanted.vocab:
        return _pieces(folder, wanted, is_shards=is_shards)
    if is_shards:
        return find_differences(folder, wanted.compare) if wanted.compare else _instances(folder, wanted)
    asked = [
        name for name in ("row", "document", "search", "compare") if getattr(wanted, name) not in {None, ()}
    ]
    if asked:
        raise OptionError(
            f"{folder}: neither a shard folder nor a shard file, which {' and '.join(asked)} needs"
        )
    return _vocabulary(folder)


def _instances(path: Path, wanted: ShowOptions) -> Instances:
    shards, most = ShardFolder(path), wanted.rows
    shown: Instances = {"kind": "shards", "path": str(path), "rows": len(shards), "instances": []}
    if wanted.search is not None:
        shown["instances"], shown["looked"] = with_text(shards, wanted.search, most)
        shown["wanted"] = repr(wanted.search)
    elif wanted.document is not None:
        shown["instances"], shown["looked"] = of_document(shards, wanted.document, most)
        shown["wanted"] = f"document {wanted.document}"
    else:
        shown["instances"] = by_number(shards, wanted.numbers or _range(shards, wanted.start, most))
    return shown


def _range(shards: ShardFolder, start: int, most: int) -> Sequence[int]:
    """Return at most so many row numbers from ``start`` on."""
    if not start < max(1, len(shards)):
        raise OptionError(f"{shards.location}: start is {start}, expected 0 to {len(shards) - 1}")
    return range(start, min(len(shards), start + most))


def _print_instances(console: Console, data: Instances) -> None:
    for instance in data["instances"]:
        _print_instance(console, instance)
    line = f"{len(data['instances'])} of {data['rows']:,} instances of {data['path']}"
    if "looked" in data:
        looked = "all" if data["looked"] == data["rows"] else f"the first {data['looked']:,}"
        line += f": {data['wanted']}, searched in {looked}"
    console.print(Text(line, "dim"))


def _print_instance(console: Console, instance: Instance) -> None:
    pieces, b_start = instance["pieces"], instance["b_start"]
    line = Text()
    for position, piece in enumerate(pieces):
        original = instance["predictions"].get(position)
        is_special = position in {0, b_start - 1, len(pieces) - 1}
        style = _STYLES["special" if is_special else "a" if position < b_start else "b"]
        shown = piece
        if original is not None:
            shown = f"⟨{original}⟩" if original == piece else f"⟨{original} → {piece}⟩"
            style = _STYLES["predicted"]
        line.append(shown, style).append(" ")
    about = f"{instance['shard']} row {instance['row']}, document {instance['document']}, {len(pieces)} tokens"
    about += f", {label_of(instance)}, {len(instance['predictions'])} predictions"
    console.print(Text(about, "bold"))
    console.print(line)
    console.print()


def label_of(instance: Instance) -> str:
    """Return the meaning of an instance's label in words."""
    if instance["b_start"] == len(instance["pieces"]):
        return "one segment"
    return LABELS[instance["objective"]][instance["label"]]


def _pieces(path: Path, wanted: ShowOptions, *, is_shards: bool) -> Pieces:
    """Return pieces of the vocabulary at ``path``, or of the one inside the shards at ``path``."""
    inside = (path.parent if path.is_file() else path) / "vocab" if is_shards else path
    vocabulary = Vocabulary.from_folder(inside)
    pieces, is_counted = readable(vocabulary), wanted.order in {"rarest", "commonest"}
    counts = np.zeros(len(pieces), np.int64)
    if is_counted:
        if not is_shards:
            raise OptionError(
                f"{path}: order is {wanted.order}, which needs counts from shards; name a shard folder"
            )
        counts = take_census(ShardFolder(path)).pieces
    lengths = np.array([_length(piece) for piece in pieces])
    fits = [
        i
        for i, piece in enumerate(pieces)
        if piece.startswith(wanted.prefix or "") and wanted.length in {None, lengths[i]}
    ]
    keys = {"id": lengths * 0, "longest": -lengths, "rarest": counts, "commonest": -counts}[wanted.order]
    ordered = sorted(fits, key=lambda i: (int(keys[i]), i))
    return {
        "kind": "pieces",
        "path": str(path),
        "entries": len(pieces),
        "fitting": len(fits),
        "pieces": [
            _piece(i, pieces[i], int(counts[i]) if is_counted else None)
            for i in ordered[wanted.start : wanted.start + wanted.rows]
        ],
    }


def _piece(id_: int, piece: str, count: int | None) -> Piece:
    shown: Piece = {"id": id_, "piece": piece, "characters": _length(piece)}
    if count is not None:
        shown["count"] = count
    return shown


def _length(piece: str) -> int:
    """Return the number of characters without ##."""
    return len(piece.removeprefix("##"))


def _print_pieces(console: Console, data: Pieces) -> None:
    table = Table("id", "piece", "characters", box=None, header_style="dim", pad_edge=False)
    for column in (table.columns[0], table.columns[2]):
        column.justify = "right"
    is_counted = any("count" in piece for piece in data["pieces"])
    if is_counted:
        table.add_column("count", justify="right")
    for piece in data["pieces"]:
        count = [f"{piece['count']:,}"] if is_counted else []
        table.add_row(str(piece["id"]), Text(piece["piece"], "cyan"), str(piece["characters"]), *count)
    console.print(table)
    shown = len(data["pieces"])
    line = f"{shown:,} of {data['fitting']:,} matching pieces; {data['path']} has {data['entries']:,} entries"
    console.print(Text(line, "dim"))


def _vocabulary(path: Path) -> VocabularySummary:
    vocabulary = Vocabulary.from_folder(path)
    pieces = readable(vocabulary)
    lengths = np.bincount([_length(piece) for piece in pieces])
    sample = vocabulary.tokenizer.encode(_SAMPLE, add_special_tokens=False).ids
    return {
        "kind": "vocabulary",
        "path": str(path),
        "entries": len(pieces),
        "sha256": vocabulary.sha256,
        "first": pieces[:20],
        "some": pieces[:: max(1, len(pieces) // 40)],
        "longest": sorted(pieces, key=lambda piece: (-len(piece), piece))[:10],
        "lengths": {length: int(count) for length, count in enumerate(lengths.tolist()) if count},
        "sample": {_SAMPLE: [pieces[i] for i in sample]},
    }


def _print_vocabulary(console: Console, data: VocabularySummary) -> None:
    title = f"{data['path']}: {data['entries']:,} entries, identity {data['sha256'][:16]}"
    console.print(Text(title, "bold"))
    console.print("first    ", Text("  ".join(data["first"]), "cyan"))
    console.print("some     ", Text("  ".join(data["some"]), "cyan"))
    console.print("longest  ", Text("  ".join(data["longest"]), "cyan"))
    most = max(data["lengths"].values())
    for length, count in data["lengths"].items():
        console.print(f"{length:>3} characters  {'█' * max(1, 40 * count // most)} {count:,}")
    for text, pieces in data["sample"].items():
        console.print(text, Text(" → "), Text("  ".join(pieces), "green"))


def _print_comparison(console: Console, data: Comparison) -> None:
    table = Table("", *map(escape, data["paths"]), box=None, header_style="bold", pad_edge=False)
    for name, pair in (("vocabulary", data["vocabulary"]), ("corpus", data["corpus"])):
        table.add_row(name, *(Text(str(value)[:16]) for value in pair), style=_changed(pair))
    for name, pair in data["options"].items():
        table.add_row(name, *(Text(str(value)) for value in pair), style=_changed(pair))
    for name, pair in data["statistics"].items():
        shown = ["-" if value is None else f"{value:,}" for value in pair]
        table.add_row(Text(name), *shown, style=_changed(pair))
    console.print(table)
    console.print()
    if data["first"] is None:
        same = "the shards are equal byte for byte" if data["same_files"] else "all rows are equal"
        console.print(f"{same}; {len(data['options'])} options differ")
        return
    console.print(Text(f"row {data['first']['row']:,} is the first that differs", "bold"))
    for path, instance in zip(data["paths"], data["first"]["instances"], strict=True):
        console.print(Text(f"\n{path}", "bold"))
        if instance is None:
            console.print("ends before it")
        else:
            _print_instance(console, instance)


def _changed(pair: Sequence[Any]) -> str:
    return "" if pair[0] == pair[1] else _STYLES["predicted"]
