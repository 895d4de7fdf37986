"""Training, and what follows it: the only wing that imports torch.

model         the model: built, loaded, updated
pretraining   from shards to a model folder
finetuning    a model learns a task from labelled examples
inference     vectors, masked words, attention

train("shards", "model", size="tiny", steps=1000, batch_size=32)
fill_mask("model", "the [MASK] of the sea")
"""

from __future__ import annotations

import importlib.util

from wpprep.errors import MissingExtraError

if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
    raise MissingExtraError("training needs extra packages: pip install 'wpprep[train]'")
