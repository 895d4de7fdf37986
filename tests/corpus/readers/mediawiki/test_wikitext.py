# ruff: noqa: RUF001 (signs that look like others are meant)
"""Wikitext to prose: numbers and units are kept, and all markup is removed."""

from __future__ import annotations

import re
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpprep.corpus.readers.mediawiki.wikitext import Site, to_prose

pytest.importorskip("mwparserfromhell", reason="reading dumps takes the extra wiki")

MARKUP = """
    {{ }} [[ ]] {| |} | ''' '' <ref> </ref> <nowiki> </nowiki> <!-- --> = == * : a km nowrap convert lang
    File: <br> <div> </div> &lt; http://x.y <math> </math> {{{ }}} fr: <table> </table>
"""
ITALIAN = Site("it", Site().hidden)


@pytest.mark.parametrize(
    ("source", "prose"),
    [
        ("'''Bold''', ''italic'' and '''''both'''''.", "Bold, italic and both."),
        ("l'''Odissea'' e l''''Iliade'''.", "l'Odissea e l'Iliade."),
        ("[[Tea|A cup]] of [[tea]]s, [[:fr:thé|thé]].", "A cup of teas, thé."),
        ("[[fr:Thé]][[Category:Tea]][[zh-min-nan:Tê]]Tea.", "Tea."),
        ("See [https://example.org the site] or https://example.org/a now.", "See the site or now."),
        ("Hot<ref name=a>No. {{cite|x}}</ref><ref name=b />.<ref>\n* a\n</ref>", "Hot."),
        ("A &lt;b&gt; &amp; 5&nbsp;km &ndash; 3 &times; 4.", "A <b> & 5 km – 3 × 4."),
        ("<nowiki>[[x]] ''y'' {{z}}</nowiki>.", "[[x]] ''y'' {{z}}."),
        (
            "About 10<sup>6</sup> m<sup>2</sup> on the 21<sup>st</sup>; H<sub>2</sub>O.",
            "About 10⁶ m² on the 21st; H2O.",
        ),
        ("Length {{convert|240|km|mi|adj=on}}, {{convert|3|-|5|sqmi|km2}}.", "Length 240 km, 3–5 sq mi."),
        (
            "{{cvt|6|ft|2|in|m}}; {{convert|-40|C|F}}; {{convert|9.8|m/s2|ft/s2}}.",
            "6 ft 2 in; -40 °C; 9.8 m/s².",
        ),
        ("{{formatnum:1234567.8}} of {{val|1.5|e=-6|u=Pa}}.", "1,234,567.8 of 1.5 × 10⁻⁶ Pa."),
        ("{{nowrap|30 {{abbr|km|kilometres}}}} in {{frac|3|1|2}} h.", "30 km in 3 1/2 h."),
        ("{{lang|fr|chat}}, {{lang-de|Katze}}, {{langx|it|gatto}}.", "chat, Katze, gatto."),
        ("X ({{IPAc-en|x}}; {{lang-la|y}}) and Z ({{IPA|z}}) ( ).", "X (y) and Z."),
        (
            "{{As of|2010|3}}, {{US$|5 million}}{{snd}}{{circa|1900}}.",
            "As of March 2010, US$5 million – c. 1900.",
        ),
        ("{{Infobox|a={{b|c}}\n|d=[[e]]\n}}\nText {{citation needed|date=x}}.", "Text."),
        ("{|\n! a\n|-\n| b {{c}}\n{|\n|d\n|}\n|}\nAfter.", "After."),
        ("<table><tr><td>a</td></tr></table>After.", "After."),
        ("<gallery>\nA.jpg|b\n</gallery><math>x^2</math> is {{math|''y''}}.", "x² is y."),
        ("== Head ==\nBody.\n=== ''Sub'' ===\n----\n__NOTOC__\n:Indented.", "Body.\nIndented."),
        ("* A link\n* A sentence.\n# Another.\n:* Deep.\n; Term", "A sentence.\nAnother.\nDeep."),
        ("One.<br>Two.<br />\n\n\nThree.", "One.\nTwo.\nThree."),
        ("<div style='display:none'>no</div>Yes.<!-- no\n[[x]] -->", "Yes."),
        ("{{box|\n{{nowrap|5 km}} of [[tea]] and {{dropped}}on.", "5 km of tea and on."),
        ("[[File:a.jpg|thumb|cap [[b]]\nmore [[c]]]]After.", "After."),
        ("{{#if:x|y}}{{{1|d}}}Z.", "dZ."),
        ("<includeonly>|}}</includeonly>", ""),
        ("A <unknown x=y>tag</unknown> here.", "A tag here."),
    ],
)
def test_prose_of_markup(source: str, prose: str) -> None:
    """Each kind of markup leaves the words and numbers that a reader sees, and nothing else."""
    assert to_prose(source) == prose


