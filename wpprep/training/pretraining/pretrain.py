"""Pretrain a BERT: from shards to a folder that transformers loads.

    train("shards", "model", size="tiny", steps=1000, batch_size=32, progress=print)

The recipe is the paper's (Devlin et al., 2019): AdamW with betas 0.9 and 0.999, epsilon 1e-6, weight decay
0.01 but not on biases and norms; linear warm-up, linear decay to 0; gradients clipped to length 1; the
losses of masked tokens and of the next sentence summed.

A run is a function of its options, its shards and the machine: stopped and started again by the same
call it goes on from its last checkpoint, and on one CPU thread ends with the same bits as if it had
never stopped. SIGINT and SIGTERM save a checkpoint first; a second signal does not wait for it.
Started by `torchrun` or `accelerate launch`, several processes train one model: the losses of a step are
divided by the predictions and pairs of all of them, so their number changes nothing but rounding.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from wpprep._version import __version__
from wpprep.config import TrainOptions, build, refuse_unknown
from wpprep.jobs.upload import outbound
from wpprep.storage.cache import fetch_folder
from wpprep.storage.files import Place, place
from wpprep.storage.manifest import Manifest
from wpprep.training.model.model import SIZES, Size
from wpprep.training.model.ranks import join_ranks
from wpprep.training.pretraining.checkpoint import save_model
from wpprep.training.pretraining.loop import Report, Run
from wpprep.training.pretraining.metrics import draw_curves
from wpprep.training.pretraining.model_card import model_card
from wpprep.training.pretraining.phases import plan_phases, sources
from wpprep.training.pretraining.progress import Evaluation, Progress
from wpprep.training.pretraining.signals import note_signals


@dataclass(frozen=True)
class TrainResult:
    """What a finished run has to say.

    Attributes:
        folder: the model, as `from_pretrained` of transformers takes it.
        size: its name, or layers/hidden/heads.
        before, after: evaluations before the first and after the last step; None with ``eval_rows=0``.
        best: the evaluation of the lowest MLM loss; with ``final_weights="best"`` the model has its weights.
        tokens_per_second: real tokens (no padding) of this call's steps, evaluations not counted.
        waited: share of the steps' time that was spent waiting for the loader.
    """

    folder: Place
    size: str
    parameters: int
    steps: int
    rows: int
    held_out_rows: int
    before: Evaluation | None
    after: Evaluation | None
    best: Evaluation | None
    seconds: float
    tokens_per_second: float
    waited: float


def train(
    shards: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    progress: Report | None = None,
    **options: Any,
) -> TrainResult:
    """Pretrain a BERT on shard folders; the finished model is ``out``.

    Args:
        shards: a folder that `make_shards` wrote, or several of one vocabulary: mixed, by ``weights`` if
            given, or with ``phase`` one after the other.
        out: a new folder, or that of the same run interrupted; in a bucket it appears when it is finished, and
            checkpoints stay in the local cache.
        progress: called with each `Progress` and each `Evaluation`; both print as one line.
        **options: see `wpprep.config.TrainOptions`.

    Raises:
        OptionError: an unknown option, or one out of range.
        ShardError: the shards are unfinished or damaged; names the file.
        OutputError: ``out`` holds something else.
        TrainingError: the loss explodes or is not finite; names the step, and shard and row of its instances.
    """
    refuse_unknown(options, TrainOptions)
    built = build(TrainOptions, options)
    paths = [fetch_folder(path) for path in ([shards] if isinstance(shards, (str, os.PathLike)) else shards)]
    with join_ranks() as ranks, outbound(out, overwrite=built.overwrite, is_first=ranks.is_first) as folder:
        phases, held_out = plan_phases(paths, built, ranks.rank, ranks.world)
        run = Run(folder, built, phases, held_out, ranks, progress or _silent)
        run.claim()
        run.resume()
        with note_signals() as stop:
            run.loop(stop)
        run.take_best()
        result = _result(run)
        if ranks.is_first:
            _finish(run, result)
        ranks.wait()
    return dataclasses.replace(result, folder=place(out))


def _result(run: Run) -> TrainResult:
    return TrainResult(
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
    """The name of a model's size, or layers/hidden/heads where it has none."""
    size = Size(config.num_hidden_layers, config.hidden_size, config.num_attention_heads)
    return next((name for name, known in SIZES.items() if known == size), "/".join(map(str, size)))


def _finish(run: Run, result: TrainResult) -> None:
    """Write the model's folder."""
    results = {**dataclasses.asdict(result), "wpprep": __version__, "is_apart": run.held_out.is_apart}
    del results["folder"]
    results["curves"] = draw_curves(run.out)
    shards, metrics = run.phases[-1].shards, ("before", "after", "best", "parameters", "rows", "held_out_rows")
    manifest = Manifest(
        kind="model",
        options={name: value for name, value in run.identity().items() if name != "vocabulary"},
        files=[],
        vocabulary=shards.vocabulary.sha256,
        corpus=sources(run.phases),
        statistics={name: results[name] for name in metrics},
    )
    save_model(
        run.out,
        run.model,
        shards.vocabulary.folder,
        results=results,
        card=model_card(run.model.config, run.phases, run.options, results, run.evaluations),
        manifest=manifest,
    )


def _silent(_line: Progress | Evaluation) -> None:
    """Say nothing."""
