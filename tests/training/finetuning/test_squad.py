"""SQuAD's JSON: questions of articles, questions without answers, positions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wpprep.errors import CorpusError

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.finetuning.examples import Answer
from wpprep.training.finetuning.squad import check_answers, plain_answers, read


def data(*questions: dict[str, Any], title: str | None = "Falls") -> str:
    """A file of one article with one paragraph."""
    article = {"paragraphs": [{"context": "Sioux Falls", "qas": list(questions)}]}
    return json.dumps({"data": [article if title is None else {**article, "title": title}]})


def test_questions_of_an_article_form_a_group() -> None:
    """The group is the title, or the number of the article; an empty list of answers is a label."""
    asked: list[dict[str, Any]] = [{"id": 7, "question": "a", "answers": []}, {"question": "b", "answers": []}]
    found = list(read(Path("f"), data(*asked), labelled=True))
    assert [(example.id, example.gold, example.group) for example in found] == [
        ("7", (), "Falls"),
        (None, (), "Falls"),
    ]
    (example,) = read(Path("f"), data({"question": "a"}, title=None), labelled=False)
    assert (example.gold, example.group) == (None, "article 0")


def test_a_question_without_a_label_is_named() -> None:
    """Where labels are needed, a question without a list of answers is an error with its text."""
    with pytest.raises(CorpusError, match=r"f: article 0: question 'a': no answers, expected a list of them"):
        list(read(Path("f"), data({"question": "a"}), labelled=True))


def test_both_spellings_of_answers_are_read() -> None:
    """A list of objects, one object, and the two lists of `datasets` give the same answers."""
    expected = (Answer("Falls", 6),)
    assert plain_answers([{"text": "Falls", "answer_start": 6}], "f") == expected
    assert plain_answers({"text": "Falls", "answer_start": 6}, "f") == expected
    assert plain_answers({"text": ["Falls"], "answer_start": [6]}, "f") == expected
    with pytest.raises(CorpusError, match="expected answers as objects with text and answer_start"):
        plain_answers({"text": ["Falls"], "answer_start": []}, "f")


def test_positions_are_characters() -> None:
    """After two characters of several bytes the position is 3; an empty answer is refused."""
    assert check_answers((Answer("Orm", 3),), "서울 Orm", "f") == (Answer("Orm", 3),)
    with pytest.raises(CorpusError, match="is not in the context at character 7, found ''; fix answer_start"):
        check_answers((Answer("Orm", 7),), "서울 Orm", "f")
    with pytest.raises(CorpusError, match="the answer '' is not in the context"):
        check_answers((Answer("", 0),), "서울 Orm", "f")
