"""Labelled files: TSV, JSON lines, CoNLL and SQuAD, detected by their content, read one example at a time.

    tsv     a line with the names of the fields, then one line per example; tab-separated, quotes are plain text
    jsonl   one JSON object per line
    conll   one word per line with its tag, an empty line after each sentence (`conll`)
    squad   SQuAD's JSON (`squad`)

What this module does not do: turn labels into targets of a model (`tasks`).
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from wpprep.config import LabelledOptions
from wpprep.corpus.text_lines import decode, read_lines
from wpprep.errors import CorpusError, MissingInputError, OptionError
from wpprep.storage.files import open_bytes, read_block
from wpprep.storage.place import Place
from wpprep.storage.remote import list_remote
from wpprep.training.finetuning import conll, squad
from wpprep.training.finetuning.examples import Example

MAX_CHARACTERS = 1 << 24  # in the texts of an example: encoding takes 60 bytes for each
_FIRST = ("text", "sentence", "sentence1", "document", "review", "premise", "question1", "first")
_SECOND = ("second", "sentence2", "hypothesis", "question2", "text_b")
_LABEL = ("label", "gold_label", "class", "score", "similarity")
# The usual names of text, second text and label, in the order in which they are tried.
_USUAL: dict[str, tuple[tuple[str, ...], ...]] = {
    "classify": (_FIRST, (), _LABEL),
    "regress": (_FIRST, (), ("score", "similarity", "label")),
    "pair": (_FIRST, _SECOND, _LABEL),
    "pair-regress": (_FIRST, _SECOND, ("score", "similarity", "label")),
    "choice": (("question", "sent1", "premise", *_FIRST), ("choices", "endings", "options"), _LABEL),
    "tag": (("words", "tokens"), (), ("tags", "ner_tags", "labels")),
    "qa": (("question",), ("context", "passage"), ("answers", "answer")),
}
_FORMATS = {"tag": ("conll", "jsonl"), "qa": ("squad", "jsonl")}  # all others: tsv, jsonl
_NUMBERED = re.compile(r"(choice|ending|option|answer)_?\d+")
_SPLITS = {
    "train": re.compile(r"(^|[._-])train([._-]|$)"),
    "dev": re.compile(r"(^|[._-])(dev|valid|validation)([._-]|$)"),
    "test": re.compile(r"(^|[._-])test([._-]|$)"),
}


class _Record(NamedTuple):
    """A line's fields by name, its ``file:line``, and for messages, the words before the list of names."""

    fields: dict[str, Any]
    place: str
    says: str = "it has"


def find_splits(data: str | os.PathLike[str]) -> dict[str, Path]:
    """Return the files of a data set by split: train, dev, test.

    A single file is for training. In a folder, a file's name contains that of its split between dots, hyphens
    or underscores; ``valid`` and ``validation`` mean dev.

    Raises:
        MissingInputError: nothing exists there, no file is for training, or several are for one split.
    """
    path = Place(data)
    names = _files_of(path)
    if names is None:
        return {"train": path.file()}
    splits = {}
    for split, pattern in _SPLITS.items():
        found = [file for file in names if pattern.search(file.name.lower())]
        if len(found) > 1:
            raise MissingInputError(
                f"{path}: {found[0].name} and {found[1].name} are both for {split}; remove or rename one"
            )
        if found:
            splits[split] = found[0]
    if "train" not in splits:
        there = ", ".join(file.name for file in names[:4]) or "nothing"
        raise MissingInputError(f"{path}: no file is named train (there is {there}); give a file instead")
    return splits


def _files_of(data: Place) -> list[Path] | None:
    """Return the files in a folder, local copies of remote ones; None if it is a file.

    Raises:
        MissingInputError: nothing exists there.
    """
    if data.is_remote:
        inside = list_remote(f"{data}/")
        if not inside or list(inside) == [str(data)]:
            return None  # a file
        return [Place(url).file() for url in sorted(inside)]
    path = data.file()
    if path.is_file():
        return None
    if not path.is_dir():
        raise MissingInputError(f"{path}: no such file or folder; expected labelled examples")
    return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))


