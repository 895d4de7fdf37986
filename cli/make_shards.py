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
@click.option("--tokens", help="Folder to keep the token store in, for other shards of the same text.")
@click.option("--from-tokens", help="A kept token store instead of a corpus; its vocabulary is in it.")
@from_config(ShardOptions, CorpusOptions, RunOptions)
@common
def make_shards(
    corpus: tuple[str, ...], vocab: str | None, out: str, quiet: bool, as_json: bool, **options: Any
) -> None:
    """Turn text into shards of pretraining instances, with masks and next-sentence labels.

    \b
    Example:
      wpprep make-shards sample_corpus/wiki --vocab vocab --out shards --max-seq-length 128
    """
    from wpprep.manifest import Shard
    from wpprep.pipeline import make_shards

    with _screen.progress(quiet) as report:
        summary = make_shards(corpus, vocab, out, progress=report, **options)
    total = summary.manifest.statistics
    shards = [file for file in summary.manifest.files if isinstance(file, Shard)]
    label_1 = "swapped pairs" if summary.manifest.options["objective"] == "sop" else "random next sentences"
    lines = [
        f"{summary.folder}: {total['rows']:,} instances in {len(shards)} shards, {summary.seconds:.1f} s",
        f"  {total['tokens']:,} tokens, {total['tokens'] / max(1, total['rows']):.0f} an instance, "
        f"{sum(file.bytes for file in shards) / 1e6:,.1f} MB",
        f"  {label_1} {_screen.share(total['random_next'], total['rows'])}, "
        f"predicted {_screen.share(total['predictions'], total['tokens'])} of the tokens, of these "
        f"[MASK] {_screen.share(total['masked'], total['predictions'])}, "
        f"random {_screen.share(total['random'], total['predictions'])}",
        f"  tokens truncated {total['truncated_tokens']:,}, dropped {total['dropped_tokens']:,}",
        *_screen.not_used(summary.manifest.corpus),
    ]
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
