"""Fine-tuning: a pretrained BERT learns a task from labelled examples, and predicts on new text.

finetune("model", "reviews.tsv", "reviews-model", task="classify")
predict("reviews-model", "new.tsv", "predictions.jsonl")
"""

from __future__ import annotations

import wpprep.train  # noqa: F401 (first: it says in one line what to install where torch is missing)
from wpprep.training.finetuning.predicting import Predicted, predict
from wpprep.training.finetuning.tuning import Finetuned, finetune

__all__ = ["Finetuned", "Predicted", "finetune", "predict"]
