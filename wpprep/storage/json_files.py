"""JSON files, read with a check of their form, which is given as a type.

    read_json("results.json", dict[str, int])              an object of integers
    read_json("state.json", StateValues)                   a TypedDict: an object with at least these keys
    read_json("plan.json", list[Shard])                    a dataclass: an object with exactly its fields

A form is bool, int (64 bits), float (integers too), str (valid Unicode), None, Any, Literal, a union, list[X],
dict[str, X], a TypedDict or a dataclass. The values are returned as JSON gives them: dataclasses are not built.

What this module does not do: check what numbers and names mean.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import types
import typing
from pathlib import Path
from typing import Any, TypeVar, cast

from wpprep.errors import MissingInputError, ShardError, WpprepError

Form = TypeVar("Form")

_NAMES = {dict: "an object", list: "a list", str: "a string", int: "an integer", float: "a number"}
_NAMES |= {bool: "true or false", type(None): "null"}
_MOST = 60  # characters of a value in a message


def read_json(
    path: str | os.PathLike[str],
    expected: type[Form],
    *,
    error: type[WpprepError] = ShardError,
    advice: str = "",
) -> Form:
    """Return the content of a JSON file.

    Args:
        path: the file.
        expected: the form of the content, a type (module docstring).
        error: the class of the exception for another content.
        advice: the end of its message: what to do next.

    Raises:
        MissingInputError: the file cannot be opened.
        WpprepError: the file is not JSON, or of another form; of the class ``error``.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as problem:
        raise MissingInputError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    return parse_json(data, expected, f"{path}", error=error, advice=advice)


def parse_json(
    data: bytes | str,
    expected: type[Form],
    place: str,
    *,
    error: type[WpprepError] = ShardError,
    advice: str = "",
) -> Form:
    """Return the content of JSON text; ``place`` names it in messages, the rest as in `read_json`.

    >>> parse_json('{"step": 3}', dict[str, int], "state.json")
    {'step': 3}
    """
    ending = f"; {advice}" if advice else ""
    try:
        found = json.loads(data)
    except ValueError as problem:  # JSONDecodeError, UnicodeDecodeError, or an integer of thousands of digits
        raise error(f"{place}: not valid JSON: {problem}{ending}") from problem
    except RecursionError as problem:
        raise error(f"{place}: not valid JSON: nested too deeply{ending}") from problem
    if wrong := mismatch(found, expected):
        raise error(f"{place}: {wrong}{ending}")
    return cast(Form, found)


def mismatch(found: Any, expected: Any, name: str = "") -> str | None:
    """Return the first difference between a value from JSON and a form, as text; None if there is none.

    Args:
        found: the value.
        expected: the form, a type (module docstring).
        name: the name of the value in the text; "" for the whole content.

    >>> mismatch({"labels": ["yes", 3]}, dict[str, list[str]])
    'labels[1] is 3, expected a string'
    """
    if expected is Any:
        return None
    origin = typing.get_origin(expected)
    if origin in (typing.NotRequired, typing.Required):
        return mismatch(found, typing.get_args(expected)[0], name)
    if origin in (types.UnionType, typing.Union):
        return _mismatch_of_union(found, typing.get_args(expected), name)
    if origin is typing.Literal:
        choices = typing.get_args(expected)
        is_choice = any(type(found) is type(choice) and found == choice for choice in choices)
        return None if is_choice else _said(found, " or ".join(map(repr, choices)), name)
    if origin in (list, dict) or expected in (list, dict):
        return _mismatch_inside(found, expected, name)
    if typing.is_typeddict(expected) or dataclasses.is_dataclass(expected):
        return _mismatch_of_record(found, expected, name)
    return None if _is_plain(found, expected) else _said(found, _NAMES[expected], name)


def _is_plain(found: Any, expected: type) -> bool:
    """Return whether a value is of a plain type; JSON has one type for integers and other numbers."""
    if expected is float:
        return isinstance(found, int | float) and not isinstance(found, bool)
    if expected is int:
        return isinstance(found, int) and not isinstance(found, bool) and -(1 << 63) <= found < 1 << 63
    if expected is str:
        return isinstance(found, str) and _is_unicode(found)
    return isinstance(found, expected)


def _is_unicode(text: str) -> bool:
    """Return whether a text can be encoded: JSON can express lone surrogates, which UTF-8 cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _mismatch_of_union(found: Any, forms: tuple[Any, ...], name: str) -> str | None:
    differences = [mismatch(found, form, name) for form in forms]
    if None in differences:
        return None
    if len(forms) == 2 and type(None) in forms and found is not None:  # the other form says more
        return differences[forms.index(type(None)) - 1]
    return _said(found, " or ".join(_form_name(form) for form in forms), name)


def _mismatch_inside(found: Any, expected: Any, name: str) -> str | None:
    """Return the first difference of a list or an object whose values have one form."""
    kind, inside = typing.get_origin(expected) or expected, typing.get_args(expected)
    if not isinstance(found, kind):
        return _said(found, _NAMES[kind], name)
    if not inside or inside[-1] is Any:
        return None
    if kind is list:
        items = ((f"{name}[{i}]", value) for i, value in enumerate(found))
    else:
        items = ((_joined(name, key), value) for key, value in found.items())
    return next((wrong for key, value in items if (wrong := mismatch(value, inside[-1], key))), None)


def _mismatch_of_record(found: Any, expected: Any, name: str) -> str | None:
    """Return the first difference of an object with the keys of a TypedDict or a dataclass."""
    if not isinstance(found, dict):
        return _said(found, "an object", name)
    hints, required = _fields_of(expected)
    for key in hints:
        if key in found:
            if wrong := mismatch(found[key], hints[key], _joined(name, key)):
                return wrong
        elif key in required:
            return f"{_joined(name, key)} is missing"
    if dataclasses.is_dataclass(expected) and (unknown := sorted(found.keys() - hints.keys())):
        return f"{_joined(name, unknown[0])} is unknown"
    return None


@functools.cache
def _fields_of(expected: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the types of the keys of a TypedDict or a dataclass, and the keys that must be there."""
    hints = typing.get_type_hints(expected, include_extras=True)
    if typing.is_typeddict(expected):
        optional = {key for key, hint in hints.items() if typing.get_origin(hint) is typing.NotRequired}
        return hints, frozenset(hints.keys() - optional if expected.__total__ else ())
    fields = dataclasses.fields(expected)
    missing = dataclasses.MISSING
    required = (field.name for field in fields if field.default is missing and field.default_factory is missing)
    return {field.name: hints[field.name] for field in fields}, frozenset(required)


def _joined(name: str, key: str) -> str:
    shown = key if key.isprintable() and _is_unicode(key) else repr(key)
    shown = shown if len(shown) <= _MOST else shown[:_MOST] + "..."
    return f"{name}.{shown}" if name else shown


def _form_name(form: Any) -> str:
    if typing.get_origin(form) is typing.Literal:
        return " or ".join(map(repr, typing.get_args(form)))
    kind = typing.get_origin(form) or form
    return _NAMES.get(kind, "an object")


def _said(found: Any, wanted: str, name: str) -> str:
    if isinstance(found, dict | list):
        shown = f"{_NAMES[type(found)]} of {len(found)}"
    else:
        shown = json.dumps(found)  # ASCII, in one line
        shown = shown if len(shown) <= _MOST else shown[:_MOST] + "..."
    return f"{name} is {shown}, expected {wanted}" if name else f"{shown}, expected {wanted}"
