"""The state of an output folder: its plan, its lock and whether its contents may be replaced."""

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
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # a link in the place of the lock is refused


def refuse_foreign(folder: Path) -> None:
    """Raise if a folder holds files but was not made by wpprep.

    Raises:
        OutputError: it has neither a manifest nor ``.unfinished``, or is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file, expected a folder or nothing")
    is_ours = (folder / MANIFEST).exists() or (folder / UNFINISHED).exists()
    names = sorted(file.name for file in folder.iterdir()) if folder.exists() and not is_ours else []
    some = [name for name in names if name != "lost+found"][:3]  # which every new volume holds
    if some:
        raise OutputError(f"{folder}: holds something else ({', '.join(some)}); give an empty or new folder")


def found_plan(folder: Path, overwrite: bool) -> dict[str, Any] | None:
    """Return the plan that began or finished a folder; None if there is none.

    Args:
        folder: the output folder.
        overwrite: return a plan of kind ``damaged`` instead of raising.

    Raises:
        OutputError: the plan or the manifest is damaged.
    """
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
    except ValueError as error:  # ShardError, or invalid JSON
        if overwrite:
            return {"kind": "damaged"}
        raise OutputError(f"{plan if plan.exists() else folder}: damaged ({error}); use --overwrite") from error
    return None


def lock_folder(folder: Path, *, is_shared: bool) -> IO[bytes]:
    """Return an open file that holds the folder's lock until it is closed or the process ends.

    Args:
        folder: an output folder with its ``.unfinished``.
        is_shared: other nodes may hold the lock too.

    Raises:
        OutputError: another run holds the lock, or the folder cannot be written.
    """
    try:
        descriptor = os.open(folder / UNFINISHED / "lock", os.O_RDWR | os.O_CREAT | _NO_LINK, 0o666)
    except OSError as error:
        raise OutputError(f"{folder}: cannot be written: {error.strerror}") from error
    lock = os.fdopen(descriptor, "r+b")
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
    """Return the first three entries in which two plans differ, as text for an error message.

    >>> difference({"kind": "tokens", "options": {"seed": 1}}, {"kind": "tokens", "options": {"seed": 2}})
    'the work of another command: options.seed 1 instead of 2'
    """
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
