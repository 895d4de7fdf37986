"""The report in a browser: filters, keyboard, dark mode, the width of a phone, and an empty console."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="the report draws charts")
pytest.importorskip("jinja2", reason="the report fills a template")
playwright: Any = pytest.importorskip("playwright.sync_api", reason="a browser is driven by playwright")

Open = Callable[..., Any]  # opens the page with settings of the browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium: the system's, or the one playwright has installed."""
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    with playwright.sync_playwright() as engine:
        try:
            opened = engine.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except playwright.Error as error:
            pytest.skip(f"no Chromium: {str(error).splitlines()[0]}")
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any, html: Path) -> Iterator[Open]:
    """A function that opens the page with some settings; at the end the console must be empty."""
    said: list[str] = []
    pages: list[Any] = []

    def open_page(**settings: Any) -> Any:
        page = browser.new_page(**settings)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url[:4] == "http" else None)
        page.goto(html.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert said == []


def shown(page: Any) -> Any:
    """The visible instances."""
    return page.locator(".instances li:visible")


def test_filters_by_label_words_and_length(visit: Open) -> None:
    """A filter hides the other instances, and their number is announced."""
    page = visit()
    assert shown(page).count() == 20
    page.get_by_role("button", name="B is random").click()
    labels = shown(page).locator(".about b").all_inner_texts()
    assert set(labels) == {"B is random"}
    assert 0 < len(labels) < 20
    assert page.locator("output").inner_text() == f"{len(labels)} of 20"
    assert page.get_by_role("button", name="B is random").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="all").click()
    page.get_by_label("Words").fill("no such words")
    assert shown(page).count() == 0
    page.get_by_label("Words").fill("")
    page.get_by_label("Minimum tokens").fill("64")
    lengths = shown(page).evaluate_all("rows => rows.map(row => Number(row.dataset.tokens))")
    assert set(lengths) <= {64}
    assert len(lengths) < 20


def test_views_of_the_input_and_of_the_original(visit: Open) -> None:
    """One view hides the original tokens, the other one the replacements."""
    page = visit()
    both = shown(page).first.locator(".text").inner_text()
    page.get_by_role("button", name="model input").click()
    model_input = shown(page).first.locator(".text").inner_text()
    page.get_by_role("button", name="original text").click()
    original = shown(page).first.locator(".text").inner_text()
    assert "[MASK]" in model_input
    assert "→" not in model_input
    assert "[MASK]" not in original
    assert len(both) > max(len(model_input), len(original))


def test_the_keyboard_reaches_everything(visit: Open) -> None:
    """Tab reaches the skip link first, then all controls; the focus is visible; Enter and Space act."""
    page = visit()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    summary = page.locator("summary").first
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("details[open] table").first.is_visible()
    reached = set()
    for _ in range(200):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.label ?? document.activeElement.tagName"))
        if reached >= {"B is random", "INPUT"}:
            break
    assert reached >= {"", "B follows A", "B is random", "BUTTON", "INPUT", "SUMMARY"}
    page.get_by_role("button", name="B is random").focus()
    page.keyboard.press("Space")
    assert 0 < shown(page).count() < 20


def colour(page: Any, selector: str, name: str) -> str:
    """A computed style of the first element that matches."""
    return str(page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}"))


def luminance(text: str) -> float:
    """The relative luminance of rgb(r, g, b), as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme_and_are_readable(visit: Open, scheme: str) -> None:
    """The page is light or dark; text has a contrast of at least 4.5, lines of charts of 3 (WCAG 2, AA)."""
    page = visit(color_scheme=scheme)
    paper, card = (luminance(colour(page, name, "backgroundColor")) for name in ("body", "figure"))
    assert (paper > 0.5) == (scheme == "light")
    texts = {".about": card, "dt": paper, "a[href='#part-1']": paper, "summary": card, ".a": paper, ".b": paper}
    for selector, ground in texts.items():
        bright, dark = sorted((luminance(colour(page, selector, "color")), ground), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= 4.5, selector
    for kind in ("masked", "random", "kept"):
        ink, ground = (luminance(colour(page, f".key .{kind}", name)) for name in ("color", "backgroundColor"))
        assert (max(ink, ground) + 0.05) / (min(ink, ground) + 0.05) >= 4.5, kind
    lines = page.eval_on_selector_all(
        "svg path", "paths => [...new Set(paths.map(path => getComputedStyle(path).stroke))]"
    )
    ratios = [sorted((luminance(line), card)) for line in lines if line.startswith("rgb(")]
    assert sum((bright + 0.05) / (dark + 0.05) >= 3 for dark, bright in ratios) >= 3


def test_a_phone_needs_no_horizontal_scrolling(visit: Open) -> None:
    """At 360 points nothing is wider than the screen, and wide tables scroll in their boxes."""
    page = visit(viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(
        "[...document.querySelectorAll('svg')].every(e => e.getBoundingClientRect().right <= 360)"
    )
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)")


def test_the_corpus_runs_no_script(visit: Open) -> None:
    """The title is unchanged, although the corpus has a script that sets it."""
    page = visit()
    assert page.title() == "wpprep report"
    assert page.evaluate("document.scripts.length") == 1


def test_without_scripts_everything_is_shown(visit: Open) -> None:
    """Instances are visible and filters, which need the script, are not."""
    page = visit(java_script_enabled=False)
    assert shown(page).count() == 20
    assert not page.get_by_role("button", name="all").is_visible()
