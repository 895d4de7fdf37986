"""Charts: the files are what their names say, and equal numbers give equal bytes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from wpprep.errors import MissingExtraError, OptionError


@pytest.mark.parametrize("ending", [".png", ".svg"])
def test_equal_numbers_give_equal_bytes(ending: str, tmp_path: Path) -> None:
    """Drawn twice, lines and bars are the same files; other numbers make another."""
    pytest.importorskip("matplotlib")
    from wpprep.inspection.charts import bars, lines, save

    def draw(name: str, top: int) -> bytes:
        chart = lines({"a": ([1, 10, 100], [top, 5, 1]), "b": ([1, 2], [1, 2])}, log_x=True, log_y=True)
        return Path(save(chart, tmp_path / f"{name}{ending}")).read_bytes()

    assert draw("one", 9) == draw("two", 9) != draw("three", 8)
    chart = bars({"a": [1, 2], "b": [3, 1]}, ["x", "y"])
    first, second = (Path(save(chart, tmp_path / f"{i}{ending}")).read_bytes() for i in (0, 1))
    assert first == second
    assert first.startswith(b"\x89PNG" if ending == ".png" else b"<?xml")


def test_svg_stands_in_a_page() -> None:
    """An element that parses by itself and holds a bar of each name at each place."""
    pytest.importorskip("matplotlib")
    from wpprep.inspection.charts import bars, svg

    element = ET.fromstring(svg(bars({"a": [1.0, 2.0, 3.0]}, [1, 2, 3], title="Lengths")))
    assert element.tag == "{http://www.w3.org/2000/svg}svg"


def test_charts_of_a_page_do_not_meet() -> None:
    """Ids begin with the chart's name, colours are the page's, and names are texts, not tags or formulas."""
    pytest.importorskip("matplotlib")
    from wpprep.inspection.charts import VARIABLES, lines, svg

    chart = lines({"<b>$x$": ([1, 2, 3], [3, 2, 1]), "other": ([1, 2, 3], [1, 2, 3])})
    text = svg(chart, name="loss", label='what "falls" & rises')
    element = ET.fromstring(text)
    ids = [part.get("id", "loss-") for part in element.iter()]
    assert all(id_.startswith("loss-") for id_ in ids)
    used = re.findall(r'(?:url\(|href=")#([^")]+)', text)
    assert used
    assert set(used) <= set(ids)
    assert not any(colour in text for colour in VARIABLES)
    assert element.get("aria-label") == 'what "falls" & rises'
    assert "<b>$x$" in [part.text for part in element.iter()]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    """The message names the file and the endings there are."""
    pytest.importorskip("matplotlib")
    from wpprep.inspection.charts import lines, save

    with pytest.raises(OptionError, match=r"chart\.pdf: .*expected \.png or \.svg"):
        save(lines({}), tmp_path / "chart.pdf")


def test_without_matplotlib_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to install it."""
    from wpprep.inspection.charts import lines

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"wpprep\[report\]"):
        lines({})
