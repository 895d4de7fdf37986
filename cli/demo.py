"""wpprep demo."""

from __future__ import annotations

import click

from wpprep.config import RunOptions, build

from . import _screen
from ._options import common


@click.command()
@click.option("--out", default="demo", show_default=True, help="Folder for the output of all steps.")
@click.option(
    "--workers", type=int, default=None, help="Number of worker processes. [default: the number of usable CPUs]"
)
@common
def demo(out: str, workers: int | None, quiet: bool, as_json: bool) -> None:
    """Run the whole pipeline on a small corpus in a few minutes: vocabulary, shards, a tiny BERT.

    \b
    Example:
      wpprep demo --out demo
    """
    from wpprep.pipeline.demo import demo

    def say(line: str) -> None:
        if not quiet:
            click.echo(line, err=as_json)

    run = build(RunOptions, {"workers": workers})
    result = demo(out, workers=run.workers, say=say, look=not (quiet or as_json))
    _screen.finish(result, [], quiet=quiet, as_json=as_json)
