"""What a run reads: one order of batches, or BERT's two phases one after the other.

    train(["shards-128", "shards-512"], ..., phase=0.9)     nine tenths of the steps short, the rest long
    train(["wiki", "books"], ..., weights="3,1")            mixed: three rows of four from the first
    train(["wiki", "books"], ...)                           mixed: every row once an epoch

Held-out documents are the same in all phases of one corpus, and are judged by the rows of the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wpprep.config import TrainOptions
from wpprep.errors import OptionError
from wpprep.loader import Loader
from wpprep.records import Ints
from wpprep.rows import ShardFolder


@dataclass(frozen=True)
class Phase:
    """The steps from ``start`` to before ``stop`` read these shards."""

    start: int
    stop: int
    shards: ShardFolder
    loader: Loader


def plan_phases(
    paths: Sequence[Path], options: TrainOptions, rank: int, world: int
) -> tuple[list[Phase], Ints]:
    """The phases of a run, and the rows of the last one's shards that are held out.

    Raises:
        OptionError: options that do not fit the shards or the number of processes.
        ShardError: shards that are unfinished, damaged or of different vocabularies.
    """
    micro, rest = divmod(options.batch_size, world * options.grad_accumulation)
    if rest or not micro:
        raise OptionError(
            f"batch_size is {options.batch_size}, expected a multiple of {world * options.grad_accumulation} "
            f"({world} processes times grad_accumulation {options.grad_accumulation})"
        )
    folders, stops = _open(paths, options)
    last = folders[-1]
    least = min(2000, len(last) // 20) if options.eval_rows is None else options.eval_rows
    bound = last.hold_out(least, options.seed)
    phases = []
    for start, stop, shards in zip([0, *stops], stops, folders, strict=False):
        loader = Loader(
            shards,
            batch_size=micro,
            bins=options.bins,
            weights=_weights(options.weights),
            seed=options.seed,
            rank=rank,
            world=world,
            pad_to="full" if options.compile else "longest",
            exclude=shards.held_out(bound, options.seed),
        )
        phases.append(Phase(start, stop, shards, loader))
    return phases, last.held_out(bound, options.seed)


def _open(paths: Sequence[Path], options: TrainOptions) -> tuple[list[ShardFolder], list[int]]:
    if options.phase is None:
        return [ShardFolder(*paths, verify=options.verify)], [options.steps]
    if len(paths) != 2:
        raise OptionError(f"phase {options.phase} goes with 2 shard folders, not {len(paths)}")
    folders = [ShardFolder(path, verify=options.verify) for path in paths]
    first, second = (folder.vocabulary.sha256 for folder in folders)
    if first != second:
        raise OptionError(f"{paths[1]}: vocabulary {second[:12]}, but {first[:12]} in {paths[0]}")
    return folders, [round(options.steps * options.phase), options.steps]


def _weights(text: str | None) -> list[float] | None:
    """The weights that an option spells.

    >>> _weights("3,1")
    [3.0, 1.0]
    """
    if text is None:
        return None
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise OptionError(f"weights is {text!r}, expected numbers such as 3,1") from error


def sources(phases: Sequence[Phase]) -> dict[str, Any]:
    """What a model's manifest says of the shards."""
    folders = {str(path): manifest for phase in phases for path, manifest in _manifests(phase.shards)}
    return {
        "rows": sum(file.rows for phase in phases for file in phase.shards.files),
        "tokens": sum(file.tokens for phase in phases for file in phase.shards.files),
        "corpora": [manifest.corpus for manifest in folders.values()],
    }


def _manifests(shards: ShardFolder) -> list[tuple[Path, Any]]:
    return list(zip(shards.paths, shards.manifests, strict=True))
