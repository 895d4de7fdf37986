"""Sums over batches: means, the first batch that diverged, and the way through a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest
from support.training import torch

from wpprep.training.model.model import Scores
from wpprep.training.model.ranks import Ranks
from wpprep.training.pretraining.progress import Evaluation, Window


def scores(mlm_loss: float, predictions: int = 4) -> Scores:
    """A batch of two rows; half of its predictions and one of its pairs are correct."""
    return Scores(
        torch.tensor(mlm_loss),
        torch.tensor(1.0),
        torch.tensor(predictions // 2),
        torch.tensor(1),
        predictions,
        2,
    )


def window_of(*losses: float, norms: tuple[float, ...] = ()) -> Window:
    """A window with one batch for each step, from step 5."""
    window = Window()
    for step, loss in enumerate(losses, start=5):
        window.add(scores(loss), step, np.array([step, step + 10]))
    window.norms = [torch.tensor(norm, dtype=torch.float64) for norm in norms or [1.0] * len(losses)]
    return window


def test_means_are_over_predictions_and_rows() -> None:
    """Losses 2 + 6 over 4 + 4 predictions are 1.0; pairs 1 + 1 over 2 + 2 rows are 0.5."""
    assert window_of(2.0, 6.0).means(Ranks()) == (1.0, 0.5, 0.5, 0.5)
    assert Window().means(Ranks()) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("losses", "norms", "bad"),
    [
        ((4.0, 4.0), (1.0, 1.0), None),
        ((4.0, 44.0), (1.0, 1.0), 1),
        ((4.0, float("nan")), (1.0, 1.0), 1),
        ((4.0, 4.0), (float("inf"), 1.0), 0),
        ((4.0, 40.0), (1.0, 1.0), None),
    ],
)
def test_the_first_bad_batch_is_found(
    losses: tuple[float, ...], norms: tuple[float, ...], bad: int | None
) -> None:
    """A mean loss above 10 nats (40 over 4 predictions is not), or a loss or gradient that is not finite."""
    window = window_of(*losses, norms=norms)
    assert window.first_bad(10.0) == bad
    assert window.first_bad(10.0) is None  # every batch is checked once
    if bad is not None:
        assert window.mlm_loss(bad) == pytest.approx(losses[bad] / 4, nan_ok=True)


def test_a_window_survives_a_checkpoint() -> None:
    """Restored sums have the same means, and their batches are not checked again."""
    window = window_of(2.0, 60.0)
    window.seconds, window.tokens = 1.5, 30
    restored = Window.restored(window.sums(), window.lengths(), window.values())
    assert restored.means(Ranks()) == window.means(Ranks())
    assert restored.values() == window.values()
    assert restored.first_bad(10.0) is None
    assert window.first_bad(10.0) == 1


def test_an_evaluation_is_one_line() -> None:
    """Without a next sentence nothing is printed about it."""
    line = str(Evaluation(1000, 20, 60, 2.0, 7.389, 0.25, None, None))
    assert line == "held out at step 1,000: mlm loss 2.000 | perplexity 7.4 | mlm accuracy 25.0% (20 instances)"
