"""wpprep: raw text to a BERT in training.

The names below are the public Python API, each equal to the command of the same name. They are
imported when first used, so that ``import wpprep`` itself costs milliseconds.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

from wpprep._version import __version__

_HOMES = {
    "compare_vocabs": "wpprep.pipeline.compare_vocabs",
    "count_words": "wpprep.pipeline.count_words",
    "train_vocab": "wpprep.pipeline.train_vocab",
    "encode_corpus": "wpprep.pipeline.encode",
    "extract_corpus": "wpprep.pipeline.extract",
    "make_shards": "wpprep.pipeline",
    "train": "wpprep.train",
    "finetune": "wpprep.training.finetuning",
    "predict": "wpprep.training.finetuning",
    "embed": "wpprep.training.inference.embed",
    "demo": "wpprep.demo",
    "show": "wpprep.show",
    "report": "wpprep.report",
    "Encoder": "wpprep.tokenizer.encoder",
    "Loader": "wpprep.shards.loader",
    "WpprepError": "wpprep.errors",
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
    from wpprep.inspection.html_report import report
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
    from wpprep.training import train
    from wpprep.training.finetuning import finetune, predict
    from wpprep.training.inference.embed import embed


class _Package(types.ModuleType):
    """Keeps ``wpprep.train`` and ``wpprep.show`` functions, though modules have these names too.

    Importing a submodule sets an attribute of its name on the package; here that attribute is the function.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _HOMES and isinstance(value, types.ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wpprep' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
