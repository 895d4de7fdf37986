"""Charts: arrays in, a PNG or SVG out, or a part of a page.

    chart = lines({"ours": (ranks, counts)}, x_label="rank", y_label="count", log_x=True, log_y=True)
    save(chart, "zipf.png")
    element = svg(chart, name="zipf", label="how often pieces occur, by rank")

Equal arrays give equal bytes: no window system, no global state of pyplot, no date in the file. matplotlib is
an optional package (`pip install 'wpprep[report]'`), loaded when the first chart is drawn.

Every colour has a role. Files are painted for white paper; for a page the colours are turned into CSS
variables, so that the page says what they are, in the dark too. Series are told apart without colour as well,
by dashes and hatches, and texts are set as they are, never as formulas.

What this module does not do: know what the numbers mean.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.errors import MissingExtraError, OptionError
from wpprep.storage.files import atomic_write

Numbers = npt.ArrayLike

_SIZE = (7.0, 4.2)  # inches
_DPI = 120
_FORMATS = (".png", ".svg")
_MOST_NAMES = 12
_PAGE_SIZE = (4.4, 2.9)  # where a chart may be as narrow as a phone
_INK, _GRID = "#1b1f24", "#d8dde3"
# Colours that people with any kind of colour vision tell apart (Okabe and Ito, 2008), darkened where they would
# be faint on white.
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
    """A line for each (x, y) of ``series``; its name stands in the legend. Of a point or two, dots are drawn.

    Args:
        percent: whether y is a share, to be written as a percentage.
        from_zero: whether the y axis begins at 0.

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
    """Bars side by side: for each name of ``heights`` one at every place, such as the bins of a histogram.

    Args:
        places: where on the x axis, evenly spaced; strings name categories, of which at most 12 are written.
        percent: whether heights are shares, to be written as percentages.

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


def save(chart: Any, path: str | os.PathLike[str]) -> Path:
    """Write a chart as the PNG or SVG that the path's ending says.

    Raises:
        OptionError: another ending.
        OutputError: the file cannot be written.
    """
    path = Path(path)
    if path.suffix not in _FORMATS:
        raise OptionError(f"{path}: a chart ends in {path.suffix!r}, expected {' or '.join(_FORMATS)}")
    with atomic_write(path) as file:
        file.write(_render(chart, path.suffix[1:]))
    return path


def svg(chart: Any, name: str = "chart", label: str = "") -> str:
    """A chart as an ``<svg>`` element, to stand in a page that defines `VARIABLES`.

    Args:
        name: goes before every id inside, so that several charts can stand in one page.
        label: what is to be seen, for those who do not see it.
    """
    chart.set_size_inches(_PAGE_SIZE)
    text = _render(chart, "svg").decode()
    text = text[text.index("<svg") :]
    # What matplotlib says of its whole document would hold for the whole page.
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


def _render(chart: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else dict.fromkeys(("Date", "Creator", "Format", "Type"))
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
    """Let an axis write few and short numbers."""
    from matplotlib import ticker  # noqa: PLC0415 (optional)

    if is_log:
        set_scale("log")
        axis.set_minor_locator(ticker.NullLocator())
    else:
        axis.set_major_locator(ticker.MaxNLocator(6))
    formatter = ticker.PercentFormatter(1.0) if percent else ticker.FuncFormatter(short)
    axis.set_major_formatter(formatter)


def short(value: float, _place: int | None = None) -> str:
    """A number as an axis wants it.

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
    """The context in which charts are drawn and written."""
    with contextlib.suppress(ImportError):
        import matplotlib as mpl  # noqa: PLC0415 (optional, and slow to load)

        return mpl.rc_context(_STYLE)
    raise MissingExtraError("charts need matplotlib: pip install 'wpprep[report]'")


def panels(
    images: npt.NDArray[Any], *, rows: list[str], columns: list[str], title: str = "", note: str = ""
) -> Any:
    """Pictures in rows and columns, each painted from white (0) to the first colour (1).

    Args:
        images: ``float[rows, columns, height, width]``, between 0 and 1.
        rows: what is written before each row.
        columns: what is written over each column.
        title: over all of it; left out if the font cannot write it.
        note: below all of it.

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
    """Whether the font of charts has every character of a text; it has no Han, kana or Hangul."""
    from matplotlib import font_manager  # noqa: PLC0415 (optional)

    known = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    return all(ord(char) in known for char in text)
