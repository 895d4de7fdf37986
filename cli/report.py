"""wpprep report."""

from __future__ import annotations

import click

from . import _screen
from ._options import common


@click.command()
@click.argument("folder", nargs=-1, required=True)
@click.option("--out", required=True, help="HTML file to write.")
@click.option("--text", multiple=True, help="Text to evaluate vocabularies on; may be given several times.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file that this command did not write.")
@common
def report(
    folder: tuple[str, ...], out: str, text: tuple[str, ...], overwrite: bool, quiet: bool, as_json: bool
) -> None:
    """Write one HTML page about vocabularies, shards and training runs.

    \b
    Example:
      wpprep report vocab shards model --out page.html
    """
    from wpprep.inspection.html_report.page import report

    made = report(folder, out, text=text, overwrite=overwrite)
    line = f"{made.path}: {made.bytes / 1000:,.0f} kB, {len(made.sections)} sections"
    _screen.finish(made, [line], quiet=quiet, as_json=as_json)
