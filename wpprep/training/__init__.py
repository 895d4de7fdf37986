"""Pretraining, fine-tuning and inference: the only wing that imports torch.

model         build, load and update a BERT
pretraining   from shards to a model folder
finetuning    from labelled examples to a model for a task
inference     vectors, masked words, attention

train("shards", "model", size="tiny", steps=1000, batch_size=32)
fill_mask("model", "the [MASK] of the sea")
"""

from __future__ import annotations

import importlib.util
import os

from wpprep.errors import MissingExtraError

if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
    raise MissingExtraError("training needs extra packages: pip install 'wpprep[train]'")

# Before torch is loaded: waiting threads of OpenMP sleep instead of occupying CPUs that others want to use.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
