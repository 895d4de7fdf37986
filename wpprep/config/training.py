"""Pretraining, fine-tuning, and what is asked of a model then."""

from __future__ import annotations

import re
from dataclasses import dataclass

from wpprep.config.fields import OptionSet, check, check_least, check_seed, fill, option

SIZES = ("tiny", "mini", "small", "medium", "base", "large")
PRECISIONS = ("fp32", "bf16", "fp16")
ACTIVATIONS = ("gelu", "gelu_tanh")
FINAL_WEIGHTS = ("last", "best")
USES = ("classify", "regress", "pair", "pair-regress", "choice", "tag", "qa")  # what a BERT is fine-tuned for
POOLINGS = ("tokens", "cls", "mean")
LABELLED_FORMATS = ("auto", "tsv", "jsonl", "conll", "squad")


@dataclass(frozen=True, kw_only=True)
class TrainOptions(OptionSet):
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
    warmup_steps: int = option(
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
    eval_steps: int = option(
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
        super().__post_init__()
        for name in ("steps", "batch_size", "grad_accumulation", "bins", "log_steps", "keep_checkpoints"):
            check_least(self, name, 1)
        for name in ("layers", "hidden", "heads"):
            check_least(self, name, 1)
        if self.phase is not None:
            check(0 < self.phase < 1, f"phase is {self.phase}, expected between 0 and 1")
            check(self.weights is None, "weights do not go with phase")
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
        super().__post_init__()
        for name in ("text_field", "second_field", "label_field", "id_field"):
            check(getattr(self, name) != "", f"{name} is empty, expected a name such as text")


@dataclass(frozen=True, kw_only=True)
class FinetuneOptions(OptionSet):
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
        super().__post_init__()
        check_least(self, "batch_size", 1)
        check_least(self, "max_seq_length", 3)
        check(
            re.fullmatch(r"last|all|-?\d+(,-?\d+)*", self.layers) is not None,
            f"layers is {self.layers!r}, expected last, all, or numbers such as 0,-1",
        )
