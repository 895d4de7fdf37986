"""The section of a training run, finished or not: its log as curves.

This module reads only `training.json` and the log; it loads no model and does not import torch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

import numpy as np

from wpprep.errors import TrainingError
from wpprep.inspection.html_report.parts import Chart, Numbers, Section, curves, percent, short_name
from wpprep.storage.files import MANIFEST, METRICS

_TRAINING = "training.json"
_CURVES = {  # by key of the log: title, axis label, whether it is a share
    "mlm_loss": ("Loss of masked tokens", "loss (nats)", False),
    "mlm_accuracy": ("Accuracy at masked tokens", "accuracy", True),
    "nsp_loss": ("Loss of the next sentence label", "loss (nats)", False),
    "nsp_accuracy": ("Accuracy of the next sentence label", "accuracy", True),
    "learning_rate": ("Learning rate", "learning rate", False),
    "tokens_per_second": ("Speed", "tokens per second", False),
}
_NAMES = {"train": "training", "held_out": "held out"}


class LogLine(NamedTuple):
    """One line of a log: ``train`` or ``held_out``, the step, and the finite numbers measured, by name."""

    kind: str
    step: int
    values: dict[str, float]


class _Results(TypedDict):
    """The results of a finished run, as far as they are shown."""

    parameters: int
    rows: int
    held_out_rows: int
    seconds: float
    tokens_per_second: float


class _Training(TypedDict):
    """The contents of `training.json`: the options of the run and, if it is finished, its results."""

    run: dict[str, Any]
    results: _Results | None


def read_log(folder: Path) -> list[LogLine]:
    """Return the lines of a run's log without an incomplete last line.

    Raises:
        TrainingError: another line is not a line of a log.
    """
    lines = (folder / METRICS).read_text(errors="replace").split("\n")
    found = []
    for number, line in enumerate(lines[:-1], 1):
        try:
            values = json.loads(line)
            found.append(LogLine(str(values["kind"]), int(values["step"]), _finite(values)))
        except (ValueError, KeyError, TypeError) as error:
            raise TrainingError(
                f"{folder / METRICS}:{number}: not a line of a training log: {error!r}"
            ) from error
    return found


def describe(folder: Path) -> Section:
    """Return the section of one run.

    Raises:
        TrainingError: the log or `training.json` is damaged.
    """
    log = read_log(folder)
    training = _read_training(folder / _TRAINING)
    run, results = training["run"], training["results"]
    last = max((line.step for line in log), default=0)
    notes = []
    if not (folder / MANIFEST).is_file():
        notes.append(f"The run is not finished: it is at step {last:,} of {run.get('steps', 0):,}.")
    if not log:
        notes.append("The log is empty.")
    charts = [_curve(log, name) for name in _CURVES if any(name in line.values for line in log)]
    return Section(
        kind="training run",
        title=str(folder),
        facts=_facts(run, results, log, last),
        notes=notes,
        charts=charts,
        options=run,
    )


def _read_training(path: Path) -> _Training:
    """Return the options of a run and, if it is finished, its results; empty if the folder has only a log."""
    if not path.is_file():
        return {"run": {}, "results": None}
    try:
        found: dict[str, Any] = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{path}: damaged: {error}; copy the folder of the run again") from error
    return {"run": found.get("run", {}), "results": found.get("results")}


def compare(folders: Sequence[Path]) -> Section:
    """Return a section with the held-out losses of several runs in one chart.

    Raises:
        TrainingError: a log is damaged.
    """
    series = {short_name(str(folder)): _points(read_log(folder), "held_out", "mlm_loss") for folder in folders}
    series = {name: points for name, points in series.items() if len(points[0])}
    label = "; ".join(f"{name} ends at {values[-1]:.3f}" for name, (_, values) in series.items()) + "."
    chart = curves("Held-out loss of masked tokens", label, series, x="step", y="loss (nats)")
    return Section("comparison", "Training runs", [], charts=[chart] if series else [])


def _finite(values: dict[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in values.items()
        if isinstance(value, (int, float)) and math.isfinite(value)
    }


def _points(log: list[LogLine], kind: str, name: str) -> tuple[Numbers, Numbers]:
    """Return the steps and the values of one curve."""
    lines = [line for line in log if line.kind == kind and name in line.values]
    return np.array([line.step for line in lines]), np.array([line.values[name] for line in lines])


def _curve(log: list[LogLine], name: str) -> Chart:
    title, y, is_share = _CURVES[name]
    series = {said: _points(log, kind, name) for kind, said in _NAMES.items()}
    series = {said: points for said, points in series.items() if len(points[0])}
    said = "; ".join(f"{said}: {_course(*points, is_share)}" for said, points in series.items())
    from_zero = is_share or name in {"learning_rate", "tokens_per_second"}
    return curves(title, said + ".", series, x="step", y=y, percent=is_share, from_zero=from_zero)


def _course(places: Numbers, values: Numbers, is_share: bool) -> str:
    """Return the first and the last value of a curve in words."""
    first, last = (f"{_written(values[i], is_share)} at step {places[i]:,}" for i in (0, -1))
    return first if len(places) == 1 else f"from {first} to {last}"


def _written(value: float, is_share: bool) -> str:
    return percent(value) if is_share else f"{value:.4g}"


def _facts(
    run: dict[str, Any], results: _Results | None, log: list[LogLine], last: int
) -> list[tuple[str, str]]:
    facts = [("steps", f"{last:,} of {run['steps']:,}" if run.get("steps") else f"{last:,}")]
    if run:
        facts += [("batch", f"{run['batch_size']:,} instances"), ("size", str(run["size"]))]
        facts.append(("learning rate", f"{run['learning_rate']:g}, {run['warmup_steps']:,} warm-up steps"))
    if results:
        facts += [
            ("parameters", f"{results['parameters']:,}"),
            ("trained on", f"{results['rows']:,} instances, {results['held_out_rows']:,} held out"),
            ("duration", f"{results['seconds']:,.0f} s, {results['tokens_per_second']:,.0f} tokens per second"),
        ]
    steps, losses = _points(log, "held_out", "mlm_loss")
    if len(losses):
        best = int(losses.argmin())
        facts.append(("best held-out loss", f"{losses[best]:.3f} at step {steps[best]:,}"))
    return facts
