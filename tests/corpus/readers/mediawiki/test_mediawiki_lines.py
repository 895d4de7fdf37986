# ruff: noqa: RUF001 (ambiguous characters are intended)
"""Lines of wikitext: headings, items, quotes and brackets."""

from __future__ import annotations

import pytest

from wpprep.corpus.readers.mediawiki.lines import prose_lines


@pytest.mark.parametrize(
    ("line", "prose"),
    [
        ("A sentence.", "A sentence."),
        ("== Size ==", ""),
        ("=a", "=a"),
        ("|- style=x", ""),
        ("* a link", ""),
        ("** It is an item.", "It is an item."),
        (":indented", "indented"),
        ("----", ""),
        ("__NOTOC__", ""),
        ("a (, ; ) b [ ] c", "a b c"),
        ("a (; b, ) c", "a (b) c"),
        ("a （，） b", "a b"),
        ("a\xa0\u2009b\u200b .", "a b."),
        ("...", ""),
    ],
)
def test_lines_lose_their_markup(line: str, prose: str) -> None:
    """Headings, tables, and items that are not sentences are removed; brackets without content too."""
    assert list(prose_lines(line)) == ([prose] if prose else [])


@pytest.mark.parametrize(
    ("line", "prose"),
    [
        ("''a'' '''b''' '''''c'''''", "a b c"),
        ("''''a'''", "'a"),
        ("l'''Odissea''", "l'Odissea"),
        ("dell'''Odissea''", "dell'Odissea"),
        ("an ''' apostrophe''", "an ' apostrophe"),
        ("'''unbalanced", "unbalanced"),
        ("rock 'n' roll", "rock 'n' roll"),
    ],
)
def test_quotes_are_read_as_mediawiki_does(line: str, prose: str) -> None:
    """Quotes of bold and italics are removed; of unbalanced ones, one is an apostrophe."""
    assert list(prose_lines(line)) == [prose]


def test_each_line_is_a_paragraph() -> None:
    """Blank lines are dropped, and the order of the lines stays."""
    assert list(prose_lines("One.\n\n  Two. \n== Three ==\nFour.")) == ["One.", "Two.", "Four."]
