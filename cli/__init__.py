"""The command line: a command builds options, calls one function, prints.

Installed as `wpprep.cli`. Commands are imported when they are used, and their stages when they run, so that
``wpprep --help`` stays fast.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import click

import wpprep
from wpprep.errors import WpprepError

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
    """Run the command line. Exit codes: 0 done, 1 an error in one line, 2 usage, 130 SIGINT, 143 SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(
        5_000
    )  # Python's default threshold makes it traverse all objects of Numba often, without effect
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # --workers limits the number of processes
    try:
        wpprep_command(prog_name="wpprep", standalone_mode=False)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except WpprepError as error:
        click.echo(f"wpprep: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("wpprep: interrupted; run the same command again to resume", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has closed the pipe
        sys.exit(0)
    finally:
        gc.freeze()  # else the collection at exit traverses all objects of Numba, in a quarter of a second


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal_number)
