"""Every option of wpprep, once: its name, default, help text and check.

The command line builds its options from these classes, the Python API takes the same names as keyword
arguments, manifests store them. Two kinds are kept apart: *data* options decide the bytes that come
out and are stored; *run* options (`RunOptions`) decide how the work is done and never are, so that
equal data gives equal bytes.

    >>> ShardOptions(max_seq_length=128).max_predictions_per_seq
    19
    >>> ShardOptions(max_seq_length=4)
    Traceback (most recent call last):
        ...
    wpprep.errors.OptionError: max_seq_length is 4, expected at least 8
"""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from wpprep.errors import OptionError

ALGORITHMS = ("wordpiece", "bpe", "bbpe")
SCORES = ("likelihood", "frequency", "ratio")
UNICODE_FORMS = ("nfc", "nfkc", "nfd", "nfkd", "none")
FORMATS = ("auto", "lines", "prose", "wikiextractor")
SENTENCE_RULES = ("auto", "sentencex", "lines", "paragraphs")
DECODE_ERRORS = ("strict", "replace")
MASKINGS = ("static", "dynamic")
MASK_POLICIES = ("token", "word")
OBJECTIVES = ("nsp", "single")
SIZES = ("tiny", "mini", "small", "medium", "base", "large")
PRECISIONS = ("fp32", "bf16")
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

Options = TypeVar("Options")


def option(default: Any, help: str, *, choices: Sequence[str] = (), flags: str = "") -> Any:
    """A dataclass field that carries what the command line needs to offer it."""
    metadata = {"help": help, "choices": tuple(choices), "flags": flags}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """How text is read."""

    format: str = option("auto", "Format of the corpus files.", choices=FORMATS)
    language: str = option("en", "Language of the text (en, ko, zh, ...), which sentence rules follow.")
    sentences: str = option(
        "auto",
        "How text is cut into sentences; auto is lines for the format lines, else sentencex.",
        choices=SENTENCE_RULES,
    )
    errors: str = option(
        "strict", "What to do with invalid UTF-8: stop, or put U+FFFD there and count.", choices=DECODE_ERRORS
    )

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(bool(self.language), "language is empty, expected a code such as en")


