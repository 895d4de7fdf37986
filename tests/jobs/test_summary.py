"""Summaries: one shape, a short repr, plain values for JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wpprep.jobs.summary import FolderSummary, Summary
from wpprep.storage.manifest import Manifest


def summary(corpus: dict[str, Any], statistics: dict[str, Any]) -> FolderSummary:
    """The result of a command that wrote a folder."""
    manifest = Manifest(kind="shards", options={}, files=[], corpus=corpus, statistics=statistics)
    return FolderSummary(command="make-shards", seconds=1.25, folder="s3://bucket/out", manifest=manifest)


def test_the_repr_is_one_line() -> None:
    """Command, place, headline and seconds; missing parts are omitted."""
    assert repr(summary({}, {"rows": 12345})) == "<make-shards: s3://bucket/out, 12,345 instances, 1.2 s>"
    assert repr(Summary(command="plan", seconds=0.04)) == "<plan: 0.0 s>"


@pytest.mark.parametrize(
    ("corpus", "statistics", "headline"),
    [
        ({"documents": 7}, {"rows": 3}, "3 instances"),
        ({"documents": 7}, {"entries": 30000}, "30,000 entries"),
        ({"documents": 7}, {}, "7 documents"),
        ({}, {}, ""),
    ],
)
def test_the_headline_is_the_first_figure_known(
    corpus: dict[str, Any], statistics: dict[str, Any], headline: str
) -> None:
    """Instances come before entries, and these before documents."""
    assert summary(corpus, statistics).headline == headline


def test_figures_are_plain_values() -> None:
    """The figures hold the manifest too, and can be written as JSON where the place is a URL."""
    figures = json.loads(json.dumps(summary({}, {"rows": 1}).figures()))
    assert figures["folder"] == "s3://bucket/out"
    assert figures["manifest"]["statistics"] == {"rows": 1}
    assert FolderSummary(
        command="x", seconds=0, folder=Path("out"), manifest=summary({}, {}).manifest
    ).place == Path("out")
