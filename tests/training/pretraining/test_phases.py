"""Phases and held-out rows: shard folders in turn, mixed, and held out apart."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_folder
from support.training import QUICK, figures, interrupted, shards

from wpprep.errors import OptionError
from wpprep.storage.manifest import read_manifest
from wpprep.training.pretraining.pretrain import train

__all__ = ["shards"]


def test_two_phases_read_their_shards_in_turn(shards: Path, tmp_path: Path) -> None:
    """The first steps read the short shards, the rest the long ones, also when resumed in between."""
    short = make_folder(tmp_path / "short", rows=(64,), longest=16)[0]
    options = {**QUICK, "steps": 8, "phase": 0.75, "log_steps": 1, "save_steps": 1}
    whole = train([short, shards], tmp_path / "whole", **options)
    interrupted([short, shards], tmp_path / "parts", signal.SIGTERM, 5, **options)
    interrupted([short, shards], tmp_path / "parts", signal.SIGTERM, 7, **options)
    train([short, shards], tmp_path / "parts", **options)
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")
    epochs = [line["epoch"] for line in figures(tmp_path / "whole") if line["kind"] == "train"]
    assert epochs == pytest.approx([*(8 / 61 * step for step in range(1, 7)), 8 / 134, 16 / 134], abs=0.02)
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["max_position_embeddings"] == 24
    assert whole.held_out_rows >= 6
    with pytest.raises(OptionError, match="2 shard folders, not 1"):
        train(short, tmp_path / "one", **options)
    swapped = make_folder(tmp_path / "swapped", rows=(64,), longest=16, objective="sop")[0]
    with pytest.raises(OptionError, match="objective is nsp, but sop"):
        train([swapped, shards], tmp_path / "one", **options)


def test_shards_are_mixed_by_weights(shards: Path, tmp_path: Path) -> None:
    """Several folders train together; weights that are not numbers are an error."""
    short = make_folder(tmp_path / "short", rows=(64,), longest=16)[0]
    result = train([shards, short], tmp_path / "out", **QUICK, steps=3, weights="3,1", bins=2, layers=1)
    assert result.size == "1/128/2"
    assert result.rows > 140
    corpora = read_manifest(tmp_path / "out").corpus
    assert corpora["rows"] == 204
    with pytest.raises(OptionError, match="weights is 'a lot'"):
        train([shards, short], tmp_path / "other", **QUICK, steps=3, weights="a lot")


def test_shards_held_out_apart_judge_the_model(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """If make-shards held documents out, all other rows are trained on and those documents evaluated."""
    from wpprep.pipeline.make_shards import make_shards

    options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 1, "holdout": 0.2, "workers": 1}
    shards = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options)
    apart = read_manifest(tmp_path / "shards" / "holdout", "shards").statistics["rows"]
    result = train(tmp_path / "shards", tmp_path / "model", size="tiny", steps=2, batch_size=4)
    assert (result.rows, result.held_out_rows) == (shards.manifest.statistics["rows"], apart)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "may have been seen" not in card
