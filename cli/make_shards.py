"""wpprep make-shards."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, RunOptions, ShardOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1)
@click.option("--vocab", help="Vocabulary folder or file.")
@click.option("--out", required=True, help="Folder for the shards.")
@click.option("--tokens", help="Folder in which to keep the token store, for other shards of the same text.")
@click.option("--from-tokens", help="Token store to use instead of a corpus; it includes its vocabulary.")
@from_config(ShardOptions, CorpusOptions, RunOptions)
@common
def make_shards(
    corpus: tuple[str, ...], vocab: str | None, out: str, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Make shards of pretraining instances from text, with masks and next-sentence labels.

    \b
    Example:
      wpprep make-shards sample_corpus/wiki --vocab vocab --out shards --max-seq-length 128
    """
    from wpprep.pipeline.make_shards import make_shards
    from wpprep.storage.manifest import Shard

    from . import _statistics

    with _screen.progress(quiet) as report:
        summary = make_shards(corpus, vocab, out, progress=report, **options)
    manifest = summary.manifest
    rows, shards = manifest.statistics["rows"], sum(isinstance(file, Shard) for file in manifest.files)
    lines = [
        f"{summary.folder}: {rows:,} instances in {shards:,} shards, {summary.seconds:.1f} s",
        *_statistics.table(manifest),
        *_screen.not_used(manifest.corpus),
    ]
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
