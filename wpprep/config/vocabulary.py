"""What a vocabulary is learned from, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wpprep.config.fields import OptionSet, check, check_least, check_seed, fill, option

ALGORITHMS = ("wordpiece", "bpe", "bbpe")
SCORES = ("likelihood", "frequency", "ratio")
UNICODE_FORMS = ("nfc", "nfkc", "nfd", "nfkd", "none")
MAX_WORD_CHARACTERS = 100  # a longer word is [UNK] as a whole, as in tokenizers' WordPiece
PREFIX, SUFFIX = "##", "</w>"  # of a piece that continues a word (WordPiece), and of one that ends it (BPE)
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# What a language or a well-known model wants done to text; options given beside a preset win.
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
    """What is counted: all that the counts of a corpus depend on beside its text."""

    algorithm: str = option(
        "wordpiece", "Kind of subword vocabulary (wordpiece and bpe share their counts).", choices=ALGORITHMS
    )
    cjk: bool = option(
        None, "Let every CJK ideograph be a word of its own. [default: cjk]", flags="--cjk/--no-cjk"
    )
    holdout: float = option(
        0.01,
        "Share of the documents that nothing is learned from, to measure the vocabulary on; 0 for none.",
    )
    seed: int = option(12345, "Seed of the choice of held-out documents.")

    def __post_init__(self) -> None:
        super().__post_init__()
        fill(self, "cjk", True)
        check(0.0 <= self.holdout < 1.0, f"holdout is {self.holdout}, expected 0 or more and below 1")
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class VocabOptions(CountOptions):
    """What vocabulary is learned. Fields left at None are filled in by what the algorithm usually takes."""

    score: str = option(
        None, "What a merge is chosen by. [default: likelihood for wordpiece, else frequency]", choices=SCORES
    )
    vocab_size: int = option(30522, "Entries in the vocabulary, special tokens included.")
    min_frequency: int = option(2, "Least count of a pair that is still merged.")
    min_pair_count: int = option(10, "Least count of a pair for the score ratio, which favours rare pairs.")
    min_word_count: int = option(1, "Words counted less often are left out.")
    min_char_count: int = option(3, "Characters counted less often become [UNK].")
    limit_alphabet: int = option(None, "Most characters kept. [default: half the vocabulary]")
    initial_alphabet: str = option("", "Characters kept however rare they are, written one after another.")
    special_tokens: tuple[str, ...] = option(
        (), "One more special token; may be given several times. [default: none]", flags="--special-token"
    )
    bert_ids: bool = option(
        False,
        "Put the special tokens at BERT's ids 0, 100, 101, 102, 103, with [unused...] entries between.",
        flags="--bert-ids/--dense-ids",
    )
    preset: str | None = option(
        None, "What is done to text, as a model or a language wants it.", choices=tuple(PRESETS)
    )
    lowercase: bool = option(
        None,
        "Lowercase the text, accents kept. [default: lowercase for wordpiece and bpe, cased for bbpe]",
        flags="--lowercase/--cased",
    )
    strip_accents: bool = option(
        None,
        "Remove accents (and Hangul vowels, and dakuten). [default: keep-accents]",
        flags="--strip-accents/--keep-accents",
    )
    unicode: str = option(
        None, "Unicode normal form. [default: nfc for wordpiece and bpe, none for bbpe]", choices=UNICODE_FORMS
    )
    keep_unused: bool = option(
        False,
        "Keep WordPiece entries that greedy encoding of the corpus never uses.",
        flags="--keep-unused/--drop-unused",
    )

    def __post_init__(self) -> None:
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
                not (byte_level and value), f"{name} does not go with the algorithm bbpe, which keeps all bytes"
            )


def _check_special_tokens(options: VocabOptions) -> None:
    tokens = options.special_tokens
    for i, token in enumerate(tokens):
        check(bool(token.strip()), "special_tokens holds an empty entry, expected a spelling such as [E1]")
        check(
            token not in SPECIAL_TOKENS and token not in tokens[:i] and not token.startswith("[unused"),
            f"special_tokens holds {token!r}, which is there already",
        )
