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
from typing import Any

from wpprep.errors import MissingExtraError
from wpprep.inspection.charts import lines, save
from wpprep.storage.files import METRICS, write_text
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


def append_metrics(out: Path, line: dict[str, Any]) -> None:
    """Append a report to both files.

    Args:
        out: the folder of the run.
        line: the report: ``kind``, ``step`` and metrics; those that are floats become scalars.
    """
    with open(out / METRICS, "a") as file:
        file.write(json.dumps(line) + "\n")
    figures = {f"{line['kind']}/{name}": value for name, value in line.items() if isinstance(value, float)}
    if figures:
        append_event(out / EVENTS, line["step"], figures)


def rewind_metrics(out: Path, step: int) -> None:
    """Drop the reports after a step, which a killed run wrote after its last checkpoint."""
    path = out / METRICS
    if path.exists():
        text = path.read_text().splitlines()
        kept = [line for line in text if line.endswith("}") and json.loads(line)["step"] <= step]
        write_text(path, "".join(f"{line}\n" for line in kept))
    rewind_events(out / EVENTS, step)


def read_metrics(out: Path) -> list[dict[str, Any]]:
    """Return the reports of a run, in order."""
    return [json.loads(line) for line in (out / METRICS).read_text().splitlines()]


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
            drawn.append(save(chart, out / f"{name}.png").name)
    return drawn


def _points(reports: Sequence[dict[str, Any]], kind: str, figure: str) -> tuple[list[int], list[float]]:
    mine = [line for line in reports if line["kind"] == kind and line.get(figure) is not None]
    return [line["step"] for line in mine], [line[figure] for line in mine]
