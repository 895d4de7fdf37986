"""What several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("wpprep", deadline=None)  # the first example may compile a kernel
settings.load_profile("wpprep")


@pytest.fixture
def data() -> Path:
    """The folder of real text that is no part of the repository, named by WPPREP_DATA."""
    repository = Path(__file__).parent.parent
    folder = Path(os.environ.get("WPPREP_DATA", repository.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real text in {folder} (set WPPREP_DATA)")
    return folder


@pytest.fixture(scope="session")
def sample_corpus() -> Path:
    """The sample corpus of this checkout."""
    return Path(__file__).parent.parent / "sample_corpus"


@pytest.fixture(scope="session")
def vocab(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A WordPiece vocabulary of 2,000 entries, learned from the sample corpus."""
    from wpprep.pipeline import train_vocab

    folder = tmp_path_factory.mktemp("session") / "vocab"
    return train_vocab([sample_corpus / "wiki"], folder, vocab_size=2000, workers=1).folder


@pytest.fixture(scope="session")
def shards(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of instances of at most 64 tokens."""
    from wpprep.pipeline import make_shards

    folder = tmp_path_factory.mktemp("session") / "shards"
    options = {"max_seq_length": 64, "dupe_factor": 2, "shards": 3, "workers": 1}
    return make_shards([sample_corpus / "wiki"], vocab, folder, **options).folder
