"""Manifests: written once, read back equal, refused when they are not what is asked for; folders verified."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wpprep.errors import MissingInputError, ShardError
from wpprep.storage.manifest import File, Manifest, Shard, describe, find_damage, read_manifest, write_manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished folder of two files, with a finished vocabulary inside."""
    vocabulary = tmp_path / "vocab"
    vocabulary.mkdir()
    (vocabulary / "vocab.txt").write_text("[PAD]\n")
    write_manifest(
        vocabulary,
        Manifest(kind="vocabulary", options={}, files=[describe(vocabulary / "vocab.txt", vocabulary)]),
    )
    files: list[File | Shard] = [describe(vocabulary / "manifest.json", tmp_path)]
    for name in ("shard-0.arrow", "shard-1.arrow"):
        (tmp_path / name).write_bytes(name.encode() * 100)
        entry = describe(tmp_path / name, tmp_path)
        files.append(Shard(name, rows=3, tokens=40, bytes=entry.bytes, sha256=entry.sha256))
    write_manifest(
        tmp_path,
        Manifest(
            kind="shards",
            options={"seed": 1, "masked_lm_prob": 0.15},
            vocabulary="f00d",
            files=files,
            statistics={"rows": 6, "by_length": {10: 1, 9: 2}, "name": "café"},
        ),
    )
    return tmp_path


def test_a_manifest_comes_back(folder: Path) -> None:
    """What was written is read, files as what they were."""
    manifest = read_manifest(folder, "shards")
    assert manifest.options == {"seed": 1, "masked_lm_prob": 0.15}
    assert manifest.vocabulary == "f00d"
    assert [type(file) for file in manifest.files] == [File, Shard, Shard]
    assert manifest.files[2] == Shard("shard-1.arrow", 3, 40, 1300, manifest.files[2].sha256)
    assert manifest.statistics == {"rows": 6, "by_length": {"10": 1, "9": 2}, "name": "café"}
    assert manifest.format_version == 1


def test_equal_manifests_are_equal_bytes(folder: Path) -> None:
    """Written again from what was read, the manifest is the same bytes: sorted, and without a time."""
    before = (folder / "manifest.json").read_bytes()
    write_manifest(folder, read_manifest(folder))
    assert (folder / "manifest.json").read_bytes() == before
    assert list(json.loads(before)) == sorted(json.loads(before))


def test_a_missing_folder_is_told_from_an_unfinished_one(folder: Path) -> None:
    """No folder, a file in its place, and a folder without a manifest are three different messages."""
    with pytest.raises(MissingInputError, match="no such folder; expected a folder of kind tokens"):
        read_manifest(folder / "nowhere", "tokens")
    with pytest.raises(MissingInputError, match="not a folder"):
        read_manifest(folder / "shard-0.arrow")
    (folder / "manifest.json").unlink()
    with pytest.raises(MissingInputError, match="unfinished"):
        read_manifest(folder)


def test_another_kind_is_refused(folder: Path) -> None:
    """A folder of shards is no vocabulary, and the message names both."""
    with pytest.raises(ShardError, match="kind shards, expected one of kind vocabulary"):
        read_manifest(folder, "vocabulary")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "{}", '{"format_version": 1}', "\ufeff{}", "\x00"])
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    """Anything that is no manifest gives one clear line that names the file."""
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ShardError, match=r"manifest\.json: not a manifest of wpprep"):
        read_manifest(folder)


