# ruff: noqa: RUF001 (ambiguous characters are intended)
"""Templates that print text: handlers, numbers and units."""

from __future__ import annotations

import pytest

pytest.importorskip("mwparserfromhell", reason="reading dumps requires the extra wiki")
from wpprep.corpus.readers.mediawiki.templates import (
    HANDLERS,
    convert,
    find_handler,
    format_number,
    superscript,
    unit,
)


def printed(name: str, language: str = "en", **parameters: str) -> str:
    """Print a template with parameters p1, p2, ... for its positional ones."""
    handler = find_handler(name, language)
    assert handler is not None, name
    return handler(
        {key.removeprefix("p") if key[1:].isdecimal() else key: value for key, value in parameters.items()}
    )


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("nowrap", {"p1": "30 m"}, "30 m"),
        ("Lang", {"p1": "fr", "p2": "chat"}, "chat"),
        ("lang-de", {"p1": "Katze"}, "Katze"),
        ("blockquote", {"text": "Be brief."}, "Be brief."),
        ("frac", {"p1": "2"}, "1/2"),
        ("frac", {"p1": "1", "p2": "2"}, "1/2"),
        ("frac", {"p1": "3", "p2": "1", "p3": "2"}, "3 1/2"),
        ("val", {"p1": "12000", "p2": "30", "u": "m/s"}, "12,000 ± 30 m/s"),
        ("val", {"p1": "5", "u": "%"}, "5%"),
        ("as_of", {"p1": "2010", "p2": "3", "p3": "5"}, "As of 5 March 2010"),
        ("as of", {"p1": "2010", "lc": "y", "since": "y"}, "since 2010"),
        ("circa", {"p1": "1900"}, "c. 1900"),
        ("circa", {"p1": "1900", "p2": "1910"}, "c. 1900 – 1910"),
        ("nihongo", {"p1": "tea", "p2": "茶", "p3": "cha"}, "tea (茶, cha)"),
        ("e", {"p1": "-6"}, " × 10⁻⁶"),
        ("uss", {"p1": "Maine"}, "USS Maine"),
        ("£", {"p1": "5"}, "£5"),
        ("ndash", {}, "–"),
        ("!", {}, "|"),
    ],
)
def test_templates_print_their_text(name: str, parameters: dict[str, str], expected: str) -> None:
    """Names have any case and underscores; parameters are positional or named."""
    assert printed(name, **parameters) == expected


@pytest.mark.parametrize("name", ["Infobox canal", "cite web", "", "langx2", "#if:x"])
def test_other_templates_are_removed(name: str) -> None:
    """A template without a handler prints nothing."""
    assert find_handler(name, "en") is None


def test_parser_functions_change_their_argument() -> None:
    """The argument of a parser function follows the colon; numbers follow the language of the page."""
    assert printed("uc:tea") == "TEA"
    assert printed("lcfirst:Tea") == "tea"
    assert printed("formatnum:12000", "de") == "12.000"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["240", "km", "mi"], "240 km"),
        (["3", "-", "5", "sqmi"], "3–5 sq mi"),
        (["6", "ft", "2", "in", "m"], "6 ft 2 in"),
        (["10", "by", "20", "x", "30", "m"], "10 by 20 × 30 m"),
        (["-40", "C", "F"], "-40 °C"),
        (["45", "deg"], "45°"),
        (["km"], ""),
        ([], ""),
    ],
)
def test_conversions_keep_their_input(words: list[str], expected: str) -> None:
    """Numbers, ranges and units before the target unit are printed."""
    assert convert({str(i): word for i, word in enumerate(words, 1)}) == expected


def test_numbers_in_any_language() -> None:
    """Known languages group digits; other languages, and text that is not a number, stay unchanged."""
    assert format_number("1234567", "en") == "1,234,567"
    assert format_number("+1234.50", "de") == "+1.234,50"
    assert format_number("1234", "xx") == "1234"
    assert format_number("12 men", "en") == "12 men"
    assert unit("kg/m3") == "kg/m³"
    assert unit("m-2") == "m⁻²"
    assert superscript("(n+1)") == "⁽ⁿ⁺¹⁾"


def test_names_of_handlers_can_be_found() -> None:
    """Every name in the table is in lower case with single spaces, as names are looked up."""
    assert all(name == " ".join(name.lower().split()) for name in HANDLERS)
