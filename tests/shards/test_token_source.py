"""Token stores as the source of shards: what an opened store gives, and what does not fit it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wpprep.errors import MissingInputError, OptionError, ShardError, VocabularyError
from wpprep.pipeline.encode import encode
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.shards.token_source import open_source
from wpprep.storage.manifest import read_manifest, refuse_damage
from wpprep.tokenizer.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def tokens(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token store of the sample's books, read with a minimum length."""
    folder = tmp_path_factory.mktemp("source") / "tokens"
    encode([sample_corpus / "books"], vocab, folder, min_chars=200, workers=1)
    return folder


def test_a_store_has_its_vocabulary_corpus_and_plan(tokens: Path, vocab: Path) -> None:
    """The source and the plan are those in the manifest; the vocabulary is read from the store itself."""
    source, plan = open_source(tokens, vocab, {"min_chars": 200, "dupe_factor": 3})
    manifest = read_manifest(tokens)
    assert source.corpus == manifest.corpus
    assert source.vocabulary.sha256 == Vocabulary.from_folder(vocab).sha256 == plan["vocabulary"]
    assert source.vocabulary.folder == tokens / "vocab"
    assert plan["options"]["min_chars"] == 200
    assert plan["corpus"] == manifest.corpus["identity"]


def test_another_option_of_reading_is_refused(tokens: Path) -> None:
    """The message has the given value and the one that the text was read with."""
    with pytest.raises(
        OptionError, match="min_chars is 100, but the text .* was read with 200; omit the option"
    ):
        open_source(tokens, None, {"min_chars": 100})


def test_another_vocabulary_is_refused(tokens: Path, sample_corpus: Path, tmp_path: Path) -> None:
    """A vocabulary of another size is not the one that the tokens were made with."""
    train_vocab([sample_corpus / "books"], tmp_path / "vocab", vocab_size=500, workers=1)
    with pytest.raises(VocabularyError, match="the tokens in .* were made with vocabulary"):
        open_source(tokens, tmp_path / "vocab", {})


def test_damage_and_absence_are_named(tokens: Path, tmp_path: Path) -> None:
    """A file with one changed byte raises an error with its name, and so does a folder that is not a store."""
    copy = Path(shutil.copytree(tokens, tmp_path / "tokens"))
    part = copy / "part-00000.arrow"
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    refuse_damage(tokens)
    with pytest.raises(ShardError, match=r"part-00000\.arrow: damaged.*encode the text again"):
        open_source(copy, None, {})
    with pytest.raises(MissingInputError, match="nowhere"):
        open_source(tmp_path / "nowhere", None, {})
