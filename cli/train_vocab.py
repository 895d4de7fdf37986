"""wpprep train-vocab."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, CountRunOptions, VocabOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1)
@click.option("--out", required=True, help="Folder for the vocabulary.")
@click.option("--counts", help="Counts to use instead of a corpus: a folder of count-words, or a .tsv file.")
@from_config(VocabOptions, CorpusOptions, CountRunOptions)
@common
def train_vocab(
    corpus: tuple[str, ...], out: str, counts: str | None, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Learn a subword vocabulary from text: WordPiece, BPE or byte-level BPE.

    \b
    Example:
      wpprep train-vocab sample_corpus/wiki --out vocab --vocab-size 2000
    """
    from wpprep.pipeline.train_vocab import train_vocab

    with _screen.progress(quiet) as report:
        summary = train_vocab(corpus, out, counts=counts, progress=report, **options)
    statistics, facts = summary.manifest.statistics, summary.manifest.corpus
    lines = [
        f"{summary.folder}: {statistics['entries']:,} entries in {summary.seconds:.1f} s",
        f"  from {facts['documents']:,} documents, {facts['text_bytes'] / 1e6:,.1f} MB, "
        f"{statistics['words']:,} words, {statistics['distinct_words']:,} of them distinct",
        *_screen.not_used(facts),
    ]
    held_out = statistics["held_out"]
    if held_out:
        lines.append(
            f"  held out {held_out['documents']:,} documents: {held_out['tokens_per_word']:.3f} tokens per "
            f"word, {held_out['bits_per_byte']:.3f} bits per byte, [UNK] {held_out['unk_share']:.2%}, "
            f"whole words {held_out['whole_words']:.1%}"
        )
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
