"""The trainer: the model's losses, what is learned, from what shards, and by which options."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.counting import FIRST_WORD, PIECES, WORDS, make_folder
from support.training import CPU, QUICK, dynamic, figures, interrupted, one_thread, shards, torch

from wpprep.config import TrainOptions
from wpprep.errors import OptionError, ShardError
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader
from wpprep.storage.manifest import read_manifest
from wpprep.training.model.model import SIZES, Size, build_model, score, size_of, to_inputs
from wpprep.training.model.optimizer import Updates
from wpprep.training.pretraining.pretrain import train

__all__ = ["dynamic", "one_thread", "shards"]


@pytest.mark.parametrize("length", [24, None])
def test_the_gathered_head_has_the_loss_of_the_full_head(shards: Path, length: int | None) -> None:
    """Loss and gradients equal those of transformers' own forward pass over every position, padded or not."""
    folder = ShardFolder(shards)
    torch.manual_seed(1)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0)
    lengths = np.concatenate([np.diff(shard.offsets) for shard in folder.shards])
    rows = np.flatnonzero(lengths == 24)[:8] if length else np.arange(8)
    batch = Loader(folder, batch_size=8).assemble(rows)
    assert (batch.attention_mask is None) == bool(length)
    inputs = to_inputs(batch, CPU)
    mine = score(model, inputs, pairs=True).loss()
    mine.backward()
    gradients = [weight.grad.clone() for weight in model.parameters()]
    model.zero_grad()
    labels = torch.full((inputs.input_ids.numel(),), -100)
    labels[inputs.mlm_positions] = inputs.mlm_labels
    full = model(
        inputs.input_ids,
        attention_mask=inputs.attention_mask,
        token_type_ids=inputs.token_type_ids,
        labels=labels.view_as(inputs.input_ids),
        next_sentence_label=inputs.next_sentence_label,
    ).loss
    full.backward()
    assert mine.item() == pytest.approx(full.item(), rel=1e-6)
    for gradient, weight in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, weight.grad, rtol=1e-3, atol=1e-6)


def test_attention_gets_a_mask_only_where_something_is_padded(
    shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows of one length reach PyTorch's attention without a mask, so that its fastest kernels can be taken."""
    masks: list[Any] = []
    attend = torch.nn.functional.scaled_dot_product_attention

    def watched(*tensors: Any, **options: Any) -> Any:
        masks.append(options["attn_mask"])
        return attend(*tensors, **options)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    folder = ShardFolder(shards)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0)
    lengths = folder.lengths(np.arange(140))
    for rows in (np.flatnonzero(lengths == 24)[:4], np.array([np.argmin(lengths), np.argmax(lengths)])):
        score(model, to_inputs(Loader(folder, batch_size=4).assemble(rows), CPU), pairs=True)
    assert [mask is None for mask in masks] == [
        True,
        True,
        False,
        False,
    ]  # two layers, without and with padding


