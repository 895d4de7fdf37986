"""Option classes: the name, default, help text and check of every option.

The command line builds its options from these classes, the Python API takes the same names as keyword
arguments, and manifests store them. There are two kinds: *data* options determine the bytes of the output and
are stored in its manifest; *run* options (`RunOptions`) determine how the work is done and are not stored, so
that the same data options give the same bytes.

    >>> ShardOptions(max_seq_length=128).max_predictions_per_seq
    19
    >>> ShardOptions(max_seq_length=4)
    Traceback (most recent call last):
        ...
    wpprep.errors.OptionError: max_seq_length is 4, expected at least 8
"""

from __future__ import annotations

from wpprep.config.corpus import (
    COMPRESSIONS,
    DECODE_ERRORS,
    FORMATS,
    SENTENCE_RULES,
    TEXT_FORMATS,
    CorpusOptions,
    ExtractOptions,
)
from wpprep.config.cpus import usable_cpus
from wpprep.config.fields import Options, as_dict, build, refuse_unknown
from wpprep.config.run import (
    ENGINES,
    LEAST_PROCESS_BYTES,
    CountRunOptions,
    EngineOptions,
    RunOptions,
)
from wpprep.config.shards import LAYOUTS, MASK_POLICIES, MASKINGS, OBJECTIVES, ShardOptions
from wpprep.config.show import PIECE_ORDERS, ShowOptions
from wpprep.config.training import (
    ACTIVATIONS,
    FINAL_WEIGHTS,
    LABELLED_FORMATS,
    POOLINGS,
    PRECISIONS,
    SIZES,
    USES,
    EmbedOptions,
    FinetuneOptions,
    LabelledOptions,
    TrainOptions,
)
from wpprep.config.vocabulary import (
    ALGORITHMS,
    MAX_WORD_CHARACTERS,
    PREFIX,
    PRESETS,
    SCORES,
    SPECIAL_TOKENS,
    SUFFIX,
    UNICODE_FORMS,
    CountOptions,
    VocabOptions,
)

__all__ = [
    "ACTIVATIONS",
    "ALGORITHMS",
    "COMPRESSIONS",
    "DECODE_ERRORS",
    "ENGINES",
    "FINAL_WEIGHTS",
    "FORMATS",
    "LABELLED_FORMATS",
    "LAYOUTS",
    "LEAST_PROCESS_BYTES",
    "MASKINGS",
    "MASK_POLICIES",
    "MAX_WORD_CHARACTERS",
    "OBJECTIVES",
    "PIECE_ORDERS",
    "POOLINGS",
    "PRECISIONS",
    "PREFIX",
    "PRESETS",
    "SCORES",
    "SENTENCE_RULES",
    "SIZES",
    "SPECIAL_TOKENS",
    "SUFFIX",
    "TEXT_FORMATS",
    "UNICODE_FORMS",
    "USES",
    "CorpusOptions",
    "CountOptions",
    "CountRunOptions",
    "EmbedOptions",
    "EngineOptions",
    "ExtractOptions",
    "FinetuneOptions",
    "LabelledOptions",
    "Options",
    "RunOptions",
    "ShardOptions",
    "ShowOptions",
    "TrainOptions",
    "VocabOptions",
    "as_dict",
    "build",
    "refuse_unknown",
    "usable_cpus",
]
