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

from wpprep.errors import OutputError, TrainingError
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


@pytest.mark.parametrize(
    "line", ["5", "{}", '{"kind": "train"}', '{"kind": "train", "step": "x"}', "[" * 99_999]
)
def test_a_line_that_is_no_report_is_named(line: str, tmp_path: Path) -> None:
    """The message has the file and the line; an incomplete last line is skipped."""
    append_metrics(tmp_path, report(1))
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(line)
    assert read_metrics(tmp_path) == [report(1)]
    append_metrics(tmp_path, report(2))
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(f"{line}\n")
    with pytest.raises(TrainingError, match=r"metrics\.jsonl:2: "):
        rewind_metrics(tmp_path, 1)


def test_damaged_events_end_the_file(tmp_path: Path) -> None:
    """Records from the first damaged one on are dropped."""
    for step in (1, 2, 3):
        append_metrics(tmp_path, report(step))
    path = tmp_path / "metrics.tfevents"
    data = path.read_bytes()
    path.write_bytes(data[:-30] + b"\0" * 30)
    rewind_metrics(tmp_path, 3)
    assert [step for step, _ in slow_events(path.read_bytes())] == [0, 1, 2]


def test_metrics_that_cannot_be_written_are_one_line(tmp_path: Path) -> None:
    """A failing write is an OutputError that names the file."""
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(OutputError, match=r"metrics\.jsonl: cannot be written: Is a directory"):
        append_metrics(tmp_path, report(1))
    (tmp_path / "metrics.jsonl").rmdir()
    (tmp_path / "metrics.tfevents").mkdir()
    with pytest.raises(OutputError, match=r"metrics\.tfevents: cannot be written: Is a directory"):
        append_metrics(tmp_path, report(1))