def read_examples(path: Path, task: str, options: LabelledOptions, *, labelled: bool) -> Iterator[Example]:
    """Yield the examples of a file, in order.

    Args:
        path: the file, plain or compressed.
        task: one of `wpprep.config.USES`.
        options: names of the fields, and the format.
        labelled: whether every example must have its label; otherwise labels are optional.

    Raises:
        CorpusError: a line violates the format or lacks a field, or there are no lines; the message has file
            and line.
        OptionError: the task does not take the format.
        TextDecodeError: the file is not UTF-8.
    """
    format_ = _format_of(path, task, options.format)
    if format_ == "conll":
        examples = conll.read(path, read_lines(path), options.word_prefix, labelled=labelled)
    elif format_ == "squad":
        with open_bytes(path) as file:
            text = decode(read_block(file, path, -1), f"{path}").removeprefix("\ufeff")
        examples = squad.read(path, text, labelled=labelled)
    else:
        records = _tsv(path) if format_ == "tsv" else _jsonl(path)
        examples = _from_records(records, task, options, labelled=labelled)
    empty = True
    for example in examples:
        empty = False
        _refuse_surrogates(example)
        if (size := sum(map(len, example.texts))) > MAX_CHARACTERS:
            raise CorpusError(
                f"{example.place}: a text of {size:,} characters, expected at most {MAX_CHARACTERS:,}; split it"
            )
        yield example
    if empty:
        raise CorpusError(f"{path}: holds no examples; expected {format_} with at least one {task} example")


def _refuse_surrogates(example: Example) -> None:
    """Raise if a text has a lone surrogate, which JSON can express and UTF-8 cannot."""
    gold = example.gold if isinstance(example.gold, str) else ""
    try:
        "".join((*example.texts, gold)).encode()
    except UnicodeEncodeError as error:
        raise CorpusError(f"{example.place}: a lone surrogate, expected valid Unicode") from error


def _format_of(path: Path, task: str, format_: str) -> str:
    possible = _FORMATS.get(task, ("tsv", "jsonl"))
    if format_ == "auto":
        return _guess(path, possible)
    if format_ not in possible:
        raise OptionError(
            f"format is {format_}, which task {task} does not take; expected {' or '.join(possible)}"
        )
    return format_


def _guess(path: Path, possible: tuple[str, ...]) -> str:
    """Return ``jsonl`` if the first line is a JSON object and not SQuAD's, else the first of ``possible``."""
    first = next((line for _, line in read_lines(path) if line.strip()), "")
    try:
        found = json.loads(first)
    except (ValueError, RecursionError):
        return possible[0]
    return "jsonl" if isinstance(found, dict) and "data" not in found else possible[0]


def _tsv(path: Path) -> Iterator[_Record]:
    names: list[str] = []
    for number, line in read_lines(path):
        fields = line.split("\t")
        if not names:
            names = fields
            if len(names) == 1 and re.search("[,;]", line):
                raise CorpusError(f"{path}:{number}: no tab in {line[:80]!r}, expected TSV; convert CSV first")
        elif line:
            if len(fields) != len(names):
                wanted = f"{len(names)} ({', '.join(names)})"
                raise CorpusError(f"{path}:{number}: {len(fields)} tab-separated fields, expected {wanted}")
            yield _Record(dict(zip(names, fields, strict=True)), f"{path}:{number}", "the first line names")


def _jsonl(path: Path) -> Iterator[_Record]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(f"{path}:{number}: not JSON: {error}") from error
        if not isinstance(found, dict):
            raise CorpusError(f"{path}:{number}: a JSON {type(found).__name__}, expected an object with fields")
        yield _Record(found, f"{path}:{number}")


