"""wpprep show."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import ShowOptions

from ._options import common, from_config


@click.command()
@click.argument("path")
@from_config(ShowOptions)
@common
def show(path: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Show instances, a vocabulary, or the differences between two shard folders, in the terminal.

    \b
    Example:
      wpprep show shards --rows 2
      wpprep show shards --row 5 --row 90-92
      wpprep show shards --search "the sea"
      wpprep show shards --vocab --prefix un --order commonest
      wpprep show shards --compare other-shards
    """
    from wpprep.inspection.terminal import as_data, show

    if as_json:
        import json

        click.echo(json.dumps(as_data(path, **options), ensure_ascii=False))
    elif not quiet:
        show(path, **options)
