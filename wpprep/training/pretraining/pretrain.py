"""Pretraining: from shards to a model folder that transformers loads.

    train("shards", "model", size="tiny", steps=1000, batch_size=32, progress=print)

The recipe is the paper's (Devlin et al., 2019): AdamW with betas 0.9 and 0.999, epsilon 1e-6, weight decay
0.01 but not on biases and norms; linear warm-up, linear decay to 0; gradients clipped to norm 1; the
losses of masked tokens and of the next sentence summed.

A run depends on its options, its shards and the machine only. The same call resumes an interrupted run from its
last checkpoint, and on one CPU thread the result is bit for bit that of an uninterrupted run. After SIGINT or
SIGTERM a checkpoint is written; a second signal ends the process at once. Started by `torchrun` or
`accelerate launch`, several processes train one model: the losses of a step are divided by the number of
predictions and pairs in all processes, so their number changes the result by rounding only.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Unpack

import torch

from wpprep._version import __version__
from wpprep.config import TrainOptions, build, refuse_unknown
from wpprep.config.keywords import TrainKeywords
from wpprep.jobs.summary import Summary
from wpprep.jobs.upload import outbound
from wpprep.storage.manifest import Manifest
from wpprep.storage.place import Location, Place
from wpprep.storage.remote import is_url
from wpprep.training.model.model import SIZES, Size
from wpprep.training.model.ranks import join_ranks
from wpprep.training.pretraining.checkpoint import save_model
from wpprep.training.pretraining.loop import Report, Run, identity_of
from wpprep.training.pretraining.metrics import draw_curves
from wpprep.training.pretraining.model_card import Results, model_card
from wpprep.training.pretraining.phases import plan_phases, sources
from wpprep.training.pretraining.progress import Evaluation, Progress
from wpprep.training.pretraining.run_folder import finished, hold
from wpprep.training.pretraining.signals import note_signals


@dataclass(frozen=True, kw_only=True, repr=False)
class TrainSummary(Summary):
    """The result of a finished run.

    Attributes:
        folder: the model's folder, which `from_pretrained` of transformers loads.
        size: name of the model's size, or layers/hidden/heads.
        parameters: number of weights.
        steps: number of steps.
        rows: number of training rows in the last phase.
        held_out_rows: number of evaluation rows.
        before, after: evaluations before the first and after the last step; None with ``eval_rows=0``.
        best: the evaluation of the lowest MLM loss; with ``final_weights="best"`` the model has its weights.
        seconds: time of this call's steps, evaluations excluded; of a model that was finished before, the time
            of the call that finished it.
        tokens_per_second: tokens in these steps, padding excluded, per second and process.
        waited: fraction of ``seconds`` spent waiting for the loader.
    """

    folder: Location
    size: str
    parameters: int
    steps: int
    rows: int
    held_out_rows: int
    before: Evaluation | None
    after: Evaluation | None
    best: Evaluation | None
    tokens_per_second: float
    waited: float

    @property
    def place(self) -> Location:
        """The model's folder."""
        return self.folder

    @property
    def headline(self) -> str:
        """The size and the number of steps."""
        return f"BERT {self.size}, {self.steps:,} steps"


def train(
    shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    progress: Report | None = None,
    **options: Unpack[TrainKeywords],
) -> TrainSummary:
    """Pretrain a BERT on shard folders; the finished model is ``out``.

    Args:
        shards: a folder that `make_shards` wrote, or several of one vocabulary: mixed, by ``weights`` if
            given, or with ``phase`` one after the other.
        out: a new folder, or that of the same run: it is resumed, or, if it is finished, its results are
            returned. A folder in a bucket is uploaded when it is
            finished; until then, checkpoints are in the local cache.
        progress: called with each `Progress` and each `Evaluation`; ``str`` of both is one line.
        **options: see `wpprep.config.TrainOptions`.

    Raises:
        OptionError: an option is unknown or out of range.
        ShardError: the shards are unfinished or damaged; the message names the file.
        OutputError: ``out`` holds something else, or another run is at work in it.
        TrainingError: the loss explodes or is not finite; the message has the step, and shards and rows of its
            batch.
    """
    refuse_unknown(options, TrainOptions)
    built, place = build(TrainOptions, options), Place(out).location
    paths = [Place(path).folder() for path in ([shards] if isinstance(shards, str | os.PathLike) else shards)]
    with join_ranks() as ranks:
        phases, held_out = plan_phases(paths, built, ranks.rank, ranks.world)
        identity = identity_of(phases, built)
        if not built.overwrite and is_url(place) and (results := finished(place, identity)):
            return _summary(place, results)
        with outbound(out, overwrite=built.overwrite, is_first=ranks.is_first) as folder:
            make = partial(Run, folder, built, phases, held_out, ranks, progress or _silent)
            is_known = not built.overwrite and finished(folder, identity) is not None
            run = None if is_known else make()  # a wrong option is refused before the folder is touched
            holding = hold(folder, identity, overwrite=built.overwrite) if ranks.is_first else nullcontext()
            with holding as found:
                if int(ranks.sum(torch.tensor(int(found is not None)))):
                    known = found or finished(folder, identity)
                    assert known is not None
                    return _summary(place, known)
                result = _run_to_end(run or make(), identity)
                ranks.wait()
    return dataclasses.replace(result, folder=place)


