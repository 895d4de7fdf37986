"""The output folder of a training run: one run at a time, and only the run that began it.

    model/
      .unfinished/plan.json   marks the folder for other commands as the work of `train`
      .unfinished/lock        locked by the run at work
      training.json           options, data and vocabulary of the run ("run"); at the end its "results"

The same command on a finished folder returns its results. Checkpoints are in `checkpoint`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NotRequired, TypedDict

from wpprep.errors import OutputError, WpprepError
from wpprep.jobs.lock import PLAN, lock_folder
from wpprep.storage.files import (
    MANIFEST,
    UNFINISHED,
    make_folder,
    remove_aside,
    remove_folder,
    set_aside,
    write_text,
)
from wpprep.storage.json_files import mismatch, parse_json, read_json
from wpprep.storage.place import Place
from wpprep.storage.remote import find_info, is_url, read_remote
from wpprep.training.pretraining.model_card import Results
from wpprep.training.pretraining.progress import Evaluation

TRAINING = "training.json"
CHECKPOINTS = "checkpoints"
_LOCK = "lock"
_TRIES = 5  # attempts to lock a folder that other runs finish at the same time


class TrainingValues(TypedDict):
    """The content of training.json."""

    run: dict[str, Any]
    results: NotRequired[Results]


@contextlib.contextmanager
def hold(out: Path, identity: Mapping[str, Any], *, overwrite: bool) -> Iterator[Results | None]:
    """Hold ``out`` for this run until the end of the block; yield its results if it is finished, else None.

    Args:
        out: the folder of the run: a new one, or that of the same run, interrupted or finished.
        identity: the options and inputs that the result depends on, written to training.json.
        overwrite: whether to remove a finished model or another run first.

    Raises:
        OutputError: another run is at work in the folder, or it holds another run, or files of another kind.
    """
    _refuse_foreign(out)
    if not ((out / MANIFEST).exists() or (out / UNFINISHED).exists()):
        _read_training(out)  # raises if the file of this name is none of ours, so that it is not overwritten
    done = None if overwrite else finished(out, identity)
    if done is not None and not (out / UNFINISHED).exists() and not (out / CHECKPOINTS).exists():
        yield done
        return
    lock = _lock(out)
    try:
        done = None if overwrite else finished(out, identity)
        if overwrite and any(path.name != UNFINISHED for path in out.iterdir()):
            lock.close()  # on NFS and FUSE a file that is open keeps a name when it is removed
            remove_folder(out)
            lock = _lock(out)
        if done is None:
            _begin(out, identity)
        yield done
        if (out / MANIFEST).exists():
            remove_folder(out / CHECKPOINTS)  # a run killed after it wrote the manifest leaves them
            aside = set_aside(out / UNFINISHED)
            lock.close()
            remove_aside(aside)
    finally:
        lock.close()


def finished(out: Path | str, identity: Mapping[str, Any]) -> Results | None:
    """Return the results of a finished run, None if the folder has no finished or no run at all.

    Args:
        out: the folder, a path or a URL.
        identity: the options and inputs of this run.

    Raises:
        OutputError: the folder holds another run, or its training.json is damaged.
    """
    found = _read_training(out)
    if found is None:
        return None
    is_finished = _exists(out, MANIFEST)
    if difference := _difference(found["run"], json.loads(json.dumps(identity))):
        what = "a finished model of another run" if is_finished else "another run"
        raise OutputError(f"{out}: holds {what} ({difference}); choose another --out, or use --overwrite")
    if not is_finished:
        return None
    if "results" not in found:
        raise OutputError(f"{Place(out) / TRAINING}: has no results; use --overwrite to train again")
    return found["results"]


def _exists(out: Path | str, name: str) -> bool:
    return bool(find_info(f"{out}/{name}")) if is_url(out) else (Path(out) / name).exists()


def _read_training(out: Path | str) -> TrainingValues | None:
    if not _exists(out, TRAINING):
        return None
    place = Place(out) / TRAINING
    advice = "remove the folder, or choose another --out"
    if is_url(out):
        data = read_remote(f"{out}/{TRAINING}")
        found = parse_json(data, TrainingValues, f"{place}", error=OutputError, advice=advice)
    else:
        found = read_json(Path(out) / TRAINING, TrainingValues, error=OutputError, advice=advice)
    for name in ("before", "after", "best"):
        if wrong := mismatch(found.get("results", {}).get(name), Evaluation | None, f"results.{name}"):
            raise OutputError(f"{place}: {wrong}; {advice}")
    return found


def _difference(its: Mapping[str, Any], mine: Mapping[str, Any]) -> str:
    for name in sorted({*its, *mine}):
        if its.get(name) != mine.get(name):
            return f"{name} was {its.get(name)}, now {mine.get(name)}"
    return ""


def _refuse_foreign(out: Path) -> None:
    """Raise if a folder holds anything but a training run, which has a training.json or is marked as one."""
    if out.exists() and not out.is_dir():
        raise OutputError(f"{out}: is a file, expected a folder or nothing")
    if not out.is_dir() or (out / TRAINING).exists():
        return
    others = sorted(path.name for path in out.iterdir() if path.name != UNFINISHED)
    if not others and (out / UNFINISHED).is_dir():  # a run killed at its beginning, or another command's
        others = sorted(path.name for path in (out / UNFINISHED).iterdir() if path.name not in (PLAN, _LOCK))
        plan = out / UNFINISHED / PLAN
        if plan.exists() and read_json(plan, dict[str, Any], error=OutputError).get("kind") != "model":
            others = [PLAN]
    if others:
        raise OutputError(
            f"{out}: holds something other than a training run ({', '.join(others[:3])}); choose another --out"
        )


def _lock(out: Path) -> IO[bytes]:
    """Return an open file that holds the lock of a folder, which is created if necessary.

    A run that finishes removes the lock: one that was opened just before is not a lock any more.

    Raises:
        OutputError: another run holds it, or the folder cannot be written.
    """
    for _ in range(_TRIES):
        make_folder(out / UNFINISHED)
        try:
            lock = lock_folder(out, is_shared=False)
        except OutputError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                continue
            raise
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(out / UNFINISHED / _LOCK)):
                return lock
        lock.close()
    raise OutputError(f"{out}: another run is at work in this folder; wait for it, or stop it")


def _begin(out: Path, identity: Mapping[str, Any]) -> None:
    """Write the files that mark the folder as that of the run, and remove what killed runs left."""
    for partial in [*out.glob(".*.partial-*"), *(out / CHECKPOINTS).glob(".*.partial-*")]:
        remove_aside(partial)
    try:
        write_text(out / UNFINISHED / PLAN, json.dumps({"kind": "model", "run": identity}, indent=1) + "\n")
        write_text(out / TRAINING, json.dumps({"run": identity}, indent=1) + "\n")
    except WpprepError:
        raise
    except OSError as error:
        raise OutputError(f"{out}: cannot be written: {error.strerror or error}") from error
