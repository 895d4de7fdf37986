"""What several tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    from wpprep.pipeline.train_vocab import train_vocab

    folder = tmp_path_factory.mktemp("session") / "vocab"
    train_vocab([sample_corpus / "wiki"], folder, vocab_size=2000, workers=1)
    return folder


@pytest.fixture(scope="session")
def shards(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of instances of at most 64 tokens."""
    from wpprep.pipeline.make_shards import make_shards

    folder = tmp_path_factory.mktemp("session") / "shards"
    make_shards([sample_corpus / "wiki"], vocab, folder, max_seq_length=64, dupe_factor=2, shards=3, workers=1)
    return folder


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Any]:
    """An S3 server on loopback, for all tests of a run."""
    pytest.importorskip("moto", reason="moto is not installed")
    pytest.importorskip("s3fs", reason="s3fs is not installed")
    from support.s3_server import S3Server

    server = S3Server()
    yield server
    server.stop()


@pytest.fixture
def s3(s3_server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The S3 server, named by the environment, and a cache of its own."""
    monkeypatch.setenv("WPPREP_CACHE", str(tmp_path / "cache"))
    from wpprep.storage import remote

    remote.close_connections()  # those of other tests may have other credentials
    with s3_server.in_environment():
        yield s3_server
    remote.close_connections()


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vocabulary, shards, a token store and a training run of a corpus that holds markup."""
    from support.pages import write_folders

    root = tmp_path_factory.mktemp("folders")
    write_folders(root)
    return root


@pytest.fixture(scope="session")
def html(folders: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of all of them, vocabularies measured on the corpus."""
    from support.pages import SHARDS

    from wpprep.inspection.html_report.page import report

    out = tmp_path_factory.mktemp("page") / "page.html"
    names = ["vocab", SHARDS, "run", "tokens"]
    report([folders / name for name in names], out, text=[str(folders / "corpus.txt")])
    return out
