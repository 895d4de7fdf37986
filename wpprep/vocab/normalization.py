"""From text to words, as the tokenizer will see them: normaliser and pre-tokenizer of the library.

What text becomes is decided by `tokenizers` alone; here the options are translated into its components,
and a list of chunks is taken through them at a bearable price.

Stripping accents takes Hangul and kana apart, so Korean and Japanese are lowercased with accents kept:

    >>> from wpprep.config import VocabOptions
    >>> TextRules(VocabOptions()).words("Déjà Vu, 한글")
    ['déjà', 'vu', ',', '한글']
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from wpprep.config import VocabOptions
from wpprep.encode.cuts import bert_rule, byte_level_rule
from wpprep.encode.scanner import CutRule

_FORMS = {"nfc": normalizers.NFC, "nfkc": normalizers.NFKC, "nfd": normalizers.NFD, "nfkd": normalizers.NFKD}

_BLANK_BYTE = "\u0120"  # the byte 20 in GPT-2's printable form
_LINE_FEED_BYTE = "\u010a"
_BLANKS = re.compile(r"\s")
_MARK = "|"  # punctuation: between blanks it is a word of its own under BERT's rules
_CHUNKS_AT_ONCE = 200


class TextRules:
    """How one set of options turns text into words.

    Attributes:
        normalizer: a component of `tokenizers`, None where text stays as it is.
        pre_tokenizer: a component of `tokenizers`.
        strips_accents: whether accents, Hangul vowels and dakuten are lost.
    """

    def __init__(self, options: VocabOptions) -> None:
        self.byte_level = options.algorithm == "bbpe"
        self.strips_accents = bool(options.strip_accents)
        self.composes = options.unicode in {"nfc", "nfkc"}
        self.normalizer = _normalizer(options)
        self.pre_tokenizer: Any = (
            pre_tokenizers.ByteLevel(add_prefix_space=False)
            if self.byte_level
            else pre_tokenizers.BertPreTokenizer()
        )

    def words(self, text: str) -> list[str]:
        """The pre-tokens of a text; under byte-level rules in GPT-2's printable form of bytes."""
        return [word for word, _ in self.pre_tokenizer.pre_tokenize_str(self.normalize(text))]

    def normalize(self, text: str) -> str:
        """The text as the normaliser leaves it."""
        return text if self.normalizer is None else str(self.normalizer.normalize_str(text))

    def words_of_each(self, chunks: Sequence[str]) -> Iterator[Sequence[str]]:
        """The words of every chunk.

        Most chunks are runs of ASCII letters or digits, which the rules change letter by letter and keep in
        one word; they go through a table of what the tokenizer makes of each letter alone. The others go
        through the tokenizer, many at once in one text where a mark between them is safe.
        """
        others = [chunk for chunk in chunks if not self._is_plain(chunk) and self._is_joinable(chunk)]
        batches = range(0, len(others), _CHUNKS_AT_ONCE)
        found = itertools.chain.from_iterable(
            self._words_of_others(others[first : first + _CHUNKS_AT_ONCE]) for first in batches
        )
        table, blank = self._letter_table, _BLANK_BYTE
        for chunk in chunks:
            if not self._is_plain(chunk):
                yield next(found) if self._is_joinable(chunk) else self.words(chunk)
            elif chunk[0] == " ":
                yield (blank + chunk[1:].translate(table),)
            else:
                yield (chunk.translate(table),)

    def _is_plain(self, chunk: str) -> bool:
        """Whether a chunk is ASCII letters or digits; at byte level with one blank before them or none."""
        if not self.byte_level:
            return chunk.isascii() and chunk.isalnum()
        letters = chunk[1:] if chunk[0] == " " else chunk
        return letters.isascii() and (letters.isalpha() or letters.isdigit())

    def _is_joinable(self, chunk: str) -> bool:
        """Whether other text may stand before and after a chunk, with a mark between, and change nothing.

        Behind a line feed a byte-level chunk with one blank or none, in front, is cut as it is alone.
        """
        if not self.byte_level:
            return _MARK not in chunk
        letters = chunk[1:] if chunk[0] == " " else chunk
        return self.normalizer is None and bool(letters) and _BLANKS.search(letters) is None

    def _words_of_others(self, chunks: list[str]) -> Iterator[Sequence[str]]:
        """The words of each of some joinable chunks, by way of one text."""
        between, mark, after = f" {_MARK} ", _MARK, f" {_MARK}"
        if self.byte_level:
            between, mark, after = "\n", _LINE_FEED_BYTE, "\n"
        elif _MARK in self.normalize("".join(chunks)):
            yield from map(self.words, chunks)
            return
        found: list[str] = []
        for word in self.words(between.join(chunks) + after):
            if word == mark:
                yield found
                found = []
            else:
                found.append(word)

    @functools.cached_property
    def _letter_table(self) -> dict[int, str]:
        letters = [chr(code) for code in range(128) if chr(code).isalnum()]
        return {ord(letter): "".join(self.words(letter)) for letter in letters}

    def cut_rule(self) -> CutRule:
        """Where text under these rules may be cut into chunks."""
        return byte_level_rule() if self.byte_level else bert_rule(self.words, self.composes, self.normalize)


def _normalizer(options: VocabOptions) -> Any:
    steps = []
    if options.unicode != "none":
        steps.append(_FORMS[str(options.unicode)]())
    if options.algorithm == "bbpe":
        if options.lowercase:
            steps.append(normalizers.Lowercase())
    else:
        steps.append(
            normalizers.BertNormalizer(
                clean_text=True,
                handle_chinese_chars=bool(options.cjk),
                strip_accents=bool(options.strip_accents),
                lowercase=bool(options.lowercase),
            )
        )
    if len(steps) > 1:
        return normalizers.Sequence(steps)
    return steps[0] if steps else None
