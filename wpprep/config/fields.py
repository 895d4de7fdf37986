"""Fields of option classes, and the checks that several classes make."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from wpprep.errors import OptionError

Options = TypeVar("Options")


def option(default: Any, help: str, *, choices: Sequence[str] = (), flags: str = "") -> Any:
    """A dataclass field that carries what the command line needs to offer it."""
    metadata = {"help": help, "choices": tuple(choices), "flags": flags}
    return dataclasses.field(default=default, metadata=metadata)


def as_dict(options: Any) -> dict[str, Any]:
    """The options as plain values, in the order of their fields, for a manifest."""
    return dataclasses.asdict(options)


def build(kind: type[Options], values: Mapping[str, Any]) -> Options:
    """Options of one kind from the values among ``values`` that it knows; None means the default."""
    names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in names and value is not None})


def refuse_unknown(values: Mapping[str, Any], *kinds: type) -> None:
    """Raise OptionError for a name that none of the kinds of options has."""
    known = [field.name for kind in kinds for field in dataclasses.fields(kind)]
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]}?" if close else f"; known are {', '.join(sorted(known))}"
            raise OptionError(f"there is no option {name}{hint}")


def fill(options: Any, name: str, value: Any) -> None:
    if getattr(options, name) is None:
        object.__setattr__(options, name, value)


def check(condition: bool, message: str) -> None:
    if not condition:
        raise OptionError(message)


def check_least(options: Any, name: str, least: int) -> None:
    value = getattr(options, name)
    check(value >= least, f"{name} is {value}, expected at least {least}")


def check_seed(seed: int) -> None:
    check(0 <= seed < 2**63, f"seed is {seed}, expected 0 or more and below 2**63")


def check_choices(options: Any) -> None:
    for field in dataclasses.fields(options):
        choices, value = field.metadata["choices"], getattr(options, field.name)
        if choices and value is not None and value not in choices:
            raise OptionError(f"{field.name} is {value!r}, expected one of {', '.join(choices)}")
