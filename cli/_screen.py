"""What commands print: progress on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import click

_STAGES = {
    "count": "counting words",
    "normalise": "normalising",
    "merge": "merging pieces",
    "encode": "encoding",
    "shard": "making shards",
}


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows (stage, done, total) as a bar for each stage, on a terminal only."""
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    logging.basicConfig(level=logging.ERROR if quiet else logging.WARNING, format="%(message)s",
                        handlers=[RichHandler(console=console, show_time=False, show_path=False)])  # fmt: skip
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet or not console.is_terminal) as bars:
        ids: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in ids:
                ids[stage] = bars.add_task(_STAGES.get(stage, stage), total=total)
            bars.update(ids[stage], completed=done, total=total)

        yield report


def finish(summary: Any, lines: list[str], *, quiet: bool, as_json: bool) -> None:
    """Print a summary: as JSON, as lines for people, or not at all."""
    if as_json:
        plain = summary if isinstance(summary, dict) else dataclasses.asdict(summary)
        click.echo(json.dumps(plain, ensure_ascii=False, default=str))
    elif not quiet:
        for line in lines:
            click.echo(line)


def share(part: int, whole: int) -> str:
    """A share as a percentage, for people."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
