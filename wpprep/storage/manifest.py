"""Manifests: the contents of a finished folder, in a form that can be verified.

`manifest.json` is written last; a folder is finished if and only if it has one. It records the options that the
bytes depend on, the vocabulary, every file with its size and sha256, and statistics. Equal data gives an equal
manifest: keys are sorted and there are no time stamps. ``checksum`` is the sha256 of the manifest's own text
without that line, so that a flipped bit in the manifest is detected as well.

    {
      "checksum": "...", "corpus": {...}, "files": [{"bytes": 104, "name": "vocab.txt", "sha256": "..."}],
      "format_version": 1, "kind": "vocabulary", "options": {...}, "statistics": {...}, "vocabulary": null,
      "wpprep_version": "..."
    }

What this module does not do: interpret the options or statistics of a kind of folder.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from wpprep._version import __version__
from wpprep.config import usable_cpus
from wpprep.errors import MissingInputError, ShardError
from wpprep.storage.files import MANIFEST, sha256_of, write_text
from wpprep.storage.json_files import mismatch, parse_json
from wpprep.storage.place import Place
from wpprep.storage.remote import forget, is_url, list_remote, read_remote

FORMAT_VERSION = 1
_AGAIN = "make the folder again"
_MOST = 1 << 56  # of any count or size
KINDS = ("vocabulary", "counts", "tokens", "shards", "model", "finetuned", "export", "text")


@dataclass(frozen=True)
class File:
    """A file of a finished folder; ``name`` is its path inside the folder, with forward slashes."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """A file of rows: a shard of instances, or a part of a token store, with one row per document."""

    name: str
    rows: int
    tokens: int
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The contents of a finished folder.

    Attributes:
        kind: one of `KINDS`.
        options: the data options that the folder was made with.
        files: every file but the manifest itself; of a subfolder with its own manifest, that is enough.
        vocabulary: sha256 of the vocabulary's ``tokenizer.json``; None where the folder does not depend on one.
        corpus: facts that identify the corpus.
        statistics: counts and other facts of the contents; their keys depend on the kind.
        format_version: version of the manifest's layout.
        wpprep_version: version of the program that wrote it.
    """

    kind: str
    options: dict[str, Any]
    files: list[File | Shard]
    vocabulary: str | None = None
    corpus: dict[str, Any] = field(default_factory=dict)
    statistics: dict[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    wpprep_version: str = __version__


def describe(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> File:
    """Return the manifest entry of a written file; ``folder`` is the folder of the manifest."""
    return File(Path(path).relative_to(folder).as_posix(), os.path.getsize(path), sha256_of(path))


def describe_rows(path: str | os.PathLike[str], rows: int, tokens: int = 0, name: str | None = None) -> Shard:
    """Return the manifest entry of a written file of rows; ``name`` defaults to the file's own."""
    return Shard(name or os.path.basename(path), rows, tokens, os.path.getsize(path), sha256_of(path))


def write_manifest(folder: str | os.PathLike[str], manifest: Manifest) -> None:
    """Write the manifest, which declares the folder finished; all its other files must have been written.

    Raises:
        OutputError: the file cannot be written.
    """
    assert manifest.kind in KINDS
    values = json.loads(json.dumps(dataclasses.asdict(manifest)))  # as they are read back: keys are strings
    write_text(Path(folder) / MANIFEST, _render(values))


def read_manifest(folder: str | os.PathLike[str], kind: str | None = None) -> Manifest:
    """Return the manifest of a finished folder.

    Args:
        folder: a path or a URL.
        kind: the expected kind, one of `KINDS`; None: any.

    Raises:
        MissingInputError: there is no such folder, or it is unfinished.
        ShardError: the manifest is damaged, newer than this program, or of another kind.
    """
    path = (Place(folder) / MANIFEST).location
    if not is_url(path) and not Path(path).is_file():
        raise MissingInputError(f"{folder}: {_why_missing(Path(folder), kind)}")
    try:
        text = read_remote(path) if isinstance(path, str) else path.read_bytes()
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror or error}") from error
    values = parse_json(text, dict[str, Any], f"{path}: not a manifest of wpprep, or damaged", advice=_AGAIN)
    version, maker = values.get("format_version"), values.get("wpprep_version")
    if version is None or values.pop("checksum", None) is None:
        raise ShardError(
            f"{path}: not a manifest of wpprep, or damaged: it has no version or checksum; {_AGAIN}"
        )
    if version != FORMAT_VERSION:
        raise ShardError(
            f"{path}: format version {version}, expected {FORMAT_VERSION}; it was made by wpprep {maker}, "
            f"this is {__version__}: use that version, or make the folder again"
        )
    if _render(values).encode() != text:
        raise ShardError(f"{path}: damaged or edited: its checksum is not that of its text; {_AGAIN}")
    if wrong := _wrong(values):
        raise ShardError(f"{path}: damaged: {wrong}; {_AGAIN}")
    if kind is not None and values["kind"] != kind:
        raise ShardError(f"{folder}: a folder of kind {values['kind']}, expected one of kind {kind}")
    files = [Shard(**file) if "rows" in file else File(**file) for file in values.pop("files")]
    return Manifest(files=files, **values)


class _Facts(TypedDict, total=False):
    """Entries of ``corpus`` and ``statistics`` that commands read, where they exist."""

    documents: int
    text_bytes: int
    replaced: int
    rows: int
    tokens: int
    sentences: int
    entries: int
    random_next: int
    predictions: int
    length_histogram: list[int]


def _wrong(values: dict[str, Any]) -> str | None:
    """Return the first thing in a manifest that no command could have written, or None.

    The checksum covers the text as it is: an edited manifest can have a new one.
    """
    wrong = mismatch(values, Manifest)
    if wrong is None and values["kind"] not in KINDS:
        wrong = f"kind is {values['kind']!r}"
    if wrong is None and values["kind"] != "finetuned":
        wrong = mismatch(values["corpus"], _Facts, "corpus") or mismatch(
            values["statistics"], _Facts, "statistics"
        )
    return wrong or next(filter(None, map(_wrong_file, values["files"])), None)


def _wrong_file(file: dict[str, Any]) -> str | None:
    name = file["name"]
    if not name or name.startswith("/") or "\\" in name or ".." in name.split("/"):
        return f"a file is called {name!r}, expected a name inside the folder"
    for number in ("bytes", "rows", "tokens"):
        if not 0 <= file.get(number, 0) <= _MOST:
            return f"{number} of {name} is {file[number]}"
    return None


# Runs a check on every file, on threads or workers, and returns the results in the order of the files.
Spread = Callable[[Callable[[File | Shard], str | None], list[File | Shard]], list[str | None]]


def find_damage(
    folder: str | os.PathLike[str], workers: int | None = None, spread: Spread | None = None
) -> list[str]:
    """Return the problems of a finished folder, one line each; an empty list if there are none.

    Problems are files that are missing, damaged (by size or sha256) or foreign, and damaged or missing
    manifests. Subfolders with manifests are verified too.

    Args:
        folder: a path or a URL.
        workers: number of threads that read files; default: the number of usable CPUs.
        spread: runs the check of every file instead of these threads.
    """
    root = Place(folder).location
    try:
        manifest = read_manifest(root)
    except (MissingInputError, ShardError) as error:
        return [str(error)]
    if isinstance(root, str):
        return _verify_remote(root, manifest)
    # Files of a finished subfolder (a bin's shards) are checked with that subfolder; its manifest, here.
    files = [
        file
        for file in manifest.files
        if not (
            isinstance(file, Shard) and "/" in file.name and ((root / file.name).parent / MANIFEST).exists()
        )
    ]
    found = (spread or _in_threads(workers))(partial(_check, root), files)
    problems = [problem for problem in found if problem]
    known = {MANIFEST, *(file.name for file in manifest.files)}
    return problems + _strangers(root, root, known, lambda inside: find_damage(inside, workers, spread))


def refuse_damage(folder: str | os.PathLike[str], workers: int | None = None, advice: str = _AGAIN) -> None:
    """Raise unless every file of a finished folder is as it was written.

    Args:
        folder: a path or a URL.
        workers: number of threads that read files.
        advice: what to do next.

    Raises:
        ShardError: a file is damaged, missing or foreign; the message names the first one.
    """
    if damage := find_damage(folder, workers):
        raise ShardError(f"{damage[0]}; {advice}")


def _in_threads(workers: int | None) -> Spread:
    def spread(check: Callable[[File | Shard], str | None], files: list[File | Shard]) -> list[str | None]:
        with ThreadPoolExecutor(workers or usable_cpus()) as pool:
            return list(pool.map(check, files))

    return spread


def _verify_remote(url: str, manifest: Manifest) -> list[str]:
    """Return the problems of a folder in a bucket, as `find_damage`; files are read without a local copy."""
    forget()
    there = {name.removeprefix(f"{url}/"): size for name, size in list_remote(f"{url}/").items()}
    problems = []
    for file in manifest.files:
        found = there.get(file.name)
        if file.name not in there:
            problems.append(f"{url}/{file.name}: missing")
        elif found not in (None, file.bytes):
            problems.append(f"{url}/{file.name}: damaged: {found} bytes, expected {file.bytes}")
        elif sha256_of(f"{url}/{file.name}") != file.sha256:
            problems.append(f"{url}/{file.name}: damaged: its sha256 is not that in {MANIFEST}")
    known, within = {MANIFEST, *(file.name for file in manifest.files)}, set[str]()
    for name in sorted(there):
        parent, _, last = name.rpartition("/")
        if parent and last == MANIFEST and parent != "vocab":
            problems += find_damage(f"{url}/{parent}")
            within.add(parent)
    strangers = [name for name in sorted(there) if name not in known and name.split("/")[0] not in within]
    return problems + [f"{url}/{name}: foreign: {MANIFEST} does not name it" for name in strangers]


def _render(values: dict[str, Any]) -> str:
    """Return the text of a manifest: ``values`` and their checksum."""
    plain = json.dumps(values, indent=2, sort_keys=True)
    checksum = hashlib.sha256(plain.encode()).hexdigest()
    return json.dumps({**values, "checksum": checksum}, indent=2, sort_keys=True) + "\n"


def _why_missing(folder: Path, kind: str | None) -> str:
    wanted = f"a folder of kind {kind}" if kind else f"a folder with {MANIFEST}"
    if not folder.exists():
        return f"no such folder; expected {wanted}"
    if not folder.is_dir():
        return f"not a folder; expected {wanted}"
    return f"unfinished, or not made by wpprep: it has no {MANIFEST}; run the command that makes it again"


def _check(root: Path, file: File | Shard) -> str | None:
    path = root / file.name
    try:
        size = path.stat().st_size
        if size != file.bytes:
            return f"{path}: damaged: {size} bytes, expected {file.bytes}"
        if sha256_of(path) != file.sha256:
            return f"{path}: damaged: its sha256 is not that in {MANIFEST}"
    except FileNotFoundError:
        return f"{path}: missing"
    except OSError as error:
        return f"{path}: cannot be read: {error.strerror}"
    return None


def _strangers(
    root: Path, folder: Path, known: set[str], verify_inside: Callable[[Path], list[str]]
) -> list[str]:
    """Return a problem for each file that no manifest lists, and the problems of subfolders with manifests."""
    problems = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            finished = (path / MANIFEST).exists()
            problems += verify_inside(path) if finished else _strangers(root, path, known, verify_inside)
        elif path.relative_to(root).as_posix() not in known:
            problems.append(f"{path}: foreign: {MANIFEST} does not name it")
    return problems
