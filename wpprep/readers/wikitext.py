# ruff: noqa: RUF001, RUF002 (signs that look like others are meant)
"""Wikitext to prose: what a reader of the page would read aloud, one paragraph a line.

    '''Béziers''' has {{convert|3|km|mi}} of [[quay|quays]].<ref>...</ref>   ->   Béziers has 3 km of quays.

The steps, the cheap ones first, since mwparserfromhell is slow and most of a page is markup:

1. Comments, references, and elements that are no prose (galleries, code, scores) go; formulas become text
   where they are simple; what <nowiki> protects is protected.
2. Templates that `templates` does not print, tables, and links to files, categories and other languages go
   by matching their brackets.
3. The rest is parsed by mwparserfromhell (https://github.com/earwig/mwparserfromhell, the extra ``wiki``)
   and printed: link texts, templates, entities, tags.
4. Lines are looked at one by one: quotes of bold and italics go as MediaWiki reads them, headings go, list
   items stay where they are sentences, and so do brackets that still have something in them.

BERT's authors took "only the text passages" and ignored "lists, tables, and headers" (Devlin et al., 2019).
What this module does not do: expand templates from their own pages.
"""

from __future__ import annotations

import bisect
import collections
import html
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from wpprep.errors import CorpusError, MissingExtraError
from wpprep.readers.templates import find_handler, superscript

try:
    import mwparserfromhell
    from mwparserfromhell import nodes
except ImportError:  # the extra ``wiki`` is not installed
    mwparserfromhell = None  # type: ignore[assignment]

_EMPTY_NOWIKI, _APOSTROPHE = "\ue000", "\ue001"  # private characters that stand for what has been protected
_MASKED = str.maketrans("{[<", "\ue002\ue003\ue004")  # signs that begin nothing, and must not seem to
_MARKUP = re.compile(r"[\[\]{}|<>*:=_~-]")
_DROPPED = (
    "gallery|timeline|score|syntaxhighlight|source|pre|imagemap|graph|mapframe|maplink|templatedata|hiero|"
    "inputbox|references|templatestyles|indicator|chem|ce|style|categorytree|section|listing-?\\w*"
)
_DROPPED_TAGS = frozenset(_DROPPED.split("|")) | {"ref", "table", "math"}
_BLOCKS = frozenset(
    ["p", "div", "blockquote", "li", "ul", "ol", "dl", "dd", "dt", "center", "poem", "tr", "hr", "br"]
)
_PROTECTING = re.compile(
    rf"<!--|<(?P<name>nowiki|math|ref|{_DROPPED})(?![\w-])(?P<attributes>[^<>]*)>", re.IGNORECASE
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
_ARGUMENT = re.compile(r"\{\{\{[^{}|]*(?:\|([^{}]*))?\}\}\}")
_BRACES = re.compile(r"\{\{|\}\}")
_TABLES = re.compile(
    r"^[ \t:*#;]*\{\||^[ \t]*\|\}(?!\})|<table\b[^<>]*>|</table\s*>", re.MULTILINE | re.IGNORECASE
)
_LINKS = re.compile(r"\[\[|\]\]")
_PREFIX = re.compile(r"\[\[([^:|\[\]]*):")
_NAME = re.compile(r"\{\{\s*([^|{}\[\]<>\n]*)")
_SWITCHES = re.compile(r"__[A-ZÀ-ÞА-Я]{3,}__")
_LANGUAGE_LINK = re.compile(
    r"(?!(?:doi|rfc|irc|hdl|wmf|mw|s|q|b|n|d|c|m|w|v)$)(?:[a-z]{2,3}|[a-z]{2,}(?:-[a-z]+)+|simple)"
)
_HIDDEN = re.compile(r"display:\s*none|\b(?:noprint|navbox|infobox|metadata|hatnote|mw-empty)\b", re.IGNORECASE)
_HEADING = re.compile(r"={1,6}[^=].*=")
_LEFTOVER = re.compile(r"\{\||\|[}+|\-]|\||!|\}\}|\{\{|<?/?[a-z]+>$", re.IGNORECASE)
_INDENT = re.compile(r"[*#;:]+\s*")
_SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’»)\]」』]*$")
_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)
_EMPTY_BRACKETS = re.compile(
    r"\s*(?:\((?:[,;:\-–/\s]|\b(?:or|and|oder|ou)\b)*\)|\[\s*\]|（\s*[,;:、，；\s]*）)"
)
_AFTER_OPENING = re.compile(r"(?<=[(（])[\s,;:、，；]+")
_BEFORE_CLOSING = re.compile(r"[\s,;、，；]+(?=[)）])")
_BLANKS = re.compile(r"[ \t\xa0\u2000-\u200a\u202f\u3000]+")
_BLANK_BEFORE_STOP = re.compile(r" (?=[,.](?:\s|$))")
_INVISIBLE = re.compile("[\u00ad\u200b\u200e\u200f\u2060\ufeff\ue000]")


