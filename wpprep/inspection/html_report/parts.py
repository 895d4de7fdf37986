"""The parts of a page: sections with facts, charts, tables and instances.

Every chart comes with its numbers as a table and with a sentence that describes it, for screen readers and for
exact values.

This module does not write HTML (`page`), and does not draw (`charts`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.inspection import charts
from wpprep.inspection.charts import short
from wpprep.inspection.find_rows import Instance
from wpprep.records import Ints

Numbers = npt.NDArray[Any]

_MOST_POINTS = 400  # maximum number of points of a curve
_MOST_LINES = 40  # maximum number of lines of the table under a chart
_LEGEND = 24  # maximum number of characters of a name in a legend
_BINS = 32  # maximum number of bars of a histogram


@dataclass(frozen=True)
class Table:
    """Rows of text under a head; ``caption`` is the title."""

    caption: str
    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Chart:
    """A matplotlib figure; ``label`` describes it in a sentence, ``table`` has its numbers."""

    title: str
    label: str
    drawing: Any
    table: Table


@dataclass(frozen=True)
class Section:
    """The section of one folder, or of the comparison of several.

    Attributes:
        kind: kind of the folder.
        title: name of the folder.
        facts: names and values.
        notes: sentences at the top.
        passages: facts with long values.
        charts: charts.
        tables: tables.
        instances: rows of shards.
        options: the options that the folder was made with.
    """

    kind: str
    title: str
    facts: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)
    passages: list[tuple[str, str]] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


def histogram(title: str, label: str, counts: Mapping[str, Ints], *, first: int, x: str, y: str) -> Chart:
    """Return a histogram of whole numbers; with more than 32 of them, a bar is a range of numbers.

    Args:
        title: title of the chart.
        label: description of the chart, a sentence.
        counts: ``int64[n]`` by name, all of one length; index 0 counts the number ``first``.
        first: the smallest number.
        x: label of the numbers.
        y: label of the counts.
    """
    size = max(len(values) for values in counts.values())
    width = max(1, -(-size // _BINS))
    starts = np.arange(0, size, width)
    summed = {name: np.add.reduceat(values, starts) for name, values in counts.items()}
    ends = np.minimum(starts + width, size) - 1
    names = [
        f"{a + first}" if a == b else f"{a + first}-{b + first}" for a, b in zip(starts, ends, strict=True)
    ]
    places = starts + first + (width - 1) / 2
    rows = [[name, *(f"{values[i]:,}" for values in summed.values())] for i, name in enumerate(names)]
    drawing = charts.bars(summed, places, x_label=x, y_label=y)
    return Chart(title, label, drawing, Table(title, [x, *(_column(name, y) for name in counts)], rows))


def columns(
    title: str,
    label: str,
    heights: Mapping[str, Sequence[float]],
    names: Sequence[str],
    *,
    y: str,
    x: str = "",
    percent: bool = False,
) -> Chart:
    """Return a bar chart of categories.

    Args:
        title: title of the chart.
        label: description of the chart, a sentence.
        heights: one height per category, by the name of the series.
        names: names of the categories.
        y: label of the heights.
        x: label of the categories.
        percent: whether heights are shares, written as percentages.
    """
    drawing = charts.bars(heights, list(names), x_label=x, y_label=y, percent=percent)
    rows = [
        [name, *(_number(values[i], percent=percent) for values in heights.values())]
        for i, name in enumerate(names)
    ]
    return Chart(title, label, drawing, Table(title, [x, *(_column(name, y) for name in heights)], rows))


def short_name(name: str) -> str:
    """Return a name that fits into a legend: the end of a long path."""
    return name if len(name) <= _LEGEND else f"…{name[-_LEGEND:]}"


def curves(
    title: str,
    label: str,
    series: Mapping[str, tuple[Numbers, Numbers]],
    *,
    x: str,
    y: str,
    percent: bool = False,
    from_zero: bool = False,
) -> Chart:
    """Return a line chart; a curve of more than 400 points is drawn by means of neighbours.

    Args:
        title: title of the chart.
        label: description of the chart, a sentence.
        series: x and y values, arrays of equal length, by name.
        x: label of the x axis.
        y: label of the y axis.
        percent: whether y is a share, written as a percentage.
        from_zero: whether the y axis begins at 0.
    """
    drawn = {name: thin(*points, _MOST_POINTS) for name, points in series.items()}
    drawing = charts.lines(drawn, x_label=x, y_label=y, percent=percent, from_zero=from_zero)
    few = {name: thin(*points, _MOST_LINES // max(1, len(series))) for name, points in series.items()}
    rows = [
        ([name] if len(series) > 1 else []) + [short(float(at)), _number(value, percent=percent)]
        for name, (places, values) in few.items()
        for at, value in zip(places, values, strict=True)
    ]
    return Chart(title, label, drawing, Table(title, ["curve", x, y][len(series) < 2 :], rows))


def zipf(title: str, label: str, counts: Mapping[str, Ints]) -> Chart:
    """Return a chart of frequency by rank (Zipf, 1949), with logarithmic axes.

    Args:
        title: title of the chart.
        label: description of the chart, a sentence.
        counts: ``int64[pieces]`` by name, in any order; zeros are not drawn.
    """
    series, rows = {}, []
    for name, values in counts.items():
        ranked = np.sort(values[values > 0])[::-1]
        ranks = np.unique(np.geomspace(1, max(1, len(ranked)), 200).round().astype(np.int64))
        series[name] = (ranks[: len(ranked)], ranked[ranks[: len(ranked)] - 1])
        tens = [10**i for i in range(8) if 10**i <= len(ranked)]
        rows += [[name, f"{rank:,}", f"{ranked[rank - 1]:,}"] for rank in [*tens, len(ranked)]]
    x, y = "rank of the piece", "occurrences"
    drawing = charts.lines(series, x_label=x, y_label=y, log_x=True, log_y=True)
    return Chart(title, label, drawing, Table(title, ["", x, y], rows))


def thin(places: Numbers, values: Numbers, most: int) -> tuple[Numbers, Numbers]:
    """Return at most ``most`` points: means of neighbouring values, at the place of the last of them.

    >>> thin(np.array([1, 2, 3, 4, 5]), np.array([1.0, 3.0, 5.0, 7.0, 9.0]), 3)
    (array([2, 4, 5]), array([2., 6., 9.]))
    """
    width = -(-len(places) // max(1, most))
    if width < 2:
        return places, values
    starts = np.arange(0, len(places), width)
    sizes = np.diff(starts, append=len(places))
    return places[starts + sizes - 1], np.add.reduceat(values, starts) / sizes


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage.

    >>> percent(0.4996)
    '50.0 %'
    """
    return f"{100 * share:.{digits}f} %"


def _number(value: float, *, percent: bool) -> str:
    return f"{100 * value:.2f} %" if percent else f"{value:,.5g}"


def _column(name: str, y: str) -> str:
    return name or y
