"""Batches as tensors, for hand-written loops and for transformers' Trainer.

A hand-written loop; a thread prepares batches in advance, in pinned memory if there is a GPU:

    feed = TorchBatches(Loader("shards", batch_size=256))
    for batch in torch.utils.data.DataLoader(feed, batch_size=None):
        loss = model(**{name: tensor.to("cuda", non_blocking=True) for name, tensor in batch.items()}).loss

transformers' Trainer, which chooses the order itself:

    data = InstanceDataset("shards")
    Trainer(model, TrainingArguments("out", remove_unused_columns=False), data_collator=data.collate,
            train_dataset=data).train()

Both yield the arguments of BertForPreTraining: `labels` is -100 where nothing is predicted.
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
IGNORED = -100  # the label that transformers' losses ignore


def model_inputs(batch: Batch) -> Tensors:
    """Return a batch as the keyword arguments of BertForPreTraining, labels included.

    Each is ``int64[rows, length]``, but ``next_sentence_label`` is ``int64[rows]``; a batch without padding has
    no ``attention_mask``.
    """
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
    """An iterator over prepared batches; a thread prepares a few of them in advance.

    Closing it sets the loader to the position after the last batch that was consumed, however many more were
    prepared.

    Attributes:
        loader: the source of the batches.
        make: the function that prepares a batch.
        state: the loader's state after the last batch that was consumed.
    """

    def __init__(
        self, loader: Loader, make: Callable[[Batch], Made], *, depth: int = 2, forever: bool = False
    ) -> None:
        """Start the thread.

        Args:
            loader: the source of the batches.
            make: prepares a batch; called in the thread.
            depth: maximum number of batches prepared in advance.
            forever: whether to continue with the next epoch instead of stopping.
        """
        self.loader, self.make = loader, make
        self.state = loader.state_dict()
        self._made: queue.Queue[Any] = queue.Queue(depth)
        self._closed = threading.Event()
        batches = loader.forever() if forever else iter(loader)
        self._thread = threading.Thread(target=self._work, args=(batches,), daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Made]:
        """Return the feed itself."""
        return self

    def __next__(self) -> Made:
        """Return the next prepared batch, or raise the error that the thread met."""
        made, state, error = self._made.get()
        if error is not None:
            self._made.put((None, None, error))  # further calls raise it again
            raise error
        self.state = state
        return made  # type: ignore[no-any-return]

    def close(self) -> None:
        """End the thread and set the loader to the position after the last batch that was consumed."""
        self._closed.set()
        self._thread.join()
        self.loader.load_state_dict(self.state)

    def _work(self, batches: Iterator[Batch]) -> None:
        try:
            for batch in batches:
                if not self._put((self.make(batch), self.loader.state_dict(), None)):
                    return
            self._put((None, None, StopIteration()))
        except BaseException as error:  # noqa: BLE001 (raised again in __next__)
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
    """A loader as a dataset of whole batches, iterated directly or by ``DataLoader(..., batch_size=None)``.

    One pass over it is the rest of the loader's epoch. It has a thread of its own: ``num_workers`` must be 0.
    """

    def __init__(self, loader: Loader, *, depth: int = 2, pin: bool | None = None) -> None:
        """Wrap a loader.

        Args:
            loader: the source of the batches, created with this process's rank and world.
            depth: maximum number of batches prepared in advance.
            pin: whether to copy them to pinned memory; by default if there is a GPU.
        """
        super().__init__()
        self.loader, self.depth = loader, depth
        self.pin = torch.cuda.is_available() if pin is None else pin
        self._feed: Feed[Tensors] | None = None

    def __iter__(self) -> Iterator[Tensors]:
        """Yield the rest of the loader's epoch, each batch as the arguments of BertForPreTraining.

        Raises:
            OptionError: the dataset is iterated in a worker process.
        """
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
        """Return the loader's state after the last batch that was consumed."""
        return self._feed.state if self._feed else self.loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; raises as `wpprep.shards.loader.Loader.load_state_dict` does."""
        self.loader.load_state_dict(state)


class InstanceDataset(Dataset[tuple[int, int]]):
    """Instances by index, for transformers' Trainer: an item is (global row, epoch), `collate` reads the rows.

    Attributes:
        folder: the open shard folder.
        rows: the global rows that the dataset consists of.
        epoch: current epoch, which selects the dynamic masks.
    """

    def __init__(
        self, folder: Folder, *, rows: Ints | None = None, seed: int = 12345, pad_to: str = "longest"
    ) -> None:
        """Open a shard folder.

        Args:
            folder: a shard folder, or several.
            rows: global rows to use, ``int64[n]``; by default all.
            seed: seed of dynamic masks, which differ in each epoch.
            pad_to: ``longest`` pads to the longest row of a batch, ``full`` to ``max_seq_length``.
        """
        self._loader = Loader(folder, batch_size=1, seed=seed, pad_to=pad_to)
        self.folder = self._loader.folder
        self.rows = np.arange(len(self.folder)) if rows is None else rows
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[int, int]:
        """Return the global row at an index, and the epoch."""
        return int(self.rows[index]), self.epoch

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch; Trainer calls this when an epoch starts."""
        self.epoch = epoch

    def collate(self, instances: list[tuple[int, int]]) -> Tensors:
        """Return the batch of these instances; see `model_inputs`."""
        rows, epochs = np.array(instances, np.int64).reshape(-1, 2).T
        return model_inputs(self._loader.assemble(rows.copy(), epochs.copy()))
