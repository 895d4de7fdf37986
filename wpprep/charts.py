"""Charts: arrays in, a PNG or SVG out.

    chart = lines({"ours": (ranks, counts)}, x_label="rank", y_label="count", log_x=True, log_y=True)
    save(chart, "zipf.png")

Equal arrays give equal bytes: no window system, no global state of pyplot, no date in the file. matplotlib is
an optional package (`pip install 'wpprep[report]'`), loaded when the first chart is drawn.

What this module does not do: know what the numbers mean.
"""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.errors import MissingExtraError, OptionError
from wpprep.files import atomic_write

Numbers = npt.ArrayLike

_SIZE = (7.0, 4.2)  # inches
_DPI = 120
_FORMATS = (".png", ".svg")
# Colours that people with any kind of colour vision tell apart (Okabe and Ito, 2008).
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
_MUTED = "#888888"


def lines(
    series: Mapping[str, tuple[Numbers, Numbers]],
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    log_x: bool = False,
    log_y: bool = False,
) -> Any:
    """A line for each (x, y) of ``series``; its name stands in the legend.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _blank(title, x_label, y_label)
    for i, (name, (x, y)) in enumerate(series.items()):
        axes.plot(x, y, label=name, color=_COLOURS[i % len(_COLOURS)], linewidth=1.4)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    _finish(axes, len(series))
    return figure


def bars(
    heights: Mapping[str, Numbers], places: Numbers, *, title: str = "", x_label: str = "", y_label: str = ""
) -> Any:
    """Bars side by side: for each name of ``heights`` one at every place, such as the bins of a histogram.

    Args:
        places: where on the x axis, evenly spaced; strings name categories.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure, axes = _blank(title, x_label, y_label)
    marks = np.asarray(places)
    are_names = not np.issubdtype(marks.dtype, np.number)
    x = np.arange(len(marks)) if are_names else marks
    step = float(x[1] - x[0]) if len(x) > 1 else 1.0
    width = 0.85 * step / max(1, len(heights))
    for i, (name, values) in enumerate(heights.items()):
        middle = x + width * (i - (len(heights) - 1) / 2)
        axes.bar(middle, values, width=width, label=name, color=_COLOURS[i % len(_COLOURS)])
    if are_names:
        axes.set_xticks(x, marks.tolist())
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


def svg(chart: Any) -> str:
    """A chart as an ``<svg>`` element, to stand in a page."""
    text = _render(chart, "svg").decode()
    return text[text.index("<svg") :]


def _render(chart: Any, kind: str) -> bytes:
    matplotlib = _matplotlib()
    buffer = io.BytesIO()
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with matplotlib.rc_context({"svg.hashsalt": "wpprep"}):
        chart.savefig(buffer, format=kind, metadata=metadata)
    return buffer.getvalue()


def _blank(title: str, x_label: str, y_label: str) -> tuple[Any, Any]:
    _matplotlib()
    from matplotlib.figure import Figure  # noqa: PLC0415 (optional)

    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11, loc="left")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(visible=True, axis="y", color=_MUTED, alpha=0.25, linewidth=0.6)
    return figure, axes


def _finish(axes: Any, names: int) -> None:
    if names > 1:
        axes.legend(frameon=False, fontsize=9)


def _matplotlib() -> Any:
    with contextlib.suppress(ImportError):
        import matplotlib as mpl  # noqa: PLC0415 (optional, and slow to load)

        return mpl
    raise MissingExtraError("charts need matplotlib: pip install 'wpprep[report]'")
