"""JSON files: the form is checked, and the message names the place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from wpprep.errors import MissingInputError, ShardError, TrainingError
from wpprep.storage.json_files import mismatch, parse_json, read_json


@dataclass(frozen=True)
class Row:
    """A record with a default."""

    name: str
    rows: int = 0


class Values(TypedDict):
    """An object with an optional key."""

    step: int
    best: int | None
    rows: list[Row]
    kind: NotRequired[Literal["a", "b"]]


GOOD: dict[str, Any] = {"step": 1, "best": None, "rows": [{"name": "x"}]}


def test_content_of_the_form_is_returned(tmp_path: Path) -> None:
    """A file of the form is returned as JSON gives it; a TypedDict may have more keys."""
    path = tmp_path / "a.json"
    path.write_text('{"step": 2, "best": 1, "rows": [], "kind": "b", "more": {}}')
    assert read_json(path, Values) == {"step": 2, "best": 1, "rows": [], "kind": "b", "more": {}}
    assert parse_json(b"[1, 2.5]", list[float], "x") == [1, 2.5]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"step": "3"}, 'step is "3", expected an integer'),
        ({"step": True}, "step is true, expected an integer"),
        ({"step": 1.0}, "step is 1.0, expected an integer"),
        ({"step": 1 << 63}, "step is 9223372036854775808, expected an integer"),
        ({"best": []}, "best is a list of 0, expected an integer"),
        ({"rows": {}}, "rows is an object of 0, expected a list"),
        ({"rows": [{"name": "x"}, 5]}, "rows[1] is 5, expected an object"),
        ({"rows": [{"rows": 1}]}, "rows[0].name is missing"),
        ({"rows": [{"name": "x", "more": 1}]}, "rows[0].more is unknown"),
        ({"rows": [{"name": "\ud800"}]}, 'rows[0].name is "\\ud800", expected a string'),
        ({"kind": "c"}, "kind is \"c\", expected 'a' or 'b'"),
        ({"kind": None}, "kind is null, expected 'a' or 'b'"),
    ],
)
def test_the_first_difference_is_named(change: dict[str, Any], said: str) -> None:
    """The text has the place of the value, the value, and the expected type."""
    assert mismatch(GOOD, Values) is None
    assert mismatch({**GOOD, **change}, Values) == said


def test_a_missing_key_and_another_type_of_the_whole_are_named() -> None:
    """A required key must be there; the whole content has no name."""
    assert mismatch({"step": 1, "rows": []}, Values) == "best is missing"
    assert mismatch([], Values) == "a list of 0, expected an object"
    assert mismatch("x" * 99, int | list[int]) == f'"{"x" * 59}..., expected an integer or a list'


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not valid JSON: Expecting value: line 1 column 1"),
        (b'{"step":', "not valid JSON: Expecting value"),
        (b'"\xff"', "not valid JSON: 'utf-8' codec can't decode"),
        (b"[" * 100_000 + b"]" * 100_000, "not valid JSON: nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not valid JSON: nested too deeply"),
        (b'{"step": ' + b"9" * 5000 + b"}", "not valid JSON: Exceeds the limit"),
        (b"null", "null, expected an object"),
    ],
    ids=["empty", "cut", "bytes", "lists", "objects", "digits", "null"],
)
def test_every_bad_file_is_one_line(data: bytes, said: str, tmp_path: Path) -> None:
    """The error is of the given class, and its line has the file, the problem and the advice."""
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(TrainingError) as caught:
        read_json(path, Values, error=TrainingError, advice="remove it")
    line = str(caught.value)
    assert line.startswith(f"{path}: {said}")
    assert line.endswith("; remove it")
    assert "\n" not in line
    with pytest.raises(ShardError):
        read_json(path, Values)


def test_a_file_that_cannot_be_opened_is_missing_input(tmp_path: Path) -> None:
    """A missing file and a folder have the reason of the system."""
    with pytest.raises(MissingInputError, match=r"a\.json: cannot be read: No such file"):
        read_json(tmp_path / "a.json", Values)
    with pytest.raises(MissingInputError, match="cannot be read: Is a directory"):
        read_json(tmp_path, Values)
