"""Prose of the sources and the documentation: phrases to avoid, and better ones.

The test reads comments, docstrings and texts (help, messages) of `wpprep/` and `cli/`, and the Markdown files
at the root and in `docs/` except their code. CONTRIBUTING.md has the list for people.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(path for folder in ("wpprep", "cli") for path in (ROOT / folder).rglob("*.py"))
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

# People may be "who"; programs, files and options are "which" or "that".
_PEOPLE = ("people", "person", "those", "users", "user", "readers", "author", "anyone", "everyone")
_NO_PERSON = "".join(rf"(?<!{word} )" for word in _PEOPLE)
_COMPARED = "longer|more|less|fewer|other|matter|slower|faster|better|larger|smaller|option of"
# A pattern that prose must not have, and the words to write instead.
PHRASES = {
    _NO_PERSON + r"\bwho\b": "which, that, or the name of the part",
    r"(?:\A|[.:;] |\b(?:is|are|or|says?) )whose\b": "with its ..., of which, or the name of the owner",
    r"\b(?:whom|whoever)\b": "anyone who, or the name of the part",
    r"\b(?:nobody|somebody)\b": "no process, another process, or the name of the part",
    r"\b(?:is|are|was|were|be|been) told\b(?! apart)": "is called with, receives",
    r"\b(?:process|worker|node|reader|loader|kernel|task|it|that|which) asks\b": "requests",
    r"\bmend(?:s|ed|ing)?\b": "fix",
    r"\b(?:leave|leaves|left|leaving) (?:(?:it|them|this|that|\S*[A-Z`-]\S*) )?away\b": "omit",
    r"\b(?:is|are) no option of\b": "cannot be used with",
    rf"(?<!there )\b(?:is|are|was|were) no (?!(?:{_COMPARED})\b)\w+": "is not a ..., is not ...",
    r"\bnot to be (?:seen|had|found|read)\b": "not visible, not available, cannot be read",
    r"\b(?:of|on|for) one's own\b": "its own, separate",
    r"\bso and so (?:many|much)\b": "a number of",
    r"\bshall\b": "must, will",
    r"\bdear\b(?=,? (?:to|in|for)\b)": "expensive",
    r"\bat hand\b": "available",
    r"\bthe only way is\b": "can only, cannot",
    r"\bstands? (?:in|behind|before|beside|there|here|where)\b": "is, precedes, replaces",
    r"(?<!left )(?<!leave )(?<!leaves )(?<!lag )\bbehind\b(?! (?:an|one|the) (?:interface|proxy))": "after",
}
# How a docstring must not begin.
BEGINNINGS = {
    r"(?:What|Who|Whose|Whom)\b": "a verb (Return, Write, Raise if) or a noun",
    r"(?:Have|Let|Say|Tell)\b": "Return, Write, Raise if, or another verb for the effect",
    r"Make sure\b": "Raise if, Check that",
    r"(?:Most|Least|Longest) \w+ (?:a|an|of|for|in)\b": "Maximum, Minimum",
}


def prose_of(source: str) -> Iterator[tuple[int, str, bool]]:
    """Comments, docstrings and other texts of a source: line, text, and whether it is a docstring."""
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_docstring = id(node) in docstrings
            if is_docstring or is_prose(node.value):
                yield node.lineno, node.value, is_docstring
    for line, text in comments_of(source):
        yield line, text, False


def comments_of(source: str) -> Iterator[tuple[int, str]]:
    """Comments with their first lines; comments below each other are one."""
    start, last, column, lines = 0, -1, -1, [""]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start != (last + 1, column):
                yield start, "\n".join(lines)
                start, column, lines = token.start[0], token.start[1], []
            last = token.start[0]
            lines.append(token.string.lstrip("# "))
    yield start, "\n".join(lines)


def is_prose(text: str) -> bool:
    """Whether a text has four words of English in a row and is neither markup, a script nor a list of words."""
    is_sentence = re.search(r"(?:\b[a-z]+ ){3}[a-z]+\b", text)
    return bool(is_sentence) and not re.search(r"<\w|[{}]|\bimport \w|^\w+(?: \w+){30,}$", text)


def complaints(line: int, text: str, *, is_docstring: bool) -> Iterator[str]:
    """A line for each phrase to avoid: its place, and the better words."""
    found = [
        (match, PHRASES[phrase]) for phrase in PHRASES for match in re.finditer(phrase, text, re.IGNORECASE)
    ]
    if is_docstring:
        found += [(match, BEGINNINGS[words]) for words in BEGINNINGS if (match := re.match(words, text))]
    for match, better in found:
        place = line + text.count("\n", 0, match.start())
        around = " ".join(text[max(0, match.start() - 30) : match.end() + 20].split())
        yield f"line {place}: {match.group()!r} in '... {around} ...'; write: {better}"


def name_of(path: Path) -> str:
    """The path inside the checkout."""
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_sources_are_plain_english(path: Path) -> None:
    """No docstring, comment, help text or message of a module has a phrase of the list."""
    found = [
        complaint
        for line, text, is_docstring in prose_of(path.read_text(encoding="utf-8"))
        for complaint in complaints(line, text, is_docstring=is_docstring)
    ]
    assert not found, "\n".join([f"{name_of(path)}:", *found])


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_pages_are_plain_english(path: Path) -> None:
    """No page has a phrase of the list, outside of code and of the list itself."""
    text = path.read_text(encoding="utf-8")
    for code_or_list in (r"^```.*?^```", r"^\| instead of \|.*?\n\n"):
        text = re.sub(
            code_or_list, lambda part: "\n" * part.group().count("\n"), text, flags=re.MULTILINE | re.DOTALL
        )
    found = list(complaints(1, re.sub(r"`[^`\n]*`", "`code`", text), is_docstring=False))
    assert not found, "\n".join([f"{name_of(path)}:", *found])


@pytest.mark.parametrize(
    "text",
    [
        "What a folder holds.",
        "progress: is told (stage, done, total).",
        "Whose a folder is.",
        "Leave NAME away.",
        "overwrite is no option of a node",
        "A worker who has died.",
    ],
)
def test_phrases_to_avoid_are_found(text: str) -> None:
    """The list finds the phrases it is made for."""
    assert list(complaints(1, text, is_docstring=True))


@pytest.mark.parametrize(
    "text",
    [
        "Users who have no GPU.",
        "There is no file.",
        "It is no longer than that.",
        "A field whose default is None.",
    ],
)
def test_plain_english_passes(text: str) -> None:
    """Neither people, nor missing things, nor ordinary relative clauses are complained about."""
    assert not list(complaints(1, text, is_docstring=True))
