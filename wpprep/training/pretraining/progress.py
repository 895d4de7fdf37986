"""Metrics of a run: sums over steps, and the records of a progress line and of an evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch

from wpprep.records import Ints
from wpprep.training.model.model import Scores
from wpprep.training.model.ranks import Ranks


@dataclass(frozen=True)
class Evaluation:
    """Metrics on the held-out instances, dropout off; as a string, one line of text.

    Attributes:
        step: number of steps before the evaluation.
        rows, predictions: number of instances and of masked positions.
        mlm_loss: mean cross entropy at masked positions, in nats.
        perplexity: exponential of ``mlm_loss``.
        mlm_accuracy: fraction of masked positions predicted correctly, 0 to 1.
        nsp_loss, nsp_accuracy: the same for the next sentence; None if the shards have none.
    """

    step: int
    rows: int
    predictions: int
    mlm_loss: float
    perplexity: float
    mlm_accuracy: float
    nsp_loss: float | None
    nsp_accuracy: float | None

    def __str__(self) -> str:
        """Return the evaluation as one line of text."""
        pairs = "" if self.nsp_accuracy is None else f" | nsp accuracy {self.nsp_accuracy:.1%}"
        return (
            f"held out at step {self.step:,}: mlm loss {self.mlm_loss:.3f} | perplexity {self.perplexity:,.1f} "
            f"| mlm accuracy {self.mlm_accuracy:.1%}{pairs} ({self.rows:,} instances)"
        )


@dataclass(frozen=True)
class Progress:
    """Training metrics, means since the last progress line; as a string, one line of text.

    Attributes:
        step, steps: number of steps done and in all.
        epoch: number of passes over the shards of the current phase.
        mlm_loss, mlm_accuracy, nsp_loss, nsp_accuracy: as in `Evaluation`, with dropout.
        learning_rate: rate of the last step.
        grad_norm: norm of the gradient before clipping.
        tokens_per_second: tokens over all processes, padding excluded.
    """

    step: int
    steps: int
    epoch: float
    mlm_loss: float
    mlm_accuracy: float
    nsp_loss: float | None
    nsp_accuracy: float | None
    learning_rate: float
    grad_norm: float
    tokens_per_second: float

    def __str__(self) -> str:
        """Return the metrics as one line of text."""
        pairs = "" if self.nsp_accuracy is None else f" | nsp {self.nsp_loss:.3f}, {self.nsp_accuracy:.1%}"
        return (
            f"step {self.step:,}/{self.steps:,} | epoch {self.epoch:.2f} | mlm {self.mlm_loss:.3f}, "
            f"{self.mlm_accuracy:.1%}{pairs} | lr {self.learning_rate:.1e} "
            f"| {self.tokens_per_second:,.0f} tokens/s"
        )


class WindowValues(TypedDict):
    """The part of a `Window` that a checkpoint holds as JSON; see there."""

    predictions: list[int]
    rows: list[int]
    steps: list[int]
    seconds: float
    tokens: int


class Window:
    """Scores of the batches since the last progress line; copied from the device only when they are needed.

    Attributes:
        scores: sums of each batch, ``float64[4]``: mlm loss, nsp loss, mlm correct, nsp correct.
        predictions, rows: number of predictions and of rows of each batch.
        steps: step of each batch.
        of_rows: global rows of each batch, ``int64[n]``, for the message if its loss diverges.
        norms: norm of the gradient of each step before clipping, ``float64[]``.
        seconds, tokens: time and number of tokens, over all batches.
        looked: number of batches that `first_bad` has checked.
    """

    def __init__(self) -> None:
        """Create an empty window."""
        self.scores: list[torch.Tensor] = []
        self.predictions: list[int] = []
        self.rows: list[int] = []
        self.steps: list[int] = []
        self.of_rows: list[Ints] = []
        self.norms: list[torch.Tensor] = []
        self.seconds, self.tokens = 0.0, 0
        self.looked = 0

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self.scores)

    def add(self, scores: Scores, step: int = 0, of_rows: Ints | None = None) -> None:
        """Add the scores of a batch.

        Args:
            scores: losses and correct predictions, as sums.
            step: number of the step, from 1; 0 in an evaluation.
            of_rows: global rows of the batch.
        """
        parts = (scores.mlm_loss, scores.nsp_loss, scores.mlm_correct, scores.nsp_correct)
        self.scores.append(torch.stack([part.detach().double() for part in parts]))
        self.predictions.append(scores.predictions)
        self.rows.append(scores.rows)
        self.steps.append(step)
        self.of_rows.append(np.empty(0, np.int64) if of_rows is None else of_rows)

    def first_bad(self, most: float) -> int | None:
        """Return the first batch that diverged, of those not checked before; None if there is none.

        A batch diverged if its mean MLM loss is above ``most``, or if a loss or the norm of the gradient of its
        step is not finite.
        """
        looked, self.looked = self.looked, len(self.scores)
        if looked == len(self.scores):
            return None
        scores, norms = torch.stack(self.scores[looked:]).cpu(), self.lengths().cpu()
        norms_of = norms[torch.tensor(self.steps[looked:]) - self.steps[0]]
        means = scores[:, 0] / torch.tensor(self.predictions[looked:]).clamp(min=1)
        good = scores.isfinite().all(1) & norms_of.isfinite() & (means <= most)
        bad = good.logical_not().nonzero()
        return looked + int(bad[0]) if len(bad) else None

    def mlm_loss(self, batch: int) -> float:
        """Return the mean MLM loss of one batch, in nats."""
        return float(self.scores[batch][0]) / max(1, self.predictions[batch])

    def means(self, ranks: Ranks) -> tuple[float, float, float, float]:
        """Return the means over all processes: mlm loss, nsp loss, mlm accuracy, nsp accuracy."""
        counts = torch.tensor([sum(self.predictions), sum(self.rows)], dtype=torch.float64)
        sums = self.sums().sum(0).cpu() if len(self) else torch.zeros(4, dtype=torch.float64)
        total = ranks.sum(torch.cat([sums, counts])).tolist()
        mlm_loss, nsp_loss, mlm_correct, nsp_correct, predictions, rows = total
        predictions, rows = max(1.0, predictions), max(1.0, rows)
        return mlm_loss / predictions, nsp_loss / rows, mlm_correct / predictions, nsp_correct / rows

    def sums(self) -> torch.Tensor:
        """Return the sums of each batch, ``float64[batches, 4]``."""
        return torch.stack(self.scores) if self.scores else torch.zeros(0, 4, dtype=torch.float64)

    def lengths(self) -> torch.Tensor:
        """Return the norm of the gradient of each step, ``float64[steps]``."""
        return torch.stack(self.norms) if self.norms else torch.zeros(0, dtype=torch.float64)

    def values(self) -> WindowValues:
        """Return the part of the window that a checkpoint holds as JSON."""
        return {
            "predictions": self.predictions,
            "rows": self.rows,
            "steps": self.steps,
            "seconds": self.seconds,
            "tokens": self.tokens,
        }

    @staticmethod
    def restored(sums: torch.Tensor, norms: torch.Tensor, values: WindowValues) -> Window:
        """Return the window of a checkpoint; its batches count as checked.

        Args:
            sums: as `sums` returned them.
            norms: as `lengths` returned them.
            values: as `values` returned them.

        Raises:
            ValueError: they do not fit together.
        """
        steps, count = values["steps"], len(values["steps"])
        lengths = (len(values["predictions"]), len(values["rows"]), len(sums))
        consecutive = (
            list(dict.fromkeys(steps)) == list(range(steps[0], steps[0] + len(norms))) if steps else True
        )
        if set(lengths) != {count} or sums.shape != (count, 4) or norms.ndim != 1 or not consecutive:
            raise ValueError(
                f"the window has sums of {len(sums)} batches, expected {count} of consecutive steps"
            )
        window = Window()
        window.scores, window.norms = list(sums), list(norms)
        window.predictions, window.rows = values["predictions"], values["rows"]
        window.steps = values["steps"]
        window.of_rows = [np.empty(0, np.int64)] * len(window.steps)  # checked before they were saved
        window.looked = len(window.steps)
        window.seconds, window.tokens = values["seconds"], values["tokens"]
        return window
