"""Loading checkpoints: those of other libraries, and those that are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.counting import make_folder
from support.training import QUICK, Trained, dynamic, torch

from wpprep.errors import MissingInputError, OptionError, WpprepError
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.training.inference.fill import fill_mask
from wpprep.training.model.loading import read_config, read_vocabulary
from wpprep.training.pretraining.pretrain import train

safetensors = pytest.importorskip("safetensors.torch")

__all__ = ["dynamic"]


def test_training_goes_on_from_a_checkpoint(trained: Trained, dynamic: Path, tmp_path: Path) -> None:
    """With --init-from the first evaluation is that of the finished model; another vocabulary is refused."""
    out = trained.folder
    options = {**QUICK, "steps": 2, "eval_rows": None, "dropout": 0.0, "init_from": str(out)}
    result = train(dynamic, tmp_path / "out", **options)
    assert result.before is not None
    assert result.before.mlm_loss == pytest.approx(trained.after.mlm_loss, rel=1e-4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text((out / "config.json").read_text())
    (tmp_path / "other" / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nnothing\n")
    with pytest.raises(OptionError, match="not that of the shards"):
        train(dynamic, tmp_path / "new", **{**options, "init_from": str(tmp_path / "other")})
    with pytest.raises(OptionError, match="the model takes at most 16 tokens"):
        longer = make_folder(tmp_path / "longer", longest=32)[0]
        train(longer, tmp_path / "new", **{**options, "eval_rows": 3})


def changed(model: Path, out: Path, weights: Any = None, **config: Any) -> Path:
    """Copy a model with other settings or fewer weights; without any there is no file of weights."""
    out.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (out / name).write_bytes((model / name).read_bytes())
    (out / "config.json").write_text(json.dumps(json.loads((model / "config.json").read_text()) | config))
    tensors = safetensors.load_file(model / "model.safetensors")
    if kept := {name: tensor for name, tensor in tensors.items() if weights is None or weights(name)}:
        safetensors.save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_models_that_are_not_whole_are_refused(trained: Trained, dynamic: Path, tmp_path: Path) -> None:
    """Missing weights of the encoder, or another kind of model, are errors instead of random weights."""
    cases: list[tuple[Path, str]] = [
        (changed(trained.folder, tmp_path / "no_weights", lambda name: False), "no model.safetensors"),
        (
            changed(trained.folder, tmp_path / "one_layer", lambda name: "layer.1." not in name),
            "lacks 16 weights",
        ),
        (changed(trained.folder, tmp_path / "roberta", model_type="roberta"), "a model of type roberta"),
    ]
    for folder, message in cases:
        with pytest.raises(WpprepError, match=message):
            train(dynamic, tmp_path / "out", **QUICK, steps=1, init_from=str(folder))
        with pytest.raises(WpprepError, match=message):
            fill_mask(folder, "w1 [MASK]")
    assert not (tmp_path / "out").exists()


def test_checkpoints_of_others_are_taken(trained: Trained, dynamic: Path, tmp_path: Path) -> None:
    """Weights in a .bin file are read without unpickling objects; an encoder alone gets new heads."""
    folder = changed(trained.folder, tmp_path / "theirs", lambda name: False)
    torch.save(safetensors.load_file(trained.folder / "model.safetensors"), folder / "pytorch_model.bin")
    options = {**QUICK, "steps": 1, "eval_rows": None, "dropout": 0.0}
    before = train(dynamic, tmp_path / "a", **options, init_from=str(folder)).before
    assert before is not None
    assert before.mlm_loss == pytest.approx(trained.after.mlm_loss, rel=1e-4)
    assert fill_mask(folder, "w1 [MASK] w3").blanks == fill_mask(trained.folder, "w1 [MASK] w3").blanks
    bare = changed(trained.folder, tmp_path / "bare", lambda name: name.startswith("bert."))
    before = train(dynamic, tmp_path / "b", **options, init_from=str(bare)).before
    assert before is not None
    assert before.mlm_loss > trained.after.mlm_loss + 0.5
    with pytest.raises(MissingInputError, match="the model has no MLM head"):
        fill_mask(bare, "w1 [MASK]")


def test_a_vocabulary_larger_than_the_model_is_refused(trained: Trained, tmp_path: Path) -> None:
    """A tokenizer of another model would give ids without embeddings; both sizes are in the message."""
    entries = len(Vocabulary.from_folder(trained.folder).pieces)
    folder = changed(trained.folder, tmp_path / "small", vocab_size=entries - 1)
    with pytest.raises(
        OptionError, match=rf"has {entries} entries, expected at most the {entries - 1} of the model"
    ):
        read_vocabulary(folder, read_config(folder))


def test_a_damaged_config_is_named(tmp_path: Path) -> None:
    """A config.json that is not JSON is one line with its path."""
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MissingInputError, match=r"config\.json: not valid JSON"):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"vocab_size": "x"}, 'vocab_size is "x", expected an integer'),
        ({"num_hidden_layers": 10**9}, "num_hidden_layers is 1000000000, expected 1 to 1,024"),
        ({"hidden_size": 7, "num_attention_heads": 2}, "hidden_size is 7, expected a multiple of 2"),
        ({"id2label": 5}, "not the configuration of a BERT"),
        ({"hidden_dropout_prob": []}, ""),
        ({"hidden_act": "none such"}, ""),
        ({"pad_token_id": 10**6}, ""),
        ({"layer_norm_eps": None}, ""),
    ],
)
def test_settings_of_another_form_are_one_line(
    config: dict[str, Any], said: str, trained: Trained, tmp_path: Path
) -> None:
    """A config.json with values of other types or impossible sizes is an error in one line."""
    folder = changed(trained.folder, tmp_path / "changed", **config)
    with pytest.raises(WpprepError, match=f"changed.*{said}") as caught:
        fill_mask(folder, "w1 [MASK]")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "{", "[" * 100_000])
def test_a_config_that_is_no_object_is_named(text: str, tmp_path: Path) -> None:
    """Other JSON, and text that is not JSON, are errors with the file."""
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(MissingInputError, match=r"config\.json: "):
        read_config(tmp_path)
