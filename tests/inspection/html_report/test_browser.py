"""The report in a browser: filters, keyboard, dark mode, a phone's width, and nothing on the console."""

import shutil

import pytest

pytest.importorskip("matplotlib", reason="the report draws charts")
pytest.importorskip("jinja2", reason="the report fills a template")
playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by playwright")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser():
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
def visit(browser, html):
    """Opens the page with some settings; at the end nothing may have been said on the console."""
    said, pages = [], []

    def open_page(**settings):
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


def shown(page):
    """The instances that can be seen."""
    return page.locator(".instances li:visible")


def test_filters_by_label_words_and_length(visit):
    """A click leaves the instances of a label, words those that hold them; how many is said aloud."""
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


def test_what_the_model_sees_and_what_stood_there(visit):
    """One view hides the originals, the other what was put in their place."""
    page = visit()
    both = shown(page).first.locator(".text").inner_text()
    page.get_by_role("button", name="model input").click()
    seen = shown(page).first.locator(".text").inner_text()
    page.get_by_role("button", name="original text").click()
    stood = shown(page).first.locator(".text").inner_text()
    assert "[MASK]" in seen
    assert "→" not in seen
    assert "[MASK]" not in stood
    assert len(both) > max(len(seen), len(stood))


def test_the_keyboard_reaches_everything(visit):
    """Tab goes to the skip link first, then on; the focus can be seen; Enter and Space act."""
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


def colour(page, selector, name):
    return page.eval_on_selector(selector, f"e => getComputedStyle(e).{name}")


def luminance(text):
    """The relative luminance of rgb(r, g, b), as WCAG 2 defines it."""
    parts = [int(part) / 255 for part in text[text.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_scheme_and_can_be_read(visit, scheme):
    """Paper is light or dark; texts have a contrast of 4.5 at least, lines of charts of 3 (WCAG 2, AA)."""
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


def test_a_phone_shows_it_without_scrolling_sideways(visit):
    """At 360 points nothing is wider than the screen; wide tables scroll in their own boxes."""
    page = visit(viewport={"width": 360, "height": 740})
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(
        "[...document.querySelectorAll('svg')].every(e => e.getBoundingClientRect().right <= 360)"
    )
    assert page.evaluate("[...document.querySelectorAll('.scroll')].some(e => e.scrollWidth > e.clientWidth)")


def test_the_corpus_runs_no_script(visit):
    """The title is ours: what the corpus holds was shown, not run."""
    page = visit()
    assert page.title() == "wpprep report"
    assert page.evaluate("document.scripts.length") == 1


def test_without_scripts_everything_is_shown(visit):
    """Filters that would do nothing are not there, the instances are."""
    page = visit(java_script_enabled=False)
    assert shown(page).count() == 20
    assert not page.get_by_role("button", name="all").is_visible()
