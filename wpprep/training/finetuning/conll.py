"""CoNLL files: one word per line with its tag in the last column, an empty line after each sentence.

    EU      NNP  B-ORG          columns separated by tabs or spaces; the first is the word
    rejects VBZ  O

    en:Sioux  B-ORG             WikiANN: each word begins with its language, which is removed

Lines of tabs and spaces alone end a sentence too; ``-DOCSTART-`` lines are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from wpprep.errors import CorpusError
from wpprep.training.finetuning.examples import Example

_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z]+)*:")


def read(
    path: Path, lines: Iterator[tuple[int, str]], prefix: str | None, *, labelled: bool
) -> Iterator[Example]:
    """Yield the sentences of a file; see `wpprep.training.finetuning.labelled.read_examples`.

    Args:
        path: the file, for messages.
        lines: its lines with their numbers, from 1.
        prefix: a prefix to remove from each word; None detects a language as in WikiANN.
        labelled: whether each word must have a tag.

    Raises:
        CorpusError: a line has no word, or no tag where one is required.
    """
    for first, sentence in _sentences(path, lines, labelled=labelled):
        words, tags = [word for word, _ in sentence], [tag for _, tag in sentence]
        prefix = _language_of(words) if prefix is None else prefix
        words = [word.removeprefix(prefix) if len(word) > len(prefix) else word for word in words]
        gold = tuple(tag for tag in tags if tag is not None) if None not in tags else None
        yield Example(tuple(words), gold, f"{path}:{first}", None, " ".join(words))


def _sentences(
    path: Path, lines: Iterator[tuple[int, str]], *, labelled: bool
) -> Iterator[tuple[int, list[tuple[str, str | None]]]]:
    """Yield each sentence: the number of its first line, and its words with their tags (None if missing)."""
    sentence: list[tuple[str, str | None]] = []
    start = 1
    for number, line in lines:
        if line.strip(" \t") and not line.startswith("-DOCSTART-"):
            start = start if sentence else number
            sentence.append(_word(line, f"{path}:{number}", labelled=labelled))
        elif sentence:
            yield start, sentence
            sentence = []
    if sentence:
        yield start, sentence


def _word(line: str, place: str, *, labelled: bool) -> tuple[str, str | None]:
    columns = line.rstrip(" \t").split("\t") if "\t" in line else line.split(" ")
    columns = columns if "\t" in line else [column for column in columns if column]
    if len(columns) < 2 and labelled:
        raise CorpusError(f"{place}: one column ({columns[0]!r}), expected a word and its tag")
    if not columns[0]:
        raise CorpusError(f"{place}: a tag without a word ({line.strip()!r}), expected a word and its tag")
    return columns[0], columns[-1] if len(columns) > 1 else None


def _language_of(words: list[str]) -> str:
    """Return the language prefix that all words of the first sentence share, or an empty string.

    >>> _language_of(["en:Sioux", "en:Falls"]), _language_of(["en:Sioux", "Falls"])
    ('en:', '')
    """
    found = _LANGUAGE.match(words[0])
    prefix = found.group() if found else ""
    return prefix if all(word.startswith(prefix) for word in words) else ""
