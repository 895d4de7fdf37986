"""wpprep train."""

from __future__ import annotations

import os
from typing import Any

import click

from wpprep.config import TrainOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("shards", nargs=-1, required=True)
@click.option("--out", required=True, help="Folder for the model.")
@from_config(TrainOptions)
@common
def train(shards: tuple[str, ...], out: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Pretrain a BERT on shard folders; transformers can load the result.

    \b
    Example:
      wpprep train shards --out model --size tiny --steps 300 --batch-size 32 --learning-rate 1e-3
    """
    from wpprep.training.pretraining.pretrain import train

    def report(line: object) -> None:
        if not quiet:
            click.echo(str(line), err=True)

    result = train(list(shards), out, progress=report, **options)
    lines = [
        f"{result.folder}: BERT {result.size}, {result.parameters:,} parameters, {result.steps:,} steps "
        f"in {result.seconds:.0f} s"
    ]
    if result.before and result.after:
        lines.append(f"  held-out mlm loss {result.before.mlm_loss:.3f} -> {result.after.mlm_loss:.3f}")
    is_first = os.environ.get("RANK", "0") == "0"  # of several processes one prints
    _screen.finish(result, lines, quiet=quiet or not is_first, as_json=as_json and is_first)
