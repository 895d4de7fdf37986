"""What people look at: instances and vocabularies, readable in a terminal.

    [CLS] the tide is ⟨the → [MASK]⟩ rise and fall of the sea [SEP] ...

A predicted position shows what stood there and what the model sees; ⟨word⟩ alone was kept. Segment A, segment B
and predictions have colours of their own where there are colours.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.text import Text
from tokenizers import decoders

from wpprep.errors import MissingInputError, OptionError
from wpprep.files import MANIFEST
from wpprep.manifest import Shard, read_manifest
from wpprep.records import InstanceBatch
from wpprep.shards import read_shard
from wpprep.vocab.vocabulary import Vocabulary

_STYLES = {"special": "dim", "a": "cyan", "b": "green", "predicted": "bold yellow"}
_LABELS = {"nsp": ("B follows A", "B is random"), "sop": ("B follows A", "A and B are swapped")}
_SAMPLE = "The lighthouse keeper's unusual handwriting was hard to read."


def show(path: str | os.PathLike[str], rows: int = 3, start: int = 0, console: Console | None = None) -> None:
    """Print instances of a shard folder or shard file, or a vocabulary.

    Args:
        path: a shard folder, a shard file, or a vocabulary folder or file.
        rows: how many instances.
        start: the first of them.
        console: where to print; by default stdout.

    Raises:
        WpprepError: there is nothing of the kind at ``path``.
    """
    console = console or Console(highlight=False)
    data = as_data(path, rows, start)
    if data["kind"] == "vocabulary":
        _print_vocabulary(console, data)
    else:
        for instance in data["instances"]:
            _print_instance(console, instance)
        console.print(f"{len(data['instances'])} of {data['rows']:,} instances of {data['path']}", style="dim")


def as_data(path: str | os.PathLike[str], rows: int = 3, start: int = 0) -> dict[str, Any]:
    """What `show` prints, as plain data."""
    folder = Path(path)
    if not folder.exists():
        raise MissingInputError(f"{folder}: no such file or folder; expected shards or a vocabulary")
    is_shards = (folder / MANIFEST).is_file() and read_manifest(folder).kind == "shards"
    if is_shards or folder.suffix == ".arrow":
        return _instances(folder, rows, start)
    return _vocabulary(folder)


def _instances(path: Path, rows: int, start: int) -> dict[str, Any]:
    folder = path.parent if path.is_file() else path
    manifest = read_manifest(folder, "shards")
    files = [file for file in manifest.files if isinstance(file, Shard)]
    files = [file for file in files if path.is_dir() or file.name == path.name]
    total = sum(file.rows for file in files)
    if rows < 1 or not 0 <= start < max(1, total):
        raise OptionError(f"{path}: rows {start} to {start + rows - 1} asked for, it has rows 0 to {total - 1}")
    pieces = _readable(Vocabulary.from_folder(folder / "vocab"))
    instances: list[dict[str, Any]] = []
    for file in files:
        if len(instances) < rows and start < file.rows:
            batch = read_shard(folder / file.name)
            stop = min(file.rows, start + rows - len(instances))
            about = {"shard": file.name, "objective": manifest.options["objective"]}
            instances += [_instance(batch, row, pieces) | about for row in range(start, stop)]
        start = max(0, start - file.rows)
    return {"kind": "shards", "path": str(path), "rows": total, "instances": instances}


def _instance(batch: InstanceBatch, row: int, pieces: list[str]) -> dict[str, Any]:
    """One row as pieces: what the model sees, and what it must predict by position."""
    ids = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]]
    predicted = slice(int(batch.mlm_offsets[row]), int(batch.mlm_offsets[row + 1]))
    originals = zip(batch.mlm_positions[predicted].tolist(), batch.mlm_labels[predicted].tolist(), strict=True)
    return {
        "row": row,
        "pieces": [pieces[i] for i in ids.tolist()],
        "predictions": {position: pieces[label] for position, label in originals},
        "b_start": int(batch.b_start[row]),
        "label": int(batch.next_sentence_label[row]),
        "document": int(batch.document[row]),
    }


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
    label = "one segment" if b_start == len(pieces) else _LABELS[instance["objective"]][instance["label"]]
    about = f"{instance['shard']} row {instance['row']}, document {instance['document']}, {len(pieces)} tokens"
    console.print(f"{about}, {label}, {len(instance['predictions'])} to predict", style="bold")
    console.print(line)
    console.print()


def _vocabulary(path: Path) -> dict[str, Any]:
    vocabulary = Vocabulary.from_folder(path)
    pieces = _readable(vocabulary)
    lengths = np.bincount([len(piece.removeprefix("##")) for piece in pieces])
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


def _readable(vocabulary: Vocabulary) -> list[str]:
    """The pieces as people read them: byte-level ones as text, ␣ for a blank, if they are whole characters."""
    if not isinstance(vocabulary.tokenizer.decoder, decoders.ByteLevel):
        return vocabulary.pieces
    texts = [vocabulary.tokenizer.decoder.decode([piece]).replace(" ", "␣") for piece in vocabulary.pieces]
    return [
        text if text.isprintable() and "\ufffd" not in text else piece
        for text, piece in zip(texts, vocabulary.pieces, strict=True)
    ]


def _print_vocabulary(console: Console, data: dict[str, Any]) -> None:
    console.print(f"{data['path']}: {data['entries']:,} entries, identity {data['sha256'][:16]}", style="bold")
    console.print("first    ", Text("  ".join(data["first"]), "cyan"))
    console.print("some     ", Text("  ".join(data["some"]), "cyan"))
    console.print("longest  ", Text("  ".join(data["longest"]), "cyan"))
    most = max(data["lengths"].values())
    for length, count in data["lengths"].items():
        console.print(f"{length:>3} characters  {'█' * max(1, 40 * count // most)} {count:,}")
    for text, pieces in data["sample"].items():
        console.print(text, Text(" → "), Text("  ".join(pieces), "green"))
