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

import codecs
import contextlib
import dataclasses
import difflib
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

from wpprep.errors import OptionError

ALGORITHMS = ("wordpiece", "bpe", "bbpe")
SCORES = ("likelihood", "frequency", "ratio")
UNICODE_FORMS = ("nfc", "nfkc", "nfd", "nfkd", "none")
FORMATS = (
    "auto", "lines", "prose", "wikiextractor", "wikiextractor-json", "jsonl", "parquet", "arrow", "wiki-dump"
)  # fmt: skip
SENTENCE_RULES = ("auto", "sentencex", "lines", "paragraphs")
DECODE_ERRORS = ("strict", "replace")
MASKINGS = ("static", "dynamic")
MASK_POLICIES = ("token", "word", "span")
OBJECTIVES = ("nsp", "sop", "single")
TEXT_FORMATS = ("jsonl", "parquet")
COMPRESSIONS = ("none", "gzip", "zstd")
LAYOUTS = ("compact", "dense")
SIZES = ("tiny", "mini", "small", "medium", "base", "large")
PRECISIONS = ("fp32", "bf16", "fp16")
ACTIVATIONS = ("gelu", "gelu_tanh")
FINAL_WEIGHTS = ("last", "best")
PIECE_ORDERS = ("id", "longest", "rarest", "commonest")
ENGINES = ("serial", "local", "dask")
USES = ("classify", "regress", "pair", "pair-regress", "choice", "tag", "qa")  # what a BERT is fine-tuned for
POOLINGS = ("tokens", "cls", "mean")
LABELLED_FORMATS = ("auto", "tsv", "jsonl", "conll", "squad")
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

LEAST_PROCESS_BYTES = 250_000_000  # of its own, of which Python, Numba and the libraries take about 110

Options = TypeVar("Options")


def option(default: Any, help: str, *, choices: Sequence[str] = (), flags: str = "") -> Any:
    """A dataclass field that carries what the command line needs to offer it."""
    metadata = {"help": help, "choices": tuple(choices), "flags": flags}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class CorpusOptions:
    """How text is read."""

    format: str = option("auto", "Format of the corpus files.", choices=FORMATS)
    encoding: str = option("auto", "Encoding of text files; auto is UTF-8, or what their byte order mark says.")
    text_field: str = option("text", "Field or column that holds the text (jsonl, parquet, arrow).")
    id_field: str | None = option(
        None, "Field or column that names the document. [default: id if there is one, else file and place]"
    )
    rows_per_document: int | None = option(
        None,
        "Rows of a table (parquet, arrow) that make a document. [default: 1, but 1000 where a table has "
        "text alone, a sentence a row, as BookCorpus has]",
    )
    namespaces: str = option("0", "Namespaces read from a dump, as numbers with commas between, or all.")
    language: str = option("en", "Language of the text (en, ko, zh, ...), which sentence rules follow.")
    sentences: str = option(
        "auto",
        "How text is cut into sentences; auto is lines for the format lines, else sentencex.",
        choices=SENTENCE_RULES,
    )
    errors: str = option(
        "strict", "What to do with invalid UTF-8: stop, or put U+FFFD there and count.", choices=DECODE_ERRORS
    )
    min_chars: int = option(0, "Documents of fewer characters are left out.")
    min_sentences: int = option(0, "Documents of fewer sentences are left out.")
    sample: float = option(1.0, "Share of the documents used, chosen by their ids.")
    deduplicate: bool = option(
        False,
        "Of documents with the same text, use the first in the whole corpus only.",
        flags="--deduplicate/--keep-duplicates",
    )
    mix: str | None = option(
        None,
        "Shares of the text from each of several corpora, such as wiki=0.75,books=0.25; the corpora are then "
        "given as wiki=PATH books=PATH. As much is used as the shares allow, nothing twice.",
    )
    max_documents: int | None = option(
        None, "Most documents used, chosen by their ids among those that all other filters leave."
    )
    skip_bad: bool = option(
        False,
        "Leave out what cannot be read, count it and list it in the manifest.",
        flags="--skip-bad/--stop-at-bad",
    )

    def __post_init__(self) -> None:
        _check_choices(self)
        _check(bool(self.language), "language is empty, expected a code such as en")
        _check(bool(self.text_field), "text_field is empty, expected a name such as text")
        _check_encoding(self.encoding)
        _check_least(self, "min_chars", 0)
        _check_least(self, "min_sentences", 0)
        _check(0 < self.sample <= 1, f"sample is {self.sample}, expected above 0 and at most 1")
        if self.rows_per_document is not None:
            _check_least(self, "rows_per_document", 1)
        if self.max_documents is not None:
            _check_least(self, "max_documents", 1)
        _check_mix(self)
        _check(
            re.fullmatch(r"all|\d+(\s*,\s*\d+)*", self.namespaces) is not None,
            f"namespaces is {self.namespaces!r}, expected all, or numbers such as 0,14",
        )

    @property
    def mix_shares(self) -> dict[str, Fraction]:
        """The share of each named corpus; together 1.

        >>> {name: str(share) for name, share in CorpusOptions(mix="wiki=3,books=1").mix_shares.items()}
        {'wiki': '3/4', 'books': '1/4'}
        """
        pairs = [pair.rpartition("=") for pair in (self.mix or "").split(",") if pair.strip()]
        weights = {name.strip(): Fraction(weight.strip()) for name, _, weight in pairs}
        total = sum(weights.values(), Fraction(0))
        return {name: weight / total for name, weight in weights.items()}


