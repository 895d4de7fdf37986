"""One fine-tuning run: training with evaluations and early stopping, the best weights kept in memory.

What this module does not do: several seeds, resuming, or writing files (`wpprep.training.finetuning.tuning`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from wpprep.config import FinetuneOptions, TrainOptions
from wpprep.errors import TrainingError
from wpprep.records import Ints
from wpprep.training.finetuning.examples import Example, Prediction
from wpprep.training.finetuning.heads import make_model
from wpprep.training.finetuning.model_rows import Row, plan_batches
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.predicting import inputs_of, run
from wpprep.training.finetuning.tasks import TASKS, Measures
from wpprep.training.model.optimizer import Updates
from wpprep.training.model.ranks import Ranks

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Judged:
    """An evaluation during a run; as a string, one line of text.

    Attributes:
        seed: the seed of the run.
        step, steps: number of steps done and in all.
        loss: mean training loss since the last evaluation.
        measures: the measures on the evaluation examples.
        is_best: whether the first of them is the best so far.
    """

    seed: int
    step: int
    steps: int
    loss: float
    measures: Measures
    is_best: bool

    def __str__(self) -> str:
        """Return the evaluation as one line of text."""
        measures = " | ".join(f"{name} {value:.3f}" for name, value in self.measures.items())
        best = " (best so far)" if self.is_best else ""
        return f"seed {self.seed} | step {self.step:,}/{self.steps:,} | loss {self.loss:.3f} | {measures}{best}"


Report = Callable[[Judged], None]


@dataclass(frozen=True)
class Fitted:
    """The result of a run.

    Attributes:
        weights: the weights with the best evaluation, on the CPU.
        step: the step of these weights.
        steps: number of steps planned.
        measures: the evaluation of these weights.
    """

    weights: Weights
    step: int
    steps: int
    measures: Measures


class Fit:
    """A fine-tuning run with one seed.

    Attributes:
        model: the model; its head, and its encoder with ``from_scratch``, are initialised from the seed.
        rows: the training rows.
        judges: the evaluation examples.
        steps: maximum number of steps.
        every: number of steps between evaluations.
    """

    def __init__(
        self,
        start: Any,
        setup: Setup,
        rows: Sequence[Row],
        judges: Sequence[Example],
        options: FinetuneOptions,
        seed: int,
    ) -> None:
        """Load the model and plan the run.

        Args:
            start: folder of the pretrained model.
            setup: task, vocabulary and lengths.
            rows: the training rows.
            judges: the evaluation examples.
            options: the options of fine-tuning.
            seed: seed of the head's weights, of dropout and of the order of the rows.
        """
        self.setup, self.rows, self.judges, self.options, self.seed = setup, rows, judges, options, seed
        self.device = Ranks().device()
        torch.manual_seed(seed)
        self.model = make_model(start, setup, options).to(self.device)
        # With different numbers of choices per row, epochs have different numbers of batches.
        batches = [len(self.plan(epoch)) for epoch in range(options.epochs)]
        self.steps = sum(batches)
        self.every = options.eval_steps or batches[0]
        self.updates = Updates(self.model, _schedule(options, self.steps), self.device)
        self.task = TASKS[setup.task]
        self.step, self.waiting, self.losses = 0, 0, torch.zeros((), dtype=torch.float64)
        self.best: Fitted | None = None

    def plan(self, epoch: int) -> list[Ints]:
        """Return the indices of the rows of each batch of an epoch."""
        return plan_batches(self.rows, self.options.batch_size, self.options.bins, self.seed, epoch)

    def run(self, report: Report) -> Fitted:
        """Train and return the weights with the best evaluation.

        Args:
            report: called with each evaluation.

        Raises:
            TrainingError: the loss is not finite; the message has the seed and the step.
        """
        for epoch in range(self.options.epochs):
            for batch in self.plan(epoch):
                self.take_step([self.rows[i] for i in batch])
                if self.step % self.every == 0 or self.step == self.steps:
                    self.judge(report)
                    if self.waiting >= self.options.patience:
                        break
            if self.waiting >= self.options.patience:
                break
        assert self.best is not None  # the last step is always evaluated
        return self.best

    def take_step(self, rows: Sequence[Row]) -> None:
        """Update the weights once, from one batch."""
        self.model.train()
        inputs = inputs_of(rows, self.setup, self.device)
        targets = self.task.targets(rows, inputs["input_ids"].shape[-1])
        targets = {name: tensor.to(self.device) for name, tensor in targets.items()}
        with self.updates.autocast():
            loss = self.model(**inputs, **targets).loss
        self.losses += loss.detach().double().cpu()
        self.updates.backward(loss)
        self.updates.apply(self.step)
        self.step += 1

    def judge(self, report: Report) -> None:
        """Evaluate the model, and keep its weights if they are the best so far.

        Raises:
            TrainingError: the loss since the last evaluation is not finite.
        """
        since = (self.step - 1) % self.every + 1
        loss = float(self.losses) / since
        if not math.isfinite(loss):
            raise TrainingError(
                f"seed {self.seed}: the loss is not finite before step {self.step}; "
                f"lower the learning rate (now {self.options.learning_rate})"
            )
        self.losses.zero_()
        measures, _ = judge(self.model, self.setup, self.judges, self.options.batch_size)
        is_best = self.best is None or _first(measures) > _first(self.best.measures)
        self.waiting = 0 if is_best else self.waiting + 1
        if is_best:
            weights = {name: weight.detach().cpu().clone() for name, weight in self.model.state_dict().items()}
            self.best = Fitted(weights, self.step, self.steps, measures)
        report(Judged(self.seed, self.step, self.steps, loss, measures, is_best))


def judge(
    model: Any, setup: Setup, examples: Sequence[Example], batch_size: int
) -> tuple[Measures, list[Prediction]]:
    """Return a model's measures on labelled examples, and its predictions in their order."""
    model.eval()
    predictions = [prediction for _, prediction, _ in run(model, setup, examples, 2 * batch_size)]
    return TASKS[setup.task].measure(examples, predictions, setup), predictions


def _first(measures: Measures) -> float:
    """Return the first measure, by which models are compared."""
    return next(iter(measures.values()))


def _schedule(options: FinetuneOptions, steps: int) -> TrainOptions:
    """Return the pretraining options that give the same optimizer and schedule."""
    return TrainOptions(
        steps=steps,
        warmup_steps=round(options.warmup_share * steps),
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        grad_clip=options.grad_clip,
        precision=options.precision,
    )
