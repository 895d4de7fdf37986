"""Training: the only room with torch in it.

train("shards", "model", size="tiny", steps=1000, batch_size=32)
fill_mask("model", "the [MASK] of the sea")
"""

from __future__ import annotations

from wpprep.errors import MissingExtraError

try:
    import torch  # noqa: F401
    import transformers  # noqa: F401
except ImportError as error:
    raise MissingExtraError("training needs extra packages: pip install 'wpprep[train]'") from error

from wpprep.training.inference.fill import Guess, fill_mask
from wpprep.training.pretraining.pretrain import TrainResult, train
from wpprep.training.pretraining.progress import Evaluation, Progress

__all__ = ["Evaluation", "Guess", "Progress", "TrainResult", "fill_mask", "train"]
