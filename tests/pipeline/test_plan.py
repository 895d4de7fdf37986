"""Planning: what a corpus holds is told, and estimates come near what the work really took."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices
from wpprep.errors import CorpusError
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.plan import _extrapolate, _line, _read_sample, _Sample, as_lines, plan
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document, Slice


def test_a_small_corpus_is_planned_as_it_is(sample_corpus: Path, tmp_path: Path) -> None:
    """Where the sample is the whole corpus, documents, words, tokens and disk are those of the real run."""
    corpus = [sample_corpus / "wiki", sample_corpus / "books"]
    options: dict[str, Any] = {"vocab_size": 2000, "max_seq_length": 64, "dupe_factor": 2}
    found = plan(corpus, **options).figures()
    assert {name: of["files"] for name, of in found["formats"].items()} == {"wikiextractor": 4, "prose": 5}
    assert sum(of["documents"] for of in found["formats"].values()) == 49
    assert found["languages"] == {"en": 1.0}
    vocab = train_vocab(corpus, tmp_path / "vocab", vocab_size=2000, workers=1)
    shards = make_shards(corpus, vocab.folder, tmp_path / "shards", max_seq_length=64, dupe_factor=2, workers=1)
    assert sum(of["text_bytes"] for of in found["formats"].values()) == vocab.manifest.corpus["text_bytes"]
    assert found["train_vocab"]["distinct_words"] == vocab.manifest.statistics["distinct_words"]
    assert found["make_shards"]["tokens"] == pytest.approx(shards.manifest.statistics["tokens"], rel=0.01)
    disk = sum(file.stat().st_size for file in Path(shards.folder).rglob("*") if file.is_file())
    assert found["make_shards"]["disk_bytes"] == pytest.approx(disk, rel=0.02)
    for name in ("train_vocab", "make_shards"):
        assert found[name]["seconds"] > 0.2
        assert 100e6 < found[name]["memory_bytes"] < 2e9
    assert "about 44 documents, 0.1 MB of text" in " ".join(as_lines(found))
    assert json.loads(json.dumps(found)) == found


def test_nodes_share_what_can_be_shared(sample_corpus: Path) -> None:
    """Six workers do the shared work in a sixth of the time; start and merging take as long as before."""
    corpus = [sample_corpus / "wiki"]
    options: dict[str, Any] = {"vocab_size": 2000, "max_seq_length": 64, "workers": 3}
    found = plan(corpus, nodes=2, **options).figures()
    for name in ("train_vocab", "make_shards"):
        one, two = found[name], found["cluster"][name]
        shared = one["seconds"] - one["start"] - one["alone"]
        assert two["seconds"] == pytest.approx(one["start"] + one["alone"] + shared / 6, abs=0.1)
        assert two["node_memory_bytes"] == 3 * one["memory_bytes"]
        assert two["read_bytes"] >= sum(of["bytes"] for of in found["formats"].values())
    assert found["cluster"]["disk_bytes"] > found["make_shards"]["disk_bytes"]
    assert "on 2 nodes of 3 workers" in " ".join(as_lines(found))


def test_large_compressed_files_are_judged_by_their_beginning(tmp_path: Path) -> None:
    """Of 60 MB of text in a gzip file only some is read; documents and text are estimated to within a tenth."""
    import random

    words = [f"w{i}" for i in range(20_000)]
    generator = random.Random(1)
    texts = [" ".join(generator.choices(words, k=700)) + ".\n" for _ in range(3000)]
    path = tmp_path / "corpus.jsonl.gz"
    path.write_bytes(gzip.compress("".join(json.dumps({"text": text}) + "\n" for text in texts).encode(), 1))
    slices = plan_slices([path], CorpusOptions(), 10**6)
    (tmp_path / "scratch").mkdir()
    sample = _read_sample(slices, CorpusOptions(), 3_000_000, tmp_path / "scratch")["jsonl"]
    assert len(sample.documents) < 2000
    found = _extrapolate("jsonl", slices, sample)
    assert found.documents == pytest.approx(3000, rel=0.1)
    assert found.text_bytes == pytest.approx(sum(map(len, texts)) - 3000, rel=0.1)


def test_what_was_read_stands_for_the_rest() -> None:
    """100 documents of 2,000 of 50,000 bytes: 2,500 documents in all, and text in proportion."""
    slices = [Slice("a", "lines", start, start + 1000) for start in range(0, 50_000, 1000)]
    sample = _Sample([Document("1", "One.")] * 100, of_bytes=2000, text_bytes=1900)
    found = _extrapolate("lines", slices, sample)
    assert (found.files, found.bytes, found.documents, found.text_bytes) == (1, 50_000, 2500, 47_500)


def test_noise_never_makes_more_work_cheaper() -> None:
    """Where the larger sample took less, the larger corpus is taken to need as much as that."""
    assert _line([10, 20], [5, 4], 1000) == 4


def test_nothing_is_no_plan(tmp_path: Path) -> None:
    """An empty corpus stops as everywhere."""
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(CorpusError, match="the corpus is empty"):
        plan(tmp_path / "empty.txt")
