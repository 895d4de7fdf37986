# ruff: noqa: RUF001 (ambiguous characters are intended)
"""Preparation of wikitext: protected, removed and masked markup."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

pytest.importorskip("mwparserfromhell", reason="reading dumps requires the extra wiki")
from wpprep.corpus.readers.mediawiki.markup import (
    APOSTROPHE,
    EMPTY_NOWIKI,
    close_tags,
    cut_out,
    protect,
    unmask,
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a<!-- b\n{{c}} -->d", "ad"),
        ("a<!-- never closed", "a"),
        ("a<ref name=x>b</ref><ref name=x />c", "ac"),
        ("a<REF>b</Ref >c", "ac"),
        ("a<ref>b <ref>c</ref>d", "a<ref>b d"),
        ("a<nowiki>[['b']]</nowiki>c", f"a&#91;&#91;{APOSTROPHE}b{APOSTROPHE}&#93;&#93;c"),
        ("a''<nowiki/>''b", f"a''{EMPTY_NOWIKI}''b"),
        ("<nowiki><!-- a --></nowiki>", "&#60;!&#45;&#45; a &#45;&#45;&#62;"),
        ("<math>\\alpha</math> <math>\\sum x</math>.", "α ."),
        ("a<gallery>b", "a<gallery>b"),
        ("<references/>a<reference>b</reference>", "a<reference>b</reference>"),
    ],
)
def test_elements_that_are_not_prose_are_removed(source: str, expected: str) -> None:
    """Comments and closed elements are removed or escaped; unclosed and unknown elements stay."""
    assert protect(source) == expected


def test_cut_out_removes_outermost_pieces() -> None:
    """Only outermost pieces are removed, or kept with all inner ones; unclosed brackets are masked."""
    brackets = re.compile(r"\{\{|\}\}")

    def cut(text: str, goes: Callable[[int], bool]) -> str:
        return cut_out(text, brackets, "{{", goes)

    assert cut("a{{b{{c}}}}d{{e}}", lambda start: True) == "ad"
    assert cut("a{{b{{c}}}}d{{e}}", lambda start: start == 1) == "ad{{e}}"
    assert cut("a{{b{{c}}}}d{{e}}", lambda start: start == 4) == "a{{b{{c}}}}d{{e}}"
    masked = cut("a}} {{b {{c}}", lambda start: True)
    assert "{" not in masked
    assert unmask(masked) == "a}} {{b "


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<b>a</b>", "<b>a</b>"),
        ("<b>a", "a"),
        ("a</b>", "a</b>"),
        ("<b>a<i>b</b></i>", "<b>ab</b></i>"),
        ("<br>a<br/>", "<br>a<br/>"),
        ("<div><DIV>a</div>", "<DIV>a</div>"),
    ],
)
def test_unclosed_tags_are_removed(source: str, expected: str) -> None:
    """Opening tags must be closed within their parent element; single tags need no end."""
    assert close_tags(source) == expected


@pytest.mark.parametrize("source", ["a <b c", "[http://x y", "a < b [c] {d}"])
def test_masking_is_undone(source: str) -> None:
    """Incomplete tags and links are masked, and unmask restores the text."""
    assert unmask(close_tags(source)) == source
    assert close_tags("a <b c") != "a <b c"
