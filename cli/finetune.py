"""wpprep finetune."""

from __future__ import annotations

from typing import Any

import click

from wpprep.config import FinetuneOptions, LabelledOptions

from . import _screen
from ._options import common, from_config


@click.command()
@click.argument("model")
@click.argument("data")
@click.option("--out", required=True, help="Folder for the fine-tuned model.")
@click.option(
    "--dev", help="File of evaluation examples. [default: that of DATA, else a fraction of the training texts]"
)
@click.option("--test", help="File of test examples, for the finished model. [default: that of DATA, if any]")
@from_config(FinetuneOptions, LabelledOptions)
@common
def finetune(model: str, data: str, out: str, quiet: bool, as_json: bool, **options: Any) -> None:
    """Fine-tune a BERT on labelled examples: TSV, JSON lines, CoNLL or SQuAD files.

    DATA is a file of training examples, or a folder of files named train, dev and test.

    \b
    Example:
      wpprep finetune model sample_corpus/labelled/sentiment.tsv --task classify --seeds 3 --out sentiment
    """
    from wpprep.training.finetuning.tuning import finetune

    def report(line: object) -> None:
        if not quiet:
            click.echo(str(line), err=True)

    done = finetune(model, data, out, progress=report, **options)
    lines = [f"{done.folder}: {done.task}, {len(done.seeds)} seeds, the model of seed {done.best_seed}"]
    for split, measures in done.measures.items():
        shown = ", ".join(f"{name} {m['mean']:.3f} ± {m['deviation']:.3f}" for name, m in measures.items())
        lines.append(f"  {split} ({done.examples[split]:,} examples): {shown}")
    _screen.finish(done, lines, quiet=quiet, as_json=as_json)