def _from_records(
    records: Iterator[_Record], task: str, options: LabelledOptions, *, labelled: bool
) -> Iterator[Example]:
    for record in records:
        fields, place = record.fields, record.place
        first, second, label = (
            _name(fields, given, usual)
            for given, usual in zip(
                (options.text_field, options.second_field, options.label_field), _USUAL[task], strict=True
            )
        )
        texts = _texts(record, task, first, second, options)
        found = None if label is None else fields.get(label)
        if found is None and labelled and not (task == "qa" and label in fields):
            raise _lacks(record, "label", options.label_field, _USUAL[task][2])
        gold = None if found is None else _gold(found, task, texts, f"{place}: {label}")
        id_ = fields.get(options.id_field or "id")
        yield Example(texts, gold, place, None if id_ is None else str(id_), _group(task, texts))


def _name(fields: dict[str, Any], given: str | None, usual: tuple[str, ...]) -> str | None:
    if given is not None:
        return given
    return next((name for name in usual if name in fields), None)


def _lacks(record: _Record, what: str, given: str | None, usual: tuple[str, ...]) -> CorpusError:
    wanted = given if given is not None else " or ".join(usual[:4])
    there = ", ".join(map(str, record.fields))
    option = {"text": "--text-field", "second text": "--second-field", "label": "--label-field"}[what]
    return CorpusError(
        f"{record.place}: no field {wanted} for the {what}; {record.says} {there}; give its name with {option}"
    )


def _texts(
    record: _Record, task: str, first: str | None, second: str | None, options: LabelledOptions
) -> tuple[str, ...]:
    fields, place = record.fields, record.place
    if first is None or first not in fields:
        raise _lacks(record, "text", options.text_field, _USUAL[task][0])
    if task == "tag":
        return _strings(fields[first], f"{place}: {first}")
    text = _string(fields[first], f"{place}: {first}")
    if task == "choice":
        return (text, *_choices(record, second, options))
    if not _USUAL[task][1]:
        return (text,)
    if second is None or second not in fields:
        raise _lacks(record, "second text", options.second_field, _USUAL[task][1])
    return (text, _string(fields[second], f"{place}: {second}"))


def _choices(record: _Record, second: str | None, options: LabelledOptions) -> tuple[str, ...]:
    """Return the choices: a list in one field, or several fields, numbered or given separated by commas."""
    fields, place = record.fields, record.place
    if second is not None and second in fields:
        choices = _strings(fields[second], f"{place}: {second}")
    else:
        names = second.split(",") if second else [name for name in fields if _NUMBERED.fullmatch(name)]
        if not names or not all(name in fields for name in names):
            raise _lacks(record, "second text", options.second_field, ("choices", "choice0, choice1, ..."))
        choices = tuple(_string(fields[name], f"{place}: {name}") for name in names)
    if len(choices) < 2:
        raise CorpusError(f"{place}: {len(choices)} choices, expected at least 2")
    return choices


def _string(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise CorpusError(f"{place} is {value!r}, expected text")
    return value


def _strings(value: Any, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise CorpusError(f"{place} is {value!r}, expected a list of texts")
    return tuple(value)


def _gold(found: Any, task: str, texts: tuple[str, ...], place: str) -> Any:
    if task in ("regress", "pair-regress"):
        return _number(found, place)
    if task == "choice":
        index = str(found)
        if not (index.isascii() and index.isdigit() and int(index) < len(texts) - 1):
            raise CorpusError(f"{place} is {found!r}, expected the index of a choice, 0 to {len(texts) - 2}")
        return int(index)
    if task == "tag":
        tags = tuple(map(str, found)) if isinstance(found, list) else ()
        if len(tags) != len(texts):
            raise CorpusError(f"{place}: {len(tags)} tags for {len(texts)} words, expected a tag for each word")
        return tags
    if task == "qa":
        return squad.check_answers(squad.plain_answers(found, place), texts[1], place)
    label = "" if isinstance(found, (dict, list)) else str(found).strip()
    if not label:
        raise CorpusError(f"{place} is {found!r}, expected a label")
    return label


def _number(found: Any, place: str) -> float:
    try:
        number = float(found)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise CorpusError(f"{place} is {found!r}, expected a number")
    return number


def _group(task: str, texts: tuple[str, ...]) -> str:
    """Return the group of an example: the context of qa, the words of tag, else the first text."""
    if task == "tag":
        return " ".join(texts)
    return texts[1] if task == "qa" else texts[0]