def test_numbers_are_grouped_as_the_language_does() -> None:
    """formatnum follows the language of the wiki."""
    assert to_prose("{{formatnum:12000.5}}!", ITALIAN) == "12.000,5!"
    assert to_prose("{{formatnum:12000.5}}!", Site("xx", Site().hidden)) == "12000.5!"


@settings(max_examples=150)
@given(st.lists(st.sampled_from([*MARKUP.split(), "\n", " "]), max_size=40).map("".join))
def test_any_markup_ends_as_text(source: str) -> None:
    """Any mixture of brackets and tags gives prose: no error, no private-use characters, no blank lines."""
    text = to_prose(source)
    assert not re.search("[\ue000-\ue004]", text)
    assert text == "" or all(line.strip() == line != "" for line in text.split("\n"))


def test_unbalanced_brackets_end() -> None:
    """Hundreds of brackets and tags that are never closed do not take exponential time."""
    for piece in ("{{", "[[", "{|\n", "<ref>", "<!--", "{{convert|", "''"):
        assert len(to_prose(piece * 400)) < 4_000


NEVER_CLOSED = [
    "{{",
    "[[",
    "[http://x|y",
    "{{{a|",
    "{{convert|5|km",
    "{{a|b=",
    "<ref>",
    "<ref|name=a",
    "<nowiki>",
    "<math>",
    "<gallery>",
    "<table>",
    "<table|",
    "<div>",
    "<span|a=b",
    "<b>",
    "{|\n",
    "<!--",
    "''",
    "<b><i>",
    "{{a|[[b",
]


@pytest.mark.parametrize(
    "piece", [piece.replace("|", " ") if piece[0] == "<" else piece for piece in NEVER_CLOSED]
)
def test_unclosed_markup_takes_linear_time(piece: str) -> None:
    """Four times as much of it takes the parser about four times as many character reads.

    The reads are counted in mwparserfromhell's tokenizer in Python, which has the algorithm of the one in C.
    """
    from mwparserfromhell.parser import tokenizer

    looks, read = 0, tokenizer.Tokenizer._read

    def counted(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal looks
        looks += 1
        return read(self, *arguments, **named)

    counts = []
    with (
        mock.patch.object(tokenizer.Tokenizer, "_read", counted),
        mock.patch("mwparserfromhell.parser.use_c", new=False),
    ):
        for n in (40, 160):
            looks = 0
            to_prose(f"Text. {piece} word " * n)
            counts.append(looks)
    assert counts[1] < 5 * counts[0]
    assert counts[1] < 400 * 160


@pytest.mark.parametrize(
    ("source", "prose"),
    [
        ("A {{nowrap|b and {{nowrap|c}}.", "A {{nowrap|b and c."),
        ("A [[b and [[c|d]].", "A [[b and d."),
        ("A <b>b <i>c</b> d</i>.", "A b c d."),
        ("A <ref name=x b, a < b and c<d.", "A <ref name=x b, a < b and c<d."),
        ("A [http://x b and [http://x c].", "A [ b and c."),
        ("A<ref>x <ref>y</ref>.", "Ax."),
    ],
)
def test_unclosed_markup_stays_text(source: str, prose: str) -> None:
    """Unclosed markup does not hide the text after it; only tags are removed."""
    assert to_prose(source) == prose
