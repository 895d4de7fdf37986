"""The flow of fine-tuning: examples, rows, a run for each seed, and the best model's folder.

    out/
      config.json model.safetensors tokenizer.json ...   the best seed's model, as transformers loads it
      results.json          the setup, every seed's measures, their mean and deviation
      predictions.jsonl     of that model, on the test file where there is one, else on what judged it
      README.md             the same for people
      manifest.json         last

While it is unfinished the folder keeps the weights of the seeds that are done: the same command goes on with
the next seed. What judges is used to stop and to choose, so its measures flatter; a test file's do not.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save

from wpprep.config import FinetuneOptions, LabelledOptions, as_dict, build, refuse_unknown
from wpprep.errors import CorpusError, OptionError, OutputError
from wpprep.jobs.output import OutputFolder
from wpprep.storage.files import MANIFEST, UNFINISHED, atomic_write, remove_folder, sha256_of, write_text
from wpprep.storage.manifest import Manifest, describe
from wpprep.training.finetuning.examples import Example, choose, hold_out
from wpprep.training.finetuning.fitting import Fit, Report, judge
from wpprep.training.finetuning.heads import RESULTS, describe_setup, make_model, write_json
from wpprep.training.finetuning.labelled import find_splits, read_examples
from wpprep.training.finetuning.measures import mean_and_deviation
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.predicting import to_line
from wpprep.training.finetuning.tasks import TASKS, Prediction, label_order
from wpprep.training.model.loading import read_config, read_vocabulary
from wpprep.training.model.ranks import Ranks
from wpprep.training.pretraining.checkpoint import put_in_place, save_files

PREDICTIONS = "predictions.jsonl"
_LABELLED_TASKS = ("classify", "pair", "tag")
Splits = dict[str, list[Example]]


@dataclass(frozen=True)
class Finetuned:
    """What `finetune` did.

    Attributes:
        folder: the best seed's model.
        examples: how many there are of each split, and how many rows were cut.
        measures: split to measure to mean and deviation over the seeds.
        seeds: each seed's best step and measures.
        best_seed: whose model it is.
    """

    folder: Path
    task: str
    examples: dict[str, int]
    measures: dict[str, dict[str, dict[str, float]]]
    seeds: list[dict[str, Any]]
    best_seed: int


def finetune(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    dev: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    progress: Report | None = None,
    **options: Any,
) -> Finetuned:
    """Fine-tune a BERT on labelled examples, once for each seed; the best model is kept.

    Args:
        model: any BERT's folder with its vocabulary, ours or one of transformers.
        data: a file to learn from, or a folder of files named train, dev and test.
        out: a new folder, or that of the same command interrupted.
        dev: a file that judges; otherwise a share of the training texts does.
        test: a file that each seed's best model is measured on at the end.
        progress: called with each `wpprep.training.finetuning.fitting.Judged`, which prints as one line.
        **options: see `wpprep.config.FinetuneOptions` and `LabelledOptions`.

    Raises:
        MissingInputError: model or data are not there.
        CorpusError: an example cannot be read or has a label that training has not; names file and line.
        OptionError: options that cannot work.
        OutputError: ``out`` holds something else.
        TrainingError: the loss is not finite.
    """
    refuse_unknown(options, FinetuneOptions, LabelledOptions)
    wanted, reading = build(FinetuneOptions, options), build(LabelledOptions, options)
    start = Path(model)
    files = find_splits(data)
    files |= {name: Path(path) for name, path in (("dev", dev), ("test", test)) if path is not None}
    config = read_config(start)
    vocabulary = read_vocabulary(start, config)
    splits = _read_splits(files, wanted, reading)
    labels = _labels(splits, parted="dev" not in files) if wanted.task in _LABELLED_TASKS else ()
    setup = _setup(splits, Setup(task=wanted.task, vocabulary=vocabulary, labels=labels), wanted, config)
    plan = _plan(start, files, setup, wanted, reading)
    with OutputFolder.claim(out, "finetuned", plan, overwrite=wanted.overwrite) as folder:
        if not folder.is_finished:
            runs = _run_seeds(folder, start, setup, splits, wanted, progress or (lambda line: None))
            _finish(folder, start, setup, splits, wanted, plan, runs)
    return _read_results(folder.path)


def _read_splits(files: dict[str, Path], options: FinetuneOptions, reading: LabelledOptions) -> Splits:
    """The examples of each split; what judges is parted from training where no file is given."""
    splits = {
        name: list(read_examples(path, options.task, reading, labelled=True)) for name, path in files.items()
    }
    if "dev" not in splits:
        splits["train"], splits["dev"] = hold_out(splits["train"], options.dev_share, options.seed)
    splits["train"] = choose(splits["train"], options.train_examples, options.seed)
    return {name: splits[name] for name in ("train", "dev", "test") if name in splits}


def _setup(splits: Splits, bare: Setup, options: FinetuneOptions, config: Any) -> Setup:
    """The setup that options, examples and model make."""
    longest = options.max_seq_length or min(
        384 if options.task == "qa" else 128, config.max_position_embeddings
    )
    if longest > config.max_position_embeddings:
        raise OptionError(
            f"max_seq_length is {longest}, the model takes at most {config.max_position_embeddings}"
        )
    return dataclasses.replace(
        bare,
        max_seq_length=longest,
        stride=longest // 4 if options.stride is None else options.stride,
        max_answer_tokens=options.max_answer_tokens,
        may_be_unanswerable=options.task == "qa" and any(not example.gold for example in splits["train"]),
    )


def _labels(splits: Splits, *, parted: bool) -> tuple[str, ...]:
    """The labels of the training file, in order; if what judges was ``parted`` from it, of both parts.

    Raises:
        CorpusError: there are fewer than two, or another split has one more.
    """
    labels = {label for example in splits["train"] for label in _labels_of(example)}
    if len(labels) < 2:
        raise CorpusError(
            f"{splits['train'][0].place}: all training examples have the label {labels.pop()!r}, "
            f"expected 2 or more"
        )
    if parted:
        labels |= {label for example in splits["dev"] for label in _labels_of(example)}
    for example in (example for name in splits for example in splits[name]):
        for label in _labels_of(example):
            if label not in labels:
                known = ", ".join(sorted(labels, key=label_order)[:8])
                raise CorpusError(
                    f"{example.place}: label {label!r} is not in the training examples, which have {known}"
                )
    return tuple(sorted(labels, key=label_order))


def _labels_of(example: Example) -> Sequence[str]:
    return (example.gold,) if isinstance(example.gold, str) else example.gold


def _plan(
    start: Path, files: dict[str, Path], setup: Setup, options: FinetuneOptions, reading: LabelledOptions
) -> dict[str, Any]:
    """What the result depends on: the command is the same if all of it is."""
    of_model = sorted(
        [start / "config.json", *start.glob("model*.safetensors"), *start.glob("pytorch_model*.bin")]
    )
    return {
        "options": {
            name: value for name, value in (as_dict(options) | as_dict(reading)).items() if name != "overwrite"
        },
        "vocabulary": setup.vocabulary.sha256,
        "corpus": {
            "model": {path.name: sha256_of(path) for path in of_model},
            **{name: sha256_of(path) for name, path in files.items()},
        },
    }


def _run_seeds(
    folder: OutputFolder, start: Path, setup: Setup, splits: Splits, options: FinetuneOptions, report: Report
) -> list[dict[str, Any]]:
    """Each seed's results, its weights in the unfinished folder; seeds that are done are passed over."""
    rows = [row for example in splits["train"] for row in TASKS[setup.task].encode(example, setup)]
    runs = []
    for seed in range(options.seed, options.seed + options.seeds):
        name = f"seed-{seed}"
        done = folder.receipt(name, seed)
        if done is None:
            fit = Fit(start, setup, rows, splits["dev"], options, seed)
            fitted = fit.run(report)
            found = {"seed": seed, "step": fitted.step, "steps": fitted.steps, "dev": fitted.measures}
            if "test" in splits:
                fit.model.load_state_dict(fitted.weights)
                found["test"], _ = judge(fit.model, setup, splits["test"], options.batch_size)
            weights = folder.path / UNFINISHED / f"{name}.safetensors"
            with atomic_write(weights) as file:
                file.write(save(fitted.weights))
            done = {"shards": [dataclasses.asdict(describe(weights, folder.path))], "found": found}
            folder.note(name, seed, done)
        runs.append(done["found"])
    return runs


