"""Fine-tuning: learning, resuming, the folder of the best model, and its predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.bert import transformers
from support.finetuning import QUICK

from wpprep.errors import CorpusError, OutputError
from wpprep.storage.manifest import find_damage
from wpprep.training.finetuning.fitting import Judged
from wpprep.training.finetuning.predicting import predict
from wpprep.training.finetuning.tuning import finetune
from wpprep.training.model.model import no_progress_bar

FILES = {
    "classify": "sentiment.tsv",
    "pair": "pairs.tsv",
    "choice": "choices.jsonl",
    "tag": "entities.conll",
    "qa": "questions.json",
}


@pytest.mark.parametrize("task", FILES)
def test_every_task_runs_from_file_to_predictions(
    model: Path, labelled: Path, tmp_path: Path, task: Any
) -> None:
    """The folder is complete, transformers loads it, and its predictions have the measures of results.json."""
    out = tmp_path / "out"
    data = labelled / FILES[task]
    done = finetune(model, data, out, task=task, test=data, seeds=2, **QUICK)
    assert find_damage(out) == []
    assert len(done.seeds) == 2
    results = json.loads((out / "results.json").read_text())
    best = next(seed for seed in results["seeds"] if seed["seed"] == done.best_seed)
    again = predict(out, data, tmp_path / "predictions.jsonl")
    assert again.measures == pytest.approx(best["test"])
    assert (tmp_path / "predictions.jsonl").read_bytes() == (out / "predictions.jsonl").read_bytes()
    loaded, info = transformers.AutoModel.from_pretrained(out, output_loading_info=True)
    assert not [name for name in info["missing_keys"] if "pooler" not in name]
    tokenizer = transformers.AutoTokenizer.from_pretrained(out)
    assert len(tokenizer) == loaded.config.vocab_size
    if task in ("classify", "pair", "tag"):
        assert list(loaded.config.id2label.values()) == results["setup"]["labels"]


@pytest.mark.parametrize("task", ["regress", "pair-regress"])
def test_numbers_are_learned(model: Path, tmp_path: Path, task: Any) -> None:
    """A number that one word determines is learned: the correlation on the training file is near 1."""
    lines = [
        {"text": f"it was {word}", "second": "x", "score": score} for word, score in (("good", 1), ("bad", 0))
    ]
    lines = [{**line, "text": f"{line['text']} {i}"} for line in lines for i in range(12)]
    (tmp_path / "f").write_text("".join(json.dumps(line) + "\n" for line in lines))
    many = {**QUICK, "epochs": 12, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, tmp_path / "f", tmp_path / "out", dev=tmp_path / "f", task=task, **many)
    assert done.measures["dev"]["pearson"]["mean"] > 0.9


def test_labels_are_learned_and_transformers_agrees(model: Path, labelled: Path, tmp_path: Path) -> None:
    """The training file is learned by heart, and transformers' pipeline predicts the same labels."""
    data, out = labelled / "sentiment.tsv", tmp_path / "out"
    many = {**QUICK, "epochs": 25, "patience": 25, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, data, out, dev=data, **many)
    assert done.measures["dev"]["accuracy"]["mean"] > 0.95
    predict(out, data, tmp_path / "p.jsonl")
    mine = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    texts = [line.split("\t")[1] for line in data.read_text().splitlines()[1:]]
    with no_progress_bar():
        theirs = transformers.pipeline("text-classification", model=str(out), device="cpu")(texts)
    assert [line["label"] for line in mine] == [line["label"] for line in theirs]
    assert [line["probability"] for line in mine] == pytest.approx([line["score"] for line in theirs], abs=1e-4)


def test_entities_are_learned(model: Path, labelled: Path, tmp_path: Path) -> None:
    """The entities of the training file are predicted."""
    data = labelled / "entities.conll"
    many = {**QUICK, "epochs": 60, "patience": 60, "learning_rate": 3e-3, "dropout": 0.0}
    done = finetune(model, data, tmp_path / "out", dev=data, task="tag", **many)
    assert done.measures["dev"]["entity_f1"]["mean"] > 0.9