@dataclass(frozen=True, kw_only=True)
class ExtractOptions:
    """How clean text is written."""

    to: str = option("jsonl", "Format of the files.", choices=TEXT_FORMATS)
    compress: str | None = option(
        None,
        "Compression of the files, of Parquet inside them. [default: none; of parquet zstd]",
        choices=COMPRESSIONS,
    )
    file_bytes: int = option(64_000_000, "Text read for each file, in bytes, roughly.")

    def __post_init__(self) -> None:
        _check_choices(self)
        _fill(self, "compress", "zstd" if self.to == "parquet" else "none")
        _check_least(self, "file_bytes", 1)


@dataclass(frozen=True, kw_only=True)
class CountOptions:
    """What is counted: all that the counts of a corpus depend on beside its text."""

    algorithm: str = option(
        "wordpiece", "Kind of subword vocabulary (wordpiece and bpe share their counts).", choices=ALGORITHMS
    )
    cjk: bool | None = option(
        None, "Let every CJK ideograph be a word of its own. [default: cjk]", flags="--cjk/--no-cjk"
    )
    holdout: float = option(
        0.01,
        "Share of the documents that nothing is learned from, to measure the vocabulary on; 0 for none.",
    )
    seed: int = option(12345, "Seed of the choice of held-out documents.")

    def __post_init__(self) -> None:
        _check_choices(self)
        _fill(self, "cjk", True)
        _check(0.0 <= self.holdout < 1.0, f"holdout is {self.holdout}, expected 0 or more and below 1")
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class VocabOptions(CountOptions):
    """What vocabulary is learned. Fields left at None are filled in by what the algorithm usually takes."""

    score: str | None = option(
        None, "What a merge is chosen by. [default: likelihood for wordpiece, else frequency]", choices=SCORES
    )
    vocab_size: int = option(30522, "Entries in the vocabulary, special tokens included.")
    min_frequency: int = option(2, "Least count of a pair that is still merged.")
    min_pair_count: int = option(10, "Least count of a pair for the score ratio, which favours rare pairs.")
    min_word_count: int = option(1, "Words counted less often are left out.")
    min_char_count: int = option(3, "Characters counted less often become [UNK].")
    limit_alphabet: int | None = option(None, "Most characters kept. [default: half the vocabulary]")
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
    lowercase: bool | None = option(
        None,
        "Lowercase the text, accents kept. [default: lowercase for wordpiece and bpe, cased for bbpe]",
        flags="--lowercase/--cased",
    )
    strip_accents: bool | None = option(
        None,
        "Remove accents (and Hangul vowels, and dakuten). [default: keep-accents]",
        flags="--strip-accents/--keep-accents",
    )
    unicode: str | None = option(
        None, "Unicode normal form. [default: nfc for wordpiece and bpe, none for bbpe]", choices=UNICODE_FORMS
    )
    keep_unused: bool = option(
        False,
        "Keep WordPiece entries that greedy encoding of the corpus never uses.",
        flags="--keep-unused/--drop-unused",
    )

    def __post_init__(self) -> None:
        for name, value in PRESETS.get(self.preset or "", {}).items():
            _fill(self, name, value)
        super().__post_init__()
        byte_level = self.algorithm == "bbpe"
        _fill(self, "score", "likelihood" if self.algorithm == "wordpiece" else "frequency")
        _fill(self, "lowercase", not byte_level)
        _fill(self, "strip_accents", False)
        _fill(self, "unicode", "none" if byte_level else "nfc")
        _fill(self, "limit_alphabet", max(1, self.vocab_size // 2))
        _check_special_tokens(self)
        least = len(SPECIAL_TOKENS) + len(self.special_tokens) + (256 if byte_level else 1)
        least += 99 if self.bert_ids else 0
        _check(self.vocab_size >= least, f"vocab_size is {self.vocab_size}, expected at least {least}")
        for name in ("min_frequency", "min_pair_count", "min_word_count", "min_char_count", "limit_alphabet"):
            _check_least(self, name, 1)
        for name in ("strip_accents", "initial_alphabet", "preset"):
            value = getattr(self, name)
            _check(
                not (byte_level and value), f"{name} does not go with the algorithm bbpe, which keeps all bytes"
            )


@dataclass(frozen=True, kw_only=True)
class ShardOptions:
    """What instances are made. The names are those of BERT's create_pretraining_data.py where it has one."""

    max_seq_length: int = option(512, "Longest instance in tokens, [CLS] and [SEP] included.")
    dupe_factor: int = option(5, "Passes over the corpus; each pairs and masks anew.")
    objective: str = option(
        "nsp", "Pairs for next-sentence or sentence-order prediction, or single segments.", choices=OBJECTIVES
    )
    short_seq_prob: float = option(0.1, "Share of documents a pass cuts into shorter instances.")
    random_next_prob: float = option(0.5, "Share of pairs whose B is random (under sop: that are swapped).")
    masking: str = option("static", "Mask now, or leave it to the loader.", choices=MASKINGS)
    mask_policy: str = option("token", "Mask tokens, whole words, or spans of words.", choices=MASK_POLICIES)
    masked_lm_prob: float = option(0.15, "Share of an instance's tokens that is predicted.")
    max_predictions_per_seq: int | None = option(
        None, "Most predictions an instance. [default: max_seq_length * masked_lm_prob]"
    )
    mask_share: float = option(0.8, "Share of the predicted tokens that is replaced by [MASK].")
    random_share: float = option(0.1, "Share of the predicted tokens that is replaced by a random token.")
    layout: str = option("compact", "Unpadded, for our loader, or dense: padded, for others.", choices=LAYOUTS)
    shards: int | None = option(None, "Number of shards. [default: as many as SHARD_BYTES gives]")
    shard_bytes: int = option(
        64_000_000, "Size of a compact shard in bytes, roughly, where SHARDS is not given."
    )
    holdout: float = option(0.0, "Share of the documents that goes to shards of its own, in holdout/.")
    bins: str | None = option(
        None,
        "Lengths such as 64,128,256,512: instances up to each get shards of their own, in bin-64/ and so on.",
    )
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
        _check_least(self, "shard_bytes", 1)
        _check(0.0 <= self.holdout < 1.0, f"holdout is {self.holdout}, expected 0 or more and below 1")
        _check_bins(self)
        _check_seed(self.seed)

    @property
    def bin_lengths(self) -> tuple[int, ...]:
        """The longest row of each bin; without bins, that of all.

        >>> ShardOptions(max_seq_length=128, bins="64,128").bin_lengths
        (64, 128)
        """
        if self.bins is None:
            return (self.max_seq_length,)
        return tuple(int(length) for length in self.bins.split(","))


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a BERT is pretrained. The defaults are those of the paper (Devlin et al., 2019)."""

    size: str = option(
        "base", "Layers/hidden/heads: 2/128/2, 4/256/4, 4/512/8, 8/512/8, 12/768/12, 24/1024/16.", choices=SIZES
    )
    layers: int | None = option(None, "Layers. [default: as SIZE says]")
    hidden: int | None = option(
        None, "Hidden size; the feed-forward layer has four times as many. [default: as SIZE]"
    )
    heads: int | None = option(None, "Attention heads. [default: one for every 64 of the hidden size]")
    activation: str = option(
        "gelu", "GELU by the error function, or by tanh as in BERT's code.", choices=ACTIVATIONS
    )
    init_from: str | None = option(
        None, "A BERT checkpoint of the same vocabulary to go on from; its size and activation are then used."
    )
    steps: int = option(1_000_000, "Optimizer steps.")
    batch_size: int = option(256, "Instances a step, over all processes.")
    grad_accumulation: int = option(
        1, "Parts that each process computes its share of a step in, to save memory."
    )
    phase: float | None = option(None, "Of two shard folders, the share of the steps that the first is for.")
    weights: str | None = option(None, "Of several shard folders, how much comes from each, such as 3,1.")
    bins: int = option(1, "Batches whose rows are sorted by length together, so that less is padded.")
    learning_rate: float = option(1e-4, "Highest learning rate, reached at the end of the warm-up.")
    warmup_steps: int | None = option(
        None, "Steps of linear warm-up; then linear decay to 0. [default: a tenth of the steps, at most 10,000]"
    )
    weight_decay: float = option(0.01, "Weight decay of AdamW; biases and norms have none.")
    grad_clip: float = option(1.0, "Longest gradient; longer ones are scaled down to it.")
    dropout: float = option(0.1, "Dropout of hidden states and of attention.")
    precision: str = option("fp32", "Arithmetic of the matrix products.", choices=PRECISIONS)
    compile: bool = option(False, "Compile the model (needs a C++ compiler).", flags="--compile/--no-compile")
    eval_rows: int | None = option(
        None,
        "Instances held out, by whole documents; 0 for none. [default: a twentieth, at most about 2,000]",
    )
    eval_steps: int | None = option(
        None, "Steps between evaluations on the held-out instances. [default: a tenth of the steps]"
    )
    log_steps: int = option(100, "Steps between progress lines.")
    save_steps: int = option(1000, "Steps between checkpoints to resume from; 0 for none.")
    keep_checkpoints: int = option(2, "Checkpoints kept while training.")
    final_weights: str = option(
        "last",
        "Weights of the finished model: the last, or those of the lowest held-out loss.",
        choices=FINAL_WEIGHTS,
    )
    verify: bool = option(False, "Compare every shard with its checksum first.", flags="--verify/--no-verify")
    seed: int = option(12345, "Seed of the weights, of dropout and of the order of the instances.")
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("steps", "batch_size", "grad_accumulation", "bins", "log_steps", "keep_checkpoints"):
            _check_least(self, name, 1)
        for name in ("layers", "hidden", "heads"):
            if getattr(self, name) is not None:
                _check_least(self, name, 1)
        if self.phase is not None:
            _check(0 < self.phase < 1, f"phase is {self.phase}, expected between 0 and 1")
            _check(self.weights is None, "weights do not go with phase")
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
class LabelledOptions:
    """How labelled examples are read. Each field has usual names, which are looked for in turn."""

    format: str = option("auto", "Format of the files; auto looks at the content.", choices=LABELLED_FORMATS)
    text_field: str | None = option(
        None,
        "Field of the text (pair: the first; choice, qa: the question; tag: words). [default: its usual names]",
    )
    second_field: str | None = option(
        None, "Field of the second text (choice: the choices; qa: the context). [default: its usual names]"
    )
    label_field: str | None = option(
        None, "Field of the label (tag: the tags; qa: the answers). [default: its usual names]"
    )
    id_field: str | None = option(None, "Field that names an example. [default: id, if there is one]")
    word_prefix: str | None = option(
        None,
        "What words of CoNLL files begin with and lose. [default: a language, if all of the first begin so]",
    )

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("text_field", "second_field", "label_field", "id_field"):
            _check(getattr(self, name) != "", f"{name} is empty, expected a name such as text")


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions:
    """How a model is fine-tuned. The defaults are those of the paper (Devlin et al., 2019)."""

    task: str = option("classify", "What the model shall learn.", choices=USES)
    max_seq_length: int | None = option(
        None,
        "Longest row in tokens; longer texts are cut. [default: 384 for qa, else 128, or what the model takes]",
    )
    stride: int | None = option(
        None, "Tokens that neighbouring windows of a long context share (qa). [default: a quarter of a row]"
    )
    max_answer_tokens: int = option(30, "Longest answer in tokens (qa).")
    epochs: int = option(3, "Passes over the training examples, at most.")
    batch_size: int = option(32, "Examples (qa, tag: windows) a step.")
    learning_rate: float = option(5e-5, "Highest learning rate, reached at the end of the warm-up.")
    warmup_share: float = option(0.1, "Share of the steps that is linear warm-up; then linear decay to 0.")
    weight_decay: float = option(0.01, "Weight decay of AdamW; biases and norms have none.")
    grad_clip: float = option(1.0, "Longest gradient; longer ones are scaled down to it.")
    dropout: float = option(0.1, "Dropout of hidden states, of attention and before the head.")
    precision: str = option("fp32", "Arithmetic of the matrix products.", choices=PRECISIONS)
    bins: int = option(16, "Batches whose rows are sorted by length together, so that less is padded.")
    dev_share: float = option(0.1, "Share of the training texts that judges the model, where no file does.")
    eval_steps: int | None = option(None, "Steps between evaluations. [default: once an epoch]")
    patience: int = option(2, "Evaluations without a better one after which training stops.")
    train_examples: int | None = option(None, "Training examples used, chosen by the seed. [default: all]")
    from_scratch: bool = option(
        False,
        "Begin with random weights, to see what pretraining is worth.",
        flags="--from-scratch/--pretrained",
    )
    seeds: int = option(1, "Runs, each with the next seed; mean and deviation are given, the best is kept.")
    seed: int = option(12345, "Seed of the head, of dropout and of the order of the examples.")
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in ("epochs", "batch_size", "bins", "seeds", "patience", "max_answer_tokens"):
            _check_least(self, name, 1)
        for name, least in (("eval_steps", 1), ("train_examples", 2), ("max_seq_length", 8), ("stride", 0)):
            if getattr(self, name) is not None:
                _check_least(self, name, least)
        for name in ("learning_rate", "grad_clip"):
            _check(getattr(self, name) > 0, f"{name} is {getattr(self, name)}, expected above 0")
        _check(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, expected 0 or more")
        _check(0 <= self.dropout < 1, f"dropout is {self.dropout}, expected 0 or more and below 1")
        _check(0 <= self.warmup_share <= 1, f"warmup_share is {self.warmup_share}, expected between 0 and 1")
        _check(0 < self.dev_share < 1, f"dev_share is {self.dev_share}, expected between 0 and 1")
        _check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class EmbedOptions:
    """Which vectors of a model are taken."""

    pooling: str = option(
        "mean", "A vector for every token, that of [CLS], or the mean over the tokens.", choices=POOLINGS
    )
    layers: str = option(
        "last", "Layers: last, all, or numbers such as 0,-1; 0 is the embeddings, -1 the last layer."
    )
    max_seq_length: int | None = option(
        None, "Longest text in tokens; longer ones are cut. [default: what the model takes]"
    )
    batch_size: int = option(32, "Texts that are forwarded together.")

    def __post_init__(self) -> None:
        _check_choices(self)
        _check_least(self, "batch_size", 1)
        if self.max_seq_length is not None:
            _check_least(self, "max_seq_length", 3)
        _check(
            re.fullmatch(r"last|all|-?\d+(,-?\d+)*", self.layers) is not None,
            f"layers is {self.layers!r}, expected last, all, or numbers such as 0,-1",
        )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How the work is done; none of it changes a byte of the result."""

    workers: int | None = option(None, "Processes that share the work. [default: the usable CPUs]")
    engine: str | None = option(
        None,
        "Who works: this process, processes of this machine, or a Dask cluster. [default: local; dask with "
        "a scheduler]",
        choices=ENGINES,
    )
    scheduler: str | None = option(None, "Address of a Dask scheduler, such as tcp://node-1:8786.")
    scheduler_file: str | None = option(None, "File in which a Dask scheduler has written its address.")
    node: str | None = option(None, "I/N: share the output folder with N - 1 other nodes, as number I of 1..N.")
    node_timeout: float = option(120.0, "Seconds without a sign of life after which a node is given up.")
    slice_bytes: int = option(16_000_000, "Target size of the pieces the corpus is cut into.")
    cache_memory: int = option(
        256_000_000, "Bytes in which each process remembers the ids of frequent words when it encodes."
    )
    overwrite: bool = option(False, "Replace what the output folder holds.", flags="--overwrite/--no-overwrite")

    def __post_init__(self) -> None:
        _fill(self, "workers", usable_cpus())
        _fill(self, "engine", "dask" if self.scheduler or self.scheduler_file else "local")
        _check_choices(self)
        _check_least(self, "workers", 1)
        _check_least(self, "slice_bytes", 1)
        _check_least(self, "cache_memory", 0)
        has_address = bool(self.scheduler) + bool(self.scheduler_file)
        _check(
            has_address == (self.engine == "dask"),
            f"engine is {self.engine} with {has_address} of scheduler and scheduler_file, expected one of "
            "these with the engine dask and none with another",
        )
        _check_node(self)

    @property
    def among_nodes(self) -> dict[str, Any]:
        """Whose the output folder is to be: arguments of `OutputFolder.claim`."""
        return {"overwrite": self.overwrite, "node": self.node, "node_timeout": self.node_timeout}


def _check_node(options: RunOptions) -> None:
    _check(options.node_timeout > 0, f"node_timeout is {options.node_timeout}, expected above 0")
    if options.node is not None:
        found = re.fullmatch(r"([1-9]\d*)/([1-9]\d*)", options.node)
        is_good = found is not None and int(found[1]) <= int(found[2])
        _check(is_good, f"node is {options.node!r}, expected I/N with I from 1 to N, such as 1/4")
        _check(
            not options.overwrite,
            "overwrite is no option of a node, which shares the folder: remove it first",
        )


@dataclass(frozen=True, kw_only=True)
class ShowOptions:
    """What is to be looked at. At most one of row, document, search, vocab and compare."""

    rows: int | None = option(None, "How many to show. [default: 3 instances, 40 pieces of a vocabulary]")
    start: int = option(0, "The first of them.")
    row: tuple[str, ...] = option(
        (),
        "The instance of this number, or those from one to another, such as 5-9; may be given several times.",
    )
    document: int | None = option(None, "Instances whose A is of this document.")
    search: str | None = option(None, "Instances that hold these words, as they stood before masking.")
    vocab: bool = option(False, "Pieces of the vocabulary.", flags="--vocab/--instances")
    prefix: str | None = option(None, "Pieces that begin like this; ## is a beginning too.")
    length: int | None = option(None, "Pieces of this many characters, ## not counted.")
    order: str = option(
        "id", "Order of the pieces; rarest and commonest count them in shards.", choices=PIECE_ORDERS
    )
    compare: str | None = option(None, "Another shard folder: what is different in it.")

    def __post_init__(self) -> None:
        _check_choices(self)
        given: Any = self.row
        rows = (given,) if isinstance(given, (str, int)) else given
        object.__setattr__(self, "row", tuple(str(row) for row in rows))
        if self.prefix is not None or self.length is not None or self.order != "id":
            object.__setattr__(self, "vocab", True)
        _fill(self, "rows", 40 if self.vocab else 3)
        _check_least(self, "rows", 1)
        _check_least(self, "start", 0)
        ways = {
            "row": bool(self.row),
            "document": self.document is not None,
            "search": self.search is not None,
            "vocab": self.vocab,
            "compare": self.compare is not None,
        }
        asked = [name for name, is_given in ways.items() if is_given]
        _check(len(asked) < 2, f"{' and '.join(asked)} do not go together; ask for one after the other")
        for text in self.row:
            _check(_RANGE.fullmatch(text) is not None, f"row is {text!r}, expected a number, or two as in 5-9")

    @property
    def numbers(self) -> list[int]:
        """The rows asked for by number.

        >>> ShowOptions(row=("7", "2-4")).numbers
        [7, 2, 3, 4]
        """
        found: list[int] = []
        for text in self.row:
            first, _, last = text.partition("-")
            some = range(int(first), int(last or first) + 1)
            _check(len(some) > 0, f"row is {text!r}, expected the smaller number first")
            _check(len(found) + len(some) <= _MOST_ROWS, f"row {text}: more than {_MOST_ROWS:,} rows to show")
            found += some
        return found


_RANGE = re.compile(r"\d{1,18}(-\d{1,18})?")
_MOST_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class CountRunOptions(RunOptions):
    """How counting is done: as all work, and within so much memory."""

    memory: str | None = option(
        None,
        "Memory for counting, all processes together, such as 600MB; each needs 250MB, and without WORKERS "
        "there are as many as fit. [default: 2GB, or 500MB a process]",
    )

    def __post_init__(self) -> None:
        if self.workers is None and self.memory is not None:
            fitting = self.memory_bytes // LEAST_PROCESS_BYTES - 1  # besides the one that hands out the work
            object.__setattr__(self, "workers", max(1, min(usable_cpus(), fitting)))
        super().__post_init__()
        least = self.processes * LEAST_PROCESS_BYTES
        _check(
            self.memory_bytes >= least,
            f"memory is {self.memory}, expected at least {least // 10**6}MB, 250MB for each process "
            f"({self.processes} with workers {self.workers}); fewer workers need less",
        )

    @property
    def processes(self) -> int:
        """Processes that count: workers, and the one that hands out the work if there are several."""
        workers = int(self.workers or 1)
        return workers + 1 if workers > 1 else 1

    @property
    def memory_bytes(self) -> int:
        """``memory`` as a number.

        >>> CountRunOptions(memory="1.5GB", workers=2).memory_bytes
        1500000000
        """
        if self.memory is None:
            return max(2_000_000_000, 2 * self.processes * LEAST_PROCESS_BYTES)
        found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", self.memory.strip(), re.IGNORECASE)
        if not found:
            raise OptionError(f"memory is {self.memory!r}, expected a size such as 500MB or 2GB")
        return int(float(found[1]) * 1000 ** " KMGT".index(found[2].upper() or " "))


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


def _check_special_tokens(options: VocabOptions) -> None:
    given: Any = options.special_tokens
    tokens = (given,) if isinstance(given, str) else tuple(given)
    object.__setattr__(options, "special_tokens", tokens)
    for i, token in enumerate(tokens):
        _check(bool(token.strip()), "special_tokens holds an empty entry, expected a spelling such as [E1]")
        _check(
            token not in SPECIAL_TOKENS and token not in tokens[:i] and not token.startswith("[unused"),
            f"special_tokens holds {token!r}, which is there already",
        )


def _check_bins(options: ShardOptions) -> None:
    message = (
        f"bins are {options.bins}, expected rising lengths that end at max_seq_length {options.max_seq_length}"
    )
    try:
        lengths = options.bin_lengths
    except ValueError as error:
        raise OptionError(f"{message}, such as 64,128") from error
    rising = all(a < b for a, b in itertools.pairwise((2, *lengths)))
    _check(rising and lengths[-1] == options.max_seq_length, message)


def _check_encoding(name: str) -> None:
    known = name == "auto"
    with contextlib.suppress(LookupError, ValueError, TypeError):
        known = known or codecs.lookup(name)._is_text_encoding  # noqa: SLF001
    _check(known, f"encoding is {name!r}, expected auto or a name such as utf-16, cp1251 or shift_jis")


def _check_mix(options: CorpusOptions) -> None:
    if options.mix is None:
        return
    _check(
        re.fullmatch(r"\s*[\w-]+=\d*\.?\d+\s*(,\s*[\w-]+=\d*\.?\d+\s*)+", options.mix) is not None,
        f"mix is {options.mix!r}, expected names and shares of several corpora, such as wiki=0.75,books=0.25",
    )
    names = re.findall(r"([\w-]+)=", options.mix)
    _check(len(set(names)) == len(names), f"mix is {options.mix!r}, expected each corpus once")
    positive = all(float(share) > 0 for share in re.findall(r"=([\d.]+)", options.mix))
    _check(positive, f"mix is {options.mix!r}, expected shares above 0")


def _check_seed(seed: int) -> None:
    _check(0 <= seed < 2**63, f"seed is {seed}, expected 0 or more and below 2**63")


def _check_choices(options: Any) -> None:
    for field in dataclasses.fields(options):
        choices, value = field.metadata["choices"], getattr(options, field.name)
        if choices and value is not None and value not in choices:
            raise OptionError(f"{field.name} is {value!r}, expected one of {', '.join(choices)}")
