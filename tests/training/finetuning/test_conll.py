"""CoNLL files: sentences, comments of the format, language prefixes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from wpprep.config import LabelledOptions

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.examples import Example
from wpprep.training.finetuning.labelled import read_examples


def read(path: Path, task: str, *, labelled: bool = True, **options: Any) -> list[Example]:
    """All examples of a file."""
    return list(read_examples(path, task, LabelledOptions(**options), labelled=labelled))


def test_only_a_prefix_of_all_words_is_a_language(tmp_path: Path) -> None:
    """A prefix that only some words have is part of their text, as is any prefix with ``word_prefix=""``."""
    (tmp_path / "f").write_text("re: O\nre:start O\nx O\n")
    assert read(tmp_path / "f", "tag")[0].texts == ("re:", "re:start", "x")
    (tmp_path / "f").write_text("en:a O\nen: O\n")
    assert read(tmp_path / "f", "tag")[0].texts == ("a", "en:")
    assert read(tmp_path / "f", "tag", word_prefix="")[0].texts == ("en:a", "en:")


def test_sentences_end_at_empty_lines(tmp_path: Path) -> None:
    """Lines of spaces and the end of the file end a sentence too; each has the number of its first line."""
    (tmp_path / "f").write_text("-DOCSTART- O\n\nEU NNP B-ORG\nrejects VBZ O\n \t\n\nMonday NN O")
    found = read(tmp_path / "f", "tag")
    assert [(example.texts, example.gold) for example in found] == [
        (("EU", "rejects"), ("B-ORG", "O")),
        (("Monday",), ("O",)),
    ]
    assert [example.place.rpartition(":")[2] for example in found] == ["3", "7"]


def test_words_without_tags_have_no_gold(tmp_path: Path) -> None:
    """Where labels are optional, a sentence with a word without a tag has none at all."""
    (tmp_path / "f").write_text("EU B-ORG\nrejects\n")
    (example,) = read(tmp_path / "f", "tag", labelled=False)
    assert (example.texts, example.gold) == (("EU", "rejects"), None)
