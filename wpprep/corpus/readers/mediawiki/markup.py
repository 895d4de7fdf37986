"""Wikitext made ready for its parser: what is no prose goes, what would mislead or delay the parser is hidden.

    a<!-- b --> <nowiki>[[c]]</nowiki> {{d   ->   a &#91;&#91;c&#93;&#93; \\ue002\\ue002d

mwparserfromhell reads on to the end of the page for every bracket and tag that is never closed; each function
here is linear in the text, whatever is in it. What this module does not do: know which templates and links
are printed (`wikitext` says so).
"""

from __future__ import annotations

import bisect
import collections
import re
from collections.abc import Callable

from wpprep.corpus.readers.mediawiki.formulas import formula

EMPTY_NOWIKI, APOSTROPHE = "\ue000", "\ue001"  # private characters that stand for what has been protected
_MASKED = str.maketrans("{[<", "\ue002\ue003\ue004")  # signs that begin nothing, and must not seem to
_MARKUP = re.compile(r"[\[\]{}|<>*:=_~-]")
DROPPED = (
    "gallery|timeline|score|syntaxhighlight|source|pre|imagemap|graph|mapframe|maplink|templatedata|hiero|"
    "inputbox|references|templatestyles|indicator|chem|ce|style|categorytree|section|listing-?\\w*"
)
_PROTECTING = re.compile(
    rf"<!--|<(?P<name>nowiki|math|ref|{DROPPED})(?![\w-])(?P<attributes>[^<>]*)>", re.IGNORECASE
)
_CLOSING = re.compile(r"</(?P<name>[a-z][\w-]*)\s*>", re.IGNORECASE)
_NEVER_ENDING = re.compile(  # a tag without its end, a link to the web without its own
    r"""<(?=/?[a-z])(?![^<>]*>)
    | \[(?=(?:https?|ftp):|//|mailto:)(?!(?:[^][\n]|\[\[[^][\n]*\]\])*\])""",
    re.VERBOSE | re.IGNORECASE,
)
_PAIRED = re.compile(r"<(?P<closing>/?)(?P<name>[a-z][a-z0-9]*)\b[^<>]*>", re.IGNORECASE)
_SINGLE = frozenset(["br", "hr", "wbr", "meta", "link", "img", "li", "dt", "dd", "th", "td", "tr"])
_REFERENCE = re.compile(r"<ref[\s>/]", re.IGNORECASE)


def protect(text: str) -> str:
    """The text without comments and elements that are no prose, with what <nowiki> protects hidden.

    An element that is never closed stays. Ends are looked up in lists of them, so that time is linear
    in the text however many elements have none.
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
    """What stands for an element or comment, and where that ends: -1 where it never does."""
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
        return "", -1  # the end of another one
    inside = text[opening.end() : start]
    if name == "math":
        return formula(inside), stop
    if name == "nowiki":
        return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", inside).replace("'", APOSTROPHE), stop
    return "", stop


def cut_out(
    text: str, brackets: re.Pattern[str], opening: str | tuple[str, ...], goes: Callable[[int], bool]
) -> str:
    """The text without the outermost bracketed pieces that ``goes`` says so of, by their starts.

    An opening bracket that is never closed has no piece, and hides no other; it is masked, since the parser
    would read on to the end of the page to find that out, for each one.
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
    """The text without tags that are never closed, or closed only outside of the element they are in.

    The parser would try every one of these to the end of the page. Beginnings of tags and links that are none
    are masked.
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
    """The text with the signs that have been masked."""
    for sign, mask in _MASKED.items():  # many times as fast as str.translate
        text = text.replace(chr(mask), chr(sign))
    return text
