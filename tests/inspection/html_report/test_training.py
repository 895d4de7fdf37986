"""The section of a training run: its log, its curves, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.pages import write_run

pytest.importorskip("matplotlib", reason="the section has charts")

from wpprep.errors import TrainingError
from wpprep.inspection.html_report.training import compare, describe, read_log


def test_an_unfinished_run_has_its_steps_and_curves(tmp_path: Path) -> None:
    """The best held-out loss is at the last of the steps 0, 50, 100, 150 and 200: 8.5 - 200 / 100 = 6.5."""
    write_run(tmp_path / "run", steps=200)
    section = describe(tmp_path / "run")
    facts = dict(section.facts)
    assert facts["steps"] == "200 of 400"
    assert facts["best held-out loss"] == "6.500 at step 200"
    assert section.notes == ["The run is not finished: it is at step 200 of 400."]
    loss = next(chart for chart in section.charts if chart.title == "Loss of masked tokens")
    assert (
        loss.label
        == "training: from 8 at step 0 to 6 at step 200; held out: from 8.5 at step 0 to 6.5 at step 200."
    )


def test_an_incomplete_last_line_is_ignored(tmp_path: Path) -> None:
    """A run in progress may have written half a line; such a line in the middle is an error with its number."""
    write_run(tmp_path / "run", steps=20)
    log = tmp_path / "run" / "metrics.jsonl"
    whole = read_log(tmp_path / "run")
    log.write_text(log.read_text() + '{"kind": "tra')
    assert read_log(tmp_path / "run") == whole
    log.write_text('{"kind": "train", "step": 1}\n{"kind": \n{"kind": "train", "step": 2}\n')
    with pytest.raises(TrainingError, match=r"metrics\.jsonl:2: not a line of a training log"):
        read_log(tmp_path / "run")


def test_losses_that_are_not_numbers_are_not_drawn(tmp_path: Path) -> None:
    """A log with nothing but NaN has no curve."""
    write_run(tmp_path / "run", steps=20)
    (tmp_path / "run" / "metrics.jsonl").write_text('{"kind": "train", "step": 1, "mlm_loss": NaN}\n')
    assert describe(tmp_path / "run").charts == []


def test_damaged_options_are_one_line(tmp_path: Path) -> None:
    """A cut training.json raises an error with its name; without that file the log alone is described."""
    write_run(tmp_path / "run", steps=20)
    (tmp_path / "run" / "training.json").write_text('{"run": ')
    with pytest.raises(TrainingError, match=r"training\.json: damaged"):
        describe(tmp_path / "run")
    (tmp_path / "run" / "training.json").unlink()
    assert dict(describe(tmp_path / "run").facts)["steps"] == "20"


def test_a_finished_run_has_its_results(tmp_path: Path) -> None:
    """Parameters, instances, duration and speed are those in training.json."""
    write_run(tmp_path / "run", steps=400)
    path = tmp_path / "run" / "training.json"
    results = {
        "parameters": 1234,
        "rows": 5000,
        "held_out_rows": 200,
        "seconds": 60.0,
        "tokens_per_second": 1e4,
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), "results": results}))
    facts = dict(describe(tmp_path / "run").facts)
    assert facts["parameters"] == "1,234"
    assert facts["trained on"] == "5,000 instances, 200 held out"
    assert facts["duration"] == "60 s, 10,000 tokens per second"


def test_runs_are_compared_in_one_chart(tmp_path: Path) -> None:
    """Two runs have a chart of their held-out losses together, and long logs are thinned."""
    write_run(tmp_path / "short", steps=200)
    write_run(tmp_path / "long", steps=40_000, every=1)
    (chart,) = compare([tmp_path / "short", tmp_path / "long"]).charts
    assert "short ends at 6.500" in chart.label
    assert len(chart.table.rows) <= 40
