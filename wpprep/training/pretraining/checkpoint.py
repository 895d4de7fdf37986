"""Checkpoints to resume from, and the finished model's folder.

    model/
      training.json            options, data and vocabulary of the run; at the end also its results
      metrics.jsonl .tfevents  each progress line and each evaluation, see `wpprep.training.pretraining.metrics`
      checkpoints/
        step-00001000/         state.safetensors: weights, both moments of AdamW, random states
                               state.json: step, sums since the last progress line, evaluations so far
        best-00001000.safetensors   with final_weights="best": weights of the lowest held-out loss, per state
      config.json model.safetensors tokenizer.json ... README.md      the finished model
      manifest.json            last, with the sha256 of each file; then checkpoints/ is removed

A checkpoint is written under a temporary name, synced and renamed, so that a killed run never leaves half of
one. The format is safetensors and JSON: reading a checkpoint runs no code, unlike unpickling.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors.torch import load_file, save, save_file

from wpprep.errors import OutputError, TrainingError
from wpprep.storage.files import MANIFEST, atomic_write, make_folder, remove_folder, sync_folder, write_text
from wpprep.storage.manifest import Manifest, describe, write_manifest
from wpprep.training.model.model import no_progress_bar
from wpprep.training.pretraining.progress import WindowValues

TRAINING = "training.json"
_CHECKPOINTS = "checkpoints"
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt")


class StateValues(TypedDict):
    """The part of a state that state.json holds.

    Attributes:
        step: number of steps done.
        best: step of the best evaluation so far; None without held-out rows.
        world: number of processes.
        evaluations: all evaluations so far, each the fields of an `Evaluation`.
        window: sums since the last progress line.
        scaler: state of the gradient scaler.
    """

    step: int
    best: int | None
    world: int
    evaluations: list[dict[str, Any]]
    window: WindowValues
    scaler: dict[str, Any]


@dataclass
class State:
    """The state of a run; restoring it continues the run as if it had never stopped.

    Attributes:
        tensors: weights, moments, random states and the sums since the last progress line, by name.
        values: the rest of the state.
    """

    tensors: dict[str, torch.Tensor]
    values: StateValues


def save_state(out: Path, step: int, state: State, keep: int) -> None:
    """Write the checkpoint of a step and remove old ones.

    Args:
        out: the folder of the run.
        step: number of steps done.
        state: the state to write.
        keep: number of checkpoints to keep, each with its best weights.

    Raises:
        OutputError: the checkpoint cannot be written.
    """
    final = out / _CHECKPOINTS / f"step-{step:08d}"
    partial = final.with_name(f".{final.name}.partial-{os.getpid()}")
    try:
        remove_folder(partial)
        partial.mkdir(parents=True)
        save_file(
            {name: tensor.contiguous() for name, tensor in state.tensors.items()}, partial / "state.safetensors"
        )
        _sync(partial / "state.safetensors")
        write_text(partial / "state.json", json.dumps(state.values, indent=1) + "\n")
        remove_folder(final)
        os.replace(partial, final)
        sync_folder(final.parent)
    except OSError as error:
        raise OutputError(f"{final}: the checkpoint cannot be written: {error.strerror or error}") from error
    for old in _saved(out)[:-keep]:
        remove_folder(old)
    states: list[StateValues] = [json.loads((folder / "state.json").read_text()) for folder in _saved(out)]
    best = (state.get("best") for state in states)
    wanted = {_best_weights(out, step) for step in best if step is not None}
    for old in set(final.parent.glob("best-*")) - wanted:
        old.unlink()


def _best_weights(out: Path, step: int) -> Path:
    return out / _CHECKPOINTS / f"best-{step:08d}.safetensors"


def save_best(out: Path, step: int, weights: dict[str, torch.Tensor]) -> None:
    """Save the weights of the lowest held-out loss so far.

    The step is part of the file name: a run resumed from a checkpoint before that step, which may reach other
    weights there, does not use them.
    """
    final = _best_weights(out, step)
    make_folder(final.parent)
    with atomic_write(final) as file:
        file.write(save({name: weight.detach().cpu().contiguous() for name, weight in weights.items()}))


def load_best(out: Path, step: int) -> dict[str, torch.Tensor]:
    """Return the weights that `save_best` saved at a step, by name."""
    return load_file(_best_weights(out, step))


def load_state(out: Path) -> State | None:
    """Return the newest checkpoint of a run, tensors on the CPU; None if there is none.

    Raises:
        TrainingError: the checkpoint cannot be read.
    """
    saved = _saved(out)
    if not saved:
        return None
    try:
        values = json.loads((saved[-1] / "state.json").read_text())
        return State(load_file(saved[-1] / "state.safetensors"), values)
    except Exception as error:  # SafetensorError derives from Exception directly
        raise TrainingError(
            f"{saved[-1]}: damaged checkpoint ({error}); remove it to resume from an older one"
        ) from error


def _saved(out: Path) -> list[Path]:
    return sorted((out / _CHECKPOINTS).glob("step-*"))


def claim(out: Path, identity: dict[str, Any], *, overwrite: bool) -> None:
    """Claim ``out`` for this run: a new folder, or that of the same run interrupted.

    Args:
        out: the folder of the run.
        identity: the options and inputs that the result depends on, written to training.json.
        overwrite: whether to remove a finished model or another run first.

    Raises:
        OutputError: the folder holds a finished model, another run, or files of another kind.
    """
    identity = json.loads(json.dumps(identity))
    found = _read_json(out / TRAINING)
    if out.is_dir() and any(out.iterdir()):
        if found is None:
            raise OutputError(f"{out}: holds something other than a training run; choose another --out")
        if overwrite:
            remove_folder(out)
        elif (out / MANIFEST).exists():
            remove_folder(out / _CHECKPOINTS)  # left by a run killed after it wrote the manifest
            raise OutputError(f"{out}: holds a finished model; choose another --out, or use --overwrite")
        elif difference := _difference(found.get("run", {}), identity):
            raise OutputError(
                f"{out}: holds another run ({difference}); choose another --out, or use --overwrite"
            )
    make_folder(out)
    for partial in [*out.glob(".*.partial-*"), *(out / _CHECKPOINTS).glob(".*.partial-*")]:
        remove_folder(partial) if partial.is_dir() else partial.unlink()
    write_text(out / TRAINING, json.dumps({"run": identity}, indent=1) + "\n")


def _difference(its: dict[str, Any], mine: dict[str, Any]) -> str:
    for name in sorted({*its, *mine}):
        if its.get(name) != mine.get(name):
            return f"{name} was {its.get(name)}, now {mine.get(name)}"
    return ""


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def save_model(
    out: Path, model: Any, vocabulary: Path, *, results: Mapping[str, object], card: str, manifest: Manifest
) -> None:
    """Write the finished model to ``out``, its manifest last, and remove the checkpoints.

    Args:
        out: the folder of the run.
        model: the trained model of transformers.
        vocabulary: folder of the tokenizer's files.
        results: added to training.json.
        card: text of README.md.
        manifest: the manifest, whose list of files is filled in here.

    Raises:
        OutputError: a file cannot be written.
    """
    partial = out / f".model.partial-{os.getpid()}"
    remove_folder(partial)
    try:
        save_files(partial, model, vocabulary)
        (partial / "README.md").write_text(card)
        training = _read_json(out / TRAINING) or {}
        (partial / TRAINING).write_text(json.dumps({**training, "results": results}, indent=1) + "\n")
        put_in_place(partial, out)
    except OSError as error:
        raise OutputError(f"{out}: the model cannot be written: {error.strerror or error}") from error
    files = [describe(path, out) for path in sorted(out.iterdir()) if path.is_file()]
    write_manifest(out, dataclasses.replace(manifest, files=list(files)))
    remove_folder(out / _CHECKPOINTS)


def save_files(folder: Path, model: Any, vocabulary: Path) -> None:
    """Save model and tokenizer for transformers; all files get the permissions of config.json."""
    with no_progress_bar():
        model.save_pretrained(folder)
    _copy_tokenizer(vocabulary, folder, model.config.max_position_embeddings)
    for file in folder.glob("*.safetensors"):
        shutil.copymode(folder / "config.json", file)  # safetensors creates files with mode 600


def put_in_place(partial: Path, out: Path) -> None:
    """Sync all files of a folder to disk, rename them into ``out``, and remove the folder."""
    for file in sorted(partial.iterdir()):
        _sync(file)
        os.replace(file, out / file.name)
    sync_folder(out)
    partial.rmdir()


def _copy_tokenizer(vocabulary: Path, folder: Path, longest: int) -> None:
    """Copy the tokenizer's files unchanged, except for the maximum number of tokens, which is the model's."""
    for name in _TOKENIZER_FILES:
        if (vocabulary / name).exists():
            shutil.copyfile(vocabulary / name, folder / name)
    settings = _read_json(folder / "tokenizer_config.json") or {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings["model_max_length"] = longest
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1, ensure_ascii=False) + "\n")


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
