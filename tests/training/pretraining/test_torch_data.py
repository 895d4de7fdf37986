"""Batches as tensors, for hand-written loops and for transformers' Trainer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.counting import make_folder, rewrite
from support.training import dynamic, shards, torch

from wpprep.errors import OptionError, ShardError
from wpprep.shards.loader import Loader
from wpprep.training.pretraining import torch_data as feed_room
from wpprep.training.pretraining.torch_data import InstanceDataset, TorchBatches, model_inputs

__all__ = ["dynamic", "shards"]


@pytest.mark.parametrize("masking", ["static", "dynamic"])
def test_batches_for_hand_written_loops(tmp_path: Path, masking: str) -> None:
    """A pass is the loader's epoch as arguments of BertForPreTraining; the state counts consumed batches."""
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
    """In a DataLoader's worker process, which would repeat every batch, iterating is an error."""
    monkeypatch.setattr(feed_room, "get_worker_info", lambda: "a worker")
    with pytest.raises(OptionError, match="num_workers"):
        next(iter(TorchBatches(Loader(shards, batch_size=8))))


def test_what_goes_wrong_in_the_background_is_raised_in_front(tmp_path: Path) -> None:
    """A damaged row ends the loop with an error that names it, and the loop does not hang."""
    folder, written = make_folder(tmp_path / "shards", rows=(41,))
    written[0].input_ids[written[0].offsets[5]] = 999
    rewrite(folder, 0, written[0])
    with pytest.raises(ShardError, match="row 5 is damaged"):
        list(TorchBatches(Loader(folder, batch_size=8)))


@pytest.mark.filterwarnings("ignore")
def test_the_example_for_transformers_trainer_runs(dynamic: Path, tmp_path: Path) -> None:
    """The README's example runs: Trainer chooses the order, and each epoch has new masks."""
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
