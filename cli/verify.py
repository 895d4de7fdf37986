"""wpprep verify."""

from __future__ import annotations

import click

from wpprep.errors import ShardError

from . import _screen
from ._options import common


@click.command()
@click.argument("folder", nargs=-1, required=True)
@click.option("--deep", is_flag=True, help="Check the columns of shards row by row too.")
@common
def verify(folder: tuple[str, ...], deep: bool, quiet: bool, as_json: bool) -> None:
    """Check finished folders against their manifests, and name every file that is not as it was written.

    \b
    Example:
      wpprep verify shards vocab --deep
    """
    from wpprep.manifest import verify

    problems = [problem for path in folder for problem in verify(path)]
    if deep:
        from wpprep.audit import find_faults

        problems += [fault for path in folder for fault in find_faults(path) if fault not in problems]
    _screen.finish(
        {"problems": problems}, problems or ["all files are as they were written"], quiet=quiet, as_json=as_json
    )
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ShardError(f"{count} in {', '.join(folder)}")
