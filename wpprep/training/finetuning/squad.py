"""SQuAD's JSON (Rajpurkar et al., 2016 and 2018): articles of paragraphs with questions and marked answers.

    {"data": [{"title": ..., "paragraphs": [{"context": ..., "qas": [
        {"id": ..., "question": ..., "answers": [{"text": ..., "answer_start": 0}]}]}]}]}

Positions are counted in characters (code points). An empty list of answers means that the context has none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wpprep.errors import CorpusError
from wpprep.training.finetuning.examples import Answer, Example


def read(path: Path, text: str, *, labelled: bool) -> Iterator[Example]:
    """Yield the questions of a file; those of one article form a group.

    Args:
        path: the file, for messages.
        text: its content.
        labelled: whether each question must have a list of answers.

    Raises:
        CorpusError: the content is not SQuAD's JSON, or an answer is not at its position.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"{path}: not JSON: {error}") from error
    if not isinstance(data, dict) or not isinstance(data.get("data"), list):
        raise CorpusError(
            f"{path}: no list called data, expected SQuAD's JSON, or JSON lines with question and context"
        )
    for number, article in enumerate(data["data"]):
        for paragraph in _field(article, "paragraphs", list, f"{path}: article {number}"):
            context = _field(paragraph, "context", str, f"{path}: article {number}: a paragraph")
            for qa in _field(paragraph, "qas", list, f"{path}: article {number}: a paragraph"):
                yield _example(path, number, article, context, qa, labelled=labelled)


def _example(
    path: Path, number: int, article: dict[str, Any], context: str, qa: Any, *, labelled: bool
) -> Example:
    place = f"{path}: article {number}"
    question = _field(qa, "question", str, f"{place}: a question")
    id_ = qa.get("id")
    place += f": question {id_ or question[:40]!r}"
    if labelled and "answers" not in qa:
        raise CorpusError(f"{place}: no answers, expected a list of them (empty where the context has none)")
    answers = qa.get("answers")
    gold = None if answers is None else check_answers(plain_answers(answers, place), context, place)
    group = str(article.get("title") or f"article {number}")
    return Example((question, context), gold, place, None if id_ is None else str(id_), group)


def _field(record: Any, name: str, kind: type, place: str) -> Any:
    found = record.get(name) if isinstance(record, dict) else None
    if not isinstance(found, kind):
        raise CorpusError(f"{place}: no {name}, expected SQuAD's JSON")
    return found


def plain_answers(found: Any, place: str) -> tuple[Answer, ...]:
    """Return the answers of SQuAD's list of objects, or of the two lists that `datasets` converts it to.

    Raises:
        CorpusError: the answers have another structure.
    """
    try:
        if isinstance(found, dict) and isinstance(found["text"], list):
            return tuple(
                Answer(str(text), int(start))
                for text, start in zip(found["text"], found["answer_start"], strict=True)
            )
        listed = [found] if isinstance(found, dict) else found
        return tuple(Answer(str(each["text"]), int(each["answer_start"])) for each in listed)
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"{place}: expected answers as objects with text and answer_start") from error


def check_answers(answers: tuple[Answer, ...], context: str, place: str) -> tuple[Answer, ...]:
    """Return the answers unchanged.

    Raises:
        CorpusError: an answer is not at its position in the context, or is empty.
    """
    for answer in answers:
        there = context[answer.start : answer.start + len(answer.text)] if answer.start >= 0 else ""
        if there != answer.text or not answer.text:
            raise CorpusError(
                f"{place}: the answer {answer.text!r} is not in the context at character {answer.start}, "
                f"found {there[:40]!r}; fix answer_start (it counts characters, not bytes)"
            )
    return answers
