"""wpprep export."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import RunOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("shards")
@click.option(
    "--to",
    required=True,
    type=click.Choice(["parquet", "tfrecord", "hdf5", "jsonl"]),
    help="Format of the output files.",
)
@click.option("--out", required=True, help="Folder for the output files.")
@from_config(RunOptions)
@common
def export(shards: str, to: Any, out: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write the instances of shards in the format of another trainer, one file per shard.

    \b
    Example:
      wpprep export shards --to tfrecord --out tfrecords
    """
    from wpprep.pipeline.export import export

    with _screen.progress(quiet) as report:
        summary = export(shards, out, to=to, progress=report, **options)
    manifest = summary.manifest
    line = f"{out}: {manifest.statistics['rows']:,} instances in {len(manifest.files)} files"
    _screen.finish(summary, [line], quiet=quiet, as_json=as_json)
