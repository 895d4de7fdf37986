"""The trainer: the model's losses, learning, stopping and resuming, and the folder that comes out."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_loader import MASK, PIECES, WORDS, make_folder, rewrite

from wpprep.config import TrainOptions
from wpprep.errors import OptionError, OutputError, ShardError, TrainingError
from wpprep.loader import Loader
from wpprep.manifest import read_manifest, verify
from wpprep.rows import ShardFolder

torch = pytest.importorskip("torch", reason="training is an extra: pip install 'wpprep[train]'")
transformers = pytest.importorskip("transformers", reason="training is an extra: pip install 'wpprep[train]'")

from wpprep.train import Progress, fill_mask, train  # noqa: E402
from wpprep.train import feed as feed_room  # noqa: E402
from wpprep.train import model as model_room  # noqa: E402
from wpprep.train.checkpoint import load_state  # noqa: E402
from wpprep.train.feed import InstanceDataset, TorchBatches, model_inputs  # noqa: E402
from wpprep.train.model import SIZES, Size, build_model, score, size_of, to_inputs  # noqa: E402
from wpprep.train.updates import Updates  # noqa: E402

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
    out, result, lines = trained
    card = (out / "README.md").read_text()
    assert f"{0:>9,}  {result.before.mlm_loss:7.3f}  {'#' * 40}" in card
    assert f"{result.after.mlm_loss:,.4g}" in card
    assert (
        json.loads((out / "training.json").read_text())["results"]["after"]["mlm_loss"] == result.after.mlm_loss
    )
    assert verify(out) == []
    manifest = read_manifest(out, kind="model")
    assert manifest.statistics["after"]["mlm_loss"] == result.after.mlm_loss
    assert {path.name for path in out.iterdir()} == {file.name for file in manifest.files} | {"manifest.json"}
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

    monkeypatch.setattr(model_room, "score", poisoned)
    folder = ShardFolder(shards)
    held = folder.held_out(folder.hold_out(6, TrainOptions().seed), TrainOptions().seed)
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
    decaying, plain = Updates(model, TrainOptions(), CPU).optimizer.param_groups
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


def losses(out: Path, kind: str = "train") -> list[float]:
    """The MLM and NSP losses of metrics.jsonl."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if line["kind"] == kind for name in ("mlm_loss", "nsp_loss")]


SAME = {**QUICK, "steps": 6, "log_steps": 1, "dropout": 0.0, "save_steps": 3}


