"""Fields of option classes, and the checks that several classes share."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from wpprep.errors import OptionError

Options = TypeVar("Options", bound="OptionSet")


def option(default: Any, help: str, *, choices: Sequence[str] = (), flags: str = "") -> Any:
    """Return a dataclass field with the metadata of a command-line option.

    Args:
        default: the default value; None for a field of a type that is not optional means that the field is set
            when the options are built.
        help: the help text, a noun phrase.
        choices: the valid values, if they are few.
        flags: the names of the option on the command line; by default the field's, with hyphens.
    """
    metadata = {"help": help, "choices": tuple(choices), "flags": flags}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptionSet:
    """Base of the option classes: values of a wrong type or choice are refused when an instance is built."""

    def __post_init__(self) -> None:
        """Convert values to the types of their fields; raise OptionError if one has another type."""
        hints = _hints(cast(Any, type(self)))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, _typed(field.name, value, hints[field.name]))
        check_choices(self)


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _typed(name: str, value: Any, hint: Any) -> Any:
    """Return the value as its annotated type.

    Raises:
        OptionError: the value is of another type.
    """
    if get_origin(hint) is tuple:
        values = (value,) if isinstance(value, str | int) else value
        is_right = isinstance(values, Sequence) and all(isinstance(part, str | int) for part in values)
        check(is_right, f"{name} is {value!r}, expected texts")
        return tuple(map(str, values))
    kind = next(kind for kind in (*get_args(hint), hint) if kind in _KINDS)
    expected, is_of_kind, convert = _KINDS[kind]
    check(is_of_kind(value), f"{name} is {value!r}, expected {expected}")
    return convert(value)


_KINDS: dict[Any, tuple[str, Callable[[Any], bool], Callable[[Any], Any]]] = {
    bool: ("True or False", lambda value: isinstance(value, bool), bool),
    int: (
        "a whole number",
        lambda value: isinstance(value, numbers.Integral) and not isinstance(value, bool),
        int,
    ),
    float: ("a number", lambda value: isinstance(value, numbers.Real) and not isinstance(value, bool), float),
    str: ("text", lambda value: isinstance(value, str | os.PathLike), os.fspath),
}


def as_dict(options: OptionSet) -> dict[str, Any]:
    """Return the options as plain values, in the order of their fields, for a manifest."""
    return dataclasses.asdict(options)


def build(kind: type[Options], values: Mapping[str, object]) -> Options:
    """Return options of one class from those of ``values`` that are among its fields.

    Raises:
        OptionError: a value is of the wrong type or out of range.
    """
    names = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in values.items() if name in names})


def refuse_unknown(values: Mapping[str, object], *kinds: type[OptionSet]) -> None:
    """Raise OptionError if a name is not a field of any of these option classes."""
    known = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; the options are {', '.join(sorted(known))}"
            raise OptionError(f"there is no option {name}{hint}")


def fill(options: OptionSet, name: str, value: Any) -> None:
    """Set a field that is None."""
    if getattr(options, name) is None:
        object.__setattr__(options, name, value)


def check(condition: bool, message: str) -> None:
    """Raise OptionError with this message unless the condition holds."""
    if not condition:
        raise OptionError(message)


def check_least(options: OptionSet, name: str, least: int) -> None:
    """Raise OptionError if a field is below ``least``; None passes."""
    value = getattr(options, name)
    if value is None:
        return
    check(value >= least, f"{name} is {value}, expected at least {least}")


def check_seed(seed: int) -> None:
    """Raise OptionError if a seed does not fit into 63 bits."""
    check(0 <= seed < 2**63, f"seed is {seed}, expected 0 or more and below 2**63")


def check_choices(options: OptionSet) -> None:
    """Raise OptionError if the value of a field with choices is not one of them; None passes."""
    for field in dataclasses.fields(options):
        choices, value = field.metadata["choices"], getattr(options, field.name)
        if choices and value is not None and value not in choices:
            raise OptionError(f"{field.name} is {value!r}, expected one of {', '.join(choices)}")
