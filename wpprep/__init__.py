"""wpprep: raw text to a BERT in training.

The names below are the public Python API: a function for every command, with its name, and the classes that
feed a trainer. Each is imported when it is first used, so that ``import wpprep`` itself costs milliseconds.

Every function takes the options of its command as typed keyword arguments (`wpprep.config.keywords`), and
returns a `Summary`, except `tokenize`, which yields lines as they come.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

from wpprep._version import __version__

_HOMES = {
    "Encoder": "wpprep.tokenizer.encoder",
    "InstanceDataset": "wpprep.training.pretraining.torch_data",
    "Loader": "wpprep.shards.loader",
    "Summary": "wpprep.jobs.summary",
    "TorchBatches": "wpprep.training.pretraining.torch_data",
    "WpprepError": "wpprep.errors",
    "attention": "wpprep.training.inference.attention",
    "compare_vocabs": "wpprep.pipeline.compare_vocabs",
    "count_words": "wpprep.pipeline.count_words",
    "demo": "wpprep.pipeline.demo",
    "embed": "wpprep.training.inference.embed",
    "encode": "wpprep.pipeline.encode",
    "export": "wpprep.pipeline.export",
    "extract": "wpprep.pipeline.extract",
    "fill_mask": "wpprep.training.inference.fill",
    "finetune": "wpprep.training.finetuning.tuning",
    "make_shards": "wpprep.pipeline.make_shards",
    "plan": "wpprep.pipeline.plan",
    "predict": "wpprep.training.finetuning.predicting",
    "report": "wpprep.inspection.html_report.page",
    "show": "wpprep.inspection.terminal",
    "tokenize": "wpprep.tokenizer.stream",
    "train": "wpprep.training.pretraining.pretrain",
    "train_vocab": "wpprep.pipeline.train_vocab",
    "verify": "wpprep.pipeline.verify",
}
# Names of version 0.1.0, kept for one release.
_OLD_NAMES = {"encode_corpus": "encode", "extract_corpus": "extract"}

__all__ = [
    "Encoder",
    "InstanceDataset",
    "Loader",
    "Summary",
    "TorchBatches",
    "WpprepError",
    "__version__",
    "attention",
    "compare_vocabs",
    "count_words",
    "demo",
    "embed",
    "encode",
    "export",
    "extract",
    "fill_mask",
    "finetune",
    "make_shards",
    "plan",
    "predict",
    "report",
    "show",
    "tokenize",
    "train",
    "train_vocab",
    "verify",
]

if TYPE_CHECKING:
    from wpprep.errors import WpprepError
    from wpprep.inspection.html_report.page import report
    from wpprep.inspection.terminal import show
    from wpprep.jobs.summary import Summary
    from wpprep.pipeline.compare_vocabs import compare_vocabs
    from wpprep.pipeline.count_words import count_words
    from wpprep.pipeline.demo import demo
    from wpprep.pipeline.encode import encode
    from wpprep.pipeline.export import export
    from wpprep.pipeline.extract import extract
    from wpprep.pipeline.make_shards import make_shards
    from wpprep.pipeline.plan import plan
    from wpprep.pipeline.train_vocab import train_vocab
    from wpprep.pipeline.verify import verify
    from wpprep.shards.loader import Loader
    from wpprep.tokenizer.encoder import Encoder
    from wpprep.tokenizer.stream import tokenize
    from wpprep.training.finetuning.predicting import predict
    from wpprep.training.finetuning.tuning import finetune
    from wpprep.training.inference.attention import attention
    from wpprep.training.inference.embed import embed
    from wpprep.training.inference.fill import fill_mask
    from wpprep.training.pretraining.pretrain import train
    from wpprep.training.pretraining.torch_data import InstanceDataset, TorchBatches


def __getattr__(name: str) -> Any:
    if name in _OLD_NAMES:
        now = _OLD_NAMES[name]
        warnings.warn(f"wpprep.{name} is now wpprep.{now}", DeprecationWarning, stacklevel=2)
        name = now
    if name not in _HOMES:
        raise AttributeError(f"module 'wpprep' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
