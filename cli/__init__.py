"""The command line: a command builds options, calls one function, prints.

Installed as `wpprep.cli`. Commands are imported when they are used, and their stages when they run, so that
``wpprep --help`` stays fast.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any, NoReturn

import click

import wpprep

_COMMANDS = {
    "demo": "Run the whole pipeline on a small corpus.",
    "plan": "Summarise a corpus and estimate time, memory and disk.",
    "extract": "Write the clean text of a corpus.",
    "train-vocab": "Learn a subword vocabulary from text.",
    "count-words": "Count words once, for several vocabularies.",
    "compare-vocabs": "Compare vocabularies on the same text.",
    "make-shards": "Turn text into shards of pretraining instances.",
    "encode": "Encode text once, for several sets of shards.",
    "tokenize": "Tokenize lines from stdin to stdout.",
    "export": "Write instances in the formats of other trainers.",
    "train": "Pretrain a BERT on shards.",
    "fill-mask": "Predict masked words.",
    "finetune": "Fine-tune a BERT on labelled examples.",
    "predict": "Predict on new text with a fine-tuned model.",
    "embed": "Compute vectors of text, from any layer of a model.",
    "attention": "Draw the attention of every head of a model.",
    "show": "Show instances, a vocabulary or a model.",
    "report": "Write an HTML page about vocabularies, shards and training.",
    "verify": "Find every damaged, missing or foreign file.",
}


class _Commands(click.Group):
    """Group of commands in the order of the pipeline, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f".{name}", __name__), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        with _told_apart():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(wpprep.__version__, prog_name="wpprep")
def wpprep_command() -> None:
    """Prepare raw text for BERT, and pretrain a BERT on it.

    The pipeline has three steps, on any text:

    \b
      wpprep train-vocab wiki/ --out vocab
      wpprep make-shards wiki/ --vocab vocab --out shards
      wpprep train shards --out model --size small --steps 10000

    For a complete example, run wpprep demo. Every command has its own --help.
    """


def main() -> None:
    """Run the command line; exit codes are those of `_guard`."""
    from . import _guard

    _guard.use_utf8()
    _guard.log_in_lines()
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(5_000)  # by default Python often traverses all objects of Numba, without effect
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # --workers limits the number of processes
    try:
        code = wpprep_command(prog_name="wpprep", standalone_mode=False)
        with _told_apart():
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 (the last guard)
        code = _guard.report(error)
    except KeyboardInterrupt as error:
        code = _guard.report(error)
    finally:
        gc.freeze()  # else the collection at exit traverses all objects of Numba, in a quarter of a second
    sys.exit(code)


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    """Turn a closed pipe into an error of our own, which click does not end with exit code 1."""
    from . import _guard

    try:
        yield
    except BrokenPipeError as error:
        raise _guard.ReaderLeftError from error


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal_number)
