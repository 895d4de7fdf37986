"""The cache: one copy for each version of a file, folders verified by their manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wpprep.errors import MissingInputError, OutputError, ShardError
from wpprep.storage import remote
from wpprep.storage.cache import cache_folder, fetch_entry, fetch_file, fetch_folder, path_inside
from wpprep.storage.manifest import Manifest, describe, write_manifest
from wpprep.storage.remote import put_remote, write_remote

BUCKET = "memory://bucket-of-cache"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache, and an empty store in memory."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "WAITS", ())
    yield tmp_path / "cache"
    fsspec.filesystem("memory").store.clear()
    remote.forget()


@pytest.fixture
def url(cache: Path, tmp_path: Path) -> str:
    """A finished folder in the store."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name * 3)
    files = [describe(path, folder) for path in sorted(folder.iterdir())]
    write_manifest(folder, Manifest(kind="text", options={}, files=[*files]))
    for path in folder.iterdir():
        put_remote(path, f"{BUCKET}/folder/{path.name}")
    return f"{BUCKET}/folder"


def test_the_environment_names_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """WPPREP_CACHE comes before XDG_CACHE_HOME, and that before the home folder."""
    monkeypatch.setenv("WPPREP_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    assert cache_folder() == Path("/a")
    monkeypatch.setenv("WPPREP_CACHE", "")
    assert cache_folder() == Path("/b/wpprep")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "wpprep"


def test_a_file_is_copied_once_for_each_version(cache: Path) -> None:
    """The same version gives the same path without a download; another size gives another copy."""
    write_remote(f"{BUCKET}/x.txt", b"one")
    first = fetch_file(f"{BUCKET}/x.txt")
    assert (first.name, first.read_bytes()) == ("x.txt", b"one")
    first.write_bytes(b"kept")
    assert fetch_file(f"{BUCKET}/x.txt").read_bytes() == b"kept"
    write_remote(f"{BUCKET}/x.txt", b"seven")
    assert fetch_file(f"{BUCKET}/x.txt").read_bytes() == b"seven"
    assert first.exists()


def test_a_missing_file_leaves_no_copy(cache: Path) -> None:
    """The URL is named, and nothing is written."""
    with pytest.raises(MissingInputError, match=r"none\.txt: no such file"):
        fetch_file(f"{BUCKET}/none.txt")
    assert not cache.exists()


def test_a_finished_folder_is_copied_once(url: str, cache: Path) -> None:
    """The copy has all files; it is used again without a request for them."""
    folder = fetch_folder(url)
    assert {path.name: path.read_text() for path in folder.glob("*.txt")} == {
        "a.txt": "a.txt" * 3, "b.txt": "b.txt" * 3
    }  # fmt: skip
    remote.remove_remote([f"{url}/a.txt"])
    assert fetch_folder(f"{url}/") == folder


def test_a_damaged_file_has_no_copy(url: str, cache: Path) -> None:
    """A file of the right size with other bytes is an error, and the folder stays unfinished in the cache."""
    write_remote(f"{url}/b.txt", b"B.TXT" * 3)
    with pytest.raises(ShardError, match=r"b\.txt: damaged: its sha256 is not that in manifest\.json"):
        fetch_folder(url)
    assert not list(cache.rglob("b.txt")) + list(cache.rglob("manifest.json"))


def test_an_unfinished_folder_is_refused_unless_files_are_named(url: str) -> None:
    """Without a manifest only the named files are fetched, anew every time; absent ones are skipped."""
    remote.remove_remote([f"{url}/manifest.json"])
    with pytest.raises(MissingInputError, match=r"unfinished: it has no manifest\.json"):
        fetch_folder(url)
    folder = fetch_folder(url, ["a.txt", "c.txt"])
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    write_remote(f"{url}/a.txt", b"new")
    assert (fetch_folder(url, ["a.txt"]) / "a.txt").read_text() == "new"
    with pytest.raises(MissingInputError, match=r"none of the files c\.txt"):
        fetch_folder(url, ["c.txt"])


def test_a_file_may_have_files_beside_it(url: str) -> None:
    """The URL of a file gives its copy, with the named files in the same folder."""
    path = fetch_folder(f"{url}/a.txt", ["b.txt", "c.txt"])
    assert path.name == "a.txt"
    assert {found.name for found in path.parent.iterdir()} == {"a.txt", "b.txt"}


def test_a_local_folder_is_itself(tmp_path: Path) -> None:
    """A path is not looked at."""
    assert fetch_folder(tmp_path / "none", ["a.txt"]) == tmp_path / "none"


def test_an_entry_is_fetched_unless_it_is_there(url: str, tmp_path: Path) -> None:
    """A file of the right size is kept; a damaged entry is an error."""
    entry = {"name": "a.txt", "bytes": 15, "sha256": hashlib.sha256(b"a.txt" * 3).hexdigest()}
    fetch_entry(url, tmp_path, entry)
    assert (tmp_path / "a.txt").read_text() == "a.txt" * 3
    (tmp_path / "a.txt").write_text("x" * 15)
    fetch_entry(url, tmp_path, entry)
    assert (tmp_path / "a.txt").read_text() == "x" * 15
    with pytest.raises(ShardError, match="an entry of a file is damaged"):
        fetch_entry(url, tmp_path, {"name": "a.txt", "bytes": "many", "sha256": ""})


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "c:x", "a\\x"])
def test_names_that_lead_outside_are_refused(name: str) -> None:
    """A bucket does not choose where files are written."""
    assert path_inside("s3://b", Path("f"), "bin-64/a..b") == Path("f/bin-64/a..b")
    with pytest.raises(ShardError, match="expected one inside this folder"):
        path_inside("s3://b", Path("f"), name)


def test_a_manifest_that_is_none_is_named(cache: Path) -> None:
    """A manifest without a list of files is damaged."""
    write_remote(f"{BUCKET}/odd/manifest.json", json.dumps({"files": 7}).encode())
    with pytest.raises(ShardError, match=r"odd/manifest\.json: not a manifest of wpprep, or damaged"):
        fetch_folder(f"{BUCKET}/odd")


def test_a_cache_that_cannot_be_written_is_named(cache: Path) -> None:
    """A file in the place of the cache is an error that names the variable to set."""
    write_remote(f"{BUCKET}/x.txt", b"one")
    cache.write_text("a file")
    with pytest.raises(OutputError, match="cannot be written: .*; see WPPREP_CACHE"):
        fetch_file(f"{BUCKET}/x.txt")


def test_the_cache_is_readable_by_its_user_alone(cache: Path) -> None:
    """It is made with mode 700."""
    write_remote(f"{BUCKET}/x.txt", b"one")
    fetch_file(f"{BUCKET}/x.txt")
    assert cache.stat().st_mode & 0o777 == 0o700


def test_a_cache_that_others_can_write_is_not_trusted(cache: Path) -> None:
    """A file that anybody may have put there is refused, and the message names the way out."""
    cache.mkdir()
    cache.chmod(0o777)
    write_remote(f"{BUCKET}/x.txt", b"one")
    with pytest.raises(OutputError, match="every user can write to it.*WPPREP_CACHE"):
        fetch_file(f"{BUCKET}/x.txt")
    assert list(cache.iterdir()) == []
