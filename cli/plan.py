"""wpprep plan."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, ShardOptions, VocabOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option(
    "--sample-bytes",
    default=8_000_000,
    show_default=True,
    help="Size of the sample of text for the estimates, in bytes.",
)
@click.option(
    "--nodes",
    type=click.IntRange(min=1),
    help="Number of machines for additional estimates, with --workers processes each.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Number of worker processes per machine. [default: the number of usable CPUs]",
)
@from_config(VocabOptions, ShardOptions, CorpusOptions)
@common
def plan(corpus: tuple[str, ...], quiet: bool, as_json: bool, **options: Any) -> None:
    """Summarise a corpus and estimate time, memory and disk for a vocabulary and shards of it.

    The estimates are measured on a sample of the corpus, with the options of train-vocab and make-shards.

    \b
    Example:
      wpprep plan sample_corpus/wiki --max-seq-length 128
    """
    from wpprep.pipeline.plan import as_lines, plan

    with _screen.progress(quiet):
        summary = plan(corpus, **options)
    _screen.finish(summary, as_lines(summary.figures()), quiet=quiet, as_json=as_json)
