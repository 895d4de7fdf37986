"""Predictions for masked tokens: texts and models that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.finetuning import QUICK
from support.training import Trained

from wpprep.errors import MissingInputError, OptionError
from wpprep.training.finetuning.tuning import finetune
from wpprep.training.inference.fill import fill_mask


def test_blanks_are_checked(trained: Trained) -> None:
    """A text without a mask token, a text too long and a folder without a model are errors."""
    with pytest.raises(OptionError, match="no mask token"):
        fill_mask(trained.folder, "w1 w2")
    with pytest.raises(OptionError, match="at most 16"):
        fill_mask(trained.folder, "[MASK] " + "w1 " * 40)
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        fill_mask(trained.folder.parent, "w1 [MASK]")
    assert [len(guesses) for guesses in fill_mask(trained.folder, "[MASK] w1 [MASK]", top_k=2).blanks] == [2, 2]


def test_a_fine_tuned_model_fills_no_blanks(model: Path, labelled: Path, tmp_path: Path) -> None:
    """Its MLM head was replaced; a random head would give meaningless predictions."""
    finetune(model, labelled / "sentiment.tsv", tmp_path / "out", **QUICK)
    with pytest.raises(MissingInputError, match="the model has no MLM head"):
        fill_mask(tmp_path / "out", "the [MASK]")


def test_an_unfinished_model_is_refused(trained: Trained, tmp_path: Path) -> None:
    """A folder with training.json and without a manifest is not finished, even if it holds weights."""
    for name in ("config.json", "model.safetensors", "tokenizer.json", "training.json"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    with pytest.raises(
        MissingInputError, match="training is not finished; run the same command again to continue"
    ):
        fill_mask(tmp_path, "w1 [MASK]")


def test_a_vocabulary_without_a_configuration_has_its_mask_token(trained: Trained, tmp_path: Path) -> None:
    """Without tokenizer_config.json the mask token is that of the vocabulary, and predictions are the same."""
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (tmp_path / name).write_bytes((trained.folder / name).read_bytes())
    text = "w3 w4 w5 [MASK] w7 w8"
    assert fill_mask(tmp_path, text).blanks == fill_mask(trained.folder, text).blanks


def test_arguments_are_checked(trained: Trained) -> None:
    """A number of pieces below one, and a text that is not Unicode, are errors."""
    for number in (0, -1):
        with pytest.raises(OptionError, match=f"top_k is {number}, expected at least 1"):
            fill_mask(trained.folder, "[MASK]", top_k=number)
    with pytest.raises(OptionError, match="not Unicode at character 7"):
        fill_mask(trained.folder, "[MASK] \ud800")
