"""wpprep: raw text to a BERT in training.

The names below are the public Python API: a function for every command, with its name, and the classes that
feed a trainer. Each is imported when it is first used, so that ``import wpprep`` itself costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from wpprep._version import __version__

_HOMES = {
    "Encoder": "wpprep.tokenizer.encoder",
    "Loader": "wpprep.shards.loader",
    "WpprepError": "wpprep.errors",
    "compare_vocabs": "wpprep.pipeline.compare_vocabs",
    "count_words": "wpprep.pipeline.count_words",
    "demo": "wpprep.pipeline.demo",
    "embed": "wpprep.training.inference.embed",
    "encode_corpus": "wpprep.pipeline.encode",
    "extract_corpus": "wpprep.pipeline.extract",
    "fill_mask": "wpprep.training.inference.fill",
    "finetune": "wpprep.training.finetuning.tuning",
    "make_shards": "wpprep.pipeline.make_shards",
    "predict": "wpprep.training.finetuning.predicting",
    "report": "wpprep.inspection.html_report.page",
    "show": "wpprep.inspection.terminal",
    "train": "wpprep.training.pretraining.pretrain",
    "train_vocab": "wpprep.pipeline.train_vocab",
}

__all__ = [
    "Encoder",
    "Loader",
    "WpprepError",
    "__version__",
    "compare_vocabs",
    "count_words",
    "demo",
    "embed",
    "encode_corpus",
    "extract_corpus",
    "fill_mask",
    "finetune",
    "make_shards",
    "predict",
    "report",
    "show",
    "train",
    "train_vocab",
]

if TYPE_CHECKING:
    from wpprep.errors import WpprepError
    from wpprep.inspection.html_report.page import report
    from wpprep.inspection.terminal import show
    from wpprep.pipeline.compare_vocabs import compare_vocabs
    from wpprep.pipeline.count_words import count_words
    from wpprep.pipeline.demo import demo
    from wpprep.pipeline.encode import encode_corpus
    from wpprep.pipeline.extract import extract_corpus
    from wpprep.pipeline.make_shards import make_shards
    from wpprep.pipeline.train_vocab import train_vocab
    from wpprep.shards.loader import Loader
    from wpprep.tokenizer.encoder import Encoder
    from wpprep.training.finetuning.predicting import predict
    from wpprep.training.finetuning.tuning import finetune
    from wpprep.training.inference.embed import embed
    from wpprep.training.inference.fill import fill_mask
    from wpprep.training.pretraining.pretrain import train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wpprep' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
