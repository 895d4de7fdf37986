"""Charts: from arrays to a PNG or SVG file, or to an element of a page.

    chart = lines({"ours": (ranks, counts)}, x_label="rank", y_label="count", log_x=True, log_y=True)
    save(chart, "zipf.png")
    element = svg(chart, name="zipf", label="frequency of pieces by rank")

Equal arrays give equal bytes: the charts use no window system, no global state of pyplot and no dates.
matplotlib is an optional package (`pip install 'wpprep[report]'`), imported when the first chart is drawn.

Every colour has a role. Files have colours for white paper; in a page the colours become CSS variables, which
the page defines for light and dark mode. Series also differ in dashes and hatches, for readers who cannot tell
the colours apart. Text is drawn as it is, never parsed as a formula.

This module does not choose what is drawn (`html_report`, `training`).
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.errors import MissingExtraError, OptionError
from wpprep.storage.output_file import output_file
from wpprep.storage.place import Location, Place

Numbers = npt.ArrayLike

_SIZE = (7.0, 4.2)  # inches
_DPI = 120
_FORMATS = (".png", ".svg")
_MAKER = "wpprep"  # in the metadata of a PNG, by which it is recognised
_MOST_NAMES = 12  # maximum number of categories written under an axis
_PAGE_SIZE = (4.4, 2.9)  # inches, in a page, where a chart can be as narrow as a phone
_INK, _GRID = "#1b1f24", "#d8dde3"
# Colours that remain distinct under every kind of colour vision (Okabe and Ito, 2008), darkened where the
# contrast with white is too low.
_COLOURS = ("#0072b2", "#c65300", "#007a5a", "#a2447f", "#8a6d00", "#2b8cc4")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.3, 1.3)), (0, (6, 1.5, 1.3, 1.5)))
_HATCHES = ("", "///", "...", "xxx")
VARIABLES = {_INK: "--ink", _GRID: "--grid"} | {c: f"--series-{i}" for i, c in enumerate(_COLOURS, 1)}
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": _INK,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "hatch.color": _GRID,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "wpprep",
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


def lines(
    series: Mapping[str, tuple[Numbers, Numbers]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
    percent: bool = False,
    from_zero: bool = False,
) -> Any:
    """Return a line chart; a series of one or two points is drawn as dots.

    Args:
        series: x and y values, arrays of equal length, by the name in the legend.
        title: title over the chart.
        x_label: label of the x axis.
        y_label: label of the y axis.
        log_x: whether the x axis is logarithmic.
        log_y: whether the y axis is logarithmic.
        percent: whether y is a share, written as a percentage.
        from_zero: whether the y axis begins at 0.

    Returns:
        A matplotlib figure, for `save` or `svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _style():
        figure, axes = _blank(title, x_label, y_label)
        for i, (name, (x, y)) in enumerate(series.items()):
            marker = "o" if np.size(x) < 3 else None
            dashes = _DASHES[i % len(_DASHES)]
            look = {"color": _COLOURS[i % len(_COLOURS)], "linestyle": dashes, "marker": marker}
            axes.plot(x, y, label=name, clip_on=marker is None, **look)
        _scale(axes.xaxis, axes.set_xscale, is_log=log_x, percent=False)
        _scale(axes.yaxis, axes.set_yscale, is_log=log_y, percent=percent)
        if from_zero:
            axes.set_ylim(bottom=0)
        _finish(axes, len(series))
    return figure


def bars(
    heights: Mapping[str, Numbers],
    places: Numbers,
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    percent: bool = False,
) -> Any:
    """Return a bar chart with one bar per series at every place, such as the bins of a histogram.

    Args:
        heights: one height per place, by the name in the legend.
        places: evenly spaced numbers on the x axis, or names of categories, of which at most 12 are written.
        title: title over the chart.
        x_label: label of the x axis.
        y_label: label of the y axis.
        percent: whether heights are shares, written as percentages.

    Returns:
        A matplotlib figure, for `save` or `svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _style():
        figure, axes = _blank(title, x_label, y_label)
        marks = np.asarray(places)
        are_names = not np.issubdtype(marks.dtype, np.number)
        x = np.arange(len(marks)) if are_names else marks
        step = float(x[1] - x[0]) if len(x) > 1 else 1.0
        width = 0.85 * step / max(1, len(heights))
        for i, (name, values) in enumerate(heights.items()):
            middle = x + width * (i - (len(heights) - 1) / 2)
            look = {"color": _COLOURS[i % len(_COLOURS)], "hatch": _HATCHES[i % len(_HATCHES)]}
            axes.bar(middle, values, width=width, label=name, **look)
        _scale(axes.yaxis, axes.set_yscale, is_log=False, percent=percent)
        if are_names:
            written = slice(None, None, max(1, -(-len(marks) // _MOST_NAMES)))
            axes.set_xticks(x[written], marks[written].tolist())
        else:
            _scale(axes.xaxis, axes.set_xscale, is_log=False, percent=False)
        axes.grid(visible=False, axis="x")
        _finish(axes, len(heights))
    return figure


def save(chart: Any, path: str | os.PathLike[str]) -> Location:
    """Write a chart as PNG or SVG, by the ending of the path, and return the path.

    Raises:
        OptionError: the path has another ending.
        OutputError: the file cannot be written.
    """
    suffix = os.path.splitext(os.fspath(path))[1]
    if suffix not in _FORMATS:
        raise OptionError(f"{path}: a chart ends in {suffix!r}, expected {' or '.join(_FORMATS)}")
    with output_file(path, is_ours=is_chart) as file:
        file.write(render(chart, suffix[1:]))
    return Place(path).location


def is_chart(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a picture that was drawn here."""
    return f"Software\0{_MAKER}".encode() in head or (head.startswith(b"<?xml") and b"<svg" in head)


def svg(chart: Any, name: str = "chart", label: str = "") -> str:
    """Return a chart as an ``<svg>`` element for a page that defines the CSS variables in `VARIABLES`.

    Args:
        chart: a chart that a function of this module returned.
        name: prefix of every id in the element, so that several charts can be in one page.
        label: description of the chart, for screen readers.
    """
    chart.set_size_inches(_PAGE_SIZE)
    text = render(chart, "svg").decode()
    text = text[text.index("<svg") :]
    # matplotlib's metadata and style sheet are meant for a whole document: here they would apply to the page.
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    width, height = (72 * inches for inches in _PAGE_SIZE)
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    start = f'<svg {spaces} role="img" aria-label="{escape(label)}" viewBox="0 0 {width:g} {height:g}">'
    text = re.sub(r"<svg[^>]*>", lambda _: start, text, count=1)
    text = re.sub(r"('DejaVu Sans'|DejaVu Sans)[^;\"]*", "sans-serif", text)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(url\(#|href="#)', rf"\1{name}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return re.sub(r"\s*\n\s*", "\n", text).strip()


def render(chart: Any, kind: str) -> bytes:
    """Return a chart as the bytes of a picture; ``kind`` is png or svg."""
    buffer = io.BytesIO()
    metadata = {"Software": _MAKER} if kind == "png" else dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _style():
        chart.savefig(buffer, format=kind, metadata=metadata, transparent=kind == "svg")
    return buffer.getvalue()


def _blank(title: str, x_label: str, y_label: str) -> tuple[Any, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 (optional)

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def _scale(axis: Any, set_scale: Any, *, is_log: bool, percent: bool) -> None:
    """Set the scale of an axis, with few and short numbers."""
    from matplotlib import ticker  # noqa: PLC0415 (optional)

    if is_log:
        set_scale("log")
        axis.set_minor_locator(ticker.NullLocator())
    else:
        axis.set_major_locator(ticker.MaxNLocator(6))
    formatter = ticker.PercentFormatter(1.0) if percent else ticker.FuncFormatter(short)
    axis.set_major_formatter(formatter)


def short(value: float, _place: int | None = None) -> str:
    """Return a number in at most six digits, with a suffix for thousands and more.

    >>> [short(value) for value in (0, 0.00004, 0.25, 0.1 + 0.2, 950, 12_000, 3_500_000)]
    ['0', '4e-05', '0.25', '0.3', '950', '12k', '3.5M']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:g}{letter}"
    return f"{value:.6g}"


def _finish(axes: Any, names: int) -> None:
    if names > 1:
        axes.legend()


def _style() -> Any:
    """Return the matplotlib context for drawing and writing charts.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with contextlib.suppress(ImportError):
        import matplotlib as mpl  # noqa: PLC0415 (optional, and slow to load)

        return mpl.rc_context(_STYLE)
    raise MissingExtraError("charts need matplotlib: pip install 'wpprep[report]'")


def panels(
    images: npt.NDArray[Any], *, rows: list[str], columns: list[str], title: str = "", note: str = ""
) -> Any:
    """Return a grid of images, with colours from white (0) to the first colour (1).

    Args:
        images: ``float[rows, columns, height, width]``, values from 0 to 1.
        rows: labels of the rows.
        columns: labels of the columns.
        title: title over the grid; omitted if the font lacks a character of it.
        note: text below the grid.

    Returns:
        A matplotlib figure, for `save` or `svg`.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _style():
        from matplotlib.colors import LinearSegmentedColormap  # noqa: PLC0415 (optional)
        from matplotlib.figure import Figure  # noqa: PLC0415 (optional)

        down, across = images.shape[:2]
        side = 1.2 if across > 6 else 2.0  # inches
        size = (max(5.0, side * across + 0.9), side * down + 1.1)
        figure = Figure(figsize=size, dpi=_DPI, layout="constrained")
        shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", _COLOURS[0]])
        grid: Any = figure.subplots(down, across, squeeze=False)
        for row, column in np.ndindex(down, across):
            axes = grid[row, column]
            axes.imshow(images[row, column], cmap=shades, vmin=0, vmax=1, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set(visible=True, color=_GRID)
            if row == 0:
                axes.set_title(columns[column], fontsize=9)
            if column == 0:
                axes.set_ylabel(rows[row], fontsize=9)
        figure.suptitle(title if is_drawable(title) else "", fontsize=10, x=0.01, ha="left")
        figure.supxlabel(note, fontsize=9)
    return figure


def is_drawable(text: str) -> bool:
    """Return whether the font of charts has every character of a text; it lacks Han, kana and Hangul."""
    from matplotlib import font_manager  # noqa: PLC0415 (optional)

    known = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    return all(ord(char) in known for char in text)
