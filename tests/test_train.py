"""The trainer: the model's losses, learning, stopping and resuming, and the folder that comes out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_loader import MASK, PIECES, WORDS, make_folder

from wpprep.config import TrainOptions
from wpprep.errors import OptionError, OutputError, TrainingError
from wpprep.loader import Loader, ShardFolder

torch = pytest.importorskip("torch", reason="training is an extra: pip install 'wpprep[train]'")
transformers = pytest.importorskip("transformers", reason="training is an extra: pip install 'wpprep[train]'")

from wpprep.train import Progress, fill_mask, pretrain, train  # noqa: E402
from wpprep.train.checkpoint import load_state  # noqa: E402
from wpprep.train.model import SIZES, Size, build_model, score, to_inputs  # noqa: E402

CPU = torch.device("cpu")
QUICK = {"size": "tiny", "batch_size": 8, "eval_rows": 6, "log_steps": 2, "learning_rate": 1e-3}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    """Bits repeat on one thread, and these models are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("static") / "shards", rows=(60, 80))[0]


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
    from wpprep.files import sha256_of

    out, result, lines = trained
    card = (out / "README.md").read_text()
    assert f"{result.after.mlm_loss:,.4g}" in card
    assert (
        json.loads((out / "training.json").read_text())["results"]["after"]["mlm_loss"] == result.after.mlm_loss
    )
    listed = json.loads((out / "manifest.json").read_text())["files"]
    assert all(sha256_of(out / file["name"]) == file["sha256"] for file in listed)
    names = {path.name for path in out.iterdir()}
    assert names == {file["name"] for file in listed} | {"manifest.json"}
    metrics = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [line.step for line in lines]


def interrupted(shards: Path, out: Path, number: int, at: int, **options: Any) -> list[Any]:
    """Train until a signal comes at the progress line of a step; the lines until then."""
    lines: list[Any] = []

    def watch(line: Any) -> None:
        lines.append(line)
        if isinstance(line, Progress) and line.step == at:
            os.kill(os.getpid(), number)

    with pytest.raises((KeyboardInterrupt, SystemExit)) as stopped:
        train(shards, out, progress=watch, **options)
    if number == signal.SIGTERM:
        assert stopped.value.code == 143
    return lines


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_a_run_stopped_twice_ends_with_the_same_bits(tmp_path: Path, masking: str, request: Any) -> None:
    """SIGTERM, then SIGINT, then to the end: weights and every figure equal those of a run never stopped."""
    folder = make_folder(tmp_path / "shards", rows=(60, 80), masking=masking)[0]
    options = {**QUICK, "steps": 14, "log_steps": 3, "save_steps": 5, "eval_steps": 7}
    whole = train(folder, tmp_path / "whole", **options)
    interrupted(folder, tmp_path / "parts", signal.SIGTERM, 3, **options)
    assert not (tmp_path / "parts" / "manifest.json").exists()
    interrupted(folder, tmp_path / "parts", signal.SIGINT, 9, **options)
    parts = train(folder, tmp_path / "parts", **options)
    assert (tmp_path / "whole" / "model.safetensors").read_bytes() == (
        tmp_path / "parts" / "model.safetensors"
    ).read_bytes()
    assert whole.after == parts.after
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")


def figures(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "tokens_per_second"} for line in lines]


def test_a_killed_run_loses_only_the_steps_since_its_checkpoint(shards: Path, tmp_path: Path) -> None:
    """After a crash between checkpoints the same call ends with the same figures, half-made folders gone."""
    options = {**QUICK, "steps": 9, "save_steps": 4, "log_steps": 1}
    train(shards, tmp_path / "whole", **options)

    def crash(line: Any) -> None:
        if isinstance(line, Progress) and line.step == 7:
            raise MemoryError

    with pytest.raises(MemoryError):
        train(shards, tmp_path / "parts", progress=crash, **options)
    (tmp_path / "parts" / "checkpoints" / ".step-00000008.partial-1").mkdir()
    state = load_state(tmp_path / "parts")
    assert state is not None
    assert state.values["step"] == 4
    train(shards, tmp_path / "parts", **options)
    assert figures(tmp_path / "whole") == figures(tmp_path / "parts")
    assert sorted(p.name for p in (tmp_path / "whole").iterdir()) == sorted(
        p.name for p in (tmp_path / "parts").iterdir()
    )


