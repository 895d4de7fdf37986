"""What people look at: instances and vocabularies, readable in a terminal.

    [CLS] the tide is ⟨the → [MASK]⟩ rise and fall of the sea [SEP] ...

A predicted position shows what stood there and what the model sees; ⟨word⟩ alone was kept. Segment A, segment B
and predictions have colours of their own where there are colours.

What this module does not do: find rows (instances), count pieces (census), or compare folders (differences).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from wpprep.config import ShowOptions, build, refuse_unknown
from wpprep.errors import MissingInputError, OptionError
from wpprep.inspection.census import take_census
from wpprep.inspection.diff import find_differences
from wpprep.inspection.find_rows import by_number, of_document, open_shards, readable, with_text
from wpprep.storage.cache import fetch_folder
from wpprep.storage.files import MANIFEST
from wpprep.storage.manifest import read_manifest
from wpprep.tokenizer.vocabulary import VOCABULARY_FILES, Vocabulary

LABELS = {"nsp": ("B follows A", "B is random"), "sop": ("B follows A", "A and B are swapped")}
_STYLES = {"special": "dim", "a": "cyan", "b": "green", "predicted": "bold yellow"}
_SAMPLE = "The lighthouse keeper's unusual handwriting was hard to read."


def show(path: str | os.PathLike[str], console: Console | None = None, **options: Any) -> None:
    """Print instances of shards, a vocabulary or its pieces, or what is different in other shards.

    Args:
        path: a shard folder, a shard file, or a vocabulary folder or file.
        console: where to print; by default stdout.
        **options: fields of `ShowOptions`.

    Raises:
        WpprepError: there is nothing of the kind at ``path``, or no such row, document or text.
    """
    console = console or Console(highlight=False)
    data = as_data(path, **options)
    _PRINTERS[data["kind"]](console, data)


def as_data(path: str | os.PathLike[str], **options: Any) -> dict[str, Any]:
    """What `show` prints, as plain data."""
    refuse_unknown(options, ShowOptions)
    wanted, folder = build(ShowOptions, options), fetch_folder(path, VOCABULARY_FILES)
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
        raise OptionError(f"{folder}: neither a shard folder nor a shard; {' and '.join(asked)} asks for one")
    return _vocabulary(folder)


def _instances(path: Path, wanted: ShowOptions) -> dict[str, Any]:
    shards, most = open_shards(path), int(wanted.rows or 0)
    about = {"kind": "shards", "path": str(path), "rows": shards.rows}
    if wanted.row:
        return about | {"instances": by_number(shards, wanted.numbers)}
    if wanted.search is not None:
        found = with_text(shards, wanted.search, most)
        return about | {"instances": found.instances, "looked": found.looked, "wanted": repr(wanted.search)}
    if wanted.document is not None:
        found = of_document(shards, wanted.document, most)
        return about | {
            "instances": found.instances,
            "looked": found.looked,
            "wanted": f"document {wanted.document}",
        }
    if not wanted.start < max(1, shards.rows):
        raise OptionError(f"{path}: start is {wanted.start}; it has rows 0 to {shards.rows - 1}")
    stop = min(shards.rows, wanted.start + most)
    return about | {"instances": by_number(shards, range(wanted.start, stop))}


def _print_instances(console: Console, data: dict[str, Any]) -> None:
    for instance in data["instances"]:
        _print_instance(console, instance)
    line = f"{len(data['instances'])} of {data['rows']:,} instances of {data['path']}"
    if "looked" in data:
        looked = "all" if data["looked"] == data["rows"] else f"the first {data['looked']:,}"
        line += f": {data['wanted']}, looked for in {looked}"
    console.print(Text(line, "dim"))


def _print_instance(console: Console, instance: dict[str, Any]) -> None:
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
    about += f", {label_of(instance)}, {len(instance['predictions'])} to predict"
    console.print(Text(about, "bold"))
    console.print(line)
    console.print()


def label_of(instance: dict[str, Any]) -> str:
    """What the label of an instance means."""
    if instance["b_start"] == len(instance["pieces"]):
        return "one segment"
    return LABELS[instance["objective"]][instance["label"]]


def _pieces(path: Path, wanted: ShowOptions, *, is_shards: bool) -> dict[str, Any]:
    """Pieces of the vocabulary at ``path``, or of that inside the shards at ``path``."""
    inside = (path.parent if path.is_file() else path) / "vocab" if is_shards else path
    vocabulary = Vocabulary.from_folder(inside)
    pieces, is_counted = readable(vocabulary), wanted.order in {"rarest", "commonest"}
    counts = np.zeros(len(pieces), np.int64)
    if is_counted:
        if not is_shards:
            raise OptionError(
                f"{path}: order is {wanted.order}, which is counted in shards; name a shard folder"
            )
        counts = take_census(open_shards(path)).pieces
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
            {"id": i, "piece": pieces[i], "characters": int(lengths[i])}
            | ({"count": int(counts[i])} if is_counted else {})
            for i in ordered[wanted.start : wanted.start + int(wanted.rows or 0)]
        ],
    }


def _length(piece: str) -> int:
    return len(piece.removeprefix("##"))


def _print_pieces(console: Console, data: dict[str, Any]) -> None:
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
    line = f"{shown:,} of {data['fitting']:,} pieces that fit, {data['path']} has {data['entries']:,}"
    console.print(Text(line, "dim"))


def _vocabulary(path: Path) -> dict[str, Any]:
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


def _print_vocabulary(console: Console, data: dict[str, Any]) -> None:
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


def _print_comparison(console: Console, data: dict[str, Any]) -> None:
    table = Table("", *map(escape, data["paths"]), box=None, header_style="bold", pad_edge=False)
    for name in ("vocabulary", "corpus"):
        table.add_row(name, *(Text(str(value)[:16]) for value in data[name]), style=_changed(data[name]))
    for name, pair in data["options"].items():
        table.add_row(name, *(Text(str(value)) for value in pair), style=_changed(pair))
    for name, pair in data["statistics"].items():
        shown = ["-" if value is None else f"{value:,}" for value in pair]
        table.add_row(Text(name), *shown, style=_changed(pair))
    console.print(table)
    console.print()
    if data["first"] is None:
        same = "the shards are the same, byte by byte" if data["same_files"] else "all rows are the same"
        console.print(f"{same}; {len(data['options'])} options differ")
        return
    console.print(Text(f"row {data['first']['row']:,} is the first that differs", "bold"))
    for path, instance in zip(data["paths"], data["first"]["instances"], strict=True):
        console.print(Text(f"\n{path}", "bold"))
        if instance is None:
            console.print("ends before it")
        else:
            _print_instance(console, instance)


def _changed(pair: list[Any]) -> str:
    return "" if pair[0] == pair[1] else _STYLES["predicted"]


_PRINTERS = {
    "shards": _print_instances,
    "pieces": _print_pieces,
    "vocabulary": _print_vocabulary,
    "comparison": _print_comparison,
}
