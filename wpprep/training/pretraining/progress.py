"""How a run is doing: sums over steps, and the two records that people and metrics.jsonl see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from wpprep.records import Ints
from wpprep.training.model.model import Scores
from wpprep.training.model.ranks import Ranks


@dataclass(frozen=True)
class Evaluation:
    """Scores on the instances held out, dropout off.

    Attributes:
        mlm_loss: mean cross entropy at masked positions, nats; ``perplexity`` is its exponential.
        nsp_loss, nsp_accuracy: None where the shards have no next sentence.
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
        pairs = "" if self.nsp_accuracy is None else f" | nsp accuracy {self.nsp_accuracy:.1%}"
        return (
            f"held out at step {self.step:,}: mlm loss {self.mlm_loss:.3f} | perplexity {self.perplexity:,.1f} "
            f"| mlm accuracy {self.mlm_accuracy:.1%}{pairs} ({self.rows:,} instances)"
        )


@dataclass(frozen=True)
class Progress:
    """Means since the last progress line; ``grad_norm`` is the length of the gradient before it is clipped."""

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
        pairs = "" if self.nsp_accuracy is None else f" | nsp {self.nsp_loss:.3f}, {self.nsp_accuracy:.1%}"
        return (
            f"step {self.step:,}/{self.steps:,} | epoch {self.epoch:.2f} | mlm {self.mlm_loss:.3f}, "
            f"{self.mlm_accuracy:.1%}{pairs} | lr {self.learning_rate:.1e} "
            f"| {self.tokens_per_second:,.0f} tokens/s"
        )


class Window:
    """What the steps since the last progress line scored; read from the device only when asked for."""

    def __init__(self) -> None:
        self.scores: list[torch.Tensor] = []  # float64[4] each: mlm loss, nsp loss, mlm correct, nsp correct
        self.predictions: list[int] = []
        self.rows: list[int] = []
        self.steps: list[int] = []
        self.of_rows: list[Ints] = []  # row numbers of each batch, for what is said of a bad one
        self.norms: list[torch.Tensor] = []  # float64[] each, one a step: the length of its gradient
        self.seconds, self.tokens = 0.0, 0
        self.looked = 0

    def __len__(self) -> int:
        return len(self.scores)

    def add(self, scores: Scores, step: int = 0, of_rows: Ints | None = None) -> None:
        parts = (scores.mlm_loss, scores.nsp_loss, scores.mlm_correct, scores.nsp_correct)
        self.scores.append(torch.stack([part.detach().double() for part in parts]))
        self.predictions.append(scores.predictions)
        self.rows.append(scores.rows)
        self.steps.append(step)
        self.of_rows.append(np.empty(0, np.int64) if of_rows is None else of_rows)

    def first_bad(self, most: float) -> int | None:
        """The first batch, of those not looked at before, with a mean MLM loss above ``most``, or with a loss
        or the gradient of its step no number."""
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
        """The mean of one batch."""
        return float(self.scores[batch][0]) / max(1, self.predictions[batch])

    def means(self, ranks: Ranks) -> tuple[float, float, float, float]:
        """Means over predictions and rows of all processes: mlm and nsp loss, mlm and nsp accuracy."""
        counts = torch.tensor([sum(self.predictions), sum(self.rows)], dtype=torch.float64)
        sums = self.sums().sum(0).cpu() if len(self) else torch.zeros(4, dtype=torch.float64)
        total = ranks.sum(torch.cat([sums, counts])).tolist()
        mlm_loss, nsp_loss, mlm_correct, nsp_correct, predictions, rows = total
        predictions, rows = max(1.0, predictions), max(1.0, rows)
        return mlm_loss / predictions, nsp_loss / rows, mlm_correct / predictions, nsp_correct / rows

    def sums(self) -> torch.Tensor:
        return torch.stack(self.scores) if self.scores else torch.zeros(0, 4, dtype=torch.float64)

    def lengths(self) -> torch.Tensor:
        return torch.stack(self.norms) if self.norms else torch.zeros(0, dtype=torch.float64)

    def values(self) -> dict[str, Any]:
        return {
            "predictions": self.predictions,
            "rows": self.rows,
            "steps": self.steps,
            "seconds": self.seconds,
            "tokens": self.tokens,
        }

    @staticmethod
    def restored(sums: torch.Tensor, norms: torch.Tensor, values: dict[str, Any]) -> Window:
        window = Window()
        window.scores, window.norms = list(sums), list(norms)
        window.predictions, window.rows = values["predictions"], values["rows"]
        window.steps = values["steps"]
        window.of_rows = [np.empty(0, np.int64)] * len(window.steps)  # looked at before they were saved
        window.looked = len(window.steps)
        window.seconds, window.tokens = values["seconds"], values["tokens"]
        return window
