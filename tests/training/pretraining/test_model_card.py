"""The model card: its results, its caveat and its curve."""

from __future__ import annotations

from pathlib import Path

from support.training import QUICK, shards

from wpprep.training.pretraining.model_card import code, plain
from wpprep.training.pretraining.pretrain import train

__all__ = ["shards"]


def test_a_card_has_the_best_step_and_the_caveat(shards: Path, tmp_path: Path) -> None:
    """With three evaluations there is a curve; documents held out by the trainer itself have a caveat."""
    options = {**QUICK, "steps": 4, "eval_steps": 1, "warmup_steps": 3, "learning_rate": 0.1, "save_steps": 0}
    result = train(shards, tmp_path / "out", **options, final_weights="best")
    card = (tmp_path / "out" / "README.md").read_text()
    assert result.best is not None
    assert f"best, at step {result.best.step}, whose weights these are" in card
    assert "may have been seen" in card
    assert "     step  mlm loss\n" in card
    assert "| learning_rate | 0.1 |" in card
    assert "Pretrained from scratch by" in card


def test_a_card_without_held_out_instances(shards: Path, tmp_path: Path) -> None:
    """With ``eval_rows=0`` there are no results and no curve; training that continues names its start."""
    train(shards, tmp_path / "a", **{**QUICK, "eval_rows": 0}, steps=1)
    train(shards, tmp_path / "b", **{**QUICK, "eval_rows": 0}, steps=1, init_from=str(tmp_path / "a"))
    card = (tmp_path / "b" / "README.md").read_text()
    assert "No instances were held out." in card
    assert "mlm loss" not in card
    assert f"Pretrained further from `{tmp_path / 'a'}` by" in card


def test_text_of_the_user_is_plain_in_a_card() -> None:
    """A path with Markdown, a line feed or bytes that are not UTF-8 stays one line of text."""
    assert code("a`b``c\n[x](y)") == "``` a`b``c\\n[x](y) ```"
    assert plain("a|b\n<i>[x](y) `z`\udcff") == r"a\|b\\n\<i>\[x](y) \`z\`\\udcff"
    code("\udcff").encode()
