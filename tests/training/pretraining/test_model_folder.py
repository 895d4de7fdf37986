"""What comes out of the trainer: a folder that other libraries load, and that explains itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.counting import MASK, PIECES, make_folder
from support.training import CPU, QUICK, one_thread, torch

from wpprep.errors import MissingInputError, OptionError, WpprepError
from wpprep.shards.loader import Loader
from wpprep.storage.manifest import find_damage, read_manifest
from wpprep.training.inference.fill import fill_mask
from wpprep.training.model.model import to_inputs
from wpprep.training.pretraining.pretrain import train
from wpprep.training.pretraining.progress import Progress

transformers = pytest.importorskip("transformers")
safetensors = pytest.importorskip("safetensors.torch")

__all__ = ["one_thread"]


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(
        tmp_path_factory.mktemp("dynamic") / "shards", rows=(300, 340), longest=16, masking="dynamic"
    )[0]


@pytest.fixture(scope="module")
def trained(dynamic: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A tiny model trained on the language in which word n + 1 follows word n."""
    out = tmp_path_factory.mktemp("trained") / "model"
    lines: list[Any] = []
    result = train(
        dynamic,
        out,
        size="tiny",
        steps=250,
        batch_size=32,
        learning_rate=2e-3,
        dropout=0.0,
        log_steps=50,
        progress=lines.append,
    )
    return out, result, lines


def test_a_tiny_model_learns_a_regular_language(trained: Any) -> None:
    """Held-out MLM loss starts at the logarithm of the vocabulary and falls below half of it."""
    _, result, lines = trained
    assert result.before.mlm_loss == pytest.approx(np.log(len(PIECES)), rel=0.1)
    assert result.after.mlm_loss < result.before.mlm_loss / 2
    assert result.before.mlm_accuracy < 0.1
    assert result.after.mlm_accuracy > 0.3
    assert result.after.rows == result.held_out_rows >= 32
    assert [line.step for line in lines if isinstance(line, Progress)] == [50, 100, 150, 200, 250]
    assert "step 250/250" in str(next(line for line in reversed(lines) if isinstance(line, Progress)))


def test_the_folder_loads_with_transformers(trained: Any, dynamic: Path) -> None:
    """BertForPreTraining, BertModel and the fill-mask pipeline read it, and agree on the logits."""
    out, _, _ = trained
    model, report = transformers.BertForPreTraining.from_pretrained(out, output_loading_info=True)
    assert not any(report.values()), report
    assert (out / "model.safetensors").stat().st_mode == (out / "config.json").stat().st_mode
    inputs = to_inputs(Loader(dynamic, batch_size=4).next_batch(), CPU)
    with torch.inference_mode():
        full = model.eval()(inputs.input_ids, attention_mask=inputs.attention_mask).prediction_logits
        hidden = transformers.BertModel.from_pretrained(out).eval()(
            inputs.input_ids, attention_mask=inputs.attention_mask
        )
        torch.testing.assert_close(model.cls.predictions(hidden.last_hidden_state), full)
    guesses = transformers.pipeline("fill-mask", model=str(out))("w3 w4 w5 [MASK] w7 w8")
    ours = fill_mask(out, "w3 w4 w5 [MASK] w7 w8", top_k=3)
    assert [guess["token_str"] for guess in guesses[:3]] == [guess.piece for guess in ours[0]]
    assert "w6" in {guess.piece for guess in ours[0]}
    assert ours[0][0].probability == pytest.approx(guesses[0]["score"], rel=1e-4)


