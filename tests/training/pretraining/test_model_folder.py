"""The model folder: other libraries load it, and its card, manifest and metrics agree with the run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.counting import MASK, PIECES
from support.training import CPU, Trained, dynamic, torch

from wpprep.shards.loader import Loader
from wpprep.storage.manifest import find_damage, read_manifest
from wpprep.training.inference.fill import fill_mask
from wpprep.training.model.model import to_inputs
from wpprep.training.pretraining.progress import Progress

transformers = pytest.importorskip("transformers")

__all__ = ["dynamic"]


def test_a_tiny_model_learns_a_regular_language(trained: Trained) -> None:
    """Held-out MLM loss starts at the logarithm of the vocabulary and falls below half of it."""
    _, result, before, after, lines = trained
    assert before.mlm_loss == pytest.approx(np.log(len(PIECES)), rel=0.1)
    assert after.mlm_loss < before.mlm_loss / 2
    assert before.mlm_accuracy < 0.1
    assert after.mlm_accuracy > 0.3
    assert after.rows == result.held_out_rows >= 32
    assert [line.step for line in lines if isinstance(line, Progress)] == [50, 100, 150, 200, 250]
    assert "step 250/250" in str(next(line for line in reversed(lines) if isinstance(line, Progress)))


def test_the_folder_loads_with_transformers(trained: Trained, dynamic: Path) -> None:
    """BertForPreTraining, BertModel and the fill-mask pipeline read it, and agree on the logits."""
    out = trained.folder
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
def test_sentence_transformers_loads_the_folder(trained: Trained) -> None:
    """SentenceTransformer loads the folder; its vectors are means of hidden states."""
    sentence_transformers = pytest.importorskip("sentence_transformers")
    out, texts = trained.folder, ["w1 w2 w3 w4", "w7 w8"]
    vectors = sentence_transformers.SentenceTransformer(str(out), device="cpu").encode(texts)
    tokens = transformers.AutoTokenizer.from_pretrained(out)(texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = transformers.BertModel.from_pretrained(out).eval()(**tokens).last_hidden_state
    mask = tokens["attention_mask"][:, :, None]
    torch.testing.assert_close(torch.from_numpy(vectors), (hidden * mask).sum(1) / mask.sum(1))


def test_the_tokenizer_inside_the_model_is_the_vocabulary(trained: Trained, dynamic: Path) -> None:
    """Inside the model's folder AutoTokenizer gives the ids of the shards' own tokenizer.json."""
    from tokenizers import Tokenizer

    out = trained.folder
    assert (out / "tokenizer.json").read_bytes() == (dynamic / "vocab" / "tokenizer.json").read_bytes()
    plain = Tokenizer.from_file(str(dynamic / "vocab" / "tokenizer.json"))
    auto = transformers.AutoTokenizer.from_pretrained(out)
    for text in ("W1 w2 abab", "w9, wörld w9", "ÀB é [MASK] w1", "가나 東京 w2"):
        assert auto(text)["input_ids"] == plain.encode(text).ids
    pair = auto("w1 w2", "w3")
    assert (pair["input_ids"], pair["token_type_ids"]) == (plain.encode("w1 w2", "w3").ids, [0, 0, 0, 0, 1, 1])
    assert auto.model_max_length == 16
    assert auto.mask_token_id == MASK


def test_card_manifest_and_metrics_agree_with_the_run(trained: Trained) -> None:
    """The card has the results, the manifest the checksum of every file, the metrics a line for each report."""
    out, _, before, after, lines = trained
    card = (out / "README.md").read_text()
    assert f"{0:>9,}  {before.mlm_loss:7.3f}  {'#' * 40}" in card
    assert f"{after.mlm_loss:,.4g}" in card
    assert json.loads((out / "training.json").read_text())["results"]["after"]["mlm_loss"] == after.mlm_loss
    assert find_damage(out) == []
    manifest = read_manifest(out, kind="model")
    assert manifest.statistics["after"]["mlm_loss"] == after.mlm_loss
    assert {path.name for path in out.iterdir()} == {file.name for file in manifest.files} | {"manifest.json"}
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [line.step for line in lines]
