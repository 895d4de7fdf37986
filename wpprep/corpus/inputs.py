"""Input files of a command: folders, patterns, lists and URLs expanded, in the same order on every machine.

    expand_inputs(["wiki/", "books/*.txt", "@files.txt", "s3://bucket/wiki/"])

This module does not open files (`wpprep.storage.files`) or detect their formats (`wpprep.corpus.readers`).
"""

from __future__ import annotations

import glob
import json
import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path

from wpprep.errors import MissingInputError
from wpprep.storage.files import MANIFEST, read_bytes
from wpprep.storage.place import Location
from wpprep.storage.remote import forget, glob_remote, info_of, is_url, list_remote, read_remote

_log = logging.getLogger(__name__)

_NOT_UTF8 = re.compile("[\ud800-\udfff]")  # surrogateescape: bytes of a file name that are not UTF-8
_OF_DATASETS = ("dataset_info.json", "dataset_dict.json", "state.json")


def expand_inputs(inputs: Sequence[str | os.PathLike[str]], *, skip_bad: bool = False) -> list[Location]:
    """Return the files that the inputs name, without repetitions.

        wiki/            all files in the folder and its subfolders, symbolic links followed, in path order
        "wiki/*.bz2"     the files and folders that match, in path order (** matches any depth)
        @files.txt       the paths listed in a file, one per line

    An input may be a URL ("s3://bucket/wiki/*.bz2"); remote files come in the order of local ones. Hidden
    files, README files, manifests of wpprep, and the metadata that `datasets` saves with its Arrow files are
    omitted from folders.

    Args:
        inputs: paths, URLs, patterns and ``@`` lists.
        skip_bad: return broken links, link loops and unreadable subfolders like files, and log a warning;
            reading them fails later, which ``--skip-bad`` counts.

    Raises:
        MissingInputError: an input does not exist or cannot be read, a folder contains no files or a loop of
            links, or a name is not UTF-8.
    """
    forget()
    files = list(dict.fromkeys(file for entry in inputs for file in _expand(os.fspath(entry), skip_bad)))
    for file in files:
        if _NOT_UTF8.search(str(file)):
            raise MissingInputError(
                f"{os.fsencode(file)!r}: the name is not UTF-8, so no id or manifest can contain it; rename it"
            )
    return files


def _expand(entry: str, skip_bad: bool) -> Sequence[Location]:
    if is_url(entry) and not entry.startswith("@"):
        return _expand_url(entry)
    path = Path(entry)
    if path.is_dir():
        bad: list[Path] = []
        found = sorted([*_files_below(path, bad if skip_bad else None), *bad])
        if not found:
            raise MissingInputError(f"{path}: the folder contains no files; expected a corpus")
        return found
    if path.is_file():
        return [path]
    if os.path.lexists(path):
        raise MissingInputError(f"{path}: neither a file nor a folder; expected a corpus file")
    if entry.startswith("@"):
        listed = read_bytes(entry[1:]).decode(errors="replace").splitlines()
        return [file for line in listed if line.strip() for file in _expand(line.strip(), skip_bad)]
    if matches := sorted(glob.glob(entry, recursive=True)):
        return [file for match in matches for file in _expand(match, skip_bad)]
    raise MissingInputError(f"{path}: no such file or folder; expected a corpus file")


def _expand_url(url: str) -> list[str]:
    """Return the files that a URL names; a prefix of other names is a folder, as object stores have none."""
    if "*" in url or "[" in url:
        if matches := glob_remote(url):
            return [file for match in matches for file in _expand_url(match)]
        raise MissingInputError(f"{url}: no such file or folder; expected a corpus file")
    if not url.endswith("/") and info_of(url)["type"] == "file":
        return [url]
    folder = url.rstrip("/") + "/"
    names = [file.removeprefix(folder) for file in list_remote(folder)]
    saved = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "state.json"}
    listed = {parent: _named_by(read_remote(folder + f"{parent}/state.json".lstrip("/"))) for parent in saved}
    kept = [name for name in names if not _is_left_out_below(name, listed)]
    if not kept:
        raise MissingInputError(
            f"{url}: no such file or folder, or the folder contains no files; expected a corpus"
        )
    return [folder + name for name in kept]


def _is_left_out_below(name: str, listed: dict[str, set[str] | None]) -> bool:
    parent, _, last = name.rpartition("/")
    is_hidden = any(part.startswith(".") for part in parent.split("/"))
    return is_hidden or _is_left_out(last, listed.get(parent))


def _files_below(folder: Path, bad: list[Path] | None) -> list[Path]:
    """Return the files of a folder and its subfolders, links followed, except those that are omitted.

    Unreadable subfolders, broken links and link loops are appended to ``bad``, with a warning.

    Raises:
        MissingInputError: ``bad`` is None, and there is one of these.
    """

    def refuse(path: Path, problem: str) -> None:
        if bad is None:
            raise MissingInputError(f"{path}: {problem}")
        bad.append(path)
        _log.warning("%s: %s", path, problem)

    def refuse_folder(error: OSError) -> None:
        refuse(Path(error.filename), f"the folder cannot be read: {error.strerror}")

    files = []
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in [Path(parent, name) for name in folders]:
            if _holds_itself(path, folder):
                refuse(path, "a loop of symbolic links: it points to a folder that contains it")
                folders.remove(path.name)
        listed = _data_files(Path(parent))
        for path in [Path(parent, name) for name in names if not _is_left_out(name, listed)]:
            if path.is_file():
                files.append(path)
            elif path.is_symlink():
                refuse(path, "a broken symbolic link; remove or fix it")
    return files


def _holds_itself(link: Path, top: Path) -> bool:
    """Return whether a path is a link to a folder that contains it, within ``top``."""
    if not link.is_symlink():
        return False
    target = link.resolve()
    return any(around.resolve().is_relative_to(target) for around in link.parents if around.is_relative_to(top))


def _data_files(folder: Path) -> set[str] | None:
    """Return the names of the data files in a folder saved by `datasets`; None for any other folder."""
    try:
        return _named_by((folder / "state.json").read_bytes())
    except OSError:
        return None


def _named_by(state: bytes) -> set[str] | None:
    """Return the data files listed in a ``state.json``; None if `datasets` did not write it."""
    try:
        return {file["filename"] for file in json.loads(state)["_data_files"]}
    except (ValueError, KeyError, TypeError):
        return None


def _is_left_out(name: str, listed: set[str] | None) -> bool:
    if listed is not None:
        return name not in listed
    return name.startswith(".") or Path(name).stem.upper() == "README" or name in (MANIFEST, *_OF_DATASETS)
