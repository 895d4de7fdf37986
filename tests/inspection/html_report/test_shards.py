"""The section of a shard folder: what every kind of shards shows, and names from the token store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.pages import SHARDS

pytest.importorskip("matplotlib", reason="the section has charts")

from wpprep.inspection.census import take_census
from wpprep.inspection.html_report.parts import Section
from wpprep.inspection.html_report.shards import INSTANCES, describe
from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.folder import ShardFolder
from wpprep.storage.manifest import read_manifest

SMALL: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 1, "workers": 1, "format": "lines"}


def section_of(folder: Path, store: Path | None = None) -> Section:
    """The section of a folder, on a page without its vocabulary."""
    shards = ShardFolder(folder)
    return describe(shards, take_census(shards), store, has_vocabulary=False)


def test_a_section_has_the_numbers_of_the_manifest(folders: Path) -> None:
    """Instances, documents and vocabulary are shown, and twenty instances in ascending order."""
    section, manifest = section_of(folders / SHARDS), read_manifest(folders / SHARDS)
    facts = dict(section.facts)
    assert facts["instances"] == f"{manifest.statistics['rows']:,}"
    assert facts["documents"] == f"{manifest.corpus['documents']:,}"
    numbers = [instance["number"] for instance in section.instances]
    assert len(numbers) == INSTANCES
    assert numbers == sorted(set(numbers))


def test_documents_have_names_from_the_token_store(folders: Path) -> None:
    """With the store, documents have their ids, and the input files their numbers of documents and tokens."""
    tables = {table.caption: table for table in section_of(folders / SHARDS, folders / "tokens").tables}
    manifest = read_manifest(folders / "tokens")
    (row,) = tables["Sources"].rows
    assert row[0] == "corpus.txt"
    assert row[1] == f"{manifest.corpus['documents']:,}"
    named = tables["Documents with the most instances"]
    assert named.head == ["document", "id", "instances"]
    assert all(cells[1].startswith("corpus.txt:") for cells in named.rows)


def test_a_bin_without_instances_has_a_section(folders: Path, tmp_path: Path) -> None:
    """A bin with no instance of its lengths has a note and no charts."""
    options = SMALL | {"bins": "8,64", "short_seq_prob": 0.0}
    make_shards([folders / "corpus.txt"], folders / "vocab", tmp_path / "out", **options)
    section = section_of(tmp_path / "out" / "bin-8")
    assert section.notes == ["This folder has no instances."]
    assert section.charts == []
    assert section.instances == []


@pytest.mark.parametrize(
    "options",
    [
        {"masking": "dynamic"},
        {"layout": "dense"},
        {"objective": "single"},
        {"objective": "sop"},
        {"bins": "32,64"},
    ],
    ids=str,
)
def test_charts_depend_on_the_kind_of_shards(options: dict[str, str], folders: Path, tmp_path: Path) -> None:
    """A chart is omitted if the shards have no data for it, with a note if there is a reason to give."""
    make_shards([folders / "corpus.txt"], folders / "vocab", tmp_path / "out", **(SMALL | options))
    section = section_of(tmp_path / "out")
    titles, notes = [chart.title for chart in section.charts], " ".join(section.notes)
    assert ("Masks by position" in titles) == (options.get("masking") != "dynamic")
    assert ("Masking is dynamic" in notes) == (options.get("masking") == "dynamic")
    assert ("Instances per document" in titles) == (options.get("layout") != "dense")
    assert ("layout dense" in notes) == (options.get("layout") == "dense")
    assert ("Labels by length" in titles) == (options.get("objective") != "single")
    if options.get("objective") == "sop":
        labels = section.charts[titles.index("Labels by length")]
        assert labels.label.startswith("B is swapped in ")
