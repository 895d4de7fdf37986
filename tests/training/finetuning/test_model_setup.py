"""The settings of a fine-tuned model: how its texts are encoded."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning.model_setup import Setup


def test_special_tokens_in_text_are_text(model: Path, labelled: Path, tmp_path: Path) -> None:
    """The text "[SEP]" or "[MASK]" is not encoded as a special token."""
    roles = Vocabulary.from_folder(model).roles
    setup = Setup(task="classify", vocabulary=Vocabulary.from_folder(model))
    assert not {roles.sep, roles.mask, roles.cls} & set(setup.encode("[SEP] a [MASK] [CLS]").ids)
