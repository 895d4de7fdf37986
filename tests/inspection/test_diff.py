"""Differences between two shard folders: options, statistics, and the first row that differs."""

from __future__ import annotations

import dataclasses
import io
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from wpprep.inspection.diff import find_differences, rows_that_differ
from wpprep.inspection.find_rows import by_number
from wpprep.inspection.terminal import show
from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import read_shard
from wpprep.storage.manifest import read_manifest, write_manifest


def printed(path: Path, other: Path) -> str:
    """What `show` prints for a comparison."""
    text = io.StringIO()
    show(path, console=Console(file=text, width=100, no_color=True), compare=str(other))
    return text.getvalue()


@pytest.fixture(scope="module")
def others(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus of `shards` with another seed, and once more with the same options."""
    options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "workers": 1, "shards": 3}
    folder, corpus = tmp_path_factory.mktemp("others"), [sample_corpus / "wiki"]
    make_shards(corpus, vocab, folder / "seed", seed=7, **options)
    make_shards(corpus, vocab, folder / "same", **options)
    return folder


def test_equal_shards_have_no_difference(shards: Path, others: Path) -> None:
    """No option and no row differs, and the printed text says that the files are equal."""
    data = find_differences(shards, others / "same")
    assert (data["options"], data["first"], data["same_files"]) == ({}, None, True)
    assert "the shards are equal byte for byte; 0 options differ" in printed(shards, others / "same")


def test_a_comparison_names_options_and_the_first_row_that_differs(shards: Path, others: Path) -> None:
    """The seed differs, and the row is the first one of all rows, compared one by one, that is not equal."""
    data = find_differences(shards, others / "seed")
    assert data["options"] == {"seed": [12345, 7]}
    folders = [ShardFolder(path) for path in (shards, others / "seed")]
    ours, theirs = (by_number(folder, range(len(folder))) for folder in folders)
    row = next(i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    assert data["first"] == {"row": row, "instances": [ours[row], theirs[row]]}
    assert data["statistics"]["rows"] == [len(ours), len(theirs)]
    assert f"row {row} is the first that differs" in printed(shards, others / "seed")


def test_a_label_or_a_mask_alone_is_a_difference(shards: Path) -> None:
    """A change of one value in any column is a difference of that row and of no other."""
    batch = read_shard(shards / "shard-00001-of-00003.arrow")
    assert not rows_that_differ(batch, batch).any()
    for name in ("input_ids", "mlm_positions", "mlm_labels"):
        values = getattr(batch, name).copy()
        values[-1] += 1
        changed = dataclasses.replace(batch, **{name: values})
        assert rows_that_differ(batch, changed).nonzero()[0].tolist() == [len(batch) - 1], name
    for name in ("b_start", "next_sentence_label", "document"):
        values = getattr(batch, name).copy()
        values[3] += 1
        changed = dataclasses.replace(batch, **{name: values})
        assert rows_that_differ(batch, changed).nonzero()[0].tolist() == [3], name


def test_a_folder_with_more_rows_differs_where_the_other_ends(shards: Path, tmp_path: Path) -> None:
    """For a copy without its last shard, the first row of that shard is the difference, with None beside it."""
    shutil.copytree(shards, tmp_path / "short")
    manifest = read_manifest(shards)
    files = [file for file in manifest.files if not file.name.startswith("shard-00002")]
    write_manifest(tmp_path / "short", dataclasses.replace(manifest, files=files))
    rows = len(ShardFolder(tmp_path / "short"))
    (instance,) = by_number(ShardFolder(shards), [rows])
    assert find_differences(tmp_path / "short", shards)["first"] == {"row": rows, "instances": [None, instance]}
    assert "ends before it" in printed(tmp_path / "short", shards)
