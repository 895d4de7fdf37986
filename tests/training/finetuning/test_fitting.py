"""A fine-tuning run: early stopping, the weights that are kept, losses that are not finite."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.bert import torch
from support.finetuning import QUICK

from wpprep.config import FinetuneOptions
from wpprep.errors import TrainingError
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning.examples import Example
from wpprep.training.finetuning.fitting import Fit, Judged, judge
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.tasks import TASKS
from wpprep.training.finetuning.tuning import finetune


def test_a_loss_that_is_not_finite_stops_the_run(model: Path, labelled: Path, tmp_path: Path) -> None:
    """The message has the seed, the step and the learning rate; the folder is not finished."""
    wild = {**QUICK, "learning_rate": 1e30, "epochs": 3, "eval_steps": 3}
    with pytest.raises(
        TrainingError, match=r"seed 12345: the loss is not finite before step 3; lower the learning"
    ):
        finetune(model, labelled / "sentiment.tsv", tmp_path / "out", **wild)
    assert not (tmp_path / "out" / "manifest.json").exists()


def start(model: Path, learning_rate: float) -> Fit:
    """A run over 8 examples, two per step, with an evaluation after each step and a patience of 3."""
    examples = [
        Example((word,), label, f"f:{i}", None, word)
        for i, (word, label) in enumerate([("lamp", "a"), ("tide", "b"), ("bees", "a"), ("fog", "b")] * 2)
    ]
    setup = Setup(task="classify", vocabulary=Vocabulary.from_folder(model), labels=("a", "b"))
    rows = [row for example in examples for row in TASKS["classify"].encode(example, setup)]
    options = FinetuneOptions(
        batch_size=2, epochs=4, eval_steps=1, patience=3, learning_rate=learning_rate, dropout=0.0
    )
    return Fit(model, setup, rows, examples, options, seed=1)


def test_a_run_stops_when_nothing_improves(model: Path) -> None:
    """With a vanishing learning rate the first evaluation stays the best, and 3 more end the run."""
    lines: list[Judged] = []
    fitted = start(model, 1e-30).run(lines.append)
    assert [line.step for line in lines] == [1, 2, 3, 4]
    assert [line.is_best for line in lines] == [True, False, False, False]
    assert (fitted.step, fitted.steps) == (1, 16)
    assert "(best so far)" in str(lines[0])
    assert "step 2/16" in str(lines[1])


def test_the_best_weights_are_kept(model: Path) -> None:
    """The weights of a run are those of its best evaluation, not of its last: measured again they are equal."""
    run = start(model, 3e-3)
    lines: list[Judged] = []
    fitted = run.run(lines.append)
    best = max(lines, key=lambda line: line.measures["accuracy"])
    assert (fitted.step, fitted.measures) == (best.step, best.measures)
    run.model.load_state_dict(fitted.weights)
    measures, predictions = judge(run.model, run.setup, run.judges, 2)
    assert measures == pytest.approx(fitted.measures)
    assert len(predictions) == 8
    assert all(tensor.device == torch.device("cpu") for tensor in fitted.weights.values())
