"""Metrics files of a run: JSON lines, TensorBoard's events, curves."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from reference.events import slow_events
from support.training import report, torch

from wpprep.training.pretraining.metrics import append_metrics, draw_curves, read_metrics, rewind_metrics

assert torch  # the room under test is part of an extra


def test_reports_are_rewound_together(tmp_path: Path) -> None:
    """Lines and events after the checkpoint are dropped, incomplete ones too, and can be written again."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for out in (whole, parts):
        out.mkdir()
        for step in (1, 2, 3):
            append_metrics(out, report(step))
    with open(parts / "metrics.jsonl", "a") as file:
        file.write('{"kind": "tr')
    with open(parts / "metrics.tfevents", "ab") as file:
        file.write((whole / "metrics.tfevents").read_bytes()[-20:-3])
    rewind_metrics(parts, 1)
    assert read_metrics(parts) == [report(1)]
    for step in (2, 3):
        append_metrics(parts, report(step))
    assert (parts / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    one, other = (slow_events((out / "metrics.tfevents").read_bytes()) for out in (whole, parts))
    assert one == other
    assert [step for step, _ in one] == [0, 1, 2, 3]


def test_curves_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    """With three or more reports there is a PNG for each metric of the run."""
    for step in (1, 2):
        append_metrics(tmp_path, report(step))
    assert draw_curves(tmp_path) == []
    pytest.importorskip("matplotlib", reason="charts are an extra: pip install 'wpprep[report]'")
    append_metrics(tmp_path, report(3))
    assert draw_curves(tmp_path) == ["loss.png", "accuracy.png"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_missing_matplotlib_is_said(tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
    """Without the extra a run finishes, and one warning says how to install it."""
    for step in (1, 2, 3):
        append_metrics(tmp_path, report(step))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level(logging.WARNING):
        assert draw_curves(tmp_path) == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == "the model card has no curves: charts need matplotlib: pip install 'wpprep[report]'"
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[2])["step"] == 3
