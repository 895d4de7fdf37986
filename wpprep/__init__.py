"""wpprep: raw text to a BERT in training.

The names below are the public Python API, each equal to the command of the same name. They are
imported when first used, so that ``import wpprep`` itself costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "train_vocab": "wpprep.pipeline",
    "make_shards": "wpprep.pipeline",
    "train": "wpprep.train",
    "show": "wpprep.show",
    "Encoder": "wpprep.encode.encoder",
    "Loader": "wpprep.loader",
    "WpprepError": "wpprep.errors",
}

__all__ = ["Encoder", "Loader", "WpprepError", "__version__", "make_shards", "show", "train", "train_vocab"]

if TYPE_CHECKING:
    from wpprep.encode.encoder import Encoder
    from wpprep.errors import WpprepError
    from wpprep.loader import Loader
    from wpprep.pipeline import make_shards, train_vocab
    from wpprep.show import show
    from wpprep.train import train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'wpprep' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
