"""A run's figures on disk: JSON lines, TensorBoard's events, curves."""

from __future__ import annotations

import json
import logging
import struct
import sys
from pathlib import Path
from typing import Any

import pytest
from support.training import torch

from wpprep.training.pretraining.metrics import append_metrics, draw_curves, read_metrics, rewind_metrics
from wpprep.training.pretraining.tensorboard import append_event

assert torch  # the room under test is part of an extra


def report(step: int, kind: str = "train") -> dict[str, Any]:
    """A report as the trainer makes them: whole numbers are no figures, and what is None is none either."""
    figures = {"mlm_loss": 9.0 - step / 1000, "mlm_accuracy": step / 1e4, "nsp_loss": None, "rows": 8}
    return {"kind": kind, "step": step, **figures}


def masked(data: bytes) -> int:
    """The masked checksum by another library."""
    crc32c = pytest.importorskip("crc32c")
    crc = crc32c.crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def slow_events(data: bytes) -> list[tuple[int, bytes]]:
    """Step (below 128) and summary of each event of a file, its checksums looked at."""
    found = []
    while data:
        length = int.from_bytes(data[:8], "little")
        head, body, tail = data[:12], data[12 : 12 + length], data[12 + length : 16 + length]
        assert int.from_bytes(head[8:], "little") == masked(head[:8])
        assert int.from_bytes(tail, "little") == masked(body)
        assert (body[0], body[9]) == (0x09, 0x10)  # a double, then a varint
        assert struct.unpack("<d", body[1:9])[0] > 1.7e9  # the time, in seconds since 1970
        found.append((body[10], body[11:]))
        data = data[16 + length :]
    return found


def test_an_event_is_framed_as_tensorboard_reads_it(tmp_path: Path) -> None:
    """The first record has the version, the next a summary: its bytes are worked out by hand."""
    path = tmp_path / "x.tfevents"
    append_event(path, 7, {"a/b": 1.5})
    first, second = slow_events(path.read_bytes())
    assert first == (0, b"\x1a\x0dbrain.Event:2")
    # tag "a/b": 0a 03 + 3 bytes; 1.5: 15 + 00 00 c0 3f; together 10 bytes, in a value of a summary of 12
    assert second == (7, b"\x2a\x0c\x0a\x0a\x0a\x03a/b\x15\x00\x00\xc0\x3f")


def test_reports_are_rewound_together(tmp_path: Path) -> None:
    """After a kill, lines and events behind the checkpoint go, half-written ones too, and are written again."""
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


def test_tensorboard_reads_the_scalars(tmp_path: Path) -> None:
    """TensorBoard itself finds each figure under its kind, at its step."""
    name = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(name, reason="tensorboard is not installed")
    for step in (100, 200, 70_000):
        append_metrics(tmp_path, report(step))
    append_metrics(tmp_path, report(200, "held_out"))
    read = accumulator.EventAccumulator(str(tmp_path)).Reload()
    kinds, figures = ("train", "held_out"), ("mlm_loss", "mlm_accuracy")
    assert set(read.Tags()["scalars"]) == {f"{kind}/{figure}" for kind in kinds for figure in figures}
    seen = [(event.step, event.value) for event in read.Scalars("train/mlm_loss")]
    assert seen == [(100, pytest.approx(8.9)), (200, pytest.approx(8.8)), (70_000, pytest.approx(-61.0))]


def test_curves_are_drawn_of_what_was_measured(tmp_path: Path) -> None:
    """From three reports on there is a PNG for each kind of figure that the run had."""
    for step in (1, 2):
        append_metrics(tmp_path, report(step))
    assert draw_curves(tmp_path) == []
    pytest.importorskip("matplotlib", reason="charts are an extra: pip install 'wpprep[report]'")
    append_metrics(tmp_path, report(3))
    assert draw_curves(tmp_path) == ["loss.png", "accuracy.png"]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_missing_matplotlib_is_said(tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
    """Without the extra a run ends all the same, and one line says how to get curves."""
    for step in (1, 2, 3):
        append_metrics(tmp_path, report(step))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with caplog.at_level(logging.WARNING):
        assert draw_curves(tmp_path) == []
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == "the model card has no curves: charts need matplotlib: pip install 'wpprep[report]'"
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[2])["step"] == 3