def _run_to_end(run: Run, identity: dict[str, Any]) -> TrainSummary:
    """Train, from the last checkpoint if there is one, and write the model's folder in the first process."""
    run.resume()
    with note_signals() as stop:
        run.loop(stop)
    run.take_best()
    result = _result(run)
    if run.ranks.is_first:
        _finish(run, result, identity)
    return result


def _summary(folder: Location, results: Results) -> TrainSummary:
    """Return the summary of a model that the same command finished before."""
    names = {field.name for field in dataclasses.fields(TrainSummary)} & results.keys()
    known: dict[str, Any] = {name: value for name, value in results.items() if name in names}
    for name in ("before", "after", "best"):
        known[name] = None if known[name] is None else Evaluation(**known[name])
    return TrainSummary(command="train", folder=folder, **known)


def _result(run: Run) -> TrainSummary:
    return TrainSummary(
        command="train",
        folder=run.out,
        size=_size(run.model.config),
        parameters=sum(weight.numel() for weight in run.model.parameters()),
        steps=run.step,
        rows=run.phases[-1].loader.rows,
        held_out_rows=len(run.held_out.rows),
        before=run.evaluations[0] if run.evaluations else None,
        after=run.evaluations[-1] if run.evaluations else None,
        best=run.best(),
        seconds=run.seconds,
        tokens_per_second=run.tokens / max(1e-9, run.seconds),
        waited=run.waited / max(1e-9, run.seconds),
    )


def _size(config: Any) -> str:
    """Return the name of a model's size, or layers/hidden/heads if it has none."""
    size = Size(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    return next((name for name, known in SIZES.items() if known == size), "/".join(map(str, size)))


def _finish(run: Run, result: TrainSummary, identity: dict[str, Any]) -> None:
    """Write the model's folder."""
    results, shards = _as_results(run, result), run.phases[-1].shards
    manifest = Manifest(
        kind="model",
        options={name: value for name, value in identity.items() if name != "vocabulary"},
        files=[],
        vocabulary=shards.vocabulary.sha256,
        corpus=sources(run.phases),
        statistics={
            "before": results["before"],
            "after": results["after"],
            "best": results["best"],
            "parameters": results["parameters"],
            "rows": results["rows"],
            "held_out_rows": results["held_out_rows"],
        },
    )
    save_model(
        run.out,
        run.model,
        shards.vocabulary.folder,
        results=results,
        card=model_card(run.model.config, run.phases, run.options, results, run.evaluations),
        manifest=manifest,
    )


def _as_results(run: Run, result: TrainSummary) -> Results:
    """Return the results for training.json, and draw the curves."""
    return {
        "size": result.size,
        "parameters": result.parameters,
        "steps": result.steps,
        "rows": result.rows,
        "held_out_rows": result.held_out_rows,
        "before": _fields(result.before),
        "after": _fields(result.after),
        "best": _fields(result.best),
        "seconds": result.seconds,
        "tokens_per_second": result.tokens_per_second,
        "waited": result.waited,
        "wpprep": __version__,
        "is_apart": run.held_out.is_apart,
        "curves": draw_curves(run.out),
    }


def _fields(evaluation: Evaluation | None) -> dict[str, Any] | None:
    return None if evaluation is None else dataclasses.asdict(evaluation)


def _silent(_line: Progress | Evaluation) -> None:
    """Do nothing; the default progress callback."""
