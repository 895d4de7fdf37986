"""Options of commands, made from the option classes of `wpprep.config`.

@click.command()
@from_config(VocabOptions, RunOptions)     # one option per field
@common                                    # --config, --quiet, --json
def train_vocab(..., **options): ...
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

import click

from wpprep import config
from wpprep.errors import MissingInputError, OptionError

Command = TypeVar("Command", bound=Callable[..., Any])


def from_config(*kinds: type) -> Callable[[Command], Command]:
    """Add an option to a command for every field of some option classes.

    The command is called only with the options that were given, so that the defaults are those of the option
    classes.

    Args:
        *kinds: the option classes; if several have a field of the same name, the first one counts.
    """

    def decorate(of_values: Command) -> Command:
        @functools.wraps(of_values)
        def of_given(**values: Any) -> Any:
            return of_values(
                **{name: value for name, value in values.items() if name not in offered or value is not None}
            )

        command = cast(Command, of_given)
        offered = {field.name: (kind, field) for kind in reversed(kinds) for field in dataclasses.fields(kind)}
        for kind in reversed(kinds):
            types = get_type_hints(kind)
            for field in reversed(dataclasses.fields(kind)):
                if offered[field.name] == (kind, field):
                    command = _option_of(field, types[field.name])(command)
        return command

    return decorate


def common(command: Command) -> Command:
    """Add --config, --quiet and --json to a command."""
    command = click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object.")(
        command
    )
    command = click.option("--quiet", "-q", is_flag=True, help="Suppress progress and summary.")(command)
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_read_config,
        help="TOML file with options of the same names; options on the command line take precedence.",
    )(command)


def _option_of(field: dataclasses.Field[Any], type_: Any) -> Callable[[Command], Command]:
    flags = field.metadata["flags"] or f"--{field.name.replace('_', '-')}"
    help_, choices = field.metadata["help"], field.metadata["choices"]
    if field.default is not None and "[default" not in help_:
        help_ += f" [default: {_shown(field.default, flags)}]"
    kind = next((kind for kind in (*get_args(type_), type_) if kind in (int, float, str, bool)), str)
    return click.option(
        flags,
        field.name,
        default=None,
        type=click.Choice(choices) if choices else None if kind is bool else kind,
        multiple=get_origin(type_) is tuple,
        help=help_,
        show_default=False,
    )


def _shown(default: Any, flags: str) -> str:
    if isinstance(default, bool) and "/" in flags:
        return flags.split("/")[0 if default else 1].lstrip("-")
    return str(default)


def _read_config(ctx: click.Context, param: click.Parameter, path: Path | None) -> None:
    """Read defaults from a TOML file: top-level names, then those in the table of the command.

    One file may serve several commands: names that only other commands have are ignored.

    Raises:
        MissingInputError: the file cannot be read.
        OptionError: the file is not TOML, or no command has an option of a name in it.
    """
    if path is None:
        return
    try:
        values = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise MissingInputError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: not a TOML file: {error}") from error
    command = str(ctx.info_name)
    own: dict[str, Any] = values.get(command) or values.get(command.replace("-", "_")) or {}
    flat = {name: value for name, value in values.items() if not isinstance(value, dict)} | own
    mine = {parameter.name for parameter in ctx.command.params}
    named = {name.replace("-", "_"): value for name, value in flat.items()}
    for name in named.keys() - mine - _all_names():
        raise OptionError(f"{path}: there is no option {name}")
    ctx.default_map = {name: value for name, value in named.items() if name in mine}


def _all_names() -> set[str]:
    kinds = [kind for kind in vars(config).values() if dataclasses.is_dataclass(kind)]
    return {field.name for kind in kinds for field in dataclasses.fields(kind)} | {"out", "vocab"}
