"""Tokenizers of several libraries behind one interface, to be measured side by side.

    vocabulary folder or file, tokenizer.json   `Vocabulary.from_folder`
    any folder that AutoTokenizer loads         transformers
    a .model file                               sentencepiece

Nothing is downloaded.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wpprep.errors import MissingExtraError, MissingInputError, VocabularyError
from wpprep.records import offsets_of
from wpprep.storage.place import Place
from wpprep.tokenizer.vocabulary import VOCABULARY_FILES, Vocabulary
from wpprep.vocab.quality import Encoded, Subject, subject_of

_BLANK = "\u2581"  # sentencepiece's symbol for a blank; a piece that starts with it starts a word


def open_subject(path: str | os.PathLike[str]) -> Subject:
    """Open a tokenizer to measure; the formats are listed above.

    Raises:
        MissingInputError: ``path`` does not exist.
        MissingExtraError: the package that reads the format is not installed.
        VocabularyError: the file or folder is not a tokenizer, or is damaged.
    """
    path = Place(path).folder(*VOCABULARY_FILES)
    if not path.exists():
        raise MissingInputError(
            f"{path}: tokenizer not found; expected a folder, a tokenizer.json or a .model file"
        )
    if path.suffix == ".model":
        return _of_sentencepiece(path)
    try:
        return subject_of(Vocabulary.from_folder(path).tokenizer)
    except VocabularyError as error:
        if path.is_file() or not any(path.glob("*token*")):
            raise
        return _of_transformers(path, error)


def _of_sentencepiece(path: Path) -> Subject:
    """Load a model of sentencepiece; its spans, in bytes of UTF-8, are converted to characters."""
    try:
        package: Any = importlib.import_module("sentencepiece")
    except ImportError as error:
        raise MissingExtraError(f"{path}: needs sentencepiece: pip install sentencepiece") from error
    try:
        processor = package.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError) as error:
        raise VocabularyError(f"{path}: not a sentencepiece model: {error}") from error

    def encode(texts: Sequence[str]) -> Encoded:
        ids, ends, starts, spans = [], [], [], []
        for text in texts:
            pieces = processor.encode(text, return_type="proto").pieces
            is_character = (np.frombuffer(text.encode(), np.uint8) & 0xC0) != 0x80
            places = offsets_of(is_character)  # character at each byte
            ids += [piece.id for piece in pieces]
            starts += [i == 0 or piece.piece.startswith(_BLANK) for i, piece in enumerate(pieces)]
            spans += [(places[piece.begin], places[piece.end]) for piece in pieces]
            ends.append(len(ids))
        return Encoded(
            np.array(ids, np.int64),
            np.array(ends, np.int64),
            np.array(starts, np.bool_),
            np.array(spans, np.int64).reshape(-1, 2),
        )

    return Subject(processor.get_piece_size(), processor.unk_id(), encode)


def _of_transformers(path: Path, error: VocabularyError) -> Subject:
    """Load a folder with AutoTokenizer; raise ``error`` if transformers is not installed."""
    try:
        package: Any = importlib.import_module("transformers")
    except ImportError:
        raise error from None
    try:
        loaded = package.AutoTokenizer.from_pretrained(str(path), local_files_only=True)
        return subject_of(loaded.backend_tokenizer)
    except (OSError, ValueError, KeyError, AttributeError, ImportError) as failure:
        raise VocabularyError(f"{path}: AutoTokenizer cannot load it: {failure}") from failure
