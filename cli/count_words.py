"""wpprep count-words."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, CountOptions, CountRunOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--out", required=True, help="Folder for the counts.")
@click.option("--tsv", help="File to write the counts to in addition, as lines of text, tab, count.")
@from_config(CountOptions, CorpusOptions, CountRunOptions)
@common
def count_words(
    corpus: tuple[str, ...], out: str, tsv: str | None, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Count the words of a corpus once, for any number of vocabularies (train-vocab --counts).

    \b
    Example:
      wpprep count-words sample_corpus/wiki --out counts
    """
    from wpprep.pipeline.count_words import count_words

    with _screen.progress(quiet) as report:
        summary = count_words(corpus, out, tsv=tsv, progress=report, **options)
    facts, chunks = summary.manifest.corpus, summary.manifest.statistics["chunks"]
    lines = [
        f"{summary.folder}: {chunks:,} distinct pieces of text in {summary.seconds:.1f} s",
        f"  from {facts['documents']:,} documents, {facts['text_bytes'] / 1e6:,.1f} MB",
    ]
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
