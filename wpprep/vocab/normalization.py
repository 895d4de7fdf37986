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
from collections.abc import Iterator, Sequence
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from wpprep.config import VocabOptions
from wpprep.encode.cuts import bert_rule, byte_level_rule
from wpprep.encode.scanner import CutRule

_FORMS = {"nfc": normalizers.NFC, "nfkc": normalizers.NFKC, "nfd": normalizers.NFD, "nfkd": normalizers.NFKD}


class TextRules:
    """How one set of options turns text into words.

    Attributes:
        normalizer: a component of `tokenizers`, None where text stays as it is.
        pre_tokenizer: a component of `tokenizers`.
    """

    def __init__(self, options: VocabOptions) -> None:
        self.byte_level = options.algorithm == "bbpe"
        self.composes = options.unicode in {"nfc", "nfkc"}
        self.normalizer = _normalizer(options)
        self.pre_tokenizer: Any = (
            pre_tokenizers.ByteLevel(add_prefix_space=False)
            if self.byte_level
            else pre_tokenizers.BertPreTokenizer()
        )

    def words(self, text: str) -> list[str]:
        """The pre-tokens of a text; under byte-level rules in GPT-2's printable form of bytes."""
        if self.normalizer is not None:
            text = self.normalizer.normalize_str(text)
        return [word for word, _ in self.pre_tokenizer.pre_tokenize_str(text)]

    def words_of_each(self, chunks: Sequence[str]) -> Iterator[Sequence[str]]:
        """The words of every chunk.

        Most chunks are runs of ASCII letters and digits, which the rules change letter by letter and keep in
        one word; they go through a table of what the tokenizer makes of each letter alone.
        """
        table = self._letter_table
        for chunk in chunks:
            if chunk.isascii() and chunk.isalnum():
                yield (chunk.translate(table),)
            else:
                yield self.words(chunk)

    @functools.cached_property
    def _letter_table(self) -> dict[int, str]:
        letters = [chr(code) for code in range(128) if chr(code).isalnum()]
        return {ord(letter): "".join(self.words(letter)) for letter in letters}

    def cut_rule(self) -> CutRule:
        """Where text under these rules may be cut into chunks."""
        return byte_level_rule() if self.byte_level else bert_rule(self.words, self.composes)


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
                handle_chinese_chars=options.cjk,
                strip_accents=options.strip_accents,
                lowercase=bool(options.lowercase),
            )
        )
    if len(steps) > 1:
        return normalizers.Sequence(steps)
    return steps[0] if steps else None
