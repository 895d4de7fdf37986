"""A BERT that costs nothing: random weights, a vocabulary, the folder that `wpprep train` would leave."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="models are an extra: pip install 'wpprep[train]'")
transformers = pytest.importorskip("transformers", reason="models are an extra: pip install 'wpprep[train]'")

from wpprep.tokenizer.vocabulary import Vocabulary  # noqa: E402
from wpprep.training.model.model import Size, build_model  # noqa: E402
from wpprep.training.pretraining.checkpoint import save_files  # noqa: E402


def write_bert(vocab: Path, folder: Path) -> Path:
    """Three layers of 32 with two heads, for texts of up to 64 tokens."""
    torch.manual_seed(1)
    save_files(folder, build_model(Size(3, 32, 2), Vocabulary.from_folder(vocab).roles, 64, 0.1), vocab)
    return folder
