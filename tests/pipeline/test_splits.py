"""Held-out documents and bins: shard folders inside a shard folder, each whole in itself."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checksums import checksums

from wpprep.config import ShardOptions
from wpprep.errors import OptionError
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.shard_task import bins_of
from wpprep.records import InstanceBatch
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import read_shard
from wpprep.shards.split import split_documents
from wpprep.shards.token_store import TokenStore
from wpprep.storage.manifest import Shard, find_damage, read_manifest

OPTIONS: dict[str, Any] = {
    "max_seq_length": 64,
    "dupe_factor": 2,
    "shards": 3,
    "masking": "dynamic",
    "workers": 1,
}


def batches(folder: Path) -> list[InstanceBatch]:
    files = read_manifest(folder, "shards").files
    return [read_shard(folder / file.name) for file in files if isinstance(file, Shard)]


def texts_of(tokens: Path) -> list[str]:
    """Every document of a token store as one string of ids, with blanks around each."""
    store = TokenStore.open(tokens)
    documents = store.take(np.arange(len(store)))
    edges = documents.sentences[documents.documents]
    return [f" {' '.join(map(str, documents.tokens[a:b].tolist()))} " for a, b in itertools.pairwise(edges)]


def test_held_out_documents_are_in_no_training_row(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """No A and no B, random ones included, of a training shard is text of a held-out document, nor the reverse.

    Every row's B of eight tokens and more is looked for in the text of both sides; unmasked rows are that text.
    """
    tokens = tmp_path / "tokens"
    corpus = [sample_corpus / "wiki"]
    out = Path(make_shards(corpus, vocab, tmp_path / "out", tokens=tokens, holdout=0.2, **OPTIONS).folder)
    texts = texts_of(tokens)
    selections = split_documents(len(texts), ShardOptions(holdout=0.2))
    training, held_out = (selection.of(np.arange(selection.size)) for selection in selections)
    assert len(held_out) == round(0.2 * len(texts))
    assert sorted([*training, *held_out]) == list(range(len(texts)))
    random_nexts = 0
    for folder, mine, others in ((out, training, held_out), (out / "holdout", held_out, training)):
        own, foreign = ("|".join(texts[d] for d in documents) for documents in (mine, others))
        for batch in batches(folder):
            assert set(batch.document.tolist()) <= set(mine.tolist())
            for row in range(len(batch)):
                ids = batch.input_ids[batch.offsets[row] : batch.offsets[row + 1]]
                b = f" {' '.join(map(str, ids[batch.b_start[row] : -1].tolist()))} "
                if len(b.split()) >= 8:
                    assert b in own
                    assert b not in foreign
                    random_nexts += int(batch.next_sentence_label[row])
    assert random_nexts > 100


def test_a_holdout_is_a_shard_folder(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """It has a manifest and a vocabulary, one pass of its documents, and is verified with the rest."""
    out = Path(make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", holdout=0.2, **OPTIONS).folder)
    assert find_damage(out) == []
    assert find_damage(out / "holdout") == []
    assert read_manifest(out / "holdout").options["dupe_factor"] == 1
    assert len(ShardFolder(out / "holdout")) < len(ShardFolder(out)) / 6
    (out / "holdout" / "manifest.json").unlink()
    assert any("holdout/manifest.json: missing" in problem for problem in find_damage(out))


@pytest.mark.parametrize(("n", "share"), [(10, 0.1), (10, 0.9), (3, 0.01)])
def test_a_holdout_too_small_is_refused(n: int, share: float) -> None:
    """Random nexts need two documents on each side, and the message says how many there would be."""
    with pytest.raises(OptionError, match=f"holdout {share} of {n} documents is "):
        split_documents(n, ShardOptions(holdout=share))
    if share == 0.1:
        assert split_documents(n, ShardOptions(holdout=share, objective="single"))[1].size == 1


def test_bins_hold_the_rows_of_their_lengths(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Together the bins have the rows of shards without bins; each has those of its range, and opens alone."""
    corpus = [sample_corpus / "wiki"]
    plain = Path(make_shards(corpus, vocab, tmp_path / "plain", **OPTIONS).folder)
    out = Path(make_shards(corpus, vocab, tmp_path / "out", bins="24,48,64", **OPTIONS).folder)
    assert find_damage(out) == []

    def rows(folder: Path) -> list[bytes]:
        return [
            batch.input_ids[a:b].tobytes()
            for batch in batches(folder)
            for a, b in itertools.pairwise(batch.offsets)
        ]

    assert sorted(rows(out)) == sorted(rows(plain))
    assert sorted(row for n in (24, 48, 64) for row in rows(out / f"bin-{n}")) == sorted(rows(plain))
    for shortest, longest in ((1, 24), (25, 48), (49, 64)):
        folder = ShardFolder(out / f"bin-{longest}")
        lengths = folder.lengths(np.arange(len(folder)))
        assert shortest <= lengths.min() <= lengths.max() <= longest == folder.max_seq_length
        assert len(folder) == read_manifest(folder.path).statistics["rows"]
    assert len(ShardFolder(out)) == len(ShardFolder(plain))


def test_damage_in_a_bin_is_named_once(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """A changed and a missing shard of a bin are found from the folder above, once each."""
    out = Path(make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", bins="32,64", **OPTIONS).folder)
    changed, missing = (out / "bin-64" / f"shard-0000{k}-of-00003.arrow" for k in (0, 1))
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    missing.unlink()
    assert sorted(line.split(": ")[0] for line in find_damage(out)) == [str(changed), str(missing)]


@pytest.mark.parametrize("workers", [2, 3])
def test_splits_are_the_same_for_any_workers(
    sample_corpus: Path, vocab: Path, tmp_path: Path, workers: int
) -> None:
    """Holdout, bins and a later run over part of the files give the same bytes."""
    options: dict[str, Any] = OPTIONS | {"holdout": 0.1, "bins": "32,64"}
    corpus = [sample_corpus / "wiki"]
    one = Path(make_shards(corpus, vocab, tmp_path / "one", **options).folder)
    more = Path(make_shards(corpus, vocab, tmp_path / "more", **(options | {"workers": workers})).folder)
    assert checksums(one) == checksums(more)


@pytest.mark.parametrize("bins", ["64", "128,64", "64,64,128", "0,128", "64,x", "", "2,128"])
def test_bins_that_make_no_sense_are_refused(bins: str) -> None:
    """Lengths must rise from 3 and end at the longest row."""
    with pytest.raises(
        OptionError, match=f"bins are {bins}, expected increasing lengths that end at max_seq_length 128"
    ):
        ShardOptions(max_seq_length=128, bins=bins)


def test_a_bin_knows_its_options() -> None:
    """A bin's rows are as long as it says, and ask for as few predictions."""
    bins = bins_of(ShardOptions(max_seq_length=128, bins="32,128"))
    found = [
        (b.folder, b.above, b.options["max_seq_length"], b.options["max_predictions_per_seq"]) for b in bins
    ]
    assert found == [("bin-32/", 0, 32, 5), ("bin-128/", 32, 128, 19)]
    assert [b.folder for b in bins_of(ShardOptions())] == [""]
