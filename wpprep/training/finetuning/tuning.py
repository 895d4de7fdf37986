"""Fine-tuning: from labelled files to the folder of the best model, with one run for each seed.

    out/
      config.json model.safetensors tokenizer.json ...   the best seed's model, which transformers loads
      results.json          the setup, each seed's measures, their mean and deviation
      predictions.jsonl     of that model, on the test file if there is one, else on the evaluation examples
      README.md             the model card
      manifest.json         last

An unfinished folder holds the weights of the finished seeds: the same command continues with the next seed. The
evaluation examples (split dev) determine when to stop and which seed to keep, so their measures are
optimistic; those of a test file are not.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, Unpack

from safetensors.torch import load_file, save

from wpprep.config import FinetuneOptions, LabelledOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import FinetuneKeywords
from wpprep.errors import CorpusError, OptionError, OutputError
from wpprep.jobs.output import OutputFolder
from wpprep.jobs.plans import Plan, entry_of
from wpprep.jobs.summary import Summary
from wpprep.storage.files import MANIFEST, UNFINISHED, atomic_write, sha256_of, write_text
from wpprep.storage.json_files import read_json
from wpprep.storage.manifest import Manifest, describe
from wpprep.storage.place import Place
from wpprep.training.finetuning.examples import Example, Prediction, choose, hold_out
from wpprep.training.finetuning.fitting import Fit, Report, judge
from wpprep.training.finetuning.heads import RESULTS, SetupValues, describe_setup, make_model, write_json
from wpprep.training.finetuning.labelled import find_splits, read_examples
from wpprep.training.finetuning.measures import mean_and_deviation
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.predicting import to_line
from wpprep.training.finetuning.tasks import TASKS, Measures, label_order
from wpprep.training.model.loading import open_model, read_config, read_vocabulary
from wpprep.training.model.ranks import Ranks
from wpprep.training.pretraining.checkpoint import partial_folder, put_in_place, save_files

PREDICTIONS = "predictions.jsonl"
_LABELLED_TASKS = ("classify", "pair", "tag")
Splits = dict[str, list[Example]]


class SeedResult(TypedDict):
    """The result of one seed.

    Attributes:
        seed: the seed.
        step, steps: step of the best weights, and number of steps planned.
        dev, test: the measures of these weights on each split; ``test`` only if there is a test file.
    """

    seed: int
    step: int
    steps: int
    dev: Measures
    test: NotRequired[Measures]


class MeanAndDeviation(TypedDict):
    """Mean and sample standard deviation of a measure over the seeds."""

    mean: float
    deviation: float


class Results(TypedDict):
    """The content of results.json; see `FinetuneSummary`."""

    setup: SetupValues
    examples: dict[str, int]
    measures: dict[str, dict[str, MeanAndDeviation]]
    best_seed: int
    seeds: list[SeedResult]


@dataclass(frozen=True, kw_only=True, repr=False)
class FinetuneSummary(Summary):
    """The result of `finetune`.

    Attributes:
        folder: the folder of the best seed's model.
        task: the task of the model.
        examples: number of examples of each split; ``cut`` is the number of truncated training examples.
        measures: for each split and measure, its mean and deviation over the seeds.
        seeds: the result of each seed.
        best_seed: the seed of the model.
    """

    folder: Path
    task: str
    examples: dict[str, int]
    measures: dict[str, dict[str, MeanAndDeviation]]
    seeds: list[SeedResult]
    best_seed: int

    @property
    def place(self) -> Path:
        """The model's folder."""
        return self.folder

    @property
    def headline(self) -> str:
        """The task and the number of seeds."""
        return f"{self.task}, {len(self.seeds)} seeds"


def finetune(
    model: str | os.PathLike[str],
    data: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    dev: str | os.PathLike[str] | None = None,
    test: str | os.PathLike[str] | None = None,
    progress: Report | None = None,
    **options: Unpack[FinetuneKeywords],
) -> FinetuneSummary:
    """Fine-tune a BERT on labelled examples, once for each seed, and keep the best model.

    Args:
        model: any BERT's folder with its vocabulary, of wpprep or of transformers.
        data: a training file, or a folder of files named train, dev and test.
        out: a new folder, or that of the same command interrupted.
        dev: the evaluation file; by default a fraction of the training texts is held out.
        test: a file to measure each seed's best model on at the end.
        progress: called with each `wpprep.training.finetuning.fitting.Judged`; its ``str`` is one line.
        **options: see `wpprep.config.FinetuneOptions` and `LabelledOptions`.

    Raises:
        MissingInputError: the model or the data does not exist.
        CorpusError: an example cannot be read, or its label is not in the training examples; the message has
            file and line.
        OptionError: an option is unknown, out of range or does not fit the model.
        OutputError: ``out`` holds something else.
        TrainingError: the loss is not finite.
    """
    started = time.perf_counter()
    refuse_unknown(options, FinetuneOptions, LabelledOptions)
    wanted, reading = build(FinetuneOptions, options), build(LabelledOptions, options)
    start = open_model(model)
    files = find_splits(data)
    files |= {name: Place(path).file() for name, path in (("dev", dev), ("test", test)) if path is not None}
    config = read_config(start)
    vocabulary = read_vocabulary(start, config)
    splits = _read_splits(files, wanted, reading)
    labels = _labels(splits, parted="dev" not in files) if wanted.task in _LABELLED_TASKS else ()
    setup = _setup(splits, Setup(task=wanted.task, vocabulary=vocabulary, labels=labels), wanted, config)
    plan = _plan(start, files, setup, wanted, reading)
    with OutputFolder.claim(out, {"kind": "finetuned", **plan}, overwrite=wanted.overwrite) as folder:
        if not folder.is_finished:
            runs = _run_seeds(folder, start, setup, splits, wanted, progress or (lambda line: None))
            _finish(folder, start, setup, splits, wanted, plan, runs)
    return _read_results(folder.path, time.perf_counter() - started)


