"""The format ``lines``: one sentence per line and a blank line between documents, the input format of BERT.

    The first sentence of a document.
    The second.

    Another document.

A new file starts a new document. Source: ``create_pretraining_data.py`` of
https://github.com/google-research/bert

This module does not split lines that contain several sentences; option ``--sentences`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from wpprep.config import CorpusOptions
from wpprep.corpus.readers.bad_input import Outcomes, attempt
from wpprep.corpus.readers.cutting import cut, is_text, raw_documents, tidy_lines
from wpprep.corpus.readers.decoding import RawDocument, decode
from wpprep.records import Document, Slice

SENTENCES = 1000  # rows of BookCorpus per document: about ten pages of a novel
_LONGEST = 1000  # maximum number of characters of a sentence

boundaries = re.compile(rb"\n\s*\n").finditer

# A line that ends like a sentence and in which no other sentence ends; an ellipsis ends one only at the end of
# the line. Possessive quantifiers: linear time.
_WIDE_STOPS = "。！？"  # noqa: RUF001 (full-width marks are meant)
_CLOSERS = "\"'”’»)\\]」』"  # noqa: RUF001 (curly quotes are meant)
_ONE_SENTENCE = re.compile(
    rf"(?: [^.!?…{_WIDE_STOPS}]++ | [.!?](?=[^\s{_CLOSERS}]) | …++(?![{_CLOSERS}]*\Z) )*+"
    rf"[.!?…{_WIDE_STOPS}]+  [{_CLOSERS}]*",
    re.VERBOSE,
)


def split(path: str, target_bytes: int, options: CorpusOptions) -> list[Slice]:
    """Return the slices of a file, cut after blank lines."""
    return cut(path, "lines", target_bytes, boundaries, options)


def read(slice_: Slice, options: CorpusOptions) -> Outcomes:
    """Yield the documents of a slice, one sentence per line, or their errors.

    Raises:
        CorpusError: the compressed data is damaged or truncated.
    """
    name = Path(slice_.path).name

    def make(raw: RawDocument) -> Document | None:
        text, replaced = decode(raw, slice_.path, options.errors)
        text = tidy_lines(text)
        return Document(f"{name}:{raw.start}", text, replaced) if text else None

    return attempt(make, raw_documents(slice_, boundaries, options))


def is_one_sentence(line: str) -> bool:
    """Return whether a line ends like a sentence and no other sentence ends in it.

    >>> is_one_sentence("He was late ."), is_one_sentence("He was. She was not."), is_one_sentence("He was")
    (True, False, False)
    >>> is_one_sentence("He was late…"), is_one_sentence("He was… late.")
    (True, True)
    """
    return _ONE_SENTENCE.fullmatch(line) is not None


def rows_of_text_alone(first: Iterable[object]) -> int:
    """Return the number of rows per document of a table with a text column only, given its first rows.

    It is `SENTENCES` if at least two thirds of the rows are exactly one sentence of at most 1,000 characters,
    as in BookCorpus on the Hugging Face Hub: books one after another, without marks between them. Else it is 1.

        >>> rows_of_text_alone(["he was late .", "she was not ."]), rows_of_text_alone(["He was. She was not."])
        (1000, 1)
    """
    texts = [text for text in first if isinstance(text, str)]
    sentences = sum(1 for text in texts if len(text) <= _LONGEST and is_one_sentence(text.strip()))
    return SENTENCES if len(texts) > 1 and 3 * sentences >= 2 * len(texts) else 1


def recognises(head: bytes) -> bool:
    """Return whether blocks average at least two lines, and two thirds of the lines are exactly one sentence.

    Prose has fewer such lines: a paragraph on one line has several sentences, and hard-wrapped lines end
    anywhere. Of 43 novels, the closest has 34 % of such lines; of Wikipedia in five languages as lines and the
    sample text of BERT, the lowest has 74 %.

        >>> recognises(b"One is a sentence.\\nTwo is too.\\n\\nThree is another document.\\nFour.\\n")
        True
        >>> recognises(b"A paragraph. It has sentences.\\n\\nAnother. It has them too.\\n")
        False
    """
    if not is_text(head):
        return False
    text = tidy_lines(head.decode(errors="replace"))
    lines = text.split("\n")
    blocks = 1 + sum(1 for _ in boundaries(head.strip()))
    sentences = sum(map(is_one_sentence, lines))
    return len(lines) >= 2 * blocks and 3 * sentences >= 2 * len(lines)
