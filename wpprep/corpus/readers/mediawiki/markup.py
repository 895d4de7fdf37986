"""Preparation of wikitext for its parser: removing what is not prose, masking what slows the parser down.

    a<!-- b --> <nowiki>[[c]]</nowiki> {{d   ->   a &#91;&#91;c&#93;&#93; \\ue002\\ue002d

For every bracket and tag that is never closed, mwparserfromhell scans to the end of the page: quadratic time on
hostile pages. Each function here takes linear time on any text.

This module does not decide which templates and links are printed (`wikitext` does).
"""

from __future__ import annotations

import bisect
import collections
import re
from collections.abc import Callable

from wpprep.corpus.readers.mediawiki.formulas import formula

EMPTY_NOWIKI, APOSTROPHE = "\ue000", "\ue001"  # private-use characters that replace protected text
_MASKED = str.maketrans("{[<", "\ue002\ue003\ue004")  # opening characters that open nothing
_MARKUP = re.compile(r"[\[\]{}|<>*:=_~-]")
DROPPED = (
    "gallery|timeline|score|syntaxhighlight|source|pre|imagemap|graph|mapframe|maplink|templatedata|hiero|"
    "inputbox|references|templatestyles|indicator|chem|ce|style|categorytree|section|listing-?\\w*"
)
_PROTECTING = re.compile(
    rf"<!--|<(?P<name>nowiki|math|ref|{DROPPED})(?![\w-])(?P<attributes>[^<>]*)>", re.IGNORECASE
)
_CLOSING = re.compile(r"</(?P<name>[a-z][\w-]*)\s*>", re.IGNORECASE)
_NEVER_ENDING = re.compile(  # a tag without >, an external link without ]
    r"""<(?=/?[a-z])(?![^<>]*>)
    | \[(?=(?:https?|ftp):|//|mailto:)(?!(?:[^][\n]|\[\[[^][\n]*\]\])*\])""",
    re.VERBOSE | re.IGNORECASE,
)
_PAIRED = re.compile(r"<(?P<closing>/?)(?P<name>[a-z][a-z0-9]*)\b[^<>]*>", re.IGNORECASE)
_SINGLE = frozenset(["br", "hr", "wbr", "meta", "link", "img", "li", "dt", "dd", "th", "td", "tr"])
_REFERENCE = re.compile(r"<ref[\s>/]", re.IGNORECASE)


def protect(text: str) -> str:
    """Return the text without comments and elements that are not prose, and with <nowiki> content escaped.

    Simple formulas become text. An element that is never closed stays. End tags are found by bisection in a
    list, so time does not grow with the number of unclosed elements.

    >>> protect("a<!-- b --> <nowiki>[[c]]</nowiki> <math>x^2</math>")
    'a &#91;&#91;c&#93;&#93; x²'
    """
    ends: dict[str, list[tuple[int, int]]] = {}
    for found in _CLOSING.finditer(text):
        ends.setdefault(found["name"].lower(), []).append(found.span())
    kept, position = list[str](), 0
    for found in _PROTECTING.finditer(text):
        if found.start() < position:
            continue
        content, stop = _element(text, found, ends)
        if stop >= 0:
            kept += [text[position : found.start()], content]
            position = stop
    return "".join([*kept, text[position:]])


def _element(text: str, opening: re.Match[str], ends: dict[str, list[tuple[int, int]]]) -> tuple[str, int]:
    """Return the replacement of an element or comment, and where that ends: -1 if it is never closed."""
    if opening["name"] is None:
        end = text.find("-->", opening.end())
        return "", end + 3 if end >= 0 else len(text)
    name = opening["name"].lower()
    if opening["attributes"].endswith("/"):
        return EMPTY_NOWIKI if name == "nowiki" else "", opening.end()
    closing = ends.get(name, [])
    next_ = bisect.bisect_left(closing, (opening.end(), 0))
    if next_ == len(closing):
        return "", -1
    start, stop = closing[next_]
    if name == "ref" and _REFERENCE.search(text, opening.end(), start):
        return "", -1  # the end tag closes the inner <ref>
    inside = text[opening.end() : start]
    if name == "math":
        return formula(inside), stop
    if name == "nowiki":
        return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", inside).replace("'", APOSTROPHE), stop
    return "", stop


def cut_out(
    text: str, brackets: re.Pattern[str], opening: str | tuple[str, ...], goes: Callable[[int], bool]
) -> str:
    """Return the text without those of its outermost bracketed pieces for which ``goes`` returns True.

    An opening bracket that is never closed is masked, because the parser would scan to the end of the page for
    its end; pieces after it are still found.

    Args:
        text: wikitext.
        brackets: pattern of opening and closing brackets.
        opening: prefixes of opening brackets, in lower case.
        goes: function from the start of a piece to whether to remove it.
    """
    open_, pieces = list[tuple[int, int]](), list[tuple[int, int]]()
    for bracket in brackets.finditer(text):
        if bracket[0].lstrip(" \t:*#;").lower().startswith(opening):
            open_.append(bracket.span())
        elif open_:
            start, _ = open_.pop()
            while pieces and pieces[-1][0] > start:
                pieces.pop()
            pieces.append((start, bracket.end()))
    kept, end = [], 0
    changes = [(start, stop, "") for start, stop in pieces if goes(start)]
    changes += [(start, stop, text[start:stop].translate(_MASKED)) for start, stop in open_]
    for start, stop, replacement in sorted(changes):
        if start >= end:
            kept += [text[end:start], replacement]
            end = stop
    return "".join([*kept, text[end:]])


def close_tags(text: str) -> str:
    """Return the text without tags that are never closed, or closed only outside of their parent element.

    The parser would scan to the end of the page for each of them. The first characters of incomplete tags and
    external links are masked.

    >>> close_tags("A <b>b <i>c</b> d</i>.")
    'A <b>b c</b> d</i>.'
    """
    text = _NEVER_ENDING.sub(lambda found: found[0].translate(_MASKED), text)
    open_, inside, unclosed = (
        list[tuple[str, tuple[int, int]]](),
        collections.Counter[str](),
        set[tuple[int, int]](),
    )
    for tag in _PAIRED.finditer(text):
        name = tag["name"].lower()
        if name in _SINGLE or tag[0].endswith("/>"):
            continue
        if not tag["closing"]:
            open_.append((name, tag.span()))
            inside[name] += 1
        elif inside[name]:
            while (last := open_.pop())[0] != name:
                inside[last[0]] -= 1
                unclosed.add(last[1])
            inside[name] -= 1
    unclosed.update(span for _, span in open_)
    return _PAIRED.sub(lambda tag: "" if tag.span() in unclosed else tag[0], text) if unclosed else text


def unmask(text: str) -> str:
    """Return the text with masked characters restored."""
    for sign, mask in _MASKED.items():  # much faster than str.translate
        text = text.replace(chr(mask), chr(sign))
    return text
