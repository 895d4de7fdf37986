"""Fixtures of the training tests: one thread, models shared by several modules, labelled files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.training import Trained


@pytest.fixture(scope="package", autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: results repeat bit for bit, and these models are too small for more."""
    torch = pytest.importorskip("torch", reason="training is an extra: pip install 'wpprep[train]'")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="package")
def model(vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights and the vocabulary of the sample corpus."""
    from support.bert import write_bert

    return write_bert(vocab, tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="package")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny model trained on the language in which word n + 1 follows word n."""
    from support.training import train_language

    return train_language(tmp_path_factory.mktemp("trained"))


@pytest.fixture
def labelled(sample_corpus: Path) -> Path:
    """The labelled files of the sample corpus."""
    return sample_corpus / "labelled"
