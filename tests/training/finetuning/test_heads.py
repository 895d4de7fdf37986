"""Models with a head: built from other checkpoints, and those that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.bert import torch, transformers, write_bert
from support.finetuning import QUICK

from wpprep.config import FinetuneOptions
from wpprep.errors import MissingInputError, OptionError, OutputError
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.finetuning.heads import describe_setup, make_model
from wpprep.training.finetuning.model_setup import Setup
from wpprep.training.finetuning.predicting import predict
from wpprep.training.finetuning.tuning import finetune


def test_checkpoints_from_elsewhere(vocab: Path, labelled: Path, tmp_path: Path) -> None:
    """A BertModel without heads is accepted, its vocabulary in vocab.txt and its weights in a .bin file."""
    folder = write_bert(vocab, tmp_path / "theirs")
    bert = transformers.BertModel.from_pretrained(folder)
    for name in ("model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    bert.config.save_pretrained(folder)
    torch.save(bert.state_dict(), folder / "pytorch_model.bin")
    done = finetune(folder, labelled / "sentiment.tsv", tmp_path / "out", **QUICK)
    assert done.examples["train"] == 36


def test_models_that_cannot_be_tuned_are_refused(model: Path, labelled: Path, tmp_path: Path) -> None:
    """A missing model, bad weights, another kind of model and rows that are too long are errors."""
    data, out = labelled / "sentiment.tsv", tmp_path / "out"
    with pytest.raises(MissingInputError, match="no config.json"):
        finetune(tmp_path, data, out)
    with pytest.raises(OptionError, match="max_seq_length is 65, the model takes at most 64"):
        finetune(model, data, out, max_seq_length=65)
    with pytest.raises(MissingInputError, match="no results.json"):
        predict(model, data, tmp_path / "p")
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (bare / name).write_bytes((model / name).read_bytes())
    with pytest.raises(MissingInputError, match=r"no model.safetensors"):
        finetune(bare, data, out)
    (bare / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(MissingInputError, match="the weights cannot be read"):
        finetune(bare, data, out)
    (bare / "config.json").write_text('{"model_type": "gpt2"}')
    with pytest.raises(OptionError, match="a model of type gpt2, expected bert"):
        finetune(bare, data, out)


def test_labels_are_the_outputs_of_the_head(model: Path) -> None:
    """The configuration maps ids to labels and back, and the head has an output for each label."""
    setup = Setup(task="classify", vocabulary=Vocabulary.from_folder(model), labels=("bad", "good", "odd"))
    tuned = make_model(model, setup, FinetuneOptions(dropout=0.2))
    assert tuned.classifier.out_features == 3
    assert tuned.config.id2label == {0: "bad", 1: "good", 2: "odd"}
    assert tuned.config.label2id == {"bad": 0, "good": 1, "odd": 2}
    assert tuned.config.hidden_dropout_prob == 0.2
    assert describe_setup(setup)["labels"] == ["bad", "good", "odd"]


def test_results_of_another_form_are_refused(model: Path, labelled: Path, tmp_path: Path) -> None:
    """Settings that are missing, of another type, or impossible for the model are named with the file."""
    out = tmp_path / "out"
    finetune(model, labelled / "sentiment.tsv", out, **QUICK)
    path = out / "results.json"
    good = json.loads(path.read_text())
    cases: list[tuple[Any, str]] = [
        ([], "a list of 0, expected an object"),
        ({}, "setup is missing"),
        ({"setup": {**good["setup"], "labels": "x"}}, 'setup.labels is "x", expected a list'),
        ({"setup": {**good["setup"], "task": "x"}}, "setup.task is 'x', expected one of"),
        ({"setup": {**good["setup"], "max_seq_length": 99}}, "setup.max_seq_length is 99, expected 8 to 64"),
        ({"setup": {**good["setup"], "stride": -1}}, "setup.stride is -1"),
        ({"setup": {**good["setup"], "labels": ["a"]}}, "setup.labels has 1 labels, the model 2"),
    ]
    for content, said in cases:
        path.write_text(json.dumps(content))
        with pytest.raises(MissingInputError, match=f"{path}: {said}"):
            predict(out, labelled / "sentiment.tsv", tmp_path / "p")
    path.write_text("[" * 100_000)
    with pytest.raises(OutputError, match="not valid JSON.*use --overwrite"):
        finetune(model, labelled / "sentiment.tsv", out, **QUICK)