def test_the_same_seed_gives_the_same_bytes_and_a_killed_run_goes_on(
    model: Path, labelled: Path, tmp_path: Path
) -> None:
    """A run stopped in its second seed continues there, and its bytes are those of an uninterrupted run."""
    data, whole, cut = labelled / "pairs.tsv", tmp_path / "whole", tmp_path / "cut"
    options = {**QUICK, "task": "pair", "seeds": 3}
    finetune(model, data, whole, **options)
    told: list[int] = []

    def stop(line: Judged) -> None:
        told.append(line.seed)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        finetune(model, data, cut, progress=stop, **options)
    with pytest.raises(OutputError, match="the work of another command: options.epochs 1 instead of 2"):
        finetune(model, data, cut, **{**options, "epochs": 2})
    finetune(model, data, cut, progress=stop, **options)
    assert told == [12345, 12346, 12346, 12347]
    files = sorted(path.name for path in whole.iterdir())
    assert sorted(path.name for path in cut.iterdir()) == files
    for name in files:
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    assert finetune(model, data, cut, progress=stop, **options).best_seed  # finished: nothing is done again
    assert len(told) == 4


def test_random_weights_are_a_comparison(model: Path, labelled: Path, tmp_path: Path) -> None:
    """From scratch, the weights of the checkpoint are not used; otherwise the embeddings hardly change."""
    embedding = "bert.embeddings.word_embeddings.weight"
    start = transformers.BertForPreTraining.from_pretrained(model).state_dict()[embedding]
    off = {}
    for scratch in (False, True):
        out = tmp_path / str(scratch)
        finetune(model, labelled / "sentiment.tsv", out, from_scratch=scratch, **QUICK)
        tuned = transformers.BertForSequenceClassification.from_pretrained(out).state_dict()[embedding]
        off[scratch] = float((tuned - start).abs().mean())
    assert off[False] < 0.005
    assert off[True] > 0.01


def test_questions_may_have_unequal_numbers_of_choices(model: Path, tmp_path: Path) -> None:
    """A batch has questions with the same number of choices; all are trained on and answered, in order."""
    lines = [
        {"question": f"question {i}", "choices": ["lamp", "tide", "bees"][: 2 + i % 2], "label": i % 2}
        for i in range(30)
    ]
    (tmp_path / "f").write_text("".join(json.dumps(line) + "\n" for line in lines))
    many = {**QUICK, "epochs": 3, "batch_size": 4, "bins": 2}
    done = finetune(model, tmp_path / "f", tmp_path / "out", task="choice", **many)
    assert done.seeds[0]["steps"] >= 3 * -(-27 // 4)
    predict(tmp_path / "out", tmp_path / "f", tmp_path / "p")
    found = [json.loads(line) for line in (tmp_path / "p").read_text().splitlines()]
    assert [line["gold"] for line in found] == [line["label"] for line in lines]
    assert all(line["label"] < 2 + i % 2 for i, line in enumerate(found))


def test_labels_that_training_has_not_are_named(model: Path, tmp_path: Path) -> None:
    """A label that only the dev file has, and a training file with one label, are errors."""
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t2\n")
    (tmp_path / "dev.tsv").write_text("text\tlabel\na\t1\nb\t3\n")
    with pytest.raises(
        CorpusError, match=r"dev.tsv:3: label '3' is not in the training examples, which have 1, 2"
    ):
        finetune(model, tmp_path, tmp_path / "out")
    (tmp_path / "train.tsv").write_text("text\tlabel\na\t1\nb\t1\n")
    with pytest.raises(CorpusError, match=r"train.tsv:2: all training examples have the label '1'"):
        finetune(model, tmp_path, tmp_path / "out")


def test_labels_of_held_out_examples_are_known(model: Path, tmp_path: Path) -> None:
    """Held-out examples may have labels that no other training example has; no seed fails."""
    lines = [f"the lamp {i}\t{i if i > 17 else i % 2}" for i in range(20)]
    (tmp_path / "train.tsv").write_text("\n".join(["text\tlabel", *lines]))
    for seed in range(4):
        out = tmp_path / f"{seed}"
        finetune(model, tmp_path / "train.tsv", out, **{**QUICK, "epochs": 1}, dev_share=0.5, seed=seed)
        assert json.loads((out / "results.json").read_text())["setup"]["labels"] == ["0", "1", "18", "19"]
