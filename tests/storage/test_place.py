"""Places: a path or a URL, and the local file or folder behind it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

from wpprep.storage.place import Place
from wpprep.storage.remote import is_url, write_remote


def test_a_local_place_is_its_path() -> None:
    """Nothing is fetched, and the path need not exist."""
    place = Place("a//b/")
    assert (place.location, place.file(), place.folder()) == (Path("a/b"),) * 3
    assert (os.fspath(place), str(place / "c"), place.is_remote) == ("a/b", "a/b/c", False)


def test_a_url_keeps_its_slashes() -> None:
    """A URL through Place is the same URL, without a slash at its end."""
    place = Place("s3://bucket/a/")
    assert (place.location, str(place / "b"), place.is_remote) == ("s3://bucket/a", "s3://bucket/a/b", True)
    assert is_url(place)
    assert Place(place) == place == pickle.loads(pickle.dumps(place))
    assert len({place, Place("s3://bucket/a")}) == 1


def test_a_remote_file_and_folder_have_local_copies(s3: Any) -> None:
    """A file is fetched whole; of a folder without a manifest, the files that are asked for by name."""
    bucket = s3.make_bucket()
    write_remote(f"{bucket}/vocab/vocab.txt", b"[PAD]\n")
    write_remote(f"{bucket}/vocab/other", b"x")
    assert Place(f"{bucket}/vocab/vocab.txt").file().read_bytes() == b"[PAD]\n"
    folder = Place(f"{bucket}/vocab").folder("vocab.txt", "tokenizer.json")
    assert [path.name for path in folder.iterdir()] == ["vocab.txt"]