def _finish(
    folder: OutputFolder,
    start: Path,
    setup: Setup,
    splits: Splits,
    options: FinetuneOptions,
    plan: dict[str, Any],
    runs: list[dict[str, Any]],
) -> None:
    """Write the model's folder, its manifest last."""
    best = max(runs, key=lambda run: next(iter(run["dev"].values())))
    model = make_model(start, setup, dataclasses.replace(options, from_scratch=True))
    model.load_state_dict(load_file(folder.path / UNFINISHED / f"seed-{best['seed']}.safetensors"))
    shown = "test" if "test" in splits else "dev"
    _, predictions = judge(model.to(Ranks().device()), setup, splits[shown], options.batch_size)
    examples = {name: len(split) for name, split in splits.items()}
    examples["cut"] = _count_cut(splits["train"], setup)
    results = {
        "setup": describe_setup(setup),
        "examples": examples,
        "measures": _summaries(runs),
        "best_seed": best["seed"],
        "seeds": runs,
    }
    _save_model(folder.path, model, start)
    _save_predictions(folder.path / PREDICTIONS, splits[shown], predictions)
    write_json(folder.path / RESULTS, results)
    write_text(folder.path / "README.md", _card(results, options))
    files = [path for path in sorted(folder.path.iterdir()) if path.is_file() and path.name != MANIFEST]
    folder.finish(
        Manifest(
            kind="finetuned",
            options=plan["options"],
            vocabulary=plan["vocabulary"],
            corpus={"identity": plan["corpus"]},
            files=[describe(path, folder.path) for path in files],
            statistics=examples,
        )
    )


