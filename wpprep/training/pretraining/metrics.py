"""Metrics files of a run: each report is a line of JSON and an event of TensorBoard.

    metrics.jsonl      {"kind": "train", "step": 100, "mlm_loss": 6.69, ...}     kinds: train, held_out, stopped
    metrics.tfevents   the same as scalars train/mlm_loss, held_out/mlm_loss, ...: tensorboard --logdir .
    loss.png ...       curves of the finished run, if matplotlib is installed

A resumed run drops the reports after its checkpoint, so that the files equal those of an uninterrupted run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

from wpprep.errors import MissingExtraError, OutputError, TrainingError
from wpprep.inspection.charts import lines, save
from wpprep.storage.files import METRICS, write_text
from wpprep.storage.json_files import mismatch, parse_json
from wpprep.training.pretraining.tensorboard import append_event, rewind_events

EVENTS = "metrics.tfevents"
_KINDS = {"train": "training", "held_out": "held out"}
_CURVES = {
    "loss": ("mlm_loss", "nsp_loss"),
    "accuracy": ("mlm_accuracy", "nsp_accuracy"),
    "learning_rate": ("learning_rate",),
    "tokens_per_second": ("tokens_per_second",),
}
_FEWEST = 3  # minimum number of reports for a curve

log = logging.getLogger(__name__)


class Report(TypedDict):
    """The keys that every report has."""

    kind: str
    step: int


def append_metrics(out: Path, line: dict[str, Any]) -> None:
    """Append a report to both files.

    Args:
        out: the folder of the run.
        line: the report: ``kind``, ``step`` and metrics; those that are floats become scalars.

    Raises:
        OutputError: a file cannot be written.
    """
    path = out / METRICS
    figures = {f"{line['kind']}/{name}": value for name, value in line.items() if isinstance(value, float)}
    try:
        with open(path, "a") as file:
            file.write(json.dumps(line) + "\n")
        path = out / EVENTS
        if figures:
            append_event(path, line["step"], figures)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def rewind_metrics(out: Path, step: int) -> None:
    """Drop the reports after a step, which a killed run wrote after its last checkpoint.

    Raises:
        TrainingError: a line is not a report.
    """
    if (out / METRICS).exists():
        kept = [json.dumps(line) for line in read_metrics(out) if line["step"] <= step]
        write_text(out / METRICS, "".join(f"{line}\n" for line in kept))
    rewind_events(out / EVENTS, step)


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """Return the reports of a run, in order; an incomplete last line is skipped.

    Raises:
        TrainingError: another line is not a report.
    """
    path = out / METRICS
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read: {error.strerror or error}") from error
    return [_read_report(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _read_report(line: bytes, place: str) -> dict[str, Any]:
    advice = "remove the line, or the file: then the curves begin at the last checkpoint"
    report = parse_json(line, dict[str, Any], place, error=TrainingError, advice=advice)
    if wrong := mismatch(report, Report):
        raise TrainingError(f"{place}: {wrong}; {advice}")
    return report


def draw_curves(out: Path) -> list[str]:
    """Draw the curves of a run as PNG files in its folder and return their names.

    Metrics with fewer than 3 reports are skipped. Without matplotlib nothing is drawn and a warning is logged.
    """
    reports = read_metrics(out)
    drawn = []
    for name, figures in _CURVES.items():
        series = {
            f"{figure.replace('_', ' ')}, {label}": points
            for figure in figures
            for kind, label in _KINDS.items()
            if len((points := _points(reports, kind, figure))[0]) >= _FEWEST
        }
        if series:
            try:
                chart = lines(series, x_label="step", y_label=name.replace("_", " "))
            except MissingExtraError as error:
                log.warning("the model card has no curves: %s", error)
                return []
            save(chart, out / f"{name}.png")
            drawn.append(f"{name}.png")
    return drawn


def _points(reports: Sequence[dict[str, Any]], kind: str, figure: str) -> tuple[list[int], list[float]]:
    mine = [line for line in reports if line["kind"] == kind and isinstance(line.get(figure), int | float)]
    return [line["step"] for line in mine], [line[figure] for line in mine]
