"""From text to words, as the tokenizer will see them: normaliser and pre-tokenizer of the library.

What text becomes is decided by `tokenizers` alone; here the options are translated into its components,
and a list of chunks is taken through them at a bearable price.

Stripping accents takes Hangul and kana apart, so Korean and Japanese are lowercased with accents kept:

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
        self._has_form = options.unicode != "none"
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
        """The words of every chunk, many at once in one text where a mark between them is safe."""
        others = list(filter(self._is_joinable, chunks))
        batches = range(0, len(others), _CHUNKS_AT_ONCE)
        found = itertools.chain.from_iterable(
            self._words_of_others(others[first : first + _CHUNKS_AT_ONCE]) for first in batches
        )
        for chunk in chunks:
            yield next(found) if self._is_joinable(chunk) else self.words(chunk)

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
        """What becomes of characters wherever they stand."""
        if self.byte_level:
            return byte_level_characters(self.words, has_form=self._has_form)
        return bert_characters(
            self.words, self.normalize, has_form=self._has_form, strips_accents=self.strips_accents
        )


def counting_rule(options: CountOptions) -> CutRule:
    """Where text is cut when it is counted: safe for words under any case, accents and Unicode form.

    Which characters stand alone was asked of every such set of options, for all of Unicode: the compatibility
    forms let the fewest, and all of these stand alone under the others too.
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
