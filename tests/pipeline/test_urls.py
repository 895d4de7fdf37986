"""URLs: whatever a command takes or writes may be in a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import wpprep
from wpprep.corpus.text_lines import read_lines
from wpprep.errors import OptionError
from wpprep.storage.remote import list_remote, write_remote


def test_counts_vocabularies_reports_and_charts_in_a_bucket(
    s3: Any, sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """Each is read from a URL and written to one, and nothing is left in a local folder named like the URL."""
    pytest.importorskip("matplotlib", reason="charts need the extra packages")
    bucket = s3.make_bucket()
    wpprep.compare_vocabs([vocab], [sample_corpus / "books"], out=f"{bucket}/compared")
    names = {name.rpartition("/")[2] for name in list_remote(f"{bucket}/compared/")}
    assert names == {"zipf.png", "lengths.png", "quality.json"}
    wpprep.count_words([sample_corpus / "wiki"], tmp_path / "counts", tsv=f"{bucket}/counts.tsv", workers=1)
    made = wpprep.train_vocab(None, f"{bucket}/vocab", counts=f"{bucket}/counts.tsv", vocab_size=500)
    assert made.place == f"{bucket}/vocab"
    assert made.manifest.statistics["entries"] == 500
    page = wpprep.report([f"{bucket}/vocab"], f"{bucket}/page.html")
    assert page.place == f"{bucket}/page.html"
    assert page.sections == [section for section in page.sections if section.startswith("vocabulary")]
    assert [len(row) > 0 for row in wpprep.tokenize(f"{bucket}/vocab", ["the sea"])] == [True]
    assert wpprep.verify(f"{bucket}/vocab").problems == []


def test_lines_of_a_text_in_a_bucket(s3: Any) -> None:
    """Texts to embed and labelled examples are read from a URL too."""
    url = f"{s3.make_bucket()}/a.txt"
    write_remote(url, "one\nzwölf\n".encode())
    assert list(read_lines(url)) == [(1, "one"), (2, "zwölf")]


def test_labelled_examples_in_a_bucket(s3: Any) -> None:
    """One file is for training; in a folder the names tell the splits."""
    pytest.importorskip("torch", reason="training needs the extra packages")
    from wpprep.training.finetuning.labelled import find_splits

    bucket = s3.make_bucket()
    write_remote(f"{bucket}/one.tsv", b"text\tlabel\na\tb\n")
    for name in ("train.tsv", "dev.tsv"):
        write_remote(f"{bucket}/data/{name}", name.encode())
    assert find_splits(f"{bucket}/one.tsv")["train"].read_bytes().startswith(b"text")
    splits = find_splits(f"{bucket}/data")
    assert {split: path.read_text() for split, path in splits.items()} == {
        "train": "train.tsv",
        "dev": "dev.tsv",
    }


def test_the_demo_wants_a_local_folder() -> None:
    """It says so before it starts."""
    with pytest.raises(OptionError, match="s3://b/x: the demo writes to a local folder"):
        wpprep.demo("s3://b/x")
