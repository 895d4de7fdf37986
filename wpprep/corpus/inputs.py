"""Input files of a command: folders, patterns, lists and URLs expanded, in the same order on every machine.

    expand_inputs(["wiki/", "books/*.txt", "@files.txt", "s3://bucket/wiki/"])

This module does not open files (`wpprep.storage.files`) or detect their formats (`wpprep.corpus.readers`).
"""

from __future__ import annotations

import errno
import functools
import glob
import json
import logging
import os
import re
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

from wpprep.errors import MissingInputError, WpprepError
from wpprep.storage.files import MANIFEST, METRICS, UNFINISHED, open_raw, read_bytes, read_error
from wpprep.storage.place import Location
from wpprep.storage.remote import forget, glob_remote, info_of, is_url, list_remote, read_remote

_log = logging.getLogger(__name__)

_NOT_UTF8 = re.compile("[\ud800-\udfff]")  # surrogateescape: bytes of a file name that are not UTF-8
_MADE_BY_US = b'"wpprep_version"'  # a key of every manifest of wpprep
_OF_A_RUN = (METRICS, "training.json")  # files of an unfinished training run, which has no ``.unfinished``
_OF_DATASETS = ("dataset_info.json", "dataset_dict.json", "state.json")


def expand_inputs(inputs: Sequence[str | os.PathLike[str]], *, skip_bad: bool = False) -> list[Location]:
    """Return the files that the inputs name, without repetitions.

        wiki/            all files in the folder and its subfolders, symbolic links followed, in path order
        "wiki/*.bz2"     the files and folders that match, in path order (** matches any depth)
        @files.txt       the paths listed in a file, one per line

    An input may be a URL ("s3://bucket/wiki/*.bz2"); remote files come in the order of local ones. Hidden
    files, README files, manifests of wpprep, and the metadata that `datasets` saves with its Arrow files are
    omitted from folders, and so are whole subfolders that wpprep has written or is writing; a warning lists
    those.

    Args:
        inputs: paths, URLs, patterns and ``@`` lists.
        skip_bad: return broken links and link loops like files, and log a warning; reading them fails later,
            which ``--skip-bad`` counts.

    Raises:
        MissingInputError: an input does not exist or may not be read, a folder contains no files or a loop of
            links, or a name is not UTF-8.
        ReadError: the system cannot read a folder now.
    """
    forget()
    _is_output.cache_clear()
    files = list(dict.fromkeys(file for entry in inputs for file in _expand(os.fspath(entry), skip_bad)))
    for file in files:
        if _NOT_UTF8.search(str(file)):
            raise MissingInputError(
                f"{os.fsencode(file)!r}: the name is not UTF-8, so no id or manifest can contain it; rename it"
            )
    return files


def _expand(entry: str, skip_bad: bool, lists: tuple[str, ...] = ()) -> Sequence[Location]:
    """Return the files that an input names; ``lists`` are the lists that it is in."""
    if is_url(entry) and not entry.startswith("@"):
        return _expand_url(entry)
    path = Path(entry)
    kind = _mode_of(path)
    if stat.S_ISDIR(kind):
        return _expand_folder(path, skip_bad)
    if stat.S_ISREG(kind):
        return [path]
    if kind or os.path.islink(path):
        raise MissingInputError(f"{path}: neither a file nor a folder; expected a corpus file")
    if entry.startswith("@"):
        listed = read_bytes(entry[1:]).decode(errors="replace").splitlines()
        if entry in lists:
            raise MissingInputError(f"{entry[1:]}: the list names itself; expected paths, one per line")
        inside = (*lists, entry)
        return [file for line in listed if line.strip() for file in _expand(line.strip(), skip_bad, inside)]
    if matches := sorted(_glob(entry)):
        return [file for match in matches for file in _expand(match, skip_bad)]
    raise MissingInputError(f"{path}: no such file or folder; expected a corpus file")


