"""Pretrain a mini BERT on Wikipedia for half an hour of one CPU core; print one row per evaluation.

    python benchmarks/pretrain.py --out mini             # resumes when run again, as `wpprep train` does
    python benchmarks/pretrain.py --out mini-ko --corpus wiki-ko --vocab-size 8000 --steps 9000

Text, vocabulary, shards and settings are those of the table in the README. The same on the command line:

    wpprep train-vocab wiki-en --out vocab --vocab-size 4096
    wpprep make-shards wiki-en --vocab vocab --out short --max-seq-length 24 --masking dynamic --holdout 0.01
    wpprep make-shards wiki-en --vocab vocab --out long --max-seq-length 64 --masking dynamic --holdout 0.01
    OMP_NUM_THREADS=1 wpprep train short long --weights 2,1 --bins 16 --out model --size mini --dropout 0
        --precision bf16 --batch-size 32 --learning-rate 5e-4 --warmup-steps 500 --steps 11000 --eval-rows 1500

Two of three rows are short, and cheap. The same documents are held out of both folders to evaluate the model;
their rows have up to 64 tokens.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

# Set before torch is imported, so that CPU seconds are those of one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from harness import DATA

import wpprep
from wpprep.training.pretraining.progress import Evaluation


def main() -> None:
    """Make the missing folders, train, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--out", type=Path, required=True, help="folder of the vocabulary, the shards and the model"
    )
    parser.add_argument("--corpus", default="wiki-en", help="folder of the data of WPPREP_DATA")
    parser.add_argument("--vocab-size", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=11000)
    asked = parser.parse_args()
    shards = made(asked.out, DATA / asked.corpus, asked.vocab_size)
    print("| step | CPU minutes | MLM loss | perplexity | MLM accuracy | NSP accuracy |")
    print("|---:|---:|---:|---:|---:|---:|")
    wpprep.train(
        shards,
        asked.out / "model",
        progress=report,
        weights="2,1",
        bins=16,
        size="mini",
        dropout=0.0,
        precision="bf16",
        batch_size=32,
        learning_rate=5e-4,
        warmup_steps=500,
        steps=asked.steps,
        eval_steps=1000,
        eval_rows=1500,
    )


def made(out: Path, corpus: Path, vocab_size: int) -> list[Path]:
    """Make the shards of both lengths, unless they exist; return their folders."""
    if not (out / "vocab" / "manifest.json").exists():
        wpprep.train_vocab([corpus], out / "vocab", vocab_size=vocab_size)
    folders = []
    for name, length in (("short", 24), ("long", 64)):
        folders.append(out / name)
        if not (folders[-1] / "manifest.json").exists():
            wpprep.make_shards(
                [corpus],
                out / "vocab",
                folders[-1],
                max_seq_length=length,
                masking="dynamic",
                holdout=0.01,
            )
    return folders


def report(line: object) -> None:
    """Print an evaluation as a row."""
    if isinstance(line, Evaluation):
        figures = (
            f"{line.mlm_loss:.3f} | {line.perplexity:,.0f} | {line.mlm_accuracy:.1%} | {line.nsp_accuracy:.1%}"
        )
        print(f"| {line.step:,} | {time.process_time() / 60:.1f} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
