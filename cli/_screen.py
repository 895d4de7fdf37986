"""Output of commands: progress on stderr, results on stdout."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ._guard import OneLine

if TYPE_CHECKING:
    from wpprep.jobs.summary import Summary

_STAGES = {
    "survey": "surveying",
    "extract": "extracting",
    "count": "counting words",
    "merge counts": "merging counts",
    "normalise": "normalising",
    "merge": "merging pieces",
    "encode": "encoding",
    "shard": "making shards",
}
_STAGES_OF_TEXT = {"survey", "extract", "count", "encode"}


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Yield a progress callback (stage, done, total) that shows a bar for each stage, on a terminal only."""
    from rich.console import Console
    from rich.logging import RichHandler
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    handler = RichHandler(console=console, show_time=False, show_path=False)
    handler.setFormatter(OneLine())
    handler.setLevel(logging.ERROR if quiet else logging.WARNING)
    _take_over(handler)
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TextColumn("{task.fields[amount]}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    # No thread refreshes the bars: workers are forked, and only a process with one thread can fork safely.
    is_shown = console.is_terminal and not quiet
    with Progress(*columns, console=console, auto_refresh=False, disable=not is_shown) as bars:
        ids: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in ids:
                ids[stage] = bars.add_task(_STAGES.get(stage, stage), total=total, amount="")
            bars.update(ids[stage], completed=done, total=total)
            speed = bars.tasks[ids[stage]].speed
            bars.update(ids[stage], amount=_amount(stage, done, total, speed), refresh=True)

        yield report


def _take_over(handler: logging.Handler) -> None:
    """Send log lines to a handler in place of the one that `_guard` or an earlier command installed."""
    root = logging.getLogger()
    for earlier in list(root.handlers):
        if isinstance(earlier.formatter, OneLine):
            root.removeHandler(earlier)
    root.addHandler(handler)


def _amount(stage: str, done: int, total: int, speed: float | None) -> str:
    """Return the progress of a stage: bytes of text with their speed, or plain numbers."""
    if stage not in _STAGES_OF_TEXT:
        return f"{done:,}/{total:,}"
    pace = f", {speed / 1e6:,.0f} MB/s" if speed else ""
    return f"{done / 1e6:,.0f}/{total / 1e6:,.0f} MB{pace}"


def finish(
    summary: Summary | dict[str, Any], lines: list[str], *, quiet: bool, as_json: bool, err: bool = False
) -> None:
    """Print a summary as JSON or as lines of text, or nothing if ``quiet``."""
    if as_json:
        plain = summary if isinstance(summary, dict) else summary.figures()
        click.echo(json.dumps(plain, ensure_ascii=False, default=str), err=err)
    elif not quiet:
        for line in lines:
            click.echo(line, err=err)


def not_used(facts: dict[str, Any]) -> list[str]:
    """Return lines about the documents that were not used, from the facts in the manifest."""
    lines = []
    dropped = dict(facts.get("dropped", {}))
    mix = dropped.pop("mix", {})
    if dropped:
        figures = (f"{name.replace('_', ' ')} {count:,}" for name, count in dropped.items())
        lines.append(f"  dropped by filters: {', '.join(figures)}")
    whole = sum(of_corpus["text_bytes"] for of_corpus in mix.values())
    lines += [
        f"  mix: {name} {of['documents']:,} documents, {of['text_bytes'] / 1e6:,.1f} MB, "
        f"{share(of['text_bytes'], whole)}; surplus {of['surplus_documents']:,} documents"
        for name, of in mix.items()
    ]
    bad = facts.get("left_out", {"count": 0})
    if bad["count"]:
        lines.append(f"  bad and skipped: {bad['count']:,}, first {bad['first'][0]}")
    return lines


def share(part: int, whole: int) -> str:
    """Return a fraction as a percentage with one decimal; - if the whole is 0."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