def _mode_of(path: Path) -> int:
    """Return the mode of a file or folder, links followed; 0 if there is none.

    Raises:
        MissingInputError, ReadError: it may not, or cannot now be looked at, or its name is too long.
    """
    try:
        return os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL in the name
        return 0
    except OSError as error:
        if error.errno == errno.ELOOP:
            return 0  # a loop of links, which is a broken one
        raise read_error(path, error) from error


def _expand_folder(folder: Path, skip_bad: bool) -> list[Path]:
    bad: list[Path] = []
    ours: list[Path] = []
    manifest = folder / MANIFEST
    if _is_output(folder):
        _refuse_other_outputs(folder, _content(manifest) if manifest.is_file() else b"")
    found = sorted([*_files_below(folder, bad if skip_bad else None, ours), *bad])
    if not found and ours:
        raise MissingInputError(
            f"{folder}: the folder contains only outputs of wpprep ({_some(ours)}); name those with text"
        )
    if not found:
        raise MissingInputError(f"{folder}: the folder contains no files; expected a corpus")
    _say_left_out(ours)
    return found


def _refuse_other_outputs(folder: Location, manifest: bytes) -> None:
    """Raise if an output of wpprep that is named as input is unfinished, or has no text."""
    if not manifest:
        raise MissingInputError(f"{folder}: an unfinished output of wpprep; finish it, or name another folder")
    try:
        kind = json.loads(manifest)["kind"]
    except (ValueError, KeyError, TypeError):
        kind = "unknown, with a damaged manifest"
    if kind != "text":
        raise MissingInputError(f"{folder}: an output of wpprep of kind {kind}; expected a corpus")


def _say_left_out(ours: Sequence[Location]) -> None:
    if ours:
        _log.warning(
            "left out folders that wpprep has written, which are not part of a corpus: %s", _some(ours)
        )


def _some(places: Sequence[Location]) -> str:
    return ", ".join(map(str, places[:10])) + (", ..." if len(places) > 10 else "")


def _glob(pattern: str) -> list[str]:
    """Return the matches of a pattern, except those in outputs of wpprep below its fixed part.

    Raises:
        MissingInputError, ReadError: a folder that the pattern leads into may not, or cannot now be read.
    """
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    for end in range(fixed, len(parts)):
        if glob.has_magic(parts[end]):
            _refuse_unreadable(glob.glob(str(Path(*parts[:end])), recursive=True) if end else ["."], parts[end])
    ours: dict[Path, None] = {}
    kept = []
    for match in glob.glob(pattern, recursive=True):
        inside = Path(match).parts
        parents = [Path(*inside[:end]) for end in range(fixed + 1, len(inside))]
        made = next((parent for parent in parents if _is_output(parent)), None)
        if made is None:
            kept.append(match)
        else:
            ours[made] = None
    _say_left_out(list(ours))
    return kept


def _refuse_unreadable(folders: Iterable[str], part: str) -> None:
    """Raise for folders that `glob` would pass over silently, since it cannot read them."""

    def refuse(error: OSError) -> None:
        raise read_error(error.filename, error) from error

    for folder in filter(os.path.isdir, folders):
        for _ in os.walk(folder, onerror=refuse):
            if part != "**":
                break


@functools.lru_cache(1024)
def _is_output(folder: Path) -> bool:
    """Return whether wpprep has written a folder, or a run is at work in it."""
    if os.path.isdir(folder / UNFINISHED) or all(os.path.isfile(folder / name) for name in _OF_A_RUN):
        return True
    return os.path.isfile(folder / MANIFEST) and _MADE_BY_US in _content(folder / MANIFEST)


def _content(path: Path) -> bytes:
    with open_raw(path) as file:
        return file.read()


