"""Phases of a run: shard folders mixed, or one after the other as in BERT; and the held-out rows.

    train(["shards-128", "shards-512"], ..., phase=0.9)     90 % of the steps on the first, then the second
    train(["wiki", "books"], ..., weights="3,1")            mixed: 3 of 4 rows from the first
    train(["wiki", "books"], ...)                           mixed: each row once per epoch

The model is evaluated on the shards that `make-shards --holdout` wrote, if the last folder has them: no
sentence of their documents is in the training shards. Otherwise whole documents are held out here, the same in
all phases of one corpus. Their sentences may still occur in training as random second segments, and only as
these, so that the model learns to classify them as random: the next-sentence accuracy is then underestimated.
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
    """The rows on which the model is evaluated.

    Attributes:
        loader: assembles their batches.
        rows: ``int64[n]``, global rows of the loader's shards.
        is_apart: whether no sentence of their documents is in the training shards.
    """

    loader: Loader
    rows: Ints
    is_apart: bool


@dataclass(frozen=True)
class Phase:
    """A range of steps and the shards that they read.

    Attributes:
        start, stop: the steps ``start`` to ``stop - 1``, counted from 0.
        shards: one shard folder, or several that are mixed.
        loader: the batches of this process.
    """

    start: int
    stop: int
    shards: ShardFolder
    loader: Loader


def plan_phases(
    paths: Sequence[Path], options: TrainOptions, rank: int, world: int
) -> tuple[list[Phase], HeldOut]:
    """Open the shards of a run; return its phases and its held-out rows.

    Args:
        paths: the shard folders, in order.
        options: the options of the run.
        rank: number of this process, from 0.
        world: number of processes.

    Raises:
        OptionError: options do not fit the shards or the number of processes.
        ShardError: shards are unfinished, damaged or of different vocabularies.
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
        raise OptionError(f"phase {options.phase} needs 2 shard folders, not {len(paths)}")
    folders = [ShardFolder(path, verify=options.verify) for path in paths]
    first, second = (folder.vocabulary.sha256 for folder in folders)
    if first != second:
        raise OptionError(
            f"{paths[1]}: vocabulary {second[:12]}, but {first[:12]} in {paths[0]}; "
            f"make both with one vocabulary"
        )
    before, now = (folder.options.get("objective") for folder in folders)
    if before != now:  # the same label has different meanings
        raise OptionError(
            f"{paths[1]}: objective is {now}, but {before} in {paths[0]}; make both with one objective"
        )
    return folders, [round(options.steps * options.phase), options.steps]


def _weights(text: str | None) -> list[float] | None:
    """Return the weights of an option as numbers.

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
    """Return the entry ``corpus`` of a model's manifest: rows, tokens and corpora of its shards."""
    folders = {str(path): manifest for phase in phases for path, manifest in _manifests(phase.shards)}
    return {
        "rows": sum(file.rows for phase in phases for file in phase.shards.files),
        "tokens": sum(file.tokens for phase in phases for file in phase.shards.files),
        "corpora": [manifest.corpus for manifest in folders.values()],
    }


def _manifests(shards: ShardFolder) -> list[tuple[Path, Any]]:
    return list(zip(shards.paths, shards.manifests, strict=True))
