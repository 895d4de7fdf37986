"""wpprep encode."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, RunOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--vocab", required=True, help="Vocabulary folder or file.")
@click.option("--out", required=True, help="Folder for the token store.")
@from_config(CorpusOptions, RunOptions)
@common
def encode(corpus: tuple[str, ...], vocab: str, out: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Encode text once, for several sets of shards; make-shards --tokens uses the result.

    \b
    Example:
      wpprep encode sample_corpus/wiki --vocab vocab --out tokens
    """
    from wpprep.pipeline.encode import encode

    with _screen.progress(quiet) as report:
        summary = encode(corpus, vocab, out, progress=report, **options)
    total, facts = summary.manifest.statistics, summary.manifest.corpus
    lines = [
        f"{summary.folder}: {total['tokens']:,} tokens in {summary.seconds:.1f} s",
        f"  {facts['documents']:,} documents, {total['sentences']:,} sentences, "
        f"{facts['text_bytes'] / 1e6:,.1f} MB",
        *_screen.not_used(facts),
    ]
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