def _expand_url(url: str) -> list[str]:
    """Return the files that a URL names; a prefix of other names is a folder, as object stores have none."""
    if "*" in url or "[" in url:
        if matches := glob_remote(url):
            return [file for match in matches for file in _expand_url(match)]
        raise MissingInputError(f"{url}: no such file or folder; expected a corpus file")
    if not url.endswith("/") and info_of(url)["type"] == "file":
        return [url]
    folder = url.rstrip("/") + "/"
    listing = [file.removeprefix(folder) for file in list_remote(folder)]
    is_unfinished = any(name.startswith(f"{UNFINISHED}/") for name in listing) or set(_OF_A_RUN) <= set(listing)
    manifest = read_remote(folder + MANIFEST) if MANIFEST in listing else b""
    if is_unfinished or _MADE_BY_US in manifest:
        _refuse_other_outputs(url, manifest)
    names = _without_outputs(folder, listing)
    saved = {name.rpartition("/")[0] for name in names if name.rpartition("/")[2] == "state.json"}
    listed = {parent: _named_by(read_remote(folder + f"{parent}/state.json".lstrip("/"))) for parent in saved}
    kept = [name for name in names if not _is_left_out_below(name, listed)]
    if not kept:
        raise MissingInputError(
            f"{url}: no such file or folder, or the folder contains no files; expected a corpus"
        )
    return [folder + name for name in kept]


def _without_outputs(folder: str, names: list[str]) -> list[str]:
    """Return the names that are not in subfolders that wpprep has written, or is writing."""
    there = set(names)
    ours = {parent for name in names if (parent := name.partition(f"/{UNFINISHED}/")[0]) != name}
    for name in names:
        parent, _, last = name.rpartition("/")
        if parent and last in (MANIFEST, METRICS):
            is_run = all(f"{parent}/{file}" in there for file in _OF_A_RUN)
            if is_run or (last == MANIFEST and _MADE_BY_US in read_remote(folder + name)):
                ours.add(parent)
    _say_left_out([folder + parent for parent in sorted(ours)])
    return [name for name in names if not any(name.startswith(f"{parent}/") for parent in ours)]


def _is_left_out_below(name: str, listed: dict[str, set[str] | None]) -> bool:
    parent, _, last = name.rpartition("/")
    is_hidden = any(part.startswith(".") for part in parent.split("/"))
    return is_hidden or _is_left_out(last, listed.get(parent))


def _files_below(folder: Path, bad: list[Path] | None, ours: list[Path]) -> list[Path]:
    """Return the files of a folder and its subfolders, links followed, except those that are omitted.

    Broken links and link loops are appended to ``bad``, with a warning; subfolders that wpprep has written, to
    ``ours``.

    Raises:
        MissingInputError: a subfolder may not be read; or there is a bad link, and ``bad`` is None.
        ReadError: the system cannot read a subfolder now.
    """

    def refuse(path: Path, problem: str) -> None:
        if bad is None:
            raise MissingInputError(f"{path}: {problem}")
        bad.append(path)
        _log.warning("%s: %s", path, problem)

    def refuse_folder(error: OSError) -> None:
        raise _unreadable(error) from error

    files = []
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in [Path(parent, name) for name in folders]:
            if _holds_itself(path, folder):
                refuse(path, "a loop of symbolic links: it points to a folder that contains it")
                folders.remove(path.name)
            elif _is_output(path):
                ours.append(path)
                folders.remove(path.name)
        listed = _data_files(Path(parent)) if "state.json" in names else None
        for path in [Path(parent, name) for name in names if not _is_left_out(name, listed)]:
            mode = _mode_of(path)
            if stat.S_ISREG(mode):
                files.append(path)
            elif not mode and path.is_symlink():
                refuse(path, "a broken symbolic link; remove or fix it")
    return files


def _unreadable(error: OSError) -> WpprepError:
    found = read_error(error.filename, error)
    is_lasting = isinstance(found, MissingInputError)
    return (
        MissingInputError(f"{error.filename}: the folder cannot be read: {error.strerror}")
        if is_lasting
        else found
    )


def _holds_itself(link: Path, top: Path) -> bool:
    """Return whether a path is a link to a folder that contains it, within ``top``."""
    if not link.is_symlink():
        return False
    target = link.resolve()
    return any(around.resolve().is_relative_to(target) for around in link.parents if around.is_relative_to(top))


def _data_files(folder: Path) -> set[str] | None:
    """Return the names of the data files in a folder saved by `datasets`; None for any other folder."""
    state = folder / "state.json"
    return _named_by(_content(state)) if state.is_file() else None


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
