"""Wikitext to prose: the sentences of a page, one paragraph per line.

    '''Béziers''' has {{convert|3|km|mi}} of [[quay|quays]].<ref>...</ref>   ->   Béziers has 3 km of quays.

The cheap steps come first, because mwparserfromhell is slow and most of a page is markup:

1. Remove comments, references, and elements that are not prose (galleries, code, scores); convert simple
formulas
   to text (`formulas`); escape the content of <nowiki> (`markup`).
2. Remove templates that `templates` does not print, tables, and links to files, categories and other languages,
by
   matching their brackets.
3. Parse the rest with mwparserfromhell (https://github.com/earwig/mwparserfromhell, the extra ``wiki``) and
print
   link texts, templates, entities and the content of tags.
4. Remove markup line by line: headings, quotes of bold and italics, list items that are not sentences, and
empty
   brackets (`mediawiki.lines`).

BERT was trained on "only the text passages", without "lists, tables, and headers" (Devlin et al., 2019).

This module does not expand templates from their own pages.
"""

from __future__ import annotations

import html
import re
from typing import Any, NamedTuple

from wpprep.corpus.readers.mediawiki.lines import prose_lines
from wpprep.corpus.readers.mediawiki.markup import DROPPED, close_tags, cut_out, protect, unmask
from wpprep.corpus.readers.mediawiki.templates import find_handler, superscript
from wpprep.errors import CorpusError, MissingExtraError

try:
    import mwparserfromhell
    from mwparserfromhell import nodes
except ImportError:  # the extra ``wiki`` is not installed
    mwparserfromhell = None  # type: ignore[assignment]

_DROPPED_TAGS = frozenset(DROPPED.split("|")) | {"ref", "table", "math"}
_BLOCKS = frozenset(
    ["p", "div", "blockquote", "li", "ul", "ol", "dl", "dd", "dt", "center", "poem", "tr", "hr", "br"]
)
_ARGUMENT = re.compile(r"\{\{\{[^{}|]*(?:\|([^{}]*))?\}\}\}")
_BRACES = re.compile(r"\{\{|\}\}")
_TABLES = re.compile(
    r"^[ \t:*#;]*\{\||^[ \t]*\|\}(?!\})|<table\b[^<>]*>|</table\s*>", re.MULTILINE | re.IGNORECASE
)
_LINKS = re.compile(r"\[\[|\]\]")
_PREFIX = re.compile(r"\[\[([^:|\[\]]*):")
_NAME = re.compile(r"\{\{\s*([^|{}\[\]<>\n]*)")
_LANGUAGE_LINK = re.compile(
    r"(?!(?:doi|rfc|irc|hdl|wmf|mw|s|q|b|n|d|c|m|w|v)$)(?:[a-z]{2,3}|[a-z]{2,}(?:-[a-z]+)+|simple)"
)
_HIDDEN = re.compile(r"display:\s*none|\b(?:noprint|navbox|infobox|metadata|hatnote|mw-empty)\b", re.IGNORECASE)
_TAG = re.compile(r"</?[a-z][a-z0-9]*(?:\s[^<>]*)?/?>", re.IGNORECASE)


# Names of the file and category namespaces: a dump lists the names in its own language, but not the aliases.
_HIDDEN_NAMES = """
    file image media category immagine bild datei fichier imagen archivo
    ficheiro imagem arquivo plik grafika bestand afbeelding fil kuva tiedosto
    dosya resim soubor obrázek fájl kép slika imatge fitxer imagine fişier hình
    tập_tin файл изображение зображення ファイル 画像 文件 档案 檔案 图像 圖像 파일 그림 ملف صورة
    پرونده קובץ תמונה kategorie catégorie categoría categoria kategoria
    категория カテゴリ 分类 分類 분류
"""


class Site(NamedTuple):
    """Properties of a wiki that affect its pages.

    Attributes:
        language: language code, for number formats.
        hidden: namespaces whose links show no text (files, categories), in lower case.
    """

    language: str = "en"
    hidden: frozenset[str] = frozenset(_HIDDEN_NAMES.split())


_ENGLISH = Site()


def require() -> None:
    """Raise MissingExtraError if mwparserfromhell is not installed."""
    if mwparserfromhell is None:
        raise MissingExtraError(
            "the format wiki-dump requires mwparserfromhell, which is missing; run pip install 'wpprep[wiki]'"
        )


def to_prose(wikitext: str, site: Site = _ENGLISH) -> str:
    """Return the prose of a page, one paragraph per line.

        >>> to_prose("== Size ==\\n'''It''' is {{nowrap|30 m}} [[length|long]].\\n{{Infobox|a=b}}")
        'It is 30 m long.'

    Raises:
        MissingExtraError: mwparserfromhell is not installed.
        CorpusError: mwparserfromhell cannot parse the page.
    """
    require()
    text = protect(wikitext)
    if "{{{" in text:
        text = _ARGUMENT.sub(lambda argument: argument[1] or "", text)
    text = cut_out(text, _BRACES, "{{", lambda start: _is_unprinted(text, start, site.language))
    text = cut_out(text, _TABLES, ("{|", "<table"), lambda start: True)
    text = cut_out(text, _LINKS, "[[", lambda start: _shows_nothing(_PREFIX.match(text, start), site))
    text = close_tags(text)
    try:
        parsed = mwparserfromhell.parse(text, skip_style_tags=True)
    except mwparserfromhell.parser.ParserError as error:
        raise CorpusError(f"mwparserfromhell cannot parse the wikitext: {error}") from error
    return "\n".join(prose_lines(unmask(_print(parsed, site))))


def _is_unprinted(text: str, start: int, language: str) -> bool:
    name = _NAME.match(text, start)
    return name is None or find_handler(name[1], language) is None


def _shows_nothing(prefix: re.Match[str] | None, site: Site) -> bool:
    """Return whether a link with this prefix is a file, a category or the page in another language."""
    name = prefix[1].strip().replace("_", " ") if prefix else ""
    return bool(name) and (name.lower() in site.hidden or _LANGUAGE_LINK.fullmatch(name) is not None)


def _print(code: Any, site: Site) -> str:
    """Return parsed wikitext as text, with its line ends."""
    return "".join(_print_node(node, site) for node in code.nodes)


def _print_node(node: Any, site: Site) -> str:
    if isinstance(node, nodes.Text):  # tags that mwparserfromhell does not recognise
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