def test_a_loss_that_is_no_number_stops_with_its_rows(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is named and the rows are those the loader gave it; nothing broken is saved."""
    asked: list[Any] = []

    def poisoned(model: Any, inputs: Any, *, pairs: bool) -> Any:
        scores = score(model, inputs, pairs=pairs)
        asked.append(model.training)
        return scores._replace(mlm_loss=scores.mlm_loss * (float("nan") if sum(asked) == 3 else 1.0))

    monkeypatch.setattr(pretrain, "score", poisoned)
    folder = ShardFolder(shards)
    held = folder.held_out(6, TrainOptions().seed)
    rows = Loader(folder, batch_size=8, exclude=held).rows_of(2)[0]
    with pytest.raises(TrainingError, match=f"step 3: .*rows {', '.join(map(str, rows))} of"):
        train(shards, tmp_path / "out", **QUICK, steps=5, save_steps=1)
    state = load_state(tmp_path / "out")
    assert state is not None
    assert state.values["step"] == 2


def test_single_segments_have_no_next_sentence(tmp_path: Path) -> None:
    """With the objective `single` nothing is said about pairs, and their head does not move."""
    folder = make_folder(tmp_path / "shards", rows=(60,), objective="single")[0]
    result = train(folder, tmp_path / "out", **QUICK, steps=3)
    assert result.after is not None
    assert result.after.nsp_accuracy is None
    assert "nsp" not in str(result.after)


def test_an_output_folder_in_use_is_refused(shards: Path, tmp_path: Path) -> None:
    """Other things, another run and a finished model are never buried unasked; other things not even then."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "thesis.txt").write_text("years of work")
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="something else"):
            train(shards, out, **QUICK, steps=2, overwrite=overwrite)
    (out / "thesis.txt").unlink()
    interrupted(shards, out, signal.SIGINT, 2, **QUICK, steps=4)
    with pytest.raises(OutputError, match="steps was 4, now 6"):
        train(shards, out, **QUICK, steps=6)
    train(shards, out, **QUICK, steps=4)
    with pytest.raises(OutputError, match="finished model"):
        train(shards, out, **QUICK, steps=4)
    assert train(shards, out, **QUICK, steps=2, overwrite=True).steps == 2


def test_options_are_checked(shards: Path, tmp_path: Path) -> None:
    """A wrong name or value is refused before anything is written."""
    with pytest.raises(OptionError, match="did you mean batch_size"):
        train(shards, tmp_path / "out", batchsize=3)
    with pytest.raises(OptionError, match="size is 'huge'"):
        train(shards, tmp_path / "out", size="huge")
    with pytest.raises(OptionError, match="eval_rows"):
        train(shards, tmp_path / "out", **{**QUICK, "eval_rows": 130})
    assert not (tmp_path / "out").exists()


def test_blanks_are_checked(trained: Any) -> None:
    """A text without a blank, a text too long and a folder without a model each get a clear error."""
    with pytest.raises(OptionError, match="no blank"):
        fill_mask(trained[0], "w1 w2")
    with pytest.raises(OptionError, match="at most 16"):
        fill_mask(trained[0], "[MASK] " + "w1 " * 40)
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        fill_mask(trained[0].parent, "w1 [MASK]")
    assert [len(guesses) for guesses in fill_mask(trained[0], "[MASK] w1 [MASK]", top_k=2)] == [2, 2]


def test_biases_and_norms_do_not_decay(shards: Path) -> None:
    """Every weight is in one group; those without decay are exactly the biases and LayerNorms."""
    model = build_model(Size(1, 32, 2), ShardFolder(shards).roles, 24, dropout=0.1)
    names = {id(weight): name for name, weight in model.named_parameters()}
    decaying, plain = pretrain._optimizer(model, TrainOptions()).param_groups
    assert all("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in plain["params"])
    assert not any("bias" in names[id(w)] or "LayerNorm" in names[id(w)] for w in decaying["params"])
    assert len(decaying["params"]) + len(plain["params"]) == len(names)
    assert (decaying["weight_decay"], plain["weight_decay"]) == (0.01, 0.0)


def test_missing_extras_say_what_to_install() -> None:
    """Without torch, importing the trainer says how to get it, in one line."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "try:\n    import wpprep.train\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    said = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True).stdout
    assert said == "MissingExtraError training needs extra packages: pip install 'wpprep[train]'\n"


def test_words_of_the_language_fit_the_vocabulary() -> None:
    """The helper's language uses ids the vocabulary has (a guard for the tests above)."""
    assert PIECES.index("w0") + WORDS <= len(PIECES)
