"""wpprep extract."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import CorpusOptions, ExtractOptions, RunOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("corpus", nargs=-1, required=True)
@click.option("--out", required=True, help="Folder for the output files.")
@from_config(ExtractOptions, CorpusOptions, RunOptions)
@common
def extract(corpus: tuple[str, ...], out: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Write the clean text of a corpus: JSON lines or Parquet with id, title and text.

    \b
    Example:
      wpprep extract sample_corpus/dump --out text
    """
    from wpprep.pipeline.extract import extract

    with _screen.progress(quiet) as report:
        summary = extract(corpus, out, progress=report, **options)
    manifest = summary.manifest
    facts = manifest.corpus
    lines = [
        f"{out}: {facts['documents']:,} documents, {facts['text_bytes'] / 1e6:,.1f} MB of text "
        f"in {len(manifest.files)} files, {sum(file.bytes for file in manifest.files) / 1e6:,.1f} MB",
        *_screen.not_used(facts),
    ]
    _screen.finish(summary, lines, quiet=quiet, as_json=as_json)
