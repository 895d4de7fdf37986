"""Comparing vocabularies: tokenizers of any making are read, measured on the same text, and drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from wpprep.errors import CorpusError, MissingInputError, OptionError, VocabularyError
from wpprep.pipeline.compare_vocabs import compare_vocabs
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.vocab.any_tokenizer import open_subject
from wpprep.vocab.quality import measure


def test_figures_and_charts_of_each(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """A folder and its tokenizer.json have the same figures, those of `measure`; both charts are drawn."""
    pytest.importorskip("matplotlib")
    file = sample_corpus / "books" / "the_night_train_north.txt"
    found = compare_vocabs([vocab, vocab / "tokenizer.json"], [file], out=tmp_path / "out").qualities
    assert list(found) == [str(vocab), str(vocab / "tokenizer.json")]
    ours, theirs = found.values()
    assert ours == theirs
    assert ours.text_bytes > 1000
    assert 1 < ours.tokens_per_word < 3
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "lengths.png",
        "quality.json",
        "zipf.png",
    ]
    assert json.loads((tmp_path / "out" / "quality.json").read_text())[str(vocab)]["tokens"] == ours.tokens


def test_a_folder_of_transformers_is_read(vocab: Path, tmp_path: Path) -> None:
    """What transformers saved has the figures of the tokenizer it was saved from."""
    transformers = pytest.importorskip("transformers")
    transformers.AutoTokenizer.from_pretrained(str(vocab)).save_pretrained(str(tmp_path / "saved"))
    (tmp_path / "text.txt").write_text("The keeper's lamp was out.")
    found = compare_vocabs([tmp_path / "saved"], [tmp_path / "text.txt"]).qualities
    tokenizer = Vocabulary.from_folder(vocab).tokenizer
    assert isinstance(tokenizer, Tokenizer)
    assert found[str(tmp_path / "saved")] == measure(tokenizer, ["The keeper's lamp was out."])


def test_a_model_of_sentencepiece_is_read(sample_corpus: Path, tmp_path: Path) -> None:
    """Its pieces, words and unknown characters are counted: here three words, one unknown of three bytes."""
    package = pytest.importorskip("sentencepiece")
    package.SentencePieceTrainer.train(
        input=str(sample_corpus / "books" / "the_night_train_north.txt"),
        model_prefix=str(tmp_path / "sp"),
        vocab_size=300,
        model_type="bpe",
        minloglevel=2,
    )
    (tmp_path / "text.txt").write_text("the train \u4e2d")
    unknown = open_subject(tmp_path / "sp.model").encode(["\u4e2d\u4e2d the"])
    assert unknown.spans[-1].tolist() == [2, 6]  # in characters: those before it have three bytes each
    (quality,) = compare_vocabs([tmp_path / "sp.model"], [tmp_path / "text.txt"]).qualities.values()
    assert (quality.entries, quality.words) == (300, 3)
    assert quality.unk_share == 1 / quality.tokens


def test_what_is_no_tokenizer_is_named(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Missing paths, folders of something else and empty text are one line."""
    text = sample_corpus / "books"
    with pytest.raises(MissingInputError, match="tokenizer not found"):
        compare_vocabs([tmp_path / "nothing"], [text])
    with pytest.raises(VocabularyError, match="not a vocabulary folder"):
        compare_vocabs([sample_corpus], [text])
    with pytest.raises(OptionError, match="no vocabulary to compare"):
        compare_vocabs([], [text])
    (tmp_path / "empty.txt").write_text(" ")
    with pytest.raises(CorpusError, match="the corpus is empty"):
        compare_vocabs([vocab], [tmp_path / "empty.txt"])
