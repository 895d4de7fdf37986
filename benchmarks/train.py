"""Training speed: wpprep's trainer against transformers' Trainer on the same batches.

    python benchmarks/train.py                                    # tiny and mini on the CPU
    python benchmarks/train.py --device cuda --sizes base --precision bf16 --batch-size 64 --compile

Both train the same BertForPreTraining with the same optimizer settings; the peer gets the batches of our
loader, made before the clock starts. The first steps are not counted. On a GPU the table also shows the
fraction of the peak (--peak, 989 TFLOP/s in bf16 on an H200) and the fraction of the time spent waiting for the
loader.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import wpprep
from wpprep.config import TrainOptions
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.training.model.model import Size, build_model, size_of
from wpprep.training.pretraining.torch_data import model_inputs

SAMPLE = Path(__file__).parent.parent / "sample_corpus"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", help="shard folder [default: made from the sample corpus]")
    parser.add_argument("--sizes", default="tiny,mini")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--max-seq-length", type=int, default=None, help="[default: 128, with cuda 512]")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20, help="timed steps")
    parser.add_argument(
        "--warmup", type=int, default=5, help="steps before the timed ones; use more with --compile"
    )
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument(
        "--vocab-size", type=int, default=30522, help="number of embeddings, independent of the vocabulary"
    )
    parser.add_argument("--peak", type=float, default=989.0, help="peak of the device in TFLOP/s")
    asked = parser.parse_args()
    if asked.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    length = asked.max_seq_length or (512 if asked.device == "cuda" else 128)
    with tempfile.TemporaryDirectory() as scratch:
        shards = Path(asked.shards) if asked.shards else made(Path(scratch), length, asked.vocab_size)
        print("| size | trainer | tokens a second | times | share of peak | waited for the loader |")
        print("|---|---|---:|---:|---:|---:|")
        for size in asked.sizes.split(","):
            compare(size, shards, Path(scratch), asked)


def made(scratch: Path, max_seq_length: int, vocab_size: int) -> Path:
    """Make shards of the sample corpus, with a vocabulary filled up to the size that models usually have."""
    corpus = [SAMPLE / "wiki", SAMPLE / "books"]
    wpprep.train_vocab(corpus, scratch / "learned", vocab_size=3000, workers=1)
    pieces = (scratch / "learned" / "vocab.txt").read_text().splitlines()
    pieces += [f"[unused{i}]" for i in range(vocab_size - len(pieces))]
    (scratch / "vocab").mkdir()
    (scratch / "vocab" / "vocab.txt").write_text("".join(f"{piece}\n" for piece in pieces))
    options: dict[str, Any] = {
        "max_seq_length": max_seq_length,
        "dupe_factor": 40,
        "masking": "dynamic",
        "workers": 1,
    }
    wpprep.make_shards(corpus, scratch / "vocab", scratch / "shards", **options)
    return scratch / "shards"


def compare(size: str, shards: Path, scratch: Path, asked: argparse.Namespace) -> None:
    """Print the lines of both trainers for one size."""
    options: dict[str, Any] = {
        "size": size,
        "batch_size": asked.batch_size,
        "steps": asked.warmup + asked.steps,
        "warmup_steps": 1,
        "precision": asked.precision,
        "compile": asked.compile,
        "eval_rows": 0,
        "save_steps": 0,
        "log_steps": 1,
    }
    flops = flops_a_token(size_of(TrainOptions(**options)), ShardFolder(shards))
    theirs = transformers_speed(shards, scratch / "theirs", options, asked)
    ours, waited = wpprep_speed(shards, scratch / f"ours-{size}", options, asked)
    for name, speed, wait in (("transformers' Trainer", theirs, ""), ("wpprep", ours, f"{waited:.1%}")):
        share = f"{speed * flops / asked.peak / 1e12:.1%}" if asked.device == "cuda" else ""
        print(f"| {size} | {name} | {speed:,.0f} | {speed / theirs:.2f} | {share} | {wait} |", flush=True)


def wpprep_speed(
    shards: Path, out: Path, options: dict[str, Any], asked: argparse.Namespace
) -> tuple[float, float]:
    """Return tokens per second after the warm-up, and the fraction of time spent waiting for the loader."""
    times: list[float] = []

    def note(_line: object) -> None:
        if asked.device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter())

    options = {**options, "log_steps": asked.warmup} if asked.steps % asked.warmup == 0 else options
    result = wpprep.train(shards, out, progress=note, **options)
    tokens = tokens_of(shards, options, asked)
    first = 0 if options["log_steps"] == asked.warmup else asked.warmup - 1
    return tokens / (times[-1] - times[first]), result.waited


def tokens_of(shards: Path, options: dict[str, Any], asked: argparse.Namespace) -> int:
    """Return the number of real tokens in the timed steps, which both trainers read."""
    loader = Loader(shards, batch_size=options["batch_size"])
    loader.consumed = asked.warmup
    return sum(loader.next_batch().tokens for _ in range(asked.steps))


def transformers_speed(shards: Path, out: Path, options: dict[str, Any], asked: argparse.Namespace) -> float:
    """Return tokens per second after the warm-up, of transformers' Trainer on the batches of our loader."""
    from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

    loader = Loader(shards, batch_size=options["batch_size"])
    batches = [model_inputs(loader.next_batch()) for _ in range(options["steps"])]
    torch.manual_seed(1)
    model = build_model(
        size_of(TrainOptions(**options)), loader.folder.roles, loader.folder.max_seq_length, 0.1
    )
    times: dict[int, float] = {}

    class Note(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step in {asked.warmup, options["steps"]}:
                if asked.device == "cuda":
                    torch.cuda.synchronize()
                times[state.global_step] = time.perf_counter()

    settings = TrainingArguments(
        str(out),
        per_device_train_batch_size=1,
        max_steps=options["steps"],
        learning_rate=1e-4,
        weight_decay=0.01,
        max_grad_norm=1.0,
        bf16=asked.precision == "bf16",
        torch_compile=asked.compile,
        use_cpu=asked.device == "cpu",
        train_sampling_strategy="sequential",
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=1,
    )
    trainer = Trainer(
        model,
        settings,
        train_dataset=batches,
        data_collator=lambda items: items[0],
        callbacks=[Note()],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return tokens_of(shards, options, asked) / (times[options["steps"]] - times[asked.warmup])


def flops_a_token(size: Size, folder: ShardFolder) -> float:
    """Return the floating-point operations per token of a full row, forward and backward.

    Matrix products only, 2 operations a multiplication and addition, backwards twice as many as forwards;
    of the head, what predicted tokens need (Megatron-LM's count, arXiv 2104.04473, with that difference).
    """
    layers, hidden, length = size.layers, size.hidden, folder.max_seq_length
    products = 12 * hidden * hidden  # query, key, value, output; and twice 4 * hidden in the feed-forward layer
    attention = 2 * length * hidden
    head = float(folder.options["masked_lm_prob"]) * (hidden * hidden + hidden * folder.roles.vocab_size)
    return 3 * 2 * (layers * (products + attention) + head)


if __name__ == "__main__":
    main()