def test_padding_does_not_change_what_is_learned(shards: Path) -> None:
    """A batch padded further has the same losses."""
    folder = ShardFolder(shards)
    model = build_model(SIZES["tiny"], folder.roles, 24, dropout=0.0).eval()
    lengths = np.concatenate([np.diff(shard.offsets) for shard in folder.shards])
    rows = np.flatnonzero(lengths <= 16)[:8]
    losses = [
        score(model, to_inputs(Loader(folder, batch_size=8, pad_to=pad).assemble(rows), CPU), pairs=True)
        .loss()
        .item()
        for pad in ("longest", "full")
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_single_segments_have_no_next_sentence(tmp_path: Path) -> None:
    """With the objective `single` nothing is said about pairs, and their head does not move."""
    folder = make_folder(tmp_path / "shards", rows=(60,), objective="single")[0]
    result = train(folder, tmp_path / "out", **QUICK, steps=3)
    assert result.after is not None
    assert result.after.nsp_accuracy is None
    assert "nsp" not in str(result.after)


def test_options_are_checked(shards: Path, tmp_path: Path) -> None:
    """A wrong name or value is refused before anything is written."""
    with pytest.raises(OptionError, match="did you mean batch_size"):
        train(shards, tmp_path / "out", batchsize=3)
    with pytest.raises(OptionError, match="size is 'huge'"):
        train(shards, tmp_path / "out", size="huge")
    with pytest.raises(OptionError, match="eval_rows"):
        train(shards, tmp_path / "out", **{**QUICK, "eval_rows": 130})
    assert not (tmp_path / "out").exists()


def test_verify_finds_damage_before_training(tmp_path: Path) -> None:
    """With `verify` a flipped bit that no check of lengths or ids can see is named; nothing is written."""
    folder = make_folder(tmp_path / "shards")[0]
    shard = folder / "shard-00002-of-00003.arrow"
    data = bytearray(shard.read_bytes())
    place = data.index(bytes([FIRST_WORD + 3, 0, FIRST_WORD + 4, 0]))  # w3 w4 as uint16
    data[place] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ShardError, match=r"shard-00002.*sha256"):
        train(folder, tmp_path / "out", **QUICK, steps=1, verify=True)
    assert not (tmp_path / "out").exists()
    assert train(folder, tmp_path / "out", **QUICK, steps=1).steps == 1