@pytest.mark.slow
def test_sentence_transformers_loads_the_folder(trained: Any) -> None:
    """SentenceTransformer takes it as it is; its vectors are means of hidden states."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    out, texts = trained[0], ["w1 w2 w3 w4", "w7 w8"]
    vectors = sentence_transformers.SentenceTransformer(str(out), device="cpu").encode(texts)
    tokens = transformers.AutoTokenizer.from_pretrained(out)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = transformers.BertModel.from_pretrained(out).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None]
    torch.testing.assert_close(torch.from_numpy(vectors), (hidden * mask).sum(1) / mask.sum(1))


def test_the_tokenizer_inside_the_model_is_the_vocabulary(trained: Any, dynamic: Path) -> None:
    """Inside the model's folder AutoTokenizer gives the ids of the shards' own tokenizer.json."""
    from tokenizers import Tokenizer

    out, _, _ = trained
    assert (out / "tokenizer.json").read_bytes() == (dynamic / "vocab" / "tokenizer.json").read_bytes()
    plain = Tokenizer.from_file(str(dynamic / "vocab" / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(out)
    for text in ("W1 w2 abab", "w9, wörld w9", "ÀB é [MASK] w1", "가나 東京 w2"):
        assert auto(text)["input_ids"] == plain.encode(text).ids
    pair = auto("w1 w2", "w3")
    assert (pair["input_ids"], pair["token_type_ids"]) == (plain.encode("w1 w2", "w3").ids, [0, 0, 0, 0, 1, 1])
    assert auto.model_max_length == 16
    assert auto.mask_token_id == MASK


def test_the_folder_explains_itself(trained: Any) -> None:
    """The card has the figures, the manifest the checksum of every file, the metrics a line for each report."""
    out, result, lines = trained
    card = (out / "README.md").read_text()
    assert f"{0:>9,}  {result.before.mlm_loss:7.3f}  {'#' * 40}" in card
    assert f"{result.after.mlm_loss:,.4g}" in card
    assert (
        json.loads((out / "training.json").read_text())["results"]["after"]["mlm_loss"] == result.after.mlm_loss
    )
    assert find_damage(out) == []
    manifest = read_manifest(out, kind="model")
    assert manifest.statistics["after"]["mlm_loss"] == result.after.mlm_loss
    assert {path.name for path in out.iterdir()} == {file.name for file in manifest.files} | {"manifest.json"}
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [line.step for line in lines]


def test_blanks_are_checked(trained: Any) -> None:
    """A text without a blank, a text too long and a folder without a model each get a clear error."""
    with pytest.raises(OptionError, match="no mask token"):
        fill_mask(trained[0], "w1 w2")
    with pytest.raises(OptionError, match="at most 16"):
        fill_mask(trained[0], "[MASK] " + "w1 " * 40)
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        fill_mask(trained[0].parent, "w1 [MASK]")
    assert [len(guesses) for guesses in fill_mask(trained[0], "[MASK] w1 [MASK]", top_k=2)] == [2, 2]


def test_training_goes_on_from_a_checkpoint(trained: Any, dynamic: Path, tmp_path: Path) -> None:
    """With --init-from the first evaluation is that of the finished model; another vocabulary is refused."""
    out, before, _ = trained
    options = {**QUICK, "steps": 2, "eval_rows": None, "dropout": 0.0, "init_from": str(out)}
    result = train(dynamic, tmp_path / "out", **options)
    assert result.before.mlm_loss == pytest.approx(before.after.mlm_loss, rel=1e-4)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text((out / "config.json").read_text())
    (tmp_path / "other" / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nnothing\n")
    with pytest.raises(OptionError, match="not that of the shards"):
        train(dynamic, tmp_path / "new", **{**options, "init_from": str(tmp_path / "other")})
    with pytest.raises(OptionError, match="the model takes at most 16 tokens"):
        longer = make_folder(tmp_path / "longer", longest=32)[0]
        train(longer, tmp_path / "new", **{**options, "eval_rows": 3})


def changed(model: Path, out: Path, weights: Any = None, **config: Any) -> Path:
    """A copy of a model as others might leave it: other settings, other weights; none if they are empty."""
    out.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        (out / name).write_bytes((model / name).read_bytes())
    (out / "config.json").write_text(json.dumps(json.loads((model / "config.json").read_text()) | config))
    tensors = safetensors.load_file(model / "model.safetensors")
    if kept := {name: tensor for name, tensor in tensors.items() if weights is None or weights(name)}:
        safetensors.save_file(kept, out / "model.safetensors", metadata={"format": "pt"})
    return out


def test_models_that_are_not_whole_are_refused(trained: Any, dynamic: Path, tmp_path: Path) -> None:
    """Weights that are not there, or another kind of model, would otherwise be drawn anew without a word."""
    cases: list[tuple[Path, str]] = [
        (changed(trained[0], tmp_path / "no_weights", lambda name: False), "no model.safetensors"),
        (changed(trained[0], tmp_path / "one_layer", lambda name: "layer.1." not in name), "lacks 16 weights"),
        (changed(trained[0], tmp_path / "roberta", model_type="roberta"), "a model of type roberta"),
    ]
    for folder, message in cases:
        with pytest.raises(WpprepError, match=message):
            train(dynamic, tmp_path / "out", **QUICK, steps=1, init_from=str(folder))
        with pytest.raises(WpprepError, match=message):
            fill_mask(folder, "w1 [MASK]")
    assert not (tmp_path / "out").exists()


def test_checkpoints_of_others_are_taken(trained: Any, dynamic: Path, tmp_path: Path) -> None:
    """Weights in a .bin file are read without unpickling objects; an encoder alone gets new heads."""
    folder = changed(trained[0], tmp_path / "theirs", lambda name: False)
    torch.save(safetensors.load_file(trained[0] / "model.safetensors"), folder / "pytorch_model.bin")
    options = {**QUICK, "steps": 1, "eval_rows": None, "dropout": 0.0}
    before = train(dynamic, tmp_path / "a", **options, init_from=str(folder)).before
    assert before is not None
    assert before.mlm_loss == pytest.approx(trained[1].after.mlm_loss, rel=1e-4)
    assert fill_mask(folder, "w1 [MASK] w3") == fill_mask(trained[0], "w1 [MASK] w3")
    bare = changed(trained[0], tmp_path / "bare", lambda name: name.startswith("bert."))
    before = train(dynamic, tmp_path / "b", **options, init_from=str(bare)).before
    assert before is not None
    assert before.mlm_loss > trained[1].after.mlm_loss + 0.5
    with pytest.raises(MissingInputError, match="the model has no MLM head"):
        fill_mask(bare, "w1 [MASK]")
