"""Parts of a page: charts with their numbers as tables, and shortened names and curves."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="charts are drawn")

from wpprep.inspection.html_report.parts import columns, curves, histogram, short_name, thin, zipf


def test_histograms_lose_no_count() -> None:
    """70 counts in bars of ceil(70 / 32) = 3 make 24 bars, and their table has the same sum."""
    counts = np.arange(70)
    chart = histogram("Lengths", "A sentence.", {"rows": counts}, first=1, x="tokens", y="rows")
    assert [row[0] for row in chart.table.rows][:2] == ["1-3", "4-6"]
    assert chart.table.rows[-1][0] == "70"
    assert len(chart.table.rows) == 24
    assert sum(int(row[1].replace(",", "")) for row in chart.table.rows) == counts.sum()


def test_columns_have_a_row_for_each_category() -> None:
    """The table has the categories in order, a column for each series, and shares as percentages."""
    heights = {"counted": [0.8, 0.2], "options": [0.75, 0.25]}
    chart = columns("Input", "A sentence.", heights, ["[MASK]", "other"], y="share", percent=True)
    assert chart.table.head == ["", "counted", "options"]
    assert chart.table.rows == [["[MASK]", "80.00 %", "75.00 %"], ["other", "20.00 %", "25.00 %"]]


def test_long_curves_are_thinned() -> None:
    """A curve of 40,000 points has 40 lines in its table, and two curves have 20 each with their names."""
    steps = np.arange(40_000)
    one = curves("Loss", "A sentence.", {"train": (steps, steps / 2)}, x="step", y="loss")
    assert one.table.head == ["step", "loss"]
    assert len(one.table.rows) == 40
    series = {"a": (steps, steps / 2), "b": (steps, steps / 3)}
    two = curves("Loss", "A sentence.", series, x="step", y="loss")
    assert two.table.head == ["curve", "step", "loss"]
    assert [row[0] for row in two.table.rows] == ["a"] * 20 + ["b"] * 20


def test_thinning_keeps_the_last_place_and_the_sum() -> None:
    """Seven points in groups of ceil(7 / 3) = 3 have the means 2, 5 and 7 at the places 3, 6 and 7."""
    places, values = thin(np.arange(1, 8), np.arange(1.0, 8.0), 3)
    assert places.tolist() == [3, 6, 7]
    assert values.tolist() == [2.0, 5.0, 7.0]


def test_zipf_ranks_pieces_by_count() -> None:
    """Rank 1 is the largest count, ranks are powers of ten and the last one, and zeros have no rank."""
    counts = np.array([0, 5, 100, *([1] * 10)])
    chart = zipf("Zipf", "A sentence.", {"pieces": counts})
    assert chart.table.rows == [["pieces", "1", "100"], ["pieces", "10", "1"], ["pieces", "12", "1"]]


def test_long_names_keep_their_end() -> None:
    """A path is cut to its last 24 characters, a short name is not."""
    assert short_name("shards") == "shards"
    assert short_name("/very/long/path/to/the/corpus/shards-128") == "…to/the/corpus/shards-128"
