"""wpprep attention."""

from __future__ import annotations

import click

from . import _screen
from ._options import common


@click.command()
@click.argument("model")
@click.argument("text")
@click.argument("second", required=False)
@click.option(
    "--out",
    default="attention.html",
    show_default=True,
    help="HTML file to write; a .png file of the same name is written too.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing file that this command did not write.")
@common
def attention(
    model: str, text: str, second: str | None, out: str, overwrite: bool, quiet: bool, as_json: bool
) -> None:
    """Draw the attention of every head of a model on one or two texts, as an HTML page and a picture.

    \b
    Example:
      wpprep attention model "The keeper lit the lamp." "It could be seen from far." --out attention.html
    """
    from wpprep.training.inference.attention import attention

    done = attention(model, text, second, out=out, overwrite=overwrite)
    line = f"{done.page}, {done.picture}: {done.layers} layers of {done.heads} heads over {done.tokens} tokens"
    _screen.finish(done, [line], quiet=quiet, as_json=as_json)