def test_a_newer_manifest_is_refused_with_its_version(folder: Path) -> None:
    """A manifest of a later format says which version of wpprep made it."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps({**values, "format_version": 2, "wpprep_version": "9.1"}))
    with pytest.raises(ShardError, match=r"format version 2, expected 1; it was made by wpprep 9\.1"):
        read_manifest(folder)


def test_any_flipped_bit_of_a_manifest_is_found(folder: Path) -> None:
    """No bit of a manifest can change unseen, not even in its blanks."""
    path = folder / "manifest.json"
    whole = path.read_bytes()
    generator = random.Random(1)
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(ShardError):
            read_manifest(folder)


def test_a_sound_folder_has_no_problems(folder: Path) -> None:
    """Nothing is found where nothing is wrong."""
    assert find_damage(folder) == []
    assert find_damage(folder, workers=1) == []


def test_verify_names_everything_wrong(folder: Path) -> None:
    """Missing, cut, changed and foreign files are each named, in folders inside too; none hides another."""
    (folder / "shard-0.arrow").unlink()
    (folder / "shard-1.arrow").write_bytes(b"x" * 1300)
    (folder / "vocab" / "vocab.txt").write_text("[PAD]\n[UNK]\n")
    (folder / "notes").mkdir()
    (folder / "notes" / "todo.txt").write_text("buy milk")
    (folder / ".shard-0.arrow.partial-7").write_text("")
    problems = find_damage(folder)
    assert sorted(line.removeprefix(str(folder)).split(";")[0] for line in problems) == [
        "/.shard-0.arrow.partial-7: foreign: manifest.json does not name it",
        "/notes/todo.txt: foreign: manifest.json does not name it",
        "/shard-0.arrow: missing",
        "/shard-1.arrow: damaged: its sha256 is not that in manifest.json",
        "/vocab/vocab.txt: damaged: 12 bytes, expected 6",
    ]


def test_verify_finds_any_flipped_bit(folder: Path) -> None:
    """One bit anywhere in any file is enough."""
    generator = random.Random(2)
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            continue
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[generator.randrange(len(whole))] ^= 1 << generator.randrange(8)
        path.write_bytes(damaged)
        assert any(str(path) in problem for problem in find_damage(folder))
        path.write_bytes(whole)
    assert find_damage(folder) == []


def test_verify_misses_a_folder_inside(folder: Path) -> None:
    """A finished folder inside, whose manifest is listed, cannot vanish or lose its manifest unseen."""
    (folder / "vocab" / "manifest.json").unlink()
    assert find_damage(folder) == [
        f"{folder}/vocab/manifest.json: missing",
        f"{folder}/vocab/vocab.txt: foreign: manifest.json does not name it",
    ]
    (folder / "vocab" / "vocab.txt").unlink()
    assert find_damage(folder) == [f"{folder}/vocab/manifest.json: missing"]


def test_verify_of_an_unfinished_folder_says_so(folder: Path) -> None:
    """A folder without a manifest is one problem, not an exception."""
    (folder / "manifest.json").unlink()
    problems = find_damage(folder)
    assert len(problems) == 1
    assert "unfinished" in problems[0]


def resealed(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of a folder, with a checksum that is right again."""
    path = folder / "manifest.json"
    values = json.loads(path.read_text())
    del values["checksum"]
    change(values)
    plain = json.dumps(values, indent=2, sort_keys=True)
    checksum = hashlib.sha256(plain.encode()).hexdigest()
    path.write_text(json.dumps({**values, "checksum": checksum}, indent=2, sort_keys=True) + "\n")


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "files is 'x'": lambda values: values.update(files="x"),
    "files is null": lambda values: values.update(files=None),
    "a file is a list": lambda values: values.update(files=[[1]]),
    "a name is null": lambda values: values["files"][0].update(name=None),
    "a name leads outside": lambda values: values["files"][0].update(name="../x"),
    "an absolute name": lambda values: values["files"][0].update(name="/etc/passwd"),
    "bytes below 0": lambda values: values["files"][0].update(bytes=-1),
    "rows are 2**63": lambda values: values["files"][0].update(rows=2**63, tokens=1),
    "rows are a float": lambda values: values["files"][0].update(rows=1.5, tokens=1),
    "no sha256": lambda values: values["files"][0].pop("sha256"),
    "no kind": lambda values: values.pop("kind"),
    "another kind": lambda values: values.update(kind="cake"),
    "options is 5": lambda values: values.update(options=5),
    "corpus is a list": lambda values: values.update(corpus=[]),
    "documents is 'x'": lambda values: values["corpus"].update(documents="x"),
    "a histogram of strings": lambda values: values["statistics"].update(length_histogram=["x"]),
    "an unknown key": lambda values: values.update(more=1),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_manifest_of_another_form_is_one_line(tmp_path: Path, shape: str) -> None:
    """Its checksum is right, since anybody can compute it; reading and verifying name the manifest."""
    (tmp_path / "a").write_text("a")
    files: list[File | Shard] = [describe(tmp_path / "a", tmp_path)]
    write_manifest(tmp_path, Manifest(kind="text", options={}, files=files))
    assert find_damage(tmp_path) == []
    resealed(tmp_path, SHAPES[shape])
    with pytest.raises(ShardError, match=r"manifest\.json: damaged: .*; make the folder again"):
        read_manifest(tmp_path)
    assert len(find_damage(tmp_path)) == 1


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "5", '"x"', "{}", "[" * 100_000, '{"a":' * 100_000, "\x00", "{\xff"]
)
def test_a_manifest_that_is_none_is_one_line(tmp_path: Path, text: str) -> None:
    """Valid JSON of another type, JSON nested too deeply, and no JSON at all."""
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ShardError, match=r"manifest\.json: not a manifest of wpprep, or damaged"):
        read_manifest(tmp_path)
