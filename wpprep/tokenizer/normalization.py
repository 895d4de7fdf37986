"""Text to words: the normaliser and the pre-tokenizer of `tokenizers` for a set of options.

The library alone decides how text is normalised and split. This module translates options into its components,
and joins many chunks into one text to reduce the number of calls.

Stripping accents decomposes Hangul and kana, so by default Korean and Japanese are lowercased without it:

    >>> from wpprep.config import CountOptions, VocabOptions
    >>> TextRules(VocabOptions()).words("Déjà Vu, 한글")
    ['déjà', 'vu', ',', '한글']
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from wpprep.config import CountOptions, VocabOptions
from wpprep.tokenizer.characters import Characters, bert_characters, byte_level_characters
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.safe_cuts import bert_rule, byte_level_rule, words_of_lines

_FORMS = {"nfc": normalizers.NFC, "nfkc": normalizers.NFKC, "nfd": normalizers.NFD, "nfkd": normalizers.NFKD}

_BLANKS = re.compile(r"\s")
_MARK = "|"  # punctuation: between blanks it is a word by itself under BERT's rules
_CHUNKS_AT_ONCE = 200


class TextRules:
    """Normalisation and pre-tokenization under one set of options.

    Attributes:
        byte_level: whether words are in GPT-2's printable form of bytes.
        strips_accents: whether accents, Hangul vowels and dakuten are lost.
        normalizer: a component of `tokenizers`; None if text is not changed.
        pre_tokenizer: a component of `tokenizers`.
    """

    def __init__(self, options: VocabOptions) -> None:
        """Create the components for these options."""
        self.byte_level = options.algorithm == "bbpe"
        self.strips_accents = bool(options.strip_accents)
        self._has_form = options.unicode != "none"
        self.normalizer = _normalizer(options)
        self.pre_tokenizer: Any = (
            pre_tokenizers.ByteLevel(add_prefix_space=False)
            if self.byte_level
            else pre_tokenizers.BertPreTokenizer()
        )

    def words(self, text: str) -> list[str]:
        """Return the pre-tokens of a text; under byte-level rules in GPT-2's printable form of bytes."""
        return [word for word, _ in self.pre_tokenizer.pre_tokenize_str(self.normalize(text))]

    def normalize(self, text: str) -> str:
        """Return the normalised text."""
        return text if self.normalizer is None else str(self.normalizer.normalize_str(text))

    def words_of_each(self, chunks: Sequence[str]) -> Iterator[Sequence[str]]:
        """Yield the words of every chunk; chunks are joined into longer texts where this is safe."""
        others = list(filter(self._is_joinable, chunks))
        batches = range(0, len(others), _CHUNKS_AT_ONCE)
        found = itertools.chain.from_iterable(
            self._words_of_others(others[first : first + _CHUNKS_AT_ONCE]) for first in batches
        )
        for chunk in chunks:
            yield next(found) if self._is_joinable(chunk) else self.words(chunk)

    def _is_joinable(self, chunk: str) -> bool:
        """Return whether a chunk has the same words when joined with others, with a separator between.

        A byte-level chunk without blanks, except one space at its start, is split alike after a line feed.
        """
        if not self.byte_level:
            return _MARK not in chunk
        letters = chunk[1:] if chunk[0] == " " else chunk
        return self.normalizer is None and bool(letters) and _BLANKS.search(letters) is None

    def _words_of_others(self, chunks: list[str]) -> Iterator[Sequence[str]]:
        """Yield the words of every joinable chunk, split as one text."""
        if self.byte_level:
            yield from words_of_lines(chunks, self.words)
            return
        if _MARK in self.normalize("".join(chunks)):
            yield from map(self.words, chunks)
            return
        found: list[str] = []
        for word in self.words(f" {_MARK} ".join(chunks) + f" {_MARK}"):
            if word == _MARK:
                yield found
                found = []
            else:
                found.append(word)

    @functools.cached_property
    def characters(self) -> Characters:
        """The table of single characters under these options."""
        if self.byte_level:
            return byte_level_characters(self.words, has_form=self._has_form)
        return bert_characters(
            self.words, self.normalize, has_form=self._has_form, strips_accents=self.strips_accents
        )


def counting_rule(options: CountOptions) -> CutRule:
    """Return the rule for cutting text to be counted, safe under any case, accents and Unicode form.

    All characters of Unicode were probed under every such set of options: the compatibility forms isolate the
    fewest, and all of these are isolated under the other options as well.
    """
    if options.algorithm == "bbpe":
        return byte_level_rule()
    rules = TextRules(VocabOptions(unicode="nfkc", cjk=options.cjk))
    rule = bert_rule(rules.words, True, rules.normalize)
    return rule if options.cjk else dataclasses.replace(rule, name=f"{rule.name} without cjk")


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
