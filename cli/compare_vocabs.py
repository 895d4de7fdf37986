"""wpprep compare-vocabs."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from wpprep.config import CorpusOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("vocab", nargs=-1, required=True)
@click.option("--text", multiple=True, required=True, help="Text to evaluate on; may be given several times.")
@click.option("--out", help="Folder for a Zipf plot, a histogram of lengths and the statistics.")
@from_config(CorpusOptions)
@common
def compare_vocabs(
    vocab: tuple[str, ...], text: tuple[str, ...], out: str | None, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Compare vocabularies on the same text.

    VOCAB is a vocabulary folder of wpprep, a tokenizer.json, a folder that transformers loads, or a .model file
    of sentencepiece.

    \b
    Example:
      wpprep compare-vocabs vocab --text sample_corpus/books
    """
    from wpprep.pipeline.compare_vocabs import compare_vocabs
    from wpprep.vocab.quality import table

    qualities = compare_vocabs(vocab, text, out=out, **options).qualities
    summary = {name: asdict(quality) for name, quality in qualities.items()}
    _screen.finish(summary, table(qualities), quiet=quiet, as_json=as_json)