@dataclass(frozen=True, kw_only=True)
class VocabOptions:
    """What vocabulary is learned. Fields left at None are filled in by what the algorithm usually takes."""

    algorithm: str = option("wordpiece", "Kind of subword vocabulary.", choices=ALGORITHMS)
    score: str | None = option(
        None, "What a merge is chosen by. [default: likelihood for wordpiece, else frequency]", choices=SCORES
    )
    vocab_size: int = option(30522, "Entries in the vocabulary, special tokens included.")
    min_frequency: int = option(2, "Least count of a pair that is still merged.")
    min_pair_count: int = option(10, "Least count of a pair for the score ratio, which favours rare pairs.")
    min_word_count: int = option(1, "Words counted less often are left out.")
    min_char_count: int = option(3, "Characters counted less often become [UNK].")
    limit_alphabet: int | None = option(None, "Most characters kept. [default: half the vocabulary]")
    lowercase: bool | None = option(
        None,
        "Lowercase the text, accents kept. [default: lowercase for wordpiece and bpe, cased for bbpe]",
        flags="--lowercase/--cased",
    )
    strip_accents: bool = option(
        False, "Remove accents (and Hangul vowels, and dakuten).", flags="--strip-accents/--keep-accents"
    )
    unicode: str | None = option(
        None, "Unicode normal form. [default: nfc for wordpiece and bpe, none for bbpe]", choices=UNICODE_FORMS
    )
    cjk: bool = option(True, "Let every CJK ideograph be a word of its own.", flags="--cjk/--no-cjk")
    keep_unused: bool = option(
        False,
        "Keep WordPiece entries that greedy encoding of the corpus never uses.",
        flags="--keep-unused/--drop-unused",
    )
    seed: int = option(12345, "Seed of the choice of held-out documents.")

    def __post_init__(self) -> None:
        _check_choices(self)
        byte_level = self.algorithm == "bbpe"
        _fill(self, "score", "likelihood" if self.algorithm == "wordpiece" else "frequency")
        _fill(self, "lowercase", not byte_level)
        _fill(self, "unicode", "none" if byte_level else "nfc")
        _fill(self, "limit_alphabet", max(1, self.vocab_size // 2))
        least = len(SPECIAL_TOKENS) + (256 if byte_level else 1)
        _check(self.vocab_size >= least, f"vocab_size is {self.vocab_size}, expected at least {least}")
        for name in ("min_frequency", "min_pair_count", "min_word_count", "min_char_count", "limit_alphabet"):
            _check_least(self, name, 1)
        _check(not (byte_level and self.strip_accents), "strip_accents does not go with the algorithm bbpe")
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class ShardOptions:
    """What instances are made. The names are those of BERT's create_pretraining_data.py where it has one."""

    max_seq_length: int = option(512, "Longest instance in tokens, [CLS] and [SEP] included.")
    dupe_factor: int = option(5, "Passes over the corpus; each pairs and masks anew.")
    objective: str = option(
        "nsp", "Sentence pairs for next-sentence prediction, or single segments.", choices=OBJECTIVES
    )
    short_seq_prob: float = option(0.1, "Share of documents a pass cuts into shorter instances.")
    random_next_prob: float = option(0.5, "Share of pairs whose second half is random.")
    masking: str = option("static", "Mask now, or leave it to the loader.", choices=MASKINGS)
    mask_policy: str = option("token", "Mask tokens one by one, or whole words.", choices=MASK_POLICIES)
    masked_lm_prob: float = option(0.15, "Share of an instance's tokens that is predicted.")
    max_predictions_per_seq: int | None = option(
        None, "Most predictions an instance. [default: max_seq_length * masked_lm_prob]"
    )
    mask_share: float = option(0.8, "Share of the predicted tokens that is replaced by [MASK].")
    random_share: float = option(0.1, "Share of the predicted tokens that is replaced by a random token.")
    shards: int | None = option(None, "Number of shards. [default: about 64 MB each]")
    seed: int = option(12345, "Seed of every random draw.")

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_least(self, "max_seq_length", 8)
        _check(self.max_seq_length <= 65535, f"max_seq_length is {self.max_seq_length}, expected at most 65535")
        _check_least(self, "dupe_factor", 1)
        for name in ("short_seq_prob", "random_next_prob", "masked_lm_prob", "mask_share", "random_share"):
            value = getattr(self, name)
            _check(0.0 <= value <= 1.0, f"{name} is {value}, expected between 0 and 1")
        together = self.mask_share + self.random_share
        _check(together <= 1.0 + 1e-12, f"mask_share + random_share is {together}, expected at most 1")
        _fill(self, "max_predictions_per_seq", max(1, round(self.max_seq_length * self.masked_lm_prob)))
        _check_least(self, "max_predictions_per_seq", 1)
        if self.shards is not None:
            _check_least(self, "shards", 1)
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a BERT is pretrained. The defaults are those of the paper (Devlin et al., 2019)."""

    size: str = option(
        "base", "Layers/hidden/heads: 2/128/2, 4/256/4, 4/512/8, 8/512/8, 12/768/12, 24/1024/16.", choices=SIZES
    )
    steps: int = option(1_000_000, "Optimizer steps.")
    batch_size: int = option(256, "Instances a step.")
    learning_rate: float = option(1e-4, "Highest learning rate, reached at the end of the warm-up.")
    warmup_steps: int | None = option(
        None, "Steps of linear warm-up; then linear decay to 0. [default: a tenth of the steps, at most 10,000]"
    )
    weight_decay: float = option(0.01, "Weight decay of AdamW; biases and norms have none.")
    grad_clip: float = option(1.0, "Longest gradient; longer ones are scaled down to it.")
    dropout: float = option(0.1, "Dropout of hidden states and of attention.")
    precision: str = option("fp32", "Arithmetic of the matrix products.", choices=PRECISIONS)
    eval_rows: int | None = option(
        None,
        "Instances held out, by whole documents; 0 for none. [default: a twentieth, at most about 2,000]",
    )
    eval_steps: int | None = option(
        None, "Steps between evaluations on the held-out instances. [default: a tenth of the steps]"
    )
    log_steps: int = option(100, "Steps between progress lines.")
    save_steps: int = option(1000, "Steps between checkpoints to resume from; 0 for none.")
    seed: int = option(12345, "Seed of the weights, of dropout and of the order of the instances.")
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("steps", "batch_size", "log_steps"):
            _check_least(self, name, 1)
        _fill(self, "warmup_steps", min(10_000, self.steps // 10))
        _fill(self, "eval_steps", max(1, self.steps // 10))
        _check_least(self, "warmup_steps", 0)
        _check_least(self, "eval_steps", 1)
        _check_least(self, "save_steps", 0)
        if self.eval_rows is not None:
            _check_least(self, "eval_rows", 0)
        for name in ("learning_rate", "grad_clip"):
            value = getattr(self, name)
            _check(value > 0, f"{name} is {value}, expected above 0")
        _check(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, expected 0 or more")
        _check(0 <= self.dropout < 1, f"dropout is {self.dropout}, expected 0 or more and below 1")
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is done; none of it changes a byte of the result."""

    workers: int | None = option(None, "Processes that share the work. [default: the usable CPUs]")
    slice_bytes: int = option(16_000_000, "Target size of the pieces the corpus is cut into.")
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        if self.workers is None:
            object.__setattr__(self, "workers", usable_cpus())
        _check_least(self, "workers", 1)
        _check_least(self, "slice_bytes", 1)


def usable_cpus() -> int:
    """CPUs this process may run on (its affinity mask where the system has one)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def as_dict(options: Any) -> dict[str, Any]:
    """The options as plain values, in the order of their fields, for a manifest."""
    return dataclasses.asdict(options)


def build(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """Options of one kind from the values among ``values`` that it knows; None means the default."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names and value is not None})


def refuse_unknown(values: Mapping[str, Any], *kinds: type) -> None:
    """Raise OptionError for a name that none of the kinds of options has."""
    known = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"
            raise OptionError(f"there is no option {name}{hint}")


def _fill(options: Any, name: str, value: Any) -> None:
    if getattr(options, name) is None:
        object.__setattr__(options, name, value)


def _check(condition: bool, message: str) -> None:
    if not condition:
        raise OptionError(message)


def _check_least(options: Any, name: str, least: int) -> None:
    value = getattr(options, name)
    _check(value >= least, f"{name} is {value}, expected at least {least}")


def _check_seed(seed: int) -> None:
    _check(0 <= seed < 2**63, f"seed is {seed}, expected 0 or more and below 2**63")


def _check_choices(options: Any) -> None:
    for field in dataclasses.fields(options):
        choices, value = field.metadata["choices"], getattr(options, field.name)
        if choices and value is not None and value not in choices:
            raise OptionError(f"{field.name} is {value!r}, expected one of {', '.join(choices)}")
