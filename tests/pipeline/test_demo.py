"""The demo: every step is done and said, as the command it stands for."""

from __future__ import annotations

import importlib
import math
import sys
from pathlib import Path

import pytest

from wpprep.storage.manifest import read_manifest

module = importlib.import_module("wpprep.pipeline.demo")


def test_the_demo_does_the_whole_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With training cut to a few steps: three folders, a command for each step, a loss before and after."""
    pytest.importorskip("transformers", reason="the demo trains a model")
    monkeypatch.setitem(module._TRAIN, "steps", 4)
    monkeypatch.setitem(module._TRAIN, "batch_size", 8)
    lines: list[str] = []
    result = module.demo(tmp_path / "demo", workers=1, say=lines.append)
    said = [line.split()[2] for line in lines if line.startswith("$ wpprep ")]
    assert said[:4] == ["train-vocab", "make-shards", "show", "train"]
    assert said[4:] == ["fill-mask", "fill-mask", "fill-mask", "report"]
    assert read_manifest(result.vocab).kind == "vocabulary"
    assert read_manifest(result.shards).statistics["rows"] > 1000
    assert (result.model / "config.json").exists()
    # An untrained model finds every entry about as likely: the loss is near ln(2500) = 7.8.
    assert abs(result.loss_before - math.log(2500)) < 0.5
    assert math.isfinite(result.loss_after)
    page = result.page.read_text()
    assert all(f"</span> {folder}</h2>" in page for folder in (result.vocab, result.shards, result.model))


def test_without_the_packages_for_it_the_demo_ends_without_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what to install; the rest of the demo stands."""
    monkeypatch.setitem(sys.modules, "jinja2", None)
    for name in [name for name in sys.modules if name.startswith("wpprep.inspection.html_report")]:
        monkeypatch.delitem(sys.modules, name)
    lines: list[str] = []
    assert module._report([tmp_path], tmp_path / "report.html", lines.append) is None
    assert lines[-1] == "skipped: the report needs extra packages: pip install 'wpprep[report]'"
