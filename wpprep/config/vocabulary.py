"""Options for counting words and learning a vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wpprep.config.fields import OptionSet, check, check_least, check_seed, fill, option

ALGORITHMS = ("wordpiece", "bpe", "bbpe")
SCORES = ("likelihood", "frequency", "ratio")
UNICODE_FORMS = ("nfc", "nfkc", "nfd", "nfkd", "none")
MAX_WORD_CHARACTERS = 100  # a longer word is [UNK] as a whole, as in tokenizers' WordPiece
PREFIX, SUFFIX = "##", "</w>"  # of pieces inside a word (WordPiece), and of pieces that end a word (BPE)
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Normalization of languages and well-known models; options that are given take precedence over the preset.
PRESETS: dict[str, dict[str, Any]] = {
    "bert-uncased": {"lowercase": True, "strip_accents": True, "unicode": "none", "cjk": True},
    "bert-cased": {"lowercase": False, "strip_accents": False, "unicode": "none", "cjk": True},
    "multilingual": {"lowercase": False, "strip_accents": False, "unicode": "nfc", "cjk": True},
    "ko": {"lowercase": False, "strip_accents": False, "unicode": "nfc", "cjk": True},
    "ja": {"lowercase": True, "strip_accents": False, "unicode": "nfkc", "cjk": True},
    "zh": {"lowercase": True, "strip_accents": False, "unicode": "nfkc", "cjk": True},
}


@dataclass(frozen=True, kw_only=True)
class CountOptions(OptionSet):
    """Options for counting words: all that the counts of a text depend on."""

    algorithm: str = option(
        "wordpiece", "Kind of subword vocabulary (wordpiece and bpe use the same counts).", choices=ALGORITHMS
    )
    cjk: bool = option(
        None,
        "Treatment of CJK ideographs: each is a word, or not. [default: cjk]",
        flags="--cjk/--no-cjk",
    )
    holdout: float = option(
        0.01,
        "Fraction of documents held out to evaluate the vocabulary; 0 for none.",
    )
    seed: int = option(12345, "Seed of the selection of held-out documents.")

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        fill(self, "cjk", True)
        check(0.0 <= self.holdout < 1.0, f"holdout is {self.holdout}, expected 0 or more and below 1")
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class VocabOptions(CountOptions):
    """Options for learning a vocabulary. Fields that are None get the default of the algorithm."""

    score: str = option(
        None,
        "Score used to choose the next merge. [default: likelihood for wordpiece, else frequency]",
        choices=SCORES,
    )
    vocab_size: int = option(30522, "Number of entries, including special tokens.")
    min_frequency: int = option(2, "Minimum count for a pair to be merged.")
    min_pair_count: int = option(
        10, "Minimum count for a pair to be merged with the score ratio, which favours rare pairs."
    )
    min_word_count: int = option(1, "Minimum count of a word; rarer words are ignored.")
    min_char_count: int = option(3, "Minimum count of a character; rarer characters become [UNK].")
    limit_alphabet: int = option(
        None, "Maximum number of distinct characters kept. [default: half the vocabulary]"
    )
    initial_alphabet: str = option(
        "", "Characters kept regardless of their count, as one string. [default: none]"
    )
    special_tokens: tuple[str, ...] = option(
        (), "Additional special token; may be given several times. [default: none]", flags="--special-token"
    )
    bert_ids: bool = option(
        False,
        "Special tokens at BERT's ids 0, 100, 101, 102, 103, with [unused...] entries between them.",
        flags="--bert-ids/--dense-ids",
    )
    preset: str | None = option(
        None, "Normalization of a well-known model or a language.", choices=tuple(PRESETS)
    )
    lowercase: bool = option(
        None,
        "Lowercase the text; accents are kept. [default: lowercase for wordpiece and bpe, cased for bbpe]",
        flags="--lowercase/--cased",
    )
    strip_accents: bool = option(
        None,
        "Remove accents (also Hangul vowels and dakuten). [default: keep-accents]",
        flags="--strip-accents/--keep-accents",
    )
    unicode: str = option(
        None, "Unicode normal form. [default: nfc for wordpiece and bpe, none for bbpe]", choices=UNICODE_FORMS
    )
    keep_unused: bool = option(
        False,
        "Keep WordPiece entries that greedy encoding of the corpus does not use.",
        flags="--keep-unused/--drop-unused",
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        OptionSet.__post_init__(self)  # before a value is used
        for name, value in PRESETS.get(self.preset or "", {}).items():
            fill(self, name, value)
        super().__post_init__()
        byte_level = self.algorithm == "bbpe"
        fill(self, "score", "likelihood" if self.algorithm == "wordpiece" else "frequency")
        fill(self, "lowercase", not byte_level)
        fill(self, "strip_accents", False)
        fill(self, "unicode", "none" if byte_level else "nfc")
        fill(self, "limit_alphabet", max(1, self.vocab_size // 2))
        _check_special_tokens(self)
        least = len(SPECIAL_TOKENS) + len(self.special_tokens) + (256 if byte_level else 1)
        least += 99 if self.bert_ids else 0
        check(self.vocab_size >= least, f"vocab_size is {self.vocab_size}, expected at least {least}")
        for name in ("min_frequency", "min_pair_count", "min_word_count", "min_char_count", "limit_alphabet"):
            check_least(self, name, 1)
        for name in ("strip_accents", "initial_alphabet", "preset"):
            value = getattr(self, name)
            check(
                not (byte_level and value),
                f"{name} cannot be used with the algorithm bbpe, which keeps all bytes",
            )


def _check_special_tokens(options: VocabOptions) -> None:
    tokens = options.special_tokens
    for i, token in enumerate(tokens):
        check(bool(token.strip()), "special_tokens holds an empty entry, expected a spelling such as [E1]")
        check(
            token not in SPECIAL_TOKENS and token not in tokens[:i] and not token.startswith("[unused"),
            f"special_tokens holds {token!r}, which is already in the vocabulary",
        )