@pytest.fixture(scope="module")
def alone(shards: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one process, without dropout, its losses written down at every step."""
    out = tmp_path_factory.mktemp("alone") / "model"
    train(shards, out, **SAME)
    return out


def test_parts_of_a_step_add_up(shards: Path, alone: Path, tmp_path: Path) -> None:
    """With four parts a step, the losses are those of one part within float noise."""
    train(shards, tmp_path / "out", **SAME, grad_accumulation=4)
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-4)
    assert losses(tmp_path / "out", "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)
    with pytest.raises(OptionError, match="multiple of 3"):
        train(shards, tmp_path / "other", **SAME, grad_accumulation=3)


def start_ranks(shards: Path, out: Path, world: int, options: dict[str, Any]) -> list[tuple[int, str]]:
    """Train with several processes, as torchrun would start them; exit code and output of each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = (
        "import torch; torch.set_num_threads(1)\n"
        f"from wpprep.train import train; train({str(shards)!r}, {str(out)!r}, **{options!r})"
    )
    place = {"WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, **place, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    said = [rank.communicate(timeout=120)[0] for rank in ranks]
    return [(rank.returncode, text) for rank, text in zip(ranks, said, strict=True)]


def test_two_processes_train_as_one(shards: Path, alone: Path, tmp_path: Path) -> None:
    """Two CPU processes go on where one was stopped, and have the losses it would have had."""
    out = tmp_path / "out"
    interrupted(shards, out, signal.SIGTERM, 2, **SAME)
    ended = start_ranks(shards, out, 2, {**SAME, "log_steps": 1})
    assert [code for code, _ in ended] == [0, 0], ended
    assert len(losses(out)) == 12
    assert losses(out) == pytest.approx(losses(alone), rel=1e-4)
    assert losses(out, "held_out") == pytest.approx(losses(alone, "held_out"), rel=1e-4)
    assert verify(out) == []


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
    with pytest.raises(OptionError, match="takes 16 tokens at most"):
        longer = make_folder(tmp_path / "longer", longest=32)[0]
        train(longer, tmp_path / "new", **{**options, "eval_rows": 3})


def test_the_best_weights_are_kept(dynamic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a rate that ruins the model, `final_weights best` exports the weights from before the ruin."""
    options = {**QUICK, "steps": 4, "eval_steps": 1, "warmup_steps": 3, "learning_rate": 0.3, "save_steps": 0}
    result = train(dynamic, tmp_path / "out", **options, final_weights="best")
    assert result.best.mlm_loss < result.after.mlm_loss
    again = train(dynamic, tmp_path / "again", **QUICK, steps=1, init_from=str(tmp_path / "out"))
    assert again.before.mlm_loss == pytest.approx(result.best.mlm_loss, rel=1e-4)


@pytest.mark.parametrize("size", [Size(2, 128, 2), Size(6, 256, 4), Size(12, 512, 8)])
def test_sizes_are_free(shards: Path, size: Size) -> None:
    """Models of the miniature grid build with these layers, hidden sizes and heads, and either GELU."""
    options = TrainOptions(layers=size.layers, hidden=size.hidden, activation="gelu_tanh")
    assert size_of(options) == size
    roles = ShardFolder(shards).roles
    with torch.device("meta"):
        config = build_model(size, roles, 24, 0.1, "gelu_tanh").config
    assert (config.num_hidden_layers, config.hidden_size, config.hidden_act) == (*size[:2], "gelu_new")
    with pytest.raises(OptionError, match="multiple of the 3 heads"):
        size_of(TrainOptions(hidden=128, heads=3))


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_batches_for_loops_of_your_own(tmp_path: Path, masking: str) -> None:
    """A pass is the loader's epoch as BertForPreTraining takes it; the state is behind what was taken."""
    folder = make_folder(tmp_path / "shards", rows=(41,), masking=masking)[0]
    expected = [model_inputs(batch) for batch in Loader(folder, batch_size=8)]
    feed = TorchBatches(Loader(folder, batch_size=8))
    for mine, batch in zip(torch.utils.data.DataLoader(feed, batch_size=None), expected, strict=True):
        assert mine.keys() == batch.keys()
        assert all(torch.equal(mine[name], batch[name]) for name in mine)
    feed = TorchBatches(Loader(folder, batch_size=8))
    for _, batch in zip(range(2), feed, strict=False):
        assert torch.equal(batch["labels"] >= 0, batch["labels"] != -100)
    assert feed.state_dict()["consumed"] == 2
    resumed = TorchBatches(Loader(folder, batch_size=8))
    resumed.load_state_dict(feed.state_dict())
    assert torch.equal(next(iter(resumed))["input_ids"], expected[2]["input_ids"])


def test_workers_are_refused(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a DataLoader's worker process, which would yield every batch once more, the feed refuses to start."""
    monkeypatch.setattr(feed_room, "get_worker_info", lambda: "a worker")
    with pytest.raises(OptionError, match="num_workers"):
        next(iter(TorchBatches(Loader(shards, batch_size=8))))


def test_what_goes_wrong_in_the_background_is_raised_in_front(tmp_path: Path) -> None:
    """A damaged row ends the loop with the error that names it, not with a loop that waits forever."""
    folder, written = make_folder(tmp_path / "shards", rows=(41,))
    written[0].input_ids[written[0].offsets[5]] = 999
    rewrite(folder, 0, written[0])
    with pytest.raises(ShardError, match="row 5 is damaged"):
        list(TorchBatches(Loader(folder, batch_size=8)))


@pytest.mark.filterwarnings("ignore")
def test_the_example_for_transformers_trainer_runs(dynamic: Path, tmp_path: Path) -> None:
    """What the README shows: Trainer makes the order, the shards make batches, with new masks each epoch."""
    from transformers import BertConfig, BertForPreTraining, Trainer, TrainingArguments

    data = InstanceDataset(dynamic)
    config = BertConfig(
        vocab_size=data.folder.roles.vocab_size,
        hidden_size=64,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=128,
        max_position_embeddings=data.folder.max_seq_length,
    )
    settings = TrainingArguments(
        str(tmp_path / "out"),
        per_device_train_batch_size=64,
        num_train_epochs=2,
        learning_rate=5e-3,
        remove_unused_columns=False,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        use_cpu=True,
    )
    trainer = Trainer(BertForPreTraining(config), settings, train_dataset=data, data_collator=data.collate)
    trainer.train()
    seen = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    assert len(seen) == 20
    assert np.mean(seen[-5:]) < np.mean(seen[:5])
    assert data.epoch == 1
    first = data.collate([(0, 0), (1, 0)])["labels"]
    assert not torch.equal(first, data.collate([(0, 1), (1, 1)])["labels"])


@pytest.mark.slow
def test_a_compiled_model_learns_the_same(shards: Path, alone: Path, tmp_path: Path) -> None:
    """Compiling changes the losses by rounding only (a minute of compiling)."""
    train(shards, tmp_path / "out", **SAME, compile=True)
    assert losses(tmp_path / "out") == pytest.approx(losses(alone), rel=1e-3)


@pytest.mark.slow
def test_twenty_kills_change_nothing(dynamic: Path, tmp_path: Path) -> None:
    """A run killed twenty times by SIGKILL ends with the bits and figures of one never killed."""
    options = {**QUICK, "steps": 60, "save_steps": 2, "log_steps": 1, "eval_steps": 20}
    train(dynamic, tmp_path / "whole", **options)
    out = tmp_path / "parts"
    for kill in range(1, 21):
        code = (
            "import os, signal, torch; torch.set_num_threads(1)\n"
            "from wpprep.train import train\n"
            f"end = lambda line: line.step >= {3 * kill - 2} and os.kill(os.getpid(), signal.SIGKILL)\n"
            f"train({str(dynamic)!r}, {str(out)!r}, progress=end, **{options!r})"
        )
        ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        assert not (out / "manifest.json").exists()
    train(dynamic, out, **options)
    whole, parts = tmp_path / "whole" / "model.safetensors", out / "model.safetensors"
    assert whole.read_bytes() == parts.read_bytes()
    assert figures(tmp_path / "whole") == figures(out)


def test_shards_held_out_apart_judge_the_model(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Where make-shards kept documents apart, all rows are trained on and those documents judge."""
    from wpprep.pipeline import make_shards

    options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 1, "holdout": 0.2, "workers": 1}
    shards = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options)
    apart = read_manifest(tmp_path / "shards" / "holdout", "shards").statistics["rows"]
    result = train(tmp_path / "shards", tmp_path / "model", size="tiny", steps=2, batch_size=4)
    assert (result.rows, result.held_out_rows) == (shards.manifest.statistics["rows"], apart)
    card = (tmp_path / "model" / "README.md").read_text()
    assert "may have been seen" not in card
