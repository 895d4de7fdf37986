"""Folders of training runs: one run at a time, and the same command again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.training import QUICK, interrupted, shards, torch

from wpprep.errors import OutputError, TrainingError
from wpprep.storage.manifest import find_damage
from wpprep.training.pretraining.pretrain import train
from wpprep.training.pretraining.run_folder import finished, hold

assert torch
__all__ = ["shards"]


def test_a_folder_is_held_by_one_run(tmp_path: Path) -> None:
    """While a run holds the folder, the same and another command are refused, even with ``overwrite``."""
    out = tmp_path / "out"
    with hold(out, {"steps": 1}, overwrite=False) as results:
        assert results is None
        for overwrite in (False, True):
            with (
                pytest.raises(OutputError, match="another run is at work"),
                hold(out, {"steps": 1}, overwrite=overwrite),
            ):
                pass
    with hold(out, {"steps": 1}, overwrite=False) as results:
        assert results is None


def test_the_same_command_on_a_finished_model_returns_its_results(shards: Path, tmp_path: Path) -> None:
    """Nothing is trained or written, and what a killed run left behind is removed."""
    out, options = tmp_path / "out", {**QUICK, "steps": 2}
    first = train(shards, out, **options)
    (out / "checkpoints" / "step-00000002").mkdir(parents=True)
    (out / ".unfinished").mkdir()
    before = {path: path.stat().st_mtime_ns for path in out.iterdir() if path.is_file()}
    lines: list[Any] = []
    again = train(shards, out, progress=lines.append, **options)
    assert again == first
    assert lines == []
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == before
    assert find_damage(out) == []
    with pytest.raises(OutputError, match="finished model of another run .steps was 2, now 3"):
        train(shards, out, **{**options, "steps": 3})


def test_other_commands_see_the_folder_as_a_training_run(shards: Path, tmp_path: Path) -> None:
    """An unfinished run is not a place for other output, nor is other output a place for a run."""
    from wpprep.jobs.output import OutputFolder
    from wpprep.jobs.plans import Plan

    out = tmp_path / "out"
    interrupted(shards, out, 2, 2, **QUICK, steps=4)
    plan: Plan = {"kind": "shards", "options": {}, "vocabulary": None, "corpus": None}
    with pytest.raises(OutputError, match="kind model, not shards"):
        OutputFolder.claim(out, plan, overwrite=False)
    other = tmp_path / "other"
    with OutputFolder.claim(other, plan, overwrite=False):
        with pytest.raises(OutputError, match="something other than a training run"):
            train(shards, other, **QUICK, steps=2, overwrite=True)
        assert (other / ".unfinished" / "plan.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: [], "a list of 0, expected an object"),
        (lambda values: {"run": 5}, "run is 5, expected an object"),
        (lambda values: {**values, "results": {}}, "results.size is missing"),
        (lambda values: {**values, "results": {**values["results"], "best": 5}}, "results.best is 5"),
        (
            lambda values: {**values, "results": {**values["results"], "after": {"step": 1}}},
            "results.after.rows is missing",
        ),
        (lambda values: {"run": values["run"]}, "has no results"),
    ],
)
def test_another_form_of_training_json_is_named(
    change: Callable[[Any], Any], said: str, shards: Path, tmp_path: Path
) -> None:
    """Every difference is an OutputError with the file and the place in it."""
    out, path = tmp_path / "out", tmp_path / "out" / "training.json"
    out.mkdir()
    (out / "manifest.json").write_text("{}")
    results: dict[str, Any] = {
        **dict.fromkeys(("parameters", "steps", "rows", "held_out_rows"), 1),
        **dict.fromkeys(("before", "after", "best")),
        **dict.fromkeys(("seconds", "tokens_per_second", "waited"), 1.0),
        "size": "tiny",
        "wpprep": "1",
        "is_apart": False,
        "curves": [],
    }
    path.write_text(json.dumps({"run": {"steps": 1}, "results": results}))
    assert finished(out, {"steps": 1}) == results
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(OutputError, match=f"{path}: {said}"):
        finished(out, {"steps": 1})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda values: 5, "5, expected an object"),
        (lambda values: {**values, "step": "4"}, 'step is "4", expected an integer'),
        (lambda values: {**values, "step": 99}, "step is 99, expected 1 to 4"),
        (lambda values: {**values, "evaluations": [{}]}, r"evaluations\[0\].step is missing"),
        (lambda values: {**values, "window": {**values["window"], "rows": [1, 2]}}, "the window has sums of"),
    ],
)
def test_another_form_of_a_checkpoint_is_named(
    change: Callable[[Any], Any], said: str, shards: Path, tmp_path: Path
) -> None:
    """A state.json of another form or with impossible values is an error with the folder to remove."""
    out, options = tmp_path / "out", {**QUICK, "steps": 4}
    interrupted(shards, out, 2, 2, **options)
    path = next(out.glob("checkpoints/step-*/state.json"))
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(TrainingError, match=f"{said}.*; remove this folder to resume"):
        train(shards, out, **options)


def test_weights_of_another_shape_are_not_restored(shards: Path, tmp_path: Path) -> None:
    """A tensor that would be broadcast over a weight is an error, in the model and in the optimizer."""
    from safetensors.torch import load_file, save_file

    out, options = tmp_path / "out", {**QUICK, "steps": 4}
    interrupted(shards, out, 2, 2, **options)
    path = next(out.glob("checkpoints/step-*/state.safetensors"))
    tensors = load_file(path)
    for name in ("model.bert.embeddings.LayerNorm.weight", "adamw.0.exp_avg"):
        save_file({**tensors, name: tensors[name][:1].contiguous()}, path)
        with pytest.raises(TrainingError, match=f"damaged checkpoint: {name} is float32"):
            train(shards, out, **options)
    save_file(tensors, path)
    assert train(shards, out, **options).steps == 4
