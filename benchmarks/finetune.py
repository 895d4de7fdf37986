"""Effect of pretraining on five labelled tasks: a pretrained model against random weights.

    python benchmarks/finetune.py --data ../shared/data/labelled --en model-en --ko model-ko

Both columns have the same examples, seeds, steps and learning rate; only the model differs. The length of rows
is that of the task, up to the maximum of the model. The test part of a task is measured once, with the weights
that are best on a dev part, which is neither trained on nor reported:

    nsmc       train: --examples of train (a tenth of the texts is dev)           test: test
    kornli     train: XNLI test, 5,010 pairs (a tenth of the premises is dev)     test: XNLI dev, 2,490 pairs
    wikiann-en train: --examples of train; dev: first 2,000 sentences of dev      test: first 5,000 of test
    wnut17     train: train, 3,394 tweets (a tenth is dev)                        test: dev, 1,009 tweets
    xquad      train: first 36 articles (a tenth is dev)                          test: last 12 articles

The training sets of XNLI and XQuAD are English or translations, so that the sets used here are small.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

from wpprep.training.finetuning.tuning import finetune


class Trial(NamedTuple):
    """A task: the language of its model, its files, its options, and the measure reported."""

    language: str
    files: dict[str, Path]
    options: dict[str, Any]
    measure: str


def main() -> None:
    """Print the table, each line as soon as it is finished."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the labelled data")
    parser.add_argument("--en", type=Path, help="pretrained English model; without it, its tasks are omitted")
    parser.add_argument("--ko", type=Path, help="pretrained Korean model; without it, its tasks are omitted")
    parser.add_argument("--only", nargs="*", help="names of tasks")
    parser.add_argument(
        "--examples", type=int, default=2500, help="maximum number of training examples (xquad: a fifth)"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    models = {"en": asked.en, "ko": asked.ko}
    print("| task | measure, test part | random weights | pretrained | CPU seconds |\n|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as scratch:
        for name, trial in trials(asked.data, Path(scratch)).items():
            model = models[trial.language]
            if model is not None and (not asked.only or name in asked.only):
                print(line(name, trial, model, asked, Path(scratch)), flush=True)


def trials(data: Path, scratch: Path) -> dict[str, Trial]:
    """Return the tasks with data in the folder."""
    found = {}
    if (data / "nsmc").is_dir():
        files = {"data": data / "nsmc" / "train.tsv.gz", "test": data / "nsmc" / "test.tsv.gz"}
        found["nsmc"] = Trial("ko", files, {"task": "classify", "max_seq_length": 64}, "accuracy")
    if (data / "kornli").is_dir():
        folder = data / "kornli"
        files = {"data": folder / "xnli.test.ko.tsv.gz", "test": folder / "xnli.dev.ko.tsv.gz"}
        found["kornli"] = Trial("ko", files, {"task": "pair", "max_seq_length": 128}, "accuracy")
    if (data / "wikiann-en").is_dir():
        folder, short = data / "wikiann-en", scratch / "wikiann"
        files = {"data": folder / "train.conll.gz"}
        for split, count in (("dev", 2000), ("test", 5000)):
            files[split] = short.with_suffix(f".{split}")
            with gzip.open(folder / f"{split}.conll.gz", "rt", encoding="utf-8") as file:
                files[split].write_text("".join(itertools.islice(sentences(file), count)), "utf-8")
        found["wikiann-en"] = Trial("en", files, {"task": "tag", "max_seq_length": 64}, "entity_f1")
    if (data / "wnut17").is_dir():
        files = {"data": data / "wnut17" / "train.conll", "test": data / "wnut17" / "dev.conll"}
        found["wnut17"] = Trial("en", files, {"task": "tag", "max_seq_length": 64}, "entity_f1")
    if (data / "xquad").is_dir():
        articles = json.loads((data / "xquad" / "en.json").read_text("utf-8"))["data"]
        files = {}
        for split, part in (("data", articles[:-12]), ("test", articles[-12:])):
            files[split] = scratch / f"xquad.{split}"
            files[split].write_text(json.dumps({"data": part}), "utf-8")
        found["xquad"] = Trial("en", files, {"task": "qa", "max_seq_length": 128}, "f1")
    return found


def sentences(lines: Iterator[str]) -> Iterator[str]:
    """Return the sentences of a CoNLL file as text."""
    sentence = ""
    for line in lines:
        sentence += line
        if not line.strip():
            yield sentence
            sentence = ""


def line(name: str, trial: Trial, model: Path, asked: argparse.Namespace, scratch: Path) -> str:
    """Return the line of a task: mean and deviation over the seeds, from random weights and from the model."""
    started = time.process_time()
    takes = json.loads((model / "config.json").read_text("utf-8"))["max_position_embeddings"]
    options = {**trial.options, "max_seq_length": min(trial.options["max_seq_length"], takes)}
    shown = []
    for scratched in (True, False):
        files = {part: path for part, path in trial.files.items() if part != "data"}
        done = finetune(
            model,
            trial.files["data"],
            scratch / f"{name}-{scratched}",
            from_scratch=scratched,
            seeds=asked.seeds,
            epochs=asked.epochs,
            learning_rate=asked.learning_rate,
            train_examples=asked.examples // (5 if trial.options["task"] == "qa" else 1),
            **files,
            **options,
        )
        found = done.measures["test"][trial.measure]
        shown.append(f"{100 * found['mean']:.1f} ± {100 * found['deviation']:.1f}")
    counts = f"{done.examples['train']:,} to learn from, {done.examples['test']:,} in the test part"
    spent = time.process_time() - started
    return f"| {name} ({counts}) | {trial.measure} | {shown[0]} | {shown[1]} | {spent:.0f} |"


if __name__ == "__main__":
    main()
