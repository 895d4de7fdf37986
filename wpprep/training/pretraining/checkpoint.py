"""Checkpoints to resume from, and the finished model's folder.

    model/
      .unfinished/             lock of the run at work, see `wpprep.training.pretraining.run_folder`
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

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save, save_file

from wpprep.errors import MissingInputError, OutputError, TrainingError, VocabularyError, WpprepError
from wpprep.storage.files import (
    MANIFEST,
    atomic_write,
    make_folder,
    remove_aside,
    remove_folder,
    sync_folder,
    write_text,
)
from wpprep.storage.json_files import mismatch, read_json
from wpprep.storage.manifest import Manifest, describe, write_manifest
from wpprep.tokenizer.vocabulary import Vocabulary, tokenizer_config
from wpprep.training.model.model import no_progress_bar
from wpprep.training.pretraining.progress import Evaluation, WindowValues
from wpprep.training.pretraining.run_folder import CHECKPOINTS, TRAINING, TrainingValues

_CLASS = "PreTrainedTokenizerFast"  # has no names of special tokens of its own
_RESUME = "remove this folder to resume from an older checkpoint"
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
    final = out / CHECKPOINTS / f"step-{step:08d}"
    with partial_folder(
        final.with_name(f".{final.name}.partial-{os.getpid()}"), final, "checkpoint"
    ) as partial:
        save_file(
            {name: tensor.contiguous() for name, tensor in state.tensors.items()}, partial / "state.safetensors"
        )
        _sync(partial / "state.safetensors")
        write_text(partial / "state.json", json.dumps(state.values, indent=1) + "\n")
        remove_folder(final)
        os.replace(partial, final)
        sync_folder(final.parent)
    for old in _saved(out)[:-keep]:
        remove_folder(old)
    best = (_read_values(folder)["best"] for folder in _saved(out))
    wanted = {_best_weights(out, step) for step in best if step is not None}
    for old in set(final.parent.glob("best-*")) - wanted:
        remove_aside(old)


@contextlib.contextmanager
def partial_folder(partial: Path, final: Path, what: str) -> Iterator[Path]:
    """Yield a new folder for files on their way to a final name; remove it at the end, also after an error.

    Args:
        partial: the folder; an earlier one of a killed run is removed.
        final: the path in the message of an error.
        what: the kind of the files, such as ``model``, in that message.

    Raises:
        OutputError: a file cannot be written.
    """
    try:
        remove_folder(partial)
        partial.mkdir(parents=True)
        yield partial
    except WpprepError:
        raise
    except (OSError, SafetensorError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise OutputError(f"{final}: the {what} cannot be written: {reason}") from error
    finally:
        with contextlib.suppress(OSError):  # also OutputError; what is left is removed by the next run
            remove_folder(partial)


def _best_weights(out: Path, step: int) -> Path:
    return out / CHECKPOINTS / f"best-{step:08d}.safetensors"


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
    """Return the weights that `save_best` saved at a step, by name.

    Raises:
        TrainingError: they cannot be read.
    """
    path = _best_weights(out, step)
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{path}: the weights of the lowest held-out loss cannot be read: {error}; train again with "
            f"--overwrite, or with --final-weights last"
        ) from error


def load_state(out: Path) -> State | None:
    """Return the newest checkpoint of a run, tensors on the CPU; None if there is none.

    Raises:
        TrainingError: the checkpoint cannot be read.
    """
    saved = _saved(out)
    if not saved:
        return None
    values = _read_values(saved[-1])
    try:
        return State(load_file(saved[-1] / "state.safetensors"), values)
    except (OSError, SafetensorError) as error:
        raise damaged(out, error) from error


def damaged(out: Path, reason: object) -> TrainingError:
    """Return the error for the newest checkpoint of a run, which cannot be restored."""
    return TrainingError(f"{_saved(out)[-1]}: damaged checkpoint: {reason}; {_RESUME}")


def _read_values(folder: Path) -> StateValues:
    """Return the values of a checkpoint.

    Raises:
        TrainingError: they cannot be read, or are of another form.
    """
    path = folder / "state.json"
    try:
        values = read_json(path, StateValues, error=TrainingError, advice=_RESUME)
    except MissingInputError as error:
        raise TrainingError(f"{error}; {_RESUME}") from error
    if wrong := mismatch(values["evaluations"], list[Evaluation], "evaluations"):
        raise TrainingError(f"{path}: {wrong}; {_RESUME}")
    return values


def _saved(out: Path) -> list[Path]:
    return sorted((out / CHECKPOINTS).glob("step-*"))


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
    with partial_folder(out / f".model.partial-{os.getpid()}", out, "model") as partial:
        save_files(partial, model, vocabulary)
        (partial / "README.md").write_text(card, encoding="utf-8")
        training = read_json(out / TRAINING, TrainingValues, error=OutputError)
        (partial / TRAINING).write_text(json.dumps({**training, "results": results}, indent=1) + "\n")
        put_in_place(partial, out)
    files = [describe(path, out) for path in sorted(out.iterdir()) if path.is_file() and path.name != MANIFEST]
    write_manifest(out, dataclasses.replace(manifest, files=list(files)))
    remove_folder(out / CHECKPOINTS)


def save_files(folder: Path, model: Any, vocabulary: Path) -> None:
    """Save model and tokenizer for transformers; all files get the permissions of config.json."""
    with no_progress_bar():
        model.save_pretrained(folder)
    _copy_tokenizer(vocabulary, folder, model.config.max_position_embeddings)
    for file in folder.glob("*.safetensors"):
        shutil.copymode(folder / "config.json", file)  # safetensors creates files with mode 600


def put_in_place(partial: Path, out: Path) -> None:
    """Sync all files of a folder to disk and rename them into ``out``."""
    for file in sorted(partial.iterdir()):
        _sync(file)
        os.replace(file, out / file.name)
    sync_folder(out)


def _copy_tokenizer(vocabulary: Path, folder: Path, longest: int) -> None:
    """Copy the tokenizer's files unchanged, except for the maximum number of tokens, which is the model's."""
    for name in _TOKENIZER_FILES:
        if (vocabulary / name).exists():
            shutil.copyfile(vocabulary / name, folder / name)
    path = folder / "tokenizer_config.json"
    settings = read_json(path, dict[str, Any], error=VocabularyError) if path.exists() else {}
    if settings.get("tokenizer_class", None if settings else _CLASS) == _CLASS and "mask_token" not in settings:
        names = tokenizer_config(Vocabulary.from_folder(folder))
        settings = {"tokenizer_class": _CLASS, **names, **settings}
    settings["model_max_length"] = longest
    text = json.dumps(settings, indent=1, ensure_ascii=False)
    if any("\ud800" <= character <= "\udfff" for character in text):  # JSON can express them, UTF-8 cannot
        text = json.dumps(settings, indent=1)
    path.write_text(f"{text}\n", encoding="utf-8")


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())
