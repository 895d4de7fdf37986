"""wpprep predict."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import LabelledOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("model")
@click.argument("data")
@click.option(
    "--out", required=True, help="File for the predictions, one line of JSON per example; - for stdout."
)
@click.option("--batch-size", default=64, show_default=True, help="Number of rows per forward pass.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file that this command did not write.")
@from_config(LabelledOptions)
@common
def predict(
    model: str,
    data: str,
    out: str,
    batch_size: int,
    overwrite: bool,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Predict on new text with a model of `wpprep finetune`; evaluate it if DATA has labels.

    \b
    Example:
      wpprep predict sentiment sample_corpus/labelled/sentiment.tsv --out predictions.jsonl
    """
    from wpprep.training.finetuning.predicting import predict

    done = predict(model, data, out, batch_size=batch_size, overwrite=overwrite, **options)
    lines = [
        f"{done.path}: {done.examples:,} predictions" + (f", {done.cut:,} texts truncated" if done.cut else "")
    ]
    if done.measures:
        lines.append("  " + ", ".join(f"{name} {value:.3f}" for name, value in done.measures.items()))
    _screen.finish(done, lines, quiet=quiet, as_json=as_json, err=out == "-")
