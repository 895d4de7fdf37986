"""wpprep fill-mask."""

from __future__ import annotations

import click

from . import _screen
from ._options import common


@click.command()
@click.argument("model")
@click.argument("text")
@click.option("--top-k", default=5, show_default=True, help="Number of predictions per masked word.")
@common
def fill_mask(model: str, text: str, top_k: int, quiet: bool, as_json: bool) -> None:
    """Predict the words at the [MASK] tokens of a text.

    \b
    Example:
      wpprep fill-mask demo/model "The [MASK] turns around the earth."
    """
    from wpprep.training.inference.fill import fill_mask

    done = fill_mask(model, text, top_k)
    lines = [
        "  ".join(f"{guess.piece} {guess.probability:.1%}" for guess in guesses) for guesses in done.blanks
    ]
    _screen.finish(done, lines, quiet=quiet, as_json=as_json)
