"""Event files: their bytes by hand, and as TensorBoard reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference.events import slow_events
from support.training import report, torch

from wpprep.training.pretraining.metrics import append_metrics
from wpprep.training.pretraining.tensorboard import append_event, rewind_events

assert torch  # the module under test is part of an extra


def test_an_event_is_framed_as_tensorboard_reads_it(tmp_path: Path) -> None:
    """The first record has the version, the next a summary: its bytes are worked out by hand."""
    path = tmp_path / "x.tfevents"
    append_event(path, 7, {"a/b": 1.5})
    first, second = slow_events(path.read_bytes())
    assert first == (0, b"\x1a\x0dbrain.Event:2")
    # tag "a/b": 0a 03 + 3 bytes; 1.5: 15 + 00 00 c0 3f; together 10 bytes, in a value of a summary of 12
    assert second == (7, b"\x2a\x0c\x0a\x0a\x0a\x03a/b\x15\x00\x00\xc0\x3f")


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


def test_records_after_a_step_are_dropped(tmp_path: Path) -> None:
    """Steps of several bytes are read too: 300 is two bytes of a varint; a missing file stays missing."""
    path = tmp_path / "x.tfevents"
    rewind_events(path, 0)
    assert not path.exists()
    append_event(path, 7, {"a": 1.0})
    kept = path.read_bytes()
    append_event(path, 300, {"a": 2.0})
    whole = path.read_bytes()
    rewind_events(path, 300)
    assert path.read_bytes() == whole
    rewind_events(path, 299)
    assert path.read_bytes() == kept
