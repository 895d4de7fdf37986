"""wpprep show."""

from __future__ import annotations

import click

from ._options import common


@click.command()
@click.argument("path")
@click.option("--rows", default=3, show_default=True, help="How many instances to show.")
@click.option("--start", default=0, show_default=True, help="The first of them.")
@common
def show(path: str, rows: int, start: int, quiet: bool, as_json: bool) -> None:
    """Look at the instances of shards, or at a vocabulary, in the terminal.

    \b
    Example:
      wpprep show shards --rows 2
    """
    from wpprep.show import as_data, show

    if as_json:
        import json

        click.echo(json.dumps(as_data(path, rows, start), ensure_ascii=False))
    elif not quiet:
        show(path, rows, start)
