"""Options for pretraining, fine-tuning, prediction and embedding."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wpprep.config.fields import OptionSet, check, check_least, check_seed, fill, option

SIZES = ("tiny", "mini", "small", "medium", "base", "large")
PRECISIONS = ("fp32", "bf16", "fp16")
ACTIVATIONS = ("gelu", "gelu_tanh")
FINAL_WEIGHTS = ("last", "best")
USES = ("classify", "regress", "pair", "pair-regress", "choice", "tag", "qa")  # tasks of fine-tuning
POOLINGS = ("tokens", "cls", "mean")
LABELLED_FORMATS = ("auto", "tsv", "jsonl", "conll", "squad")


@dataclass(frozen=True, kw_only=True)
class TrainOptions(OptionSet):
    """Options for pretraining a BERT. The defaults are those of the paper (Devlin et al., 2019)."""

    size: str = option(
        "base",
        "Size of the model, as layers/hidden/heads: 2/128/2, 4/256/4, 4/512/8, 8/512/8, 12/768/12, 24/1024/16.",
        choices=SIZES,
    )
    layers: int | None = option(None, "Number of layers. [default: that of --size]")
    hidden: int | None = option(
        None, "Hidden size; the feed-forward layer is four times as wide. [default: that of --size]"
    )
    heads: int | None = option(None, "Number of attention heads. [default: hidden size / 64]")
    activation: str = option(
        "gelu",
        "Activation function: GELU by the error function, or by tanh as in BERT's code.",
        choices=ACTIVATIONS,
    )
    init_from: str | None = option(
        None, "BERT checkpoint to start from, of the same vocabulary; its size and activation are used."
    )
    steps: int = option(1_000_000, "Number of optimizer steps.")
    batch_size: int = option(256, "Number of instances per step, over all processes.")
    grad_accumulation: int = option(
        1, "Number of parts into which each process splits its batch, to save memory."
    )
    phase: float | None = option(None, "With two shard folders, the fraction of steps trained on the first.")
    weights: str | None = option(None, "With several shard folders, the weight of each, such as 3,1.")
    bins: int = option(1, "Number of batches that are sorted by length together, to reduce padding.")
    learning_rate: float = option(1e-4, "Maximum learning rate, reached at the end of the warm-up.")
    warmup_steps: int = option(
        None,
        "Number of steps of linear warm-up, followed by linear decay to 0. [default: a tenth of the steps, at "
        "most 10,000]",
    )
    weight_decay: float = option(0.01, "Weight decay of AdamW; not applied to biases and layer norms.")
    grad_clip: float = option(1.0, "Maximum gradient norm; larger gradients are scaled down.")
    dropout: float = option(0.1, "Dropout probability of hidden states and attention.")
    precision: str = option("fp32", "Floating-point format of the matrix products.", choices=PRECISIONS)
    compile: bool = option(False, "Compile the model (needs a C++ compiler).", flags="--compile/--no-compile")
    eval_rows: int | None = option(
        None,
        "Number of instances held out, by whole documents; 0 for none. [default: a twentieth, at most about "
        "2,000]",
    )
    eval_steps: int = option(
        None, "Number of steps between evaluations on the held-out instances. [default: a tenth of the steps]"
    )
    log_steps: int = option(100, "Number of steps between progress lines.")
    save_steps: int = option(1000, "Number of steps between checkpoints to resume from; 0 for none.")
    keep_checkpoints: int = option(2, "Number of checkpoints kept during training.")
    final_weights: str = option(
        "last",
        "Weights of the finished model: the last, or those with the lowest held-out loss.",
        choices=FINAL_WEIGHTS,
    )
    verify: bool = option(False, "Verify the checksum of every shard first.", flags="--verify/--no-verify")
    seed: int = option(12345, "Seed of the weights, dropout and the order of the instances.")
    overwrite: bool = option(
        False, "Replace the contents of the output folder.", flags="--overwrite/--no-overwrite"
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        for name in ("steps", "batch_size", "grad_accumulation", "bins", "log_steps", "keep_checkpoints"):
            check_least(self, name, 1)
        for name in ("layers", "hidden", "heads"):
            check_least(self, name, 1)
        if self.phase is not None:
            check(0 < self.phase < 1, f"phase is {self.phase}, expected between 0 and 1")
            check(self.weights is None, "weights cannot be used with phase; omit one of them")
        fill(self, "warmup_steps", min(10_000, self.steps // 10))
        fill(self, "eval_steps", max(1, self.steps // 10))
        check_least(self, "warmup_steps", 0)
        check_least(self, "eval_steps", 1)
        check_least(self, "save_steps", 0)
        check_least(self, "eval_rows", 0)
        for name in ("learning_rate", "grad_clip"):
            value = getattr(self, name)
            check(value > 0, f"{name} is {value}, expected above 0")
        check(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, expected 0 or more")
        check(0 <= self.dropout < 1, f"dropout is {self.dropout}, expected 0 or more and below 1")
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class LabelledOptions(OptionSet):
    """Options for reading labelled examples. Each field has common names, which are tried in order."""

    format: str = option(
        "auto", "Format of the files; auto detects it from the content.", choices=LABELLED_FORMATS
    )
    text_field: str | None = option(
        None,
        "Field of the text (pair: the first; choice, qa: the question; tag: words). [default: common names]",
    )
    second_field: str | None = option(
        None, "Field of the second text (choice: the choices; qa: the context). [default: common names]"
    )
    label_field: str | None = option(
        None, "Field of the label (tag: the tags; qa: the answers). [default: common names]"
    )
    id_field: str | None = option(None, "Field of the id of an example. [default: id, if present]")
    word_prefix: str | None = option(
        None,
        "Prefix to remove from the words of CoNLL files. [default: a language code, if all of the first words "
        "begin with it]",
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        for name in ("text_field", "second_field", "label_field", "id_field"):
            check(getattr(self, name) != "", f"{name} is empty, expected a name such as text")


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions(OptionSet):
    """Options for fine-tuning a model. The defaults are those of the paper (Devlin et al., 2019)."""

    task: str = option("classify", "Task to fine-tune for.", choices=USES)
    max_seq_length: int | None = option(
        None,
        "Maximum number of tokens per row; longer texts are truncated. [default: 384 for qa, else 128, or the "
        "maximum of the model]",
    )
    stride: int | None = option(
        None,
        "Number of tokens shared by adjacent windows of a long context (qa). [default: a quarter of a row]",
    )
    max_answer_tokens: int = option(30, "Maximum number of tokens of an answer (qa).")
    epochs: int = option(3, "Maximum number of passes over the training examples.")
    batch_size: int = option(32, "Number of examples per step (qa, tag: windows).")
    learning_rate: float = option(5e-5, "Maximum learning rate, reached at the end of the warm-up.")
    warmup_share: float = option(
        0.1, "Fraction of the steps with linear warm-up, followed by linear decay to 0."
    )
    weight_decay: float = option(0.01, "Weight decay of AdamW; not applied to biases and layer norms.")
    grad_clip: float = option(1.0, "Maximum gradient norm; larger gradients are scaled down.")
    dropout: float = option(0.1, "Dropout probability of hidden states, attention and the input of the head.")
    precision: str = option("fp32", "Floating-point format of the matrix products.", choices=PRECISIONS)
    bins: int = option(16, "Number of batches that are sorted by length together, to reduce padding.")
    dev_share: float = option(
        0.1, "Fraction of the training texts used for evaluation, if there is no dev file."
    )
    eval_steps: int | None = option(None, "Number of steps between evaluations. [default: one epoch]")
    patience: int = option(2, "Number of evaluations without improvement after which training stops.")
    train_examples: int | None = option(
        None, "Number of training examples used, selected by the seed. [default: all]"
    )
    from_scratch: bool = option(
        False,
        "Random initial weights, to measure the effect of pretraining.",
        flags="--from-scratch/--pretrained",
    )
    seeds: int = option(
        1, "Number of runs with consecutive seeds; mean and deviation are reported, the best model is kept."
    )
    seed: int = option(12345, "Seed of the head, dropout and the order of the examples.")
    overwrite: bool = option(
        False, "Replace the contents of the output folder.", flags="--overwrite/--no-overwrite"
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        for name in ("epochs", "batch_size", "bins", "seeds", "patience", "max_answer_tokens"):
            check_least(self, name, 1)
        for name, least in (("eval_steps", 1), ("train_examples", 2), ("max_seq_length", 8), ("stride", 0)):
            check_least(self, name, least)
        for name in ("learning_rate", "grad_clip"):
            check(getattr(self, name) > 0, f"{name} is {getattr(self, name)}, expected above 0")
        check(self.weight_decay >= 0, f"weight_decay is {self.weight_decay}, expected 0 or more")
        check(0 <= self.dropout < 1, f"dropout is {self.dropout}, expected 0 or more and below 1")
        check(0 <= self.warmup_share <= 1, f"warmup_share is {self.warmup_share}, expected between 0 and 1")
        check(0 < self.dev_share < 1, f"dev_share is {self.dev_share}, expected between 0 and 1")
        check_seed(self.seed)


@dataclass(frozen=True, kw_only=True)
class EmbedOptions(OptionSet):
    """Options for computing vectors of text."""

    pooling: str = option(
        "mean", "One vector per token, that of [CLS], or the mean over the tokens.", choices=POOLINGS
    )
    layers: str = option(
        "last", "Layers to use: last, all, or numbers such as 0,-1; 0 is the embeddings, -1 the last layer."
    )
    max_seq_length: int | None = option(
        None,
        "Maximum number of tokens per text; longer texts are truncated. [default: the maximum of the model]",
    )
    batch_size: int = option(32, "Number of texts per forward pass.")

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        check_least(self, "batch_size", 1)
        check_least(self, "max_seq_length", 3)
        check(
            re.fullmatch(r"last|all|-?\d+(,-?\d+)*", self.layers) is not None,
            f"layers is {self.layers!r}, expected last, all, or numbers such as 0,-1",
        )
