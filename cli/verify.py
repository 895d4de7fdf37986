"""wpprep verify."""

from __future__ import annotations

import click

from wpprep.errors import ShardError

from . import _screen
from ._options import common


@click.command()
@click.argument("folder", nargs=-1, required=True)
@common
def verify(folder: tuple[str, ...], quiet: bool, as_json: bool) -> None:
    """Check finished folders against their manifests, and name every file that is not as it was written.

    \b
    Example:
      wpprep verify shards vocab
    """
    from wpprep.manifest import verify

    problems = [problem for path in folder for problem in verify(path)]
    _screen.finish(
        {"problems": problems}, problems or ["all files are as they were written"], quiet=quiet, as_json=as_json
    )
    if problems:
        raise ShardError(f"{len(problems)} problems in {', '.join(folder)}")