# Names of the namespaces of files and categories: a dump says those of its wiki, but not their other names.
_HIDDEN_NAMES = """
    file image media category immagine bild datei fichier imagen archivo
    ficheiro imagem arquivo plik grafika bestand afbeelding fil kuva tiedosto
    dosya resim soubor obrázek fájl kép slika imatge fitxer imagine fişier hình
    tập_tin файл изображение зображення ファイル 画像 文件 档案 檔案 图像 圖像 파일 그림 ملف صورة
    پرونده קובץ תמונה kategorie catégorie categoría categoria kategoria
    категория カテゴリ 分类 分類 분류
"""


class Site(NamedTuple):
    """What a page's meaning takes from its wiki: the language, and the namespaces of links that show no text.

    The names of files and categories are in lower case, as the wiki spells them and in English.
    """

    language: str = "en"
    hidden: frozenset[str] = frozenset(_HIDDEN_NAMES.split())


_ENGLISH = Site()


def require() -> None:
    """Raise MissingExtraError where mwparserfromhell is not installed."""
    if mwparserfromhell is None:
        raise MissingExtraError(
            "reading wiki-dump takes mwparserfromhell, which is not installed; pip install 'wpprep[wiki]'"
        )


def to_prose(wikitext: str, site: Site = _ENGLISH) -> str:
    """The prose of a page, one paragraph a line.

        >>> to_prose("== Size ==\\n'''It''' is {{nowrap|30 m}} [[length|long]].\\n{{Infobox|a=b}}")
        'It is 30 m long.'

    Raises:
        MissingExtraError: mwparserfromhell is not installed.
        CorpusError: it cannot parse the page.
    """
    require()
    text = _protect(wikitext)
    if "{{{" in text:
        text = _ARGUMENT.sub(lambda argument: argument[1] or "", text)
    text = _cut_out(text, _BRACES, "{{", lambda start: _is_unprinted(text, start, site.language))
    text = _cut_out(text, _TABLES, ("{|", "<table"), lambda start: True)
    text = _cut_out(text, _LINKS, "[[", lambda start: _shows_nothing(_PREFIX.match(text, start), site))
    text = _close(text)
    try:
        parsed = mwparserfromhell.parse(text, skip_style_tags=True)
    except mwparserfromhell.parser.ParserError as error:
        raise CorpusError(f"wikitext that mwparserfromhell cannot parse: {error}") from error
    return "\n".join(_prose_lines(_unmask(_print(parsed, site))))


def _unmask(text: str) -> str:
    for sign, mask in _MASKED.items():  # many times as fast as str.translate
        text = text.replace(chr(mask), chr(sign))
    return text


