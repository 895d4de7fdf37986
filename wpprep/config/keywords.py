"""Keyword arguments of the public functions, typed for editors and type checkers (PEP 692).

Written by ``python tests/support/keywords.py`` from the option classes, which hold the defaults, the help texts
and the checks; a test compares the two. None, where it is allowed, means the default.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class CountWordsKeywords(TypedDict, total=False):
    """Options of `wpprep.count_words`: fields of `CountOptions` and `CorpusOptions` and `CountRunOptions`."""

    algorithm: Literal["wordpiece", "bpe", "bbpe"]
    cjk: bool | None
    holdout: float
    seed: int
    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool
    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool
    memory: str | None


class TrainVocabKeywords(TypedDict, total=False):
    """Options of `wpprep.train_vocab`: fields of `VocabOptions` and `CorpusOptions` and `CountRunOptions`."""

    algorithm: Literal["wordpiece", "bpe", "bbpe"]
    cjk: bool | None
    holdout: float
    seed: int
    score: Literal["likelihood", "frequency", "ratio"] | None
    vocab_size: int
    min_frequency: int
    min_pair_count: int
    min_word_count: int
    min_char_count: int
    limit_alphabet: int | None
    initial_alphabet: str
    special_tokens: Sequence[str] | str
    bert_ids: bool
    preset: Literal["bert-uncased", "bert-cased", "multilingual", "ko", "ja", "zh"] | None
    lowercase: bool | None
    strip_accents: bool | None
    unicode: Literal["nfc", "nfkc", "nfd", "nfkd", "none"] | None
    keep_unused: bool
    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool
    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool
    memory: str | None


class EncodeKeywords(TypedDict, total=False):
    """Options of `wpprep.encode`: fields of `CorpusOptions` and `RunOptions`."""

    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool
    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool


class MakeShardsKeywords(TypedDict, total=False):
    """Options of `wpprep.make_shards`: fields of `ShardOptions` and `CorpusOptions` and `RunOptions`."""

    max_seq_length: int
    dupe_factor: int
    objective: Literal["nsp", "sop", "single"]
    short_seq_prob: float
    random_next_prob: float
    masking: Literal["static", "dynamic"]
    mask_policy: Literal["token", "word", "span"]
    masked_lm_prob: float
    max_predictions_per_seq: int | None
    mask_share: float
    random_share: float
    layout: Literal["compact", "dense"]
    shards: int | None
    shard_bytes: int
    holdout: float
    bins: str | None
    seed: int
    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool
    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool


class ExtractKeywords(TypedDict, total=False):
    """Options of `wpprep.extract`: fields of `ExtractOptions` and `CorpusOptions` and `RunOptions`."""

    to: Literal["jsonl", "parquet"]
    compress: Literal["none", "gzip", "zstd"] | None
    file_bytes: int
    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool
    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool


class ExportKeywords(TypedDict, total=False):
    """Options of `wpprep.export`: fields of `RunOptions`."""

    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None
    node: str | None
    node_timeout: float
    slice_bytes: int
    cache_memory: int
    overwrite: bool


class VerifyKeywords(TypedDict, total=False):
    """Options of `wpprep.verify`: fields of `EngineOptions`."""

    workers: int | None
    engine: Literal["serial", "local", "dask"] | None
    scheduler: str | None
    scheduler_file: str | None


class PlanKeywords(TypedDict, total=False):
    """Options of `wpprep.plan`: fields of `VocabOptions` and `ShardOptions` and `CorpusOptions`."""

    algorithm: Literal["wordpiece", "bpe", "bbpe"]
    cjk: bool | None
    holdout: float
    seed: int
    score: Literal["likelihood", "frequency", "ratio"] | None
    vocab_size: int
    min_frequency: int
    min_pair_count: int
    min_word_count: int
    min_char_count: int
    limit_alphabet: int | None
    initial_alphabet: str
    special_tokens: Sequence[str] | str
    bert_ids: bool
    preset: Literal["bert-uncased", "bert-cased", "multilingual", "ko", "ja", "zh"] | None
    lowercase: bool | None
    strip_accents: bool | None
    unicode: Literal["nfc", "nfkc", "nfd", "nfkd", "none"] | None
    keep_unused: bool
    max_seq_length: int
    dupe_factor: int
    objective: Literal["nsp", "sop", "single"]
    short_seq_prob: float
    random_next_prob: float
    masking: Literal["static", "dynamic"]
    mask_policy: Literal["token", "word", "span"]
    masked_lm_prob: float
    max_predictions_per_seq: int | None
    mask_share: float
    random_share: float
    layout: Literal["compact", "dense"]
    shards: int | None
    shard_bytes: int
    bins: str | None
    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool


class CompareVocabsKeywords(TypedDict, total=False):
    """Options of `wpprep.compare_vocabs`: fields of `CorpusOptions`."""

    format: Literal[
        "auto",
        "lines",
        "prose",
        "wikiextractor",
        "wikiextractor-json",
        "jsonl",
        "parquet",
        "arrow",
        "wiki-dump",
    ]
    encoding: str
    text_field: str
    id_field: str | None
    rows_per_document: int | None
    namespaces: str
    language: str
    sentences: Literal["auto", "sentencex", "lines", "paragraphs"]
    errors: Literal["strict", "replace"]
    min_chars: int
    min_sentences: int
    sample: float
    deduplicate: bool
    mix: str | None
    max_documents: int | None
    skip_bad: bool


class ShowKeywords(TypedDict, total=False):
    """Options of `wpprep.show`: fields of `ShowOptions`."""

    rows: int | None
    start: int
    row: Sequence[str] | str
    document: int | None
    search: str | None
    vocab: bool
    prefix: str | None
    length: int | None
    order: Literal["id", "longest", "rarest", "commonest"]
    compare: str | None


class TrainKeywords(TypedDict, total=False):
    """Options of `wpprep.train`: fields of `TrainOptions`."""

    size: Literal["tiny", "mini", "small", "medium", "base", "large"]
    layers: int | None
    hidden: int | None
    heads: int | None
    activation: Literal["gelu", "gelu_tanh"]
    init_from: str | None
    steps: int
    batch_size: int
    grad_accumulation: int
    phase: float | None
    weights: str | None
    bins: int
    learning_rate: float
    warmup_steps: int | None
    weight_decay: float
    grad_clip: float
    dropout: float
    precision: Literal["fp32", "bf16", "fp16"]
    compile: bool
    eval_rows: int | None
    eval_steps: int | None
    log_steps: int
    save_steps: int
    keep_checkpoints: int
    final_weights: Literal["last", "best"]
    verify: bool
    seed: int
    overwrite: bool


class FinetuneKeywords(TypedDict, total=False):
    """Options of `wpprep.finetune`: fields of `FinetuneOptions` and `LabelledOptions`."""

    task: Literal["classify", "regress", "pair", "pair-regress", "choice", "tag", "qa"]
    max_seq_length: int | None
    stride: int | None
    max_answer_tokens: int
    epochs: int
    batch_size: int
    learning_rate: float
    warmup_share: float
    weight_decay: float
    grad_clip: float
    dropout: float
    precision: Literal["fp32", "bf16", "fp16"]
    bins: int
    dev_share: float
    eval_steps: int | None
    patience: int
    train_examples: int | None
    from_scratch: bool
    seeds: int
    seed: int
    overwrite: bool
    format: Literal["auto", "tsv", "jsonl", "conll", "squad"]
    text_field: str | None
    second_field: str | None
    label_field: str | None
    id_field: str | None
    word_prefix: str | None


class PredictKeywords(TypedDict, total=False):
    """Options of `wpprep.predict`: fields of `LabelledOptions`."""

    format: Literal["auto", "tsv", "jsonl", "conll", "squad"]
    text_field: str | None
    second_field: str | None
    label_field: str | None
    id_field: str | None
    word_prefix: str | None


class EmbedKeywords(TypedDict, total=False):
    """Options of `wpprep.embed`: fields of `EmbedOptions`."""

    pooling: Literal["tokens", "cls", "mean"]
    layers: str
    max_seq_length: int | None
    batch_size: int
