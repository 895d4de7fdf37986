"""wpprep plan."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, ShardOptions, VocabOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--sample-bytes", default=8_000_000, show_default=True, help="Text to process for the estimates.")
@click.option("--nodes", type=click.IntRange(min=1), help="Machines to share the work, of --workers each.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes of each of them. [default: as here]")
@from_config(VocabOptions, ShardOptions, CorpusOptions)
@common
def plan(corpus: tuple[str, ...], quiet: bool, as_json: bool, **options: Any) -> None:
    """Say what a corpus holds, and about what a vocabulary and shards of it will take.

    A sample is really processed; the estimates take the options of train-vocab and make-shards.

    \b
    Example:
      wpprep plan sample_corpus/wiki --max-seq-length 128
    """
    from wpprep.pipeline.plan import as_lines, plan

    with _screen.progress(quiet):
        summary = plan(corpus, **options)
    _screen.finish(summary, as_lines(summary.figures()), quiet=quiet, as_json=as_json)