def _protect(text: str) -> str:
    """Step 1: the text without comments and elements that are no prose, with what <nowiki> protects hidden.

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
        return _EMPTY_NOWIKI if name == "nowiki" else "", opening.end()
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
        return _MARKUP.sub(lambda sign: f"&#{ord(sign[0])};", inside).replace("'", _APOSTROPHE), stop
    return "", stop


def _cut_out(
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


def _close(text: str) -> str:
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


def _is_unprinted(text: str, start: int, language: str) -> bool:
    name = _NAME.match(text, start)
    return name is None or find_handler(name[1], language) is None


def _shows_nothing(prefix: re.Match[str] | None, site: Site) -> bool:
    """Whether a link that begins so is a file, a category or the page in another language."""
    name = prefix[1].strip().replace("_", " ") if prefix else ""
    return bool(name) and (name.lower() in site.hidden or _LANGUAGE_LINK.fullmatch(name) is not None)


def formula(tex: str) -> str:
    """A formula in TeX as text where it is simple, else nothing.

    >>> formula(r"E = mc^2"), formula(r"\\alpha \\le 10^{-6}"), formula(r"\\sum_{i=0}^n i")
    ('E = mc²', 'α ≤ 10⁻⁶', '')
    """
    text = re.sub(r"\^\{?([-+]?[\dn]+)\}?", lambda power: superscript(power[1]), tex)
    text = re.sub(r"_\{?([A-Za-z0-9]+)\}?", r"\1", text)
    text = re.sub(r"\\(?:mathrm|text|mathbf|mathit|operatorname|rm)\s*\{([^{}\\]*)\}", r"\1", text)
    text = re.sub(r"\\frac\{([^{}\\]*)\}\{([^{}\\]*)\}", r"\1/\2", text)
    text = re.sub(r"\\([A-Za-z]+|[,;!: %$&])", lambda word: _TEX.get(word[1], word[0]), text)
    return "" if re.search(r"[\\{}^_&]", text) else " ".join(text.split())


_TEX_NAMES = (
    "alpha beta gamma delta epsilon varepsilon theta lambda mu pi rho sigma tau phi varphi omega "
    "Delta Omega Gamma Sigma le leq ge geq ne neq times cdot pm approx sim infty in to rightarrow "
    "degree circ ldots dots"
)
_TEX_SIGNS = "αβγδεεθλμπρστφφωΔΩΓΣ≤≤≥≥≠≠×·±≈∼∞∈→→°°……"
_TEX = (
    dict(zip(_TEX_NAMES.split(), _TEX_SIGNS, strict=True))
    | dict.fromkeys(["quad", ",", ";", ":", " "], " ")
    | dict.fromkeys(["left", "right", "displaystyle", "!"], "")
    | {"%": "%", "$": "$"}
)


def _print(code: Any, site: Site) -> str:
    """Parsed wikitext as text, line by line as it was."""
    return "".join(_print_node(node, site) for node in code.nodes)


def _print_node(node: Any, site: Site) -> str:
    if isinstance(node, nodes.Text):  # tags that mwparserfromhell does not know or close
        return _TAG.sub("", node.value) if "<" in node.value else str(node.value)
    if isinstance(node, nodes.Wikilink):
        return _print_link(node, site)
    if isinstance(node, nodes.Tag):
        return _print_tag(node, site)
    if isinstance(node, nodes.Template):
        return _print_template(node, site)
    if isinstance(node, nodes.HTMLEntity):
        return html.unescape(str(node))
    if isinstance(node, nodes.ExternalLink):
        return _print(node.title, site) if node.title is not None else ""
    if isinstance(node, nodes.Argument):
        return _print(node.default, site) if node.default is not None else ""
    return "\n" if isinstance(node, nodes.Heading) else ""


def _print_link(link: Any, site: Site) -> str:
    text = _print(link.title if link.text is None else link.text, site)
    return text.removeprefix(":") if link.text is None else text


def _print_tag(tag: Any, site: Site) -> str:
    name = str(tag.tag).strip().lower()
    if tag.wiki_markup and not tag.contents:
        return str(tag.wiki_markup) if name in ("li", "dd", "dt") else "\n"
    if name in _DROPPED_TAGS or any(_HIDDEN.search(str(attribute)) for attribute in tag.attributes):
        return ""
    inner = _print(tag.contents, site) if tag.contents is not None else ""
    if name == "sup":
        return superscript(inner)
    return f"\n{inner}\n" if name in _BLOCKS else inner


def _print_template(template: Any, site: Site) -> str:
    handler = find_handler(_print(template.name, site).strip(), site.language)
    if handler is None:
        return ""
    return handler({str(p.name).strip(): _print(p.value, site).strip() for p in template.params})


def _prose_lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        if prose := _prose_of(line.strip()):
            yield prose


def _prose_of(line: str) -> str:
    """A line as prose; nothing if it is none."""
    if not line or _HEADING.fullmatch(line.rstrip()) or _LEFTOVER.match(line):
        return ""
    line = _strip_quotes(line) if "''" in line else line
    indent = _INDENT.match(line)
    is_item = indent is not None and indent[0].strip(": ") != ""
    line = line[indent.end() :] if indent else line
    line = _SWITCHES.sub("", line) if "__" in line else line
    line = _INVISIBLE.sub("", line).replace(_APOSTROPHE, "'")
    line = _BLANKS.sub(" ", line)
    if "(" in line or "（" in line or "[" in line:
        line = _BEFORE_CLOSING.sub("", _AFTER_OPENING.sub("", _EMPTY_BRACKETS.sub("", line)))
    line = _BLANK_BEFORE_STOP.sub("", line).strip()
    if is_item and not _SENTENCE_END.search(line):
        return ""
    return line if any(map(str.isalnum, line)) else ""


def _strip_quotes(line: str) -> str:
    """The line without the quotes that mean bold and italics, read as MediaWiki does (Parser::doQuotes).

    Of four quotes one is text. Where both kinds are unbalanced, one ''' was
    an apostrophe and italics: one after a single letter, else after a longer word, else after a blank.

        >>> _strip_quotes("l'''Odissea'', '''so''' and ''so''")
        "l'Odissea, so and so"
    """
    parts = re.split(r"('{2,})", line)
    runs = range(1, len(parts), 2)
    for i in runs:
        if len(parts[i]) == 4:
            parts[i - 1] += "'"
            parts[i] = "'''"
    lengths = [len(parts[i]) for i in runs]
    bold, italic = sum(n in (3, 5) for n in lengths), sum(n in (2, 5) for n in lengths)
    if bold % 2 and italic % 2:
        found = [i for i in runs if len(parts[i]) == 3]
        parts[min(found, key=lambda i: (_rank(parts[i - 1]), i), default=0) - 1] += "'" if found else ""
    return "".join(parts[::2])


def _rank(before: str) -> int:
    if before.endswith(" "):
        return 2
    return 0 if before[-2:-1] == " " else 1
