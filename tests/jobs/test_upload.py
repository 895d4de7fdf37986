"""Upload: one holder of a folder in a bucket, files before the manifest, nothing foreign replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from wpprep.errors import OptionError, OutputError
from wpprep.jobs.upload import Mirror, local_folder, outbound
from wpprep.storage import remote
from wpprep.storage.manifest import Manifest, describe, write_manifest
from wpprep.storage.remote import list_remote, read_remote, write_remote


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder that is not there yet, in a store in memory."""
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(remote, "WAITS", ())
    yield "memory://bucket-of-upload/out"
    fsspec.filesystem("memory").store.clear()
    remote.forget()


def names(url: str) -> set[str]:
    """The files below a folder, by their paths inside."""
    return {name.removeprefix(f"{url}/") for name in list_remote(f"{url}/")}


def write_files(folder: Path) -> None:
    """Write a finished folder of two files."""
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    (folder / "a.txt").write_text("a")
    (folder / "bin" / "b.txt").write_text("b")
    files = [describe(path, folder) for path in sorted(folder.rglob("*.txt"))]
    write_manifest(folder, Manifest(kind="text", options={}, files=[*files]))


def test_a_folder_is_uploaded_and_removed_here(url: str) -> None:
    """The bucket has all files and no trace of work; the local folder is gone."""
    mirror = Mirror(url)
    assert names(url) == {".unfinished/lock"}
    write_files(mirror.local)
    mirror.put_later(["a.txt"])
    mirror.finish()
    mirror.release()
    assert names(url) == {"a.txt", "bin/b.txt", "manifest.json"}
    assert read_remote(f"{url}/bin/b.txt") == b"b"
    assert not mirror.local.exists()


def test_a_folder_has_one_holder(url: str) -> None:
    """A second run is refused until the first has released the lock, which is then gone."""
    first = Mirror(url)
    with pytest.raises(OutputError, match="another run is at work in this folder"):
        Mirror(url)
    first.release()
    assert names(url) == set()
    Mirror(url).release()


def test_the_state_of_the_bucket_replaces_the_local_one(url: str) -> None:
    """Receipts are those of the bucket; other local ones are removed, those never uploaded stay."""
    unfinished = local_folder(url) / ".unfinished"
    unfinished.mkdir(parents=True)
    for name in ("old.arrow.json", "survey-0.json"):
        (unfinished / name).write_text("{}")
    write_remote(f"{url}/.unfinished/new.arrow.json", b'{"task": "1"}')
    mirror = Mirror(url)
    assert {path.name for path in unfinished.glob("*.json")} == {"new.arrow.json", "survey-0.json"}
    assert mirror.has(".unfinished/new.arrow.json", 13)
    assert not mirror.has("new.arrow", 13)
    mirror.release()


def test_a_foreign_folder_is_refused(url: str) -> None:
    """Files of others stay, and no lock is written."""
    write_remote(f"{url}/thesis.tex", b"years of work")
    with pytest.raises(OutputError, match=r"holds something else \(thesis\.tex\)"):
        Mirror(url)
    assert names(url) == {"thesis.tex"}


def test_a_file_to_upload_must_be_here(url: str) -> None:
    """The message names the file and the variable to set; an error in the background is raised later."""
    mirror = Mirror(url)
    with pytest.raises(OutputError, match=r"a\.txt: not here; .*WPPREP_CACHE"):
        mirror.put(["a.txt"])
    mirror.put_later(["a.txt"])
    with pytest.raises(OutputError, match=r"a\.txt: not here"):
        mirror.finish()
    mirror.release()


def test_a_run_that_lost_its_lock_uploads_no_manifest(url: str) -> None:
    """The other run's lock stays, and nothing is declared finished."""
    mirror = Mirror(url)
    write_files(mirror.local)
    taken = json.dumps({"token": "another"}).encode()
    write_remote(f"{url}/.unfinished/lock", taken)
    with pytest.raises(OutputError, match="another run has taken over"):
        mirror.finish()
    mirror.release()
    assert read_remote(f"{url}/.unfinished/lock") == taken
    assert "manifest.json" not in names(url)


def test_an_output_without_tasks_is_uploaded_at_the_end(url: str, tmp_path: Path) -> None:
    """A path is its own folder; a URL gets the files of the block, and is replaced only with overwrite."""
    with outbound(tmp_path / "out", overwrite=False, is_first=True) as folder:
        assert folder == tmp_path / "out"
    with outbound(url, overwrite=False, is_first=True) as folder:
        with outbound(url, overwrite=False, is_first=False) as same:
            assert same == folder
        write_files(folder)
    with (
        pytest.raises(OutputError, match="is finished; .*--overwrite"),
        outbound(url, overwrite=False, is_first=True),
    ):
        pass
    with outbound(url, overwrite=True, is_first=True) as folder:
        assert names(url) == {".unfinished/lock"}
        write_files(folder)
    assert names(url) == {"a.txt", "bin/b.txt", "manifest.json"}


def test_a_url_does_not_lead_out_of_the_cache(url: str) -> None:
    """Parts '..' are refused before any request."""
    assert local_folder("s3://bucket/a/").parts[-4:] == ("out", "s3", "bucket", "a")
    with pytest.raises(OptionError, match=r"has a part '\.\.'"):
        local_folder("s3://bucket/../../x")
