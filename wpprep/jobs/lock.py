"""Whose a folder is: what it holds, by which plan it was begun or finished, and the lock of who works in it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from wpprep.errors import OutputError
from wpprep.storage.files import MANIFEST, UNFINISHED
from wpprep.storage.manifest import read_manifest

if os.name == "posix":
    import fcntl

PLAN = "plan.json"


def refuse_foreign(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder or nothing")
    is_ours = (folder / MANIFEST).exists() or (folder / UNFINISHED).exists()
    if folder.exists() and not is_ours and any(folder.iterdir()):
        some = sorted(file.name for file in folder.iterdir())[:3]
        raise OutputError(f"{folder}: holds something else ({', '.join(some)}); give an empty or new folder")


def found_plan(folder: Path, overwrite: bool) -> dict[str, Any] | None:
    """The plan that began or finished a folder, None if there is none; a damaged one may be overwritten."""
    plan = folder / UNFINISHED / PLAN
    try:
        if plan.exists():
            found: dict[str, Any] = json.loads(plan.read_bytes())
            return found
        if (folder / MANIFEST).exists():
            manifest = read_manifest(folder)
            identity = manifest.corpus.get("identity")
            return {
                "kind": manifest.kind,
                "options": manifest.options,
                "vocabulary": manifest.vocabulary,
                "corpus": identity,
            }
    except ValueError as error:  # ShardError, or no JSON
        if overwrite:
            return {"kind": "damaged"}
        raise OutputError(f"{plan if plan.exists() else folder}: damaged ({error}); use --overwrite") from error
    return None


def lock_folder(folder: Path, *, is_shared: bool) -> IO[bytes]:
    """An open file that holds the folder's lock, alone or with other nodes; it ends with the process."""
    try:
        lock = open(folder / UNFINISHED / "lock", "wb")
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    if os.name == "posix":
        try:
            fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise OutputError(
                f"{folder}: another run is at work in this folder; wait for it, or stop it"
            ) from error
    return lock


def difference(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """The first entries in which two plans differ, for people."""
    if found.get("kind") != wanted["kind"]:
        return f"a folder of kind {found.get('kind')}, not {wanted['kind']}"
    before, after = _flat(found), _flat(wanted)
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    parts = [f"{key} {before.get(key)!r} instead of {after.get(key)!r}" for key in keys[:3]]
    return "the work of another command: " + ", ".join(parts)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
