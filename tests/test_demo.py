"""The demo: every step is done and said, as the command it stands for."""

import importlib
import math

import pytest

from wpprep.manifest import read_manifest

module = importlib.import_module("wpprep.demo")  # `wpprep.demo` is the function


def test_the_demo_does_the_whole_job(tmp_path, monkeypatch):
    """With training cut to a few steps: three folders, a command for each step, a loss before and after."""
    pytest.importorskip("transformers", reason="the demo trains a model")
    monkeypatch.setitem(module._TRAIN, "steps", 4)
    monkeypatch.setitem(module._TRAIN, "batch_size", 8)
    lines = []
    result = module.demo(tmp_path / "demo", workers=1, say=lines.append)
    said = [line.split()[2] for line in lines if line.startswith("$ wpprep ")]
    assert said[:4] == ["train-vocab", "make-shards", "show", "train"]
    assert set(said[4:]) == {"fill-mask"}
    assert read_manifest(result.vocab).kind == "vocabulary"
    assert read_manifest(result.shards).statistics["rows"] > 1000
    assert (result.model / "config.json").exists()
    # An untrained model finds every entry about as likely: the loss is near ln(2500) = 7.8.
    assert abs(result.loss_before - math.log(2500)) < 0.5
    assert math.isfinite(result.loss_after)
