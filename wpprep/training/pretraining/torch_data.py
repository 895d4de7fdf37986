"""Batches as tensors: for loops written by hand, and for transformers' Trainer.

A loop of your own, batches made ahead by a thread and in pinned memory where there is a GPU:

    feed = TorchBatches(Loader("shards", batch_size=256))
    for batch in torch.utils.data.DataLoader(feed, batch_size=None):
        loss = model(**{name: tensor.to("cuda", non_blocking=True) for name, tensor in batch.items()}).loss

transformers' Trainer, which makes the order itself:

    data = InstanceDataset("shards")
    Trainer(model, TrainingArguments("out", remove_unused_columns=False), data_collator=data.collate,
            train_dataset=data).train()

Both yield what BertForPreTraining takes: `labels` is -100 where nothing is predicted.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from wpprep.errors import OptionError
from wpprep.records import Ints
from wpprep.shards.loader import Batch, Folder, Loader

Made = TypeVar("Made")
Tensors = dict[str, torch.Tensor]
IGNORED = -100  # what transformers' losses pass over


def model_inputs(batch: Batch) -> Tensors:
    """A batch as the keyword arguments of BertForPreTraining: ``int64[rows, length]`` each, labels included."""
    labels = np.full(batch.input_ids.size, IGNORED, np.int64)
    labels[batch.mlm_positions] = batch.mlm_labels
    arrays = {
        "input_ids": batch.input_ids,
        "token_type_ids": batch.token_type_ids,
        "labels": labels.reshape(batch.input_ids.shape),
        "next_sentence_label": batch.next_sentence_label,
    }
    if batch.attention_mask is not None:
        arrays["attention_mask"] = batch.attention_mask
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


class Feed(Generic[Made]):
    """What is made of a loader's batches, by a thread that is a few batches ahead.

    Args:
        loader: moves on with what is taken, not with what is made: when the feed is closed, it stands
            behind the last batch that was taken.
        make: turns a batch into what is wanted, in the thread.
        depth: how many are made ahead.
        forever: go on with the next epoch.
    """

    def __init__(
        self, loader: Loader, make: Callable[[Batch], Made], *, depth: int = 2, forever: bool = False
    ) -> None:
        self.loader, self.make = loader, make
        self.state = loader.state_dict()
        self._made: queue.Queue[Any] = queue.Queue(depth)
        self._closed = threading.Event()
        batches = loader.forever() if forever else iter(loader)
        self._thread = threading.Thread(target=self._work, args=(batches,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Made]:
        return self

    def __next__(self) -> Made:
        made, state, error = self._made.get()
        if error is not None:
            self._made.put((None, None, error))  # the next call ends the same way
            raise error
        self.state = state
        return made  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the thread and set the loader to behind the last batch that was taken."""
        self._closed.set()
        self._thread.join()
        self.loader.load_state_dict(self.state)

    def _work(self, batches: Iterator[Batch]) -> None:
        try:
            for batch in batches:
                if not self._put((self.make(batch), self.loader.state_dict(), None)):
                    return
            self._put((None, None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the batch is taken)
            self._put((None, None, error))

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._made.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False


class TorchBatches(IterableDataset[Tensors]):
    """A loader as a dataset of whole batches, for ``DataLoader(..., batch_size=None)`` or as it is.

    One pass over it is the rest of the loader's epoch. It reads ahead by itself: ``num_workers`` stays 0.

    Args:
        loader: made with this process's rank and world.
        depth: batches made ahead.
        pin: put them into pinned memory. [default: where there is a GPU]
    """

    def __init__(self, loader: Loader, *, depth: int = 2, pin: bool | None = None) -> None:
        super().__init__()
        self.loader, self.depth = loader, depth
        self.pin = torch.cuda.is_available() if pin is None else pin
        self._feed: Feed[Tensors] | None = None

    def __iter__(self) -> Iterator[Tensors]:
        if get_worker_info() is not None:
            raise OptionError("num_workers is above 0, expected 0: each worker would yield every batch")
        self._feed = Feed(self.loader, self._make, depth=self.depth)
        try:
            yield from self._feed
        finally:
            self._feed.close()
            self._feed = None

    def _make(self, batch: Batch) -> Tensors:
        tensors = model_inputs(batch)
        return {name: tensor.pin_memory() for name, tensor in tensors.items()} if self.pin else tensors

    def state_dict(self) -> dict[str, Any]:
        """The loader's state behind the last batch that was taken."""
        return self._feed.state if self._feed else self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where the state was taken; raises as `wpprep.shards.loader.Loader.load_state_dict` does."""
        self.loader.load_state_dict(state)


class InstanceDataset(Dataset[tuple[int, int]]):
    """Instances by number, for transformers' Trainer: `collate` makes batches of them.

    Args:
        folder: a shard folder, or several.
        rows: global rows to offer; all if not given.
        seed: of dynamic masks, which are new in each epoch.
        pad_to: ``longest`` or ``full``.
    """

    def __init__(
        self, folder: Folder, *, rows: Ints | None = None, seed: int = 12345, pad_to: str = "longest"
    ) -> None:
        self._loader = Loader(folder, batch_size=1, seed=seed, pad_to=pad_to)
        self.folder = self._loader.folder
        self.rows = np.arange(len(self.folder)) if rows is None else rows
        self.epoch = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[int, int]:
        return int(self.rows[index]), self.epoch

    def set_epoch(self, epoch: int) -> None:
        """Called by Trainer when an epoch starts."""
        self.epoch = epoch

    def collate(self, instances: list[tuple[int, int]]) -> Tensors:
        """The batch of these instances, as the keyword arguments of BertForPreTraining."""
        rows, epochs = np.array(instances, np.int64).reshape(-1, 2).T
        return model_inputs(self._loader.assemble(rows.copy(), epochs.copy()))
