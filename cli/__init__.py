"""The command line: a command builds options, calls one function, prints.

Installed as `wpprep.cli`. Commands are imported when they are asked for, and their stages when they run,
so that ``wpprep --help`` stays fast.
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
    "demo": "See the whole job done on a small corpus.",
    "plan": "Say what a corpus holds and what the work on it will take.",
    "extract": "Write the clean text of a corpus, to look at, keep or use elsewhere.",
    "train-vocab": "Learn a subword vocabulary from text.",
    "count-words": "Count words once, for several vocabularies.",
    "compare-vocabs": "Measure vocabularies side by side.",
    "make-shards": "Turn text into shards of pretraining instances.",
    "encode": "Encode text once, for several sets of shards.",
    "tokenize": "Filter: lines of text in, lines of pieces out.",
    "export": "Write instances as other trainers read them.",
    "train": "Pretrain a BERT on shards.",
    "fill-mask": "Ask a model what stands in a blank.",
    "finetune": "Fine-tune a BERT on labelled examples.",
    "predict": "Predict on new text with a fine-tuned model.",
    "embed": "Vectors of text, from any layer of a model.",
    "attention": "Draw what every head of a model looks at.",
    "show": "Look at instances, a vocabulary or a model.",
    "report": "Write a page about vocabularies, shards and training.",
    "verify": "Find every damaged, missing or foreign file.",
}


class _Commands(click.Group):
    """The commands in the order of the work, each imported when it is needed."""

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
    """Raw text to a BERT in training.

    The job in three steps, on any text:

    \b
      wpprep train-vocab wiki/ --out vocab
      wpprep make-shards wiki/ --vocab vocab --out shards
      wpprep train shards --out model --size small --steps 10000

    Or see it done: wpprep demo. Every command has its own --help.
    """


def main() -> None:
    """The entry point. Exit codes: 0 done, 1 an error in one line, 2 usage, 130 SIGINT, 143 SIGTERM."""
    signal.signal(signal.SIGTERM, _terminate)
    gc.set_threshold(5_000)  # as often as Python would, it looks through all that Numba has loaded, for nothing
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # --workers says how much runs at once
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
        click.echo("wpprep: interrupted; the same command goes on where this one stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has had enough of it
        sys.exit(0)
    finally:
        gc.freeze()  # else Python looks for garbage among all that Numba has loaded, a quarter of a second long


def _terminate(signal_number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signal_number)