def _count_cut(examples: Sequence[Example], setup: Setup) -> int:
    """How many examples lost tokens because a row was full."""
    encode = TASKS[setup.task].encode
    return sum(any(row.cut for row in encode(example, setup)) for example in examples)


def _summaries(runs: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Mean and deviation over the seeds of each measure of each split."""
    summaries: dict[str, dict[str, dict[str, float]]] = {}
    for split in ("dev", "test"):
        for name in runs[0].get(split, {}):
            mean, deviation = mean_and_deviation([run[split][name] for run in runs])
            summaries.setdefault(split, {})[name] = {"mean": mean, "deviation": deviation}
    return summaries


def _save_model(out: Path, model: Any, start: Path) -> None:
    """Put model and tokenizer into the folder, each file whole."""
    partial = out / UNFINISHED / "model"
    remove_folder(partial)
    try:
        save_files(partial, model, start)
        put_in_place(partial, out)
    except OSError as error:
        raise OutputError(f"{out}: the model cannot be written: {error.strerror or error}") from error


def _save_predictions(path: Path, examples: Sequence[Example], predictions: Sequence[Prediction]) -> None:
    with atomic_write(path) as file:
        for row, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
            file.write(to_line(row, example, prediction))


def _read_results(folder: Path) -> Finetuned:
    found = json.loads((folder / RESULTS).read_bytes())
    kept = {name: found[name] for name in ("examples", "measures", "seeds", "best_seed")}
    return Finetuned(folder=folder, task=found["setup"]["task"], **kept)


def _card(results: dict[str, Any], options: FinetuneOptions) -> str:
    """The text of the folder's README.md."""
    task, examples = results["setup"]["task"], results["examples"]
    start = "random weights" if options.from_scratch else "a pretrained BERT"
    lines = [
        f"| {split} | {name} | {value['mean']:.4f} | {value['deviation']:.4f} |"
        for split, measures in results["measures"].items()
        for name, value in measures.items()
    ]
    counts = ", ".join(f"{count:,} {name}" for name, count in examples.items() if name != "cut")
    return "\n".join(
        [
            "---",
            "library_name: transformers",
            "---",
            "",
            f"# A BERT for the task {task}",
            "",
            f"Fine-tuned from {start} by wpprep on labelled examples ({counts}), {options.seeds} seeds;",
            f"these are the weights of seed {results['best_seed']}.",
            "",
            "| split | measure | mean over seeds | deviation |",
            "|---|---|---|---|",
            *lines,
            "",
            "The split dev chose the weights, so its measures flatter the model; those of test do not.",
            "",
        ]
    )