def test_biases_and_norms_do_not_decay(shards: Path) -> None:
    """Every weight is in one group; those without decay are exactly the biases and LayerNorms."""
    model = build_model(Size(1, 32, 2), ShardFolder(shards).roles, 24, dropout=0.1)
    names = {id(weight): name for name, weight in model.named_parameters()}
    decaying, plain = Updates(model, TrainOptions(), CPU).optimizer.param_groups
    assert all("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in plain["params"])
    assert not any("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in decaying["params"])
    assert len(decaying["params"]) + len(plain["params"]) == len(names)
    assert (decaying["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)


def test_missing_extras_say_what_to_install() -> None:
    """Without torch, importing the trainer says how to get it, in one line."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    import wpprep.training\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stdout
    assert said == "MissingExtraError training needs extra packages: pip install 'wpprep[train]'\n"


def test_words_of_the_language_fit_the_vocabulary() -> None:
    """The helper's language uses ids the vocabulary has (a guard for the tests above)."""
    assert PIECES.index("w0") + WORDS <= len(PIECES)


def test_two_phases_read_their_shards_in_turn(shards: Path, tmp_path: Path) -> None:
    """The first steps read the short shards, the rest the long ones, also when resumed in between."""
    short = make_folder(tmp_path / "short", rows=(64,), longest=16)[0]
    options = {**QUICK, "steps": 8, "phase": 0.75, "log_steps": 1, "save_steps": 1}
    whole = train([short, shards], tmp_path / "whole", **options)
    interrupted([short, shards], tmp_path / "parts", signal.SIGTERM, 5, **options)
    interrupted([short, shards], tmp_path / "parts", signal.SIGTERM, 7, **options)
    train([short, shards], tmp_path / "parts", **options)
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")
    epochs = [line["epoch"] for line in figures(tmp_path / "whole") if line["kind"] == "train"]
    assert epochs == pytest.approx([*(8 / 61 * step for step in range(1, 7)), 8 / 134, 16 / 134], abs=0.02)
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    assert config["max_position_embeddings"] == 24
    assert whole.held_out_rows >= 6
    with pytest.raises(OptionError, match="2 shard folders, not 1"):
        train(short, tmp_path / "one", **options)
    swapped = make_folder(tmp_path / "swapped", rows=(64,), longest=16, objective="sop")[0]
    with pytest.raises(OptionError, match="objective is nsp, but sop"):
        train([swapped, shards], tmp_path / "one", **options)


def test_shards_are_mixed_by_weights(shards: Path, tmp_path: Path) -> None:
    """Several folders train together; weights that are no numbers are refused."""
    short = make_folder(tmp_path / "short", rows=(64,), longest=16)[0]
    result = train([shards, short], tmp_path / "out", **QUICK, steps=3, weights="3,1", bins=2, layers=1)
    assert result.size == "1/128/2"
    assert result.rows > 140
    corpora = read_manifest(tmp_path / "out").corpus
    assert corpora["rows"] == 204
    with pytest.raises(OptionError, match="weights is 'a lot'"):
        train([shards, short], tmp_path / "other", **QUICK, steps=3, weights="a lot")


def test_the_best_weights_are_kept(dynamic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate that ruins the model, `final_weights best` exports the weights from before the ruin."""
    options = {**QUICK, "steps": 4, "eval_steps": 1, "warmup_steps": 3, "learning_rate": 0.1, "save_steps": 0}
    result = train(dynamic, tmp_path / "out", **options, final_weights="best")
    assert result.best.mlm_loss < result.after.mlm_loss
    again = train(dynamic, tmp_path / "again", **QUICK, steps=1, init_from=str(tmp_path / "out"))
    assert again.before.mlm_loss == pytest.approx(result.best.mlm_loss, rel=1e-4)


def weights_of(size: Size, vocab_size: int, longest: int) -> int:
    """How many weights a BertForPreTraining has, by the layout of the paper; a norm has 2 a hidden state."""
    h = size.hidden
    embeddings = (vocab_size + longest + 2) * h + 2 * h
    layer = 4 * (h * h + h) + 2 * h + (4 * h * h + 4 * h) + (4 * h * h + h) + 2 * h
    heads = (h * h + h) + (h * h + h + 2 * h + vocab_size) + (2 * h + 2)  # pooler; MLM, its matrix shared; NSP
    return embeddings + size.layers * layer + heads


@pytest.mark.parametrize("hidden", [128, 256, 512, 768])
@pytest.mark.parametrize("layers", [2, 4, 6, 8, 10, 12])
def test_the_24_miniatures_build(shards: Path, layers: int, hidden: int) -> None:
    """Each model of the grid of Turc et al. (2019) has a head for every 64 and as many weights as by hand."""
    options = TrainOptions(layers=layers, hidden=hidden, activation="gelu_tanh")
    size = size_of(options)
    assert size == Size(layers, hidden, hidden // 64)
    roles = ShardFolder(shards).roles
    with torch.device("meta"):
        model = build_model(size, roles, 24, 0.1, "gelu_tanh")
    assert sum(weight.numel() for weight in model.parameters()) == weights_of(size, roles.vocab_size, 24)
    assert model.config.hidden_act == "gelu_new"


@pytest.mark.parametrize(
    ("name", "millions"), [("tiny", 4.4), ("mini", 11.3), ("small", 29.1), ("medium", 41.7), ("base", 110.1)]
)
def test_named_sizes_are_those_of_the_paper(shards: Path, name: str, millions: float) -> None:
    """With BERT's 30,522 entries and 512 positions they have the weights that google-research/bert lists."""
    roles = ShardFolder(shards).roles._replace(vocab_size=30_522)
    with torch.device("meta"):
        model = build_model(SIZES[name], roles, 512, 0.1)
    weights = sum(weight.numel() for weight in model.parameters())
    assert weights == weights_of(SIZES[name], 30_522, 512)
    assert round(weights / 1e6, 1) == millions
    assert size_of(TrainOptions(size=name)) == SIZES[name]


def test_heads_divide_the_hidden_size() -> None:
    """A number of heads that does not is refused."""
    with pytest.raises(OptionError, match="multiple of the 3 heads"):
        size_of(TrainOptions(hidden=128, heads=3))


def test_shards_held_out_apart_judge_the_model(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Where make-shards kept documents apart, all rows are trained on and those documents judge."""
    from wpprep.pipeline.make_shards import make_shards

    options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 1, "holdout": 0.2, "workers": 1}
    shards = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options)
    apart = read_manifest(tmp_path / "shards" / "holdout", "shards").statistics["rows"]
    result = train(tmp_path / "shards", tmp_path / "model", size="tiny", steps=2, batch_size=4)
    assert (result.rows, result.held_out_rows) == (shards.manifest.statistics["rows"], apart)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "may have been seen" not in card
