"""Shards from kept tokens: the bytes of a run from the corpus, and one line for what does not fit."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.checksums import checksums

from wpprep.errors import MissingInputError, OptionError, ShardError, VocabularyError
from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import find_damage, read_manifest

SMALL: dict[str, Any] = {"dupe_factor": 2, "shards": 2, "workers": 1}
READING: dict[str, Any] = {"min_chars": 200, "sample": 0.9, "skip_bad": True}


@pytest.fixture(scope="module")
def tokens(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token store of the sample corpus, read with filters and cut into many parts."""
    folder = tmp_path_factory.mktemp("kept") / "tokens"
    return Path(encode([sample_corpus / "wiki"], vocab, folder, slice_bytes=20_000, **READING).folder)


@pytest.mark.parametrize("options", [{"max_seq_length": 128}, {"max_seq_length": 512, "holdout": 0.1}], ids=str)
def test_kept_tokens_give_the_bytes_of_the_corpus(
    sample_corpus: Path, vocab: Path, tokens: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """BERT's two phases of one encoding: every file, the manifest included, is as if made from the corpus."""
    options = SMALL | options
    made = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "corpus", **options, **READING)
    kept = make_shards(out=tmp_path / "tokens", from_tokens=tokens, **options)
    assert checksums(kept.folder) == checksums(made.folder)
    assert find_damage(kept.folder) == []
    assert find_damage(tokens) == []


def test_the_store_says_how_it_was_made(vocab: Path, tokens: Path) -> None:
    """Vocabulary, corpus, filters and skip list are in its manifest, the vocabulary's files beside it."""
    manifest = read_manifest(tokens, "tokens")
    assert manifest.vocabulary == sha256_of(tokens / "vocab" / "tokenizer.json")
    assert manifest.vocabulary == sha256_of(vocab / "tokenizer.json")
    assert {"identity", "fingerprint", "documents", "left_out"} <= manifest.corpus.keys()
    assert {name: manifest.options[name] for name in READING} == READING


def test_what_does_not_fit_the_store_is_refused(
    sample_corpus: Path, vocab: Path, tokens: Path, tmp_path: Path
) -> None:
    """Another vocabulary, other ways to read the text, a corpus, nothing: a line each, nothing written."""
    other = Path(train_vocab([sample_corpus / "wiki"], tmp_path / "other", vocab_size=1000, workers=1).folder)
    out = tmp_path / "out"
    with pytest.raises(
        VocabularyError, match=rf"{other}: vocabulary \w+, but the tokens in {tokens} were made with"
    ):
        make_shards(vocab=other, out=out, from_tokens=tokens)
    with pytest.raises(OptionError, match="min_chars is 5, but the text of the tokens in .* was read with"):
        make_shards(out=out, from_tokens=tokens, min_chars=5)
    with pytest.raises(OptionError, match="corpus cannot be used with from_tokens"):
        make_shards([sample_corpus], out=out, from_tokens=tokens)
    with pytest.raises(OptionError, match="tokens cannot be used with from_tokens"):
        make_shards(out=out, tokens=tokens, from_tokens=tokens)
    with pytest.raises(OptionError, match="no corpus: expected corpus and vocab, or from_tokens"):
        make_shards(vocab=vocab, out=out)
    with pytest.raises(MissingInputError, match="no such folder; expected a folder of kind tokens"):
        make_shards(out=out, from_tokens=tmp_path / "nowhere")
    with pytest.raises(ShardError, match="a folder of kind vocabulary, expected one of kind tokens"):
        make_shards(out=out, from_tokens=vocab)
    assert not out.exists()
    assert make_shards(vocab=vocab, out=out, from_tokens=tokens, min_chars=200, **SMALL).folder == out


def test_a_damaged_store_is_named_before_anything_is_made(
    sample_corpus: Path, vocab: Path, tokens: Path, tmp_path: Path
) -> None:
    """One changed byte of one part, which no reader would notice, or a part that is gone stops the run."""
    store = Path(shutil.copytree(tokens, tmp_path / "tokens"))
    part = store / "part-00001.arrow"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    with pytest.raises(ShardError, match=re.escape(f"{part}: damaged: its sha256")):
        make_shards(out=tmp_path / "out", from_tokens=store)
    assert not (tmp_path / "out").exists()
    part.unlink()
    with pytest.raises(ShardError, match=re.escape(f"{part}: missing; encode the text again")):
        make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", tokens=store, **SMALL, **READING)


def test_an_interrupted_encoding_goes_on_with_other_slices(
    sample_corpus: Path, vocab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parts that a killed run wrote for smaller slices are no parts of the store that a later run finishes."""
    from wpprep.jobs.output import OutputFolder

    corpus = [sample_corpus / "wiki"]

    def die(self: OutputFolder, manifest: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            encode(corpus, vocab, tmp_path / "tokens", slice_bytes=5_000, workers=1)
    assert len(list((tmp_path / "tokens").glob("part-*"))) > 5
    calm = Path(encode(corpus, vocab, tmp_path / "calm", slice_bytes=40_000, workers=1).folder)
    store = Path(encode(corpus, vocab, tmp_path / "tokens", slice_bytes=40_000, workers=1).folder)
    assert checksums(store) == checksums(calm)
    made = [make_shards(out=tmp_path / f"out-{x.name}", from_tokens=x, **SMALL).folder for x in (store, calm)]
    assert checksums(made[0]) == checksums(made[1])
