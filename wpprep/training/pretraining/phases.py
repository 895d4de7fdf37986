"""What a run reads: one order of batches, or BERT's two phases one after the other.

    train(["shards-128", "shards-512"], ..., phase=0.9)     nine tenths of the steps short, the rest long
    train(["wiki", "books"], ..., weights="3,1")            mixed: three rows of four from the first
    train(["wiki", "books"], ...)                           mixed: every row once an epoch

The model is judged by the shards that `make-shards --holdout` kept apart, where the last folder has some: of
their documents no sentence was ever read. Otherwise whole documents are held out here, the same in all
phases of one corpus. Their sentences may still come as random second segments, and only as these, which teaches
the model to take them for random: the next-sentence accuracy then falls below what the model deserves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from wpprep.config import TrainOptions
from wpprep.errors import OptionError
from wpprep.records import Ints
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.storage.files import HOLDOUT, MANIFEST


@dataclass(frozen=True)
class HeldOut:
    """The rows that judge the model.

    Attributes:
        loader: assembles them.
        rows: ``int64[n]``, global rows of the loader's shards.
        is_apart: whether no sentence of their documents is in what is trained on.
    """

    loader: Loader
    rows: Ints
    is_apart: bool


@dataclass(frozen=True)
class Phase:
    """The steps from ``start`` to before ``stop`` read these shards."""

    start: int
    stop: int
    shards: ShardFolder
    loader: Loader


def plan_phases(
    paths: Sequence[Path], options: TrainOptions, rank: int, world: int
) -> tuple[list[Phase], HeldOut]:
    """The phases of a run, and what it is judged by.

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
    apart = paths[-1] / HOLDOUT
    is_apart = (apart / MANIFEST).is_file()
    least = min(2000, len(last) // 20) if options.eval_rows is None else options.eval_rows
    bound = -1 if is_apart else last.hold_out(least, options.seed)
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
    if is_apart:
        judges = ShardFolder(apart, verify=options.verify)
        rows = np.arange(min(len(judges), 2000 if options.eval_rows is None else options.eval_rows))
        return phases, HeldOut(Loader(judges, batch_size=micro, seed=options.seed), rows, is_apart)
    return phases, HeldOut(phases[-1].loader, last.held_out(bound, options.seed), is_apart)


def _open(paths: Sequence[Path], options: TrainOptions) -> tuple[list[ShardFolder], list[int]]:
    if options.phase is None:
        return [ShardFolder(*paths, verify=options.verify)], [options.steps]
    if len(paths) != 2:
        raise OptionError(f"phase {options.phase} goes with 2 shard folders, not {len(paths)}")
    folders = [ShardFolder(path, verify=options.verify) for path in paths]
    first, second = (folder.vocabulary.sha256 for folder in folders)
    if first != second:
        raise OptionError(f"{paths[1]}: vocabulary {second[:12]}, but {first[:12]} in {paths[0]}")
    before, now = (folder.options.get("objective") for folder in folders)
    if before != now:  # their labels mean different things to one head
        raise OptionError(f"{paths[1]}: objective is {now}, but {before} in {paths[0]}; make both with one")
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
