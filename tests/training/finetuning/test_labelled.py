"""Labelled files: every format's examples, and every kind of damage in one line with its place."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from wpprep.config import LabelledOptions
from wpprep.errors import CorpusError, MissingInputError, OptionError, TextDecodeError

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.examples import Answer, Example
from wpprep.training.finetuning.labelled import find_splits, read_examples

SQUAD = {
    "data": [
        {
            "title": "Falls",
            "paragraphs": [
                {
                    "context": "Sioux Falls is a city.",
                    "qas": [
                        {"id": "a", "question": "What?", "answers": [{"text": "a city", "answer_start": 15}]}
                    ],
                }
            ],
        }
    ]
}


def read(path: Path, task: str, *, labelled: bool = True, **options: Any) -> list[Example]:
    """All examples of a file."""
    return list(read_examples(path, task, LabelledOptions(**options), labelled=labelled))


@pytest.mark.parametrize(
    ("task", "text", "texts", "gold"),
    [
        ("classify", 'id\tdocument\tlabel\n7\t"좋다\t1\n', ('"좋다',), "1"),
        ("classify", '{"text": "a\\tb", "label": 0, "id": 7}\n\n', ("a\tb",), "0"),
        ("pair", "sentence1\tsentence2\tgold_label\r\na\tb\tneutral\r\n", ("a", "b"), "neutral"),
        ("pair-regress", "sentence1\tsentence2\tscore\na\tb\t2.5\n", ("a", "b"), 2.5),
        ("regress", '{"sentence": "a", "score": -1}', ("a",), -1.0),
        ("classify", "\ufefftext\tlabel\r\na b\tvery good \r\n", ("a b",), "very good"),
        ("choice", '{"question": "q", "choices": ["x", "y"], "label": 1}', ("q", "x", "y"), 1),
        ("choice", "sent1\tending0\tending1\tending2\tlabel\nq\tx\ty\tz\t2\n", ("q", "x", "y", "z"), 2),
        ("tag", "Sioux B-LOC\nFalls I-LOC\n", ("Sioux", "Falls"), ("B-LOC", "I-LOC")),
        ("tag", "-DOCSTART- -X- O\n\nSioux\tNNP\tB-LOC\n\t\n", ("Sioux",), ("B-LOC",)),
        ("tag", "en:Sioux\tB-LOC\nen:Falls\tI-LOC\n", ("Sioux", "Falls"), ("B-LOC", "I-LOC")),
        ("tag", '{"tokens": ["a"], "ner_tags": [3]}', ("a",), ("3",)),
        ("qa", json.dumps(SQUAD), ("What?", "Sioux Falls is a city."), (Answer("a city", 15),)),
        ("qa", json.dumps(SQUAD, indent=1), ("What?", "Sioux Falls is a city."), (Answer("a city", 15),)),
        (
            "qa",
            "\ufeff" + json.dumps(SQUAD, indent=1).replace("\n", "\r\n"),
            ("What?", "Sioux Falls is a city."),
            (Answer("a city", 15),),
        ),
        (
            "qa",
            '{"question": "q", "context": "x y", "answers": {"text": ["y"], "answer_start": [2]}}',
            ("q", "x y"),
            (Answer("y", 2),),
        ),
        ("qa", '{"question": "q", "context": "x y", "answers": []}', ("q", "x y"), ()),
    ],
)
def test_every_format_gives_its_examples(
    tmp_path: Path, task: str, text: str, texts: tuple[str, ...], gold: Any
) -> None:
    """Text, label and their order are those of the file, compressed or not, with any name."""
    for name, data in (("plain", text.encode()), ("packed", gzip.compress(text.encode()))):
        (tmp_path / name).write_bytes(data)
        (example,) = read(tmp_path / name, task)
        assert (example.texts, example.gold) == (texts, gold)


@pytest.mark.parametrize(
    ("task", "text", "message"),
    [
        ("classify", "", "f: holds no examples; expected tsv with at least one classify example"),
        ("classify", "text\tlabel\n", "f: holds no examples"),
        ("classify", "text\tlabel\na\n", "f:2: 1 tab-separated fields, expected 2 (text, label)"),
        (
            "classify",
            "comment\tlabel\na\tb\n",
            "f:2: no field text or sentence or sentence1 or document for the text",
        ),
        (
            "classify",
            "text\tstars\na\tb\n",
            "the first line names text, stars; give its name with --label-field",
        ),
        (
            "classify",
            '{"text": "a", "stars": 1}',
            "it has text, stars; give its name with --label",
        ),
        ("classify", "text,label\na,b\n", "f:1: no tab in 'text,label', expected TSV; convert CSV first"),
        ("classify", "text\tlabel\na\t \n", "f:2: label is ' ', expected a label"),
        ("classify", "text\tlabel\na\t\n", "f:2: label is '', expected a label"),
        ("classify", '{"text": "a", "label": 1}\n{"text": ', "f:2: not JSON"),
        ("classify", '{"text": "a", "label": 1}\n[1]', "f:2: a JSON list, expected an object"),
        ("classify", '{"text": 5, "label": 1}', "f:1: text is 5, expected text"),
        ("classify", '{"text": "\\ud83d", "label": 1}', "f:1: a lone surrogate, expected valid Unicode"),
        ("pair", "sentence1\tlabel\na\tb\n", "for the second text; the first line names sentence1, label"),
        ("regress", "text\tscore\na\tmuch\n", "f:2: score is 'much', expected a number"),
        ("regress", "text\tscore\na\tnan\n", "f:2: score is 'nan', expected a number"),
        (
            "choice",
            '{"question": "q", "choices": ["x", "y"], "label": 2}',
            "expected the index of a choice, 0 to 1",
        ),
        ("choice", '{"question": "q", "choices": ["x"], "label": 0}', "f:1: 1 choices, expected at least 2"),
        ("tag", "Sioux B-LOC\nFalls\n", "f:2: one column ('Falls'), expected a word and its tag"),
        ("tag", "Sioux\tB-LOC\n\tO\n", "f:2: a tag without a word"),
        (
            "tag",
            '{"words": ["a", "b"], "tags": ["O"]}',
            "f:1: tags: 1 tags for 2 words, expected a tag for each word",
        ),
        ("qa", "[]", "f: no list called data"),
        ("qa", '{"data": [{"title": "x"}]}', "f: article 0: no paragraphs"),
        (
            "qa",
            json.dumps(SQUAD).replace("15", "14"),
            "question 'a': the answer 'a city' is not in the context at",
        ),
        ("qa", json.dumps(SQUAD).replace("15", "-7"), "is not in the context at character -7"),
        (
            "qa",
            '{"question": "q", "context": "x y", "answers": ["y"]}',
            "expected answers as objects with text and answer_start",
        ),
    ],
)
def test_bad_input_is_named_with_its_place(tmp_path: Path, task: str, text: str, message: str) -> None:
    """The message is one line with file and line, or file, article and question."""
    (tmp_path / "f").write_text(text)
    with pytest.raises(CorpusError, match=re.escape(message)) as caught:
        read(tmp_path / "f", task)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_bytes_that_are_no_utf_8_are_refused(tmp_path: Path) -> None:
    """The message has the number of the line."""
    (tmp_path / "f").write_bytes(b"text\tlabel\nok\t1\n\xff\t1\n")
    with pytest.raises(TextDecodeError, match=r"f:3: invalid UTF-8 at byte 0"):
        read(tmp_path / "f", "classify")


def test_fields_may_be_named(tmp_path: Path) -> None:
    """Fields named by options override the usual names; labels may be missing unless they are required."""
    (tmp_path / "f").write_text("text\tbody\tstars\tkey\na\tb\t5\tk\n")
    (example,) = read(tmp_path / "f", "classify", text_field="body", label_field="stars", id_field="key")
    assert (example.texts, example.gold, example.id) == (("b",), "5", "k")
    (example,) = read(tmp_path / "f", "classify", labelled=False)
    assert example.gold is None
    with pytest.raises(OptionError, match="format is conll, which task classify does not take"):
        read(tmp_path / "f", "classify", format="conll")


def test_a_folder_is_read_by_its_names(tmp_path: Path) -> None:
    """A file's split is train, dev or test between dots, hyphens or underscores of its name."""
    with pytest.raises(MissingInputError, match="no such file or folder"):
        find_splits(tmp_path / "nothing")
    (tmp_path / "xnli.dev.ko.tsv.gz").touch()
    with pytest.raises(MissingInputError, match=r"no file is named train \(there is xnli.dev.ko.tsv.gz\)"):
        find_splits(tmp_path)
    (tmp_path / "my-train.tsv").touch()
    (tmp_path / "constrained.txt").touch()
    splits = find_splits(tmp_path)
    assert {name: path.name for name, path in splits.items()} == {
        "train": "my-train.tsv",
        "dev": "xnli.dev.ko.tsv.gz",
    }
    (tmp_path / "train.tsv").touch()
    with pytest.raises(
        MissingInputError, match="my-train.tsv and train.tsv are both for train; remove or rename one"
    ):
        find_splits(tmp_path)
