"""wpprep verify."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import EngineOptions
from wpprep.errors import ShardError

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("folder", nargs=-1, required=True)
@click.option("--deep", is_flag=True, help="Check the columns of shards row by row as well.")
@from_config(EngineOptions)
@common
def verify(folder: tuple[str, ...], quiet: bool, as_json: bool, **options: Any) -> None:
    """Check finished folders against their manifests; list damaged, missing and foreign files.

    \b
    Example:
      wpprep verify shards vocab --deep
    """
    from wpprep.pipeline.verify import verify

    summary = verify(folder, **options)
    problems = summary.problems
    _screen.finish(summary, problems or ["all files match their manifests"], quiet=quiet, as_json=as_json)
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ShardError(f"{count} in {', '.join(folder)}")
