"""wpprep embed."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import EmbedOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("model")
@click.argument("text", nargs=-1, required=True)
@click.option("--out", help="File for the vectors, .parquet or .npy.")
@click.option(
    "--similarity", is_flag=True, help="Print the cosine similarity of corresponding lines of two TEXTs."
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file that this command did not write.")
@from_config(EmbedOptions)
@common
def embed(
    model: str,
    text: tuple[str, ...],
    out: str | None,
    similarity: bool,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Compute vectors of texts, one text per line: of every token, of [CLS], or their mean, from any layer.

    \b
    Example:
      wpprep embed model sentences.txt --out vectors.parquet
      wpprep embed model --similarity sentences.txt others.txt
    """
    from wpprep.training.inference import embed as embedding

    if len(text) != 1 + similarity or (out is None) != similarity:
        raise click.UsageError("expected one TEXT and --out, or two TEXTs and --similarity")
    if similarity:
        values = list(embedding.similarity(model, *text, **options))
        lines = [f"{value:.4f}" for value in values]
        return _screen.finish({"similarity": values}, lines, quiet=quiet, as_json=as_json)
    done = embedding.embed(model, text[0], str(out), overwrite=overwrite, **options)
    cut = f", {done.cut:,} of them cut" if done.cut else ""
    line = f"{done.path}: {done.vectors:,} vectors of {done.texts:,} texts{cut}, layers {done.layers}"
    return _screen.finish(done, [line], quiet=quiet, as_json=as_json)
