"""Tokenizers of several libraries: each is opened by its format, and what is none is reported."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from wpprep.errors import MissingExtraError, MissingInputError, VocabularyError
from wpprep.vocab.any_tokenizer import open_subject


def test_a_tokenizer_json_is_opened(tmp_path: Path) -> None:
    """Ids, words and positions of a small WordPiece, without special tokens added."""
    entries = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "ab", "##c"]
    tokenizer = Tokenizer(models.WordPiece({entry: i for i, entry in enumerate(entries)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    subject = open_subject(tmp_path / "tokenizer.json")
    assert (subject.entries, subject.unk) == (7, 1)
    encoded = subject.encode(["abc x", "ab"])
    assert encoded.ids.tolist() == [5, 6, 1, 5]
    assert encoded.ends.tolist() == [3, 4]
    assert encoded.starts.tolist() == [True, False, True, True]
    assert encoded.spans.tolist() == [[0, 2], [2, 3], [4, 5], [0, 2]]


def test_a_missing_path_is_reported(tmp_path: Path) -> None:
    """The message has the path and the formats that are possible."""
    with pytest.raises(MissingInputError, match=r"nothing: tokenizer not found; expected a folder, .* \.model"):
        open_subject(tmp_path / "nothing")


def test_a_damaged_model_is_reported(tmp_path: Path) -> None:
    """A .model file that sentencepiece cannot read is one line with its path."""
    pytest.importorskip("sentencepiece", reason="sentencepiece is not installed")
    (tmp_path / "bad.model").write_bytes(b"no model")
    with pytest.raises(VocabularyError, match=r"bad\.model: not a sentencepiece model"):
        open_subject(tmp_path / "bad.model")


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without sentencepiece a .model file leads to the command that installs it."""

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    (tmp_path / "a.model").write_bytes(b"")
    with pytest.raises(MissingExtraError, match="needs sentencepiece: pip install sentencepiece"):
        open_subject(tmp_path / "a.model")


def test_a_folder_without_a_tokenizer_is_reported(tmp_path: Path) -> None:
    """A folder with other files is not a vocabulary folder."""
    (tmp_path / "notes.txt").write_text("no vocabulary")
    with pytest.raises(VocabularyError, match="not a vocabulary folder"):
        open_subject(tmp_path)