def _read_splits(files: dict[str, Path], options: FinetuneOptions, reading: LabelledOptions) -> Splits:
    """Return the examples of each split; without a dev file, dev is held out from the training file."""
    splits = {
        name: list(read_examples(path, options.task, reading, labelled=True)) for name, path in files.items()
    }
    if "dev" not in splits:
        splits["train"], splits["dev"] = hold_out(splits["train"], options.dev_share, options.seed)
    splits["train"] = choose(splits["train"], options.train_examples, options.seed)
    return {name: splits[name] for name in ("train", "dev", "test") if name in splits}


def _setup(splits: Splits, bare: Setup, options: FinetuneOptions, config: Any) -> Setup:
    """Return the setup for the options, the examples and the model."""
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
    """Return the labels of the training file, in order.

    Args:
        splits: the examples of each split.
        parted: whether dev was held out from the training file, so that its labels count too.

    Raises:
        CorpusError: there are fewer than two labels, or another split has a label that training has not.
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
) -> Plan:
    """Return the options and inputs that the result depends on; a folder is resumed only if they are equal."""
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
) -> list[SeedResult]:
    """Return each seed's result, its weights saved in the unfinished folder; finished seeds are skipped."""
    rows = [row for example in splits["train"] for row in TASKS[setup.task].encode(example, setup)]
    runs: list[SeedResult] = []
    for seed in range(options.seed, options.seed + options.seeds):
        name = f"seed-{seed}"
        done = folder.receipts.read(name, seed)
        if done is None:
            fit = Fit(start, setup, rows, splits["dev"], options, seed)
            fitted = fit.run(report)
            found: SeedResult = {
                "seed": seed,
                "step": fitted.step,
                "steps": fitted.steps,
                "dev": fitted.measures,
            }
            if "test" in splits:
                fit.model.load_state_dict(fitted.weights)
                found["test"], _ = judge(fit.model, setup, splits["test"], options.batch_size)
            weights = folder.path / UNFINISHED / f"{name}.safetensors"
            with atomic_write(weights) as file:
                file.write(save(fitted.weights))
            done = {"shards": [entry_of(describe(weights, folder.path))], "found": found}
            folder.receipts.write(name, seed, done)
        runs.append(done["found"])
    return runs


def _finish(
    folder: OutputFolder,
    start: Path,
    setup: Setup,
    splits: Splits,
    options: FinetuneOptions,
    plan: Plan,
    runs: list[SeedResult],
) -> None:
    """Write the model's folder, its manifest last."""
    best = max(runs, key=lambda run: next(iter(run["dev"].values())))
    model = make_model(start, setup, dataclasses.replace(options, from_scratch=True))
    model.load_state_dict(load_file(folder.path / UNFINISHED / f"seed-{best['seed']}.safetensors"))
    shown = "test" if "test" in splits else "dev"
    _, predictions = judge(model.to(Ranks().device()), setup, splits[shown], options.batch_size)
    examples = {name: len(split) for name, split in splits.items()}
    examples["cut"] = _count_cut(splits["train"], setup)
    results: Results = {
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
    """Return the number of examples that were truncated."""
    encode = TASKS[setup.task].encode
    return sum(any(row.cut for row in encode(example, setup)) for example in examples)


def _summaries(runs: Sequence[SeedResult]) -> dict[str, dict[str, MeanAndDeviation]]:
    """Return the mean and deviation over the seeds of each measure of each split."""
    summaries = {"dev": _summary([run["dev"] for run in runs])}
    tests = [run["test"] for run in runs if "test" in run]
    return {**summaries, "test": _summary(tests)} if tests else summaries


def _summary(measures: Sequence[Measures]) -> dict[str, MeanAndDeviation]:
    found = {name: mean_and_deviation([each[name] for each in measures]) for name in measures[0]}
    return {name: {"mean": mean, "deviation": deviation} for name, (mean, deviation) in found.items()}


def _save_model(out: Path, model: Any, start: Path) -> None:
    """Write model and tokenizer to the folder, each file atomically."""
    with partial_folder(out / UNFINISHED / "model", out, "model") as partial:
        save_files(partial, model, start)
        put_in_place(partial, out)


def _save_predictions(path: Path, examples: Sequence[Example], predictions: Sequence[Prediction]) -> None:
    with atomic_write(path) as file:
        for row, (example, prediction) in enumerate(zip(examples, predictions, strict=True)):
            file.write(to_line(row, example, prediction))


def _read_results(folder: Path, seconds: float) -> FinetuneSummary:
    found = read_json(folder / RESULTS, Results, error=OutputError, advice="use --overwrite to train again")
    return FinetuneSummary(
        command="finetune",
        seconds=seconds,
        folder=folder,
        task=found["setup"]["task"],
        examples=found["examples"],
        measures=found["measures"],
        seeds=found["seeds"],
        best_seed=found["best_seed"],
    )


def _card(results: Results, options: FinetuneOptions) -> str:
    """Return the text of the folder's README.md."""
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
