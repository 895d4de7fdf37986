"""The contents of the loader's batches: padding, and dynamic masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.counting import CLS, PAD, PIECES, SEP, make_folder, rewrite

from wpprep import rng
from wpprep.instances.masking import mask_batch
from wpprep.records import InstanceBatch
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Batch, Loader


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("static") / "shards")


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("dynamic") / "shards", masking="dynamic")


@pytest.mark.parametrize("pad_to", ["longest", "full"])
def test_batches_equal_the_slow_twin(static: Any, pad_to: str) -> None:
    """Ids, types, mask, flat positions and labels are those of a loop over Python lists."""
    folder, written = static
    for batch in Loader(folder, batch_size=6, pad_to=pad_to, tail="keep"):
        twin = slow_batch(written, batch.rows, 24 if pad_to == "full" else None)
        for name, expected in twin.items():
            assert np.array_equal(getattr(batch, name), expected), name
        assert batch.input_ids.dtype == batch.mlm_labels.dtype == batch.next_sentence_label.dtype == np.int64


def slow_batch(written: list[InstanceBatch], rows: Any, width: int | None) -> dict[str, Any]:
    """The expected result of `Loader.assemble`, made from Python lists."""
    found = []
    for row in rows:
        shard, local = 0, int(row)
        while local >= len(written[shard]):
            local -= len(written[shard])
            shard += 1
        batch = written[shard]
        ids = batch.input_ids[batch.offsets[local] : batch.offsets[local + 1]].tolist()
        places = slice(batch.mlm_offsets[local], batch.mlm_offsets[local + 1])
        found.append((ids, batch, local, places))
    width = width or min(24, (max(len(ids) for ids, *_ in found) + 7) // 8 * 8)
    lengths = [len(ids) for ids, *_ in found]
    return {
        "input_ids": [ids + [PAD] * (width - len(ids)) for ids, *_ in found],
        "token_type_ids": [[int(b.b_start[r] <= j < len(ids)) for j in range(width)] for ids, b, r, _ in found],
        "attention_mask": None
        if min(lengths) == width
        else [[int(j < n) for j in range(width)] for n in lengths],
        "mlm_positions": [
            i * width + p for i, (_, b, _, s) in enumerate(found) for p in b.mlm_positions[s].tolist()
        ],
        "mlm_labels": [label for _, b, _, s in found for label in b.mlm_labels[s].tolist()],
        "next_sentence_label": [b.next_sentence_label[r] for _, b, r, _ in found],
        "tokens": sum(lengths),
    }


def test_nothing_padded_means_no_attention_mask(static: Any) -> None:
    """A batch of rows of equal length has no attention mask, so that a model need not apply one."""
    folder = ShardFolder(static[0])
    lengths = np.concatenate([np.diff(batch.offsets) for batch in static[1]])
    assert Loader(folder, batch_size=4).assemble(np.flatnonzero(lengths == 24)[:4]).attention_mask is None
    mixed = np.array([np.argmin(lengths), np.argmax(lengths)])
    assert Loader(folder, batch_size=4).assemble(mixed).attention_mask is not None


def test_dynamic_masks_follow_row_and_epoch_alone(dynamic: Any) -> None:
    """Masks of a row depend on the row, the epoch and the seed, and not on the batch."""

    def masks(batch_size: int, seed: int) -> dict[tuple[int, int], tuple[Any, ...]]:
        loader, found = Loader(dynamic[0], batch_size=batch_size, seed=seed, tail="keep"), {}
        for epoch in range(2):
            for batch in loader:
                width = batch.input_ids.shape[1]
                for i, row in enumerate(batch.rows.tolist()):
                    mine = batch.mlm_positions // width == i
                    places = batch.mlm_positions[mine] % width
                    found[row, epoch] = (places.tolist(), batch.mlm_labels[mine].tolist())
        return found

    one, other = masks(4, 7), masks(9, 7)
    assert one == other
    assert sum(one[row, 0] != one[row, 1] for row in range(41)) > 20
    assert sum(one[row, 0] != masks(4, 8)[row, 0] for row in range(41)) > 20


def test_dynamic_masks_leave_the_shards_alone(dynamic: Any) -> None:
    """Masking works on a copy: with the labels put back, the ids are those in the shard."""
    folder, written = dynamic
    for batch in Loader(folder, batch_size=6):
        restored = batch.input_ids.copy().reshape(-1)
        restored[batch.mlm_positions] = batch.mlm_labels
        assert np.array_equal(
            restored.reshape(batch.input_ids.shape), slow_batch(written, batch.rows, None)["input_ids"]
        )
        assert len(batch.mlm_labels) >= len(batch)


@pytest.mark.parametrize("policy", ["word", "span"])
def test_words_and_spans_are_masked_as_shards_would(tmp_path: Path, policy: str) -> None:
    """Masks are those of `mask_batch` with the key of (seed, epoch, row): whole words, new in each epoch."""
    folder, written = make_folder(
        tmp_path / "shards", rows=(40,), longest=40, masking="dynamic", mask_policy=policy
    )
    written[0].input_ids[:] = np.where(written[0].input_ids % 3 == 1, PIECES.index("##a"), written[0].input_ids)
    restore_specials(written[0])
    rewrite(folder, 0, written[0])
    loader = Loader(folder, batch_size=8, seed=5, tail="keep")
    options, roles, masked = loader.folder.options, loader.folder.roles, []
    for epoch in range(2):
        for batch in loader:
            keys = np.array([rng.key(5, rng.DYNAMIC_MASKING, epoch, row) for row in batch.rows], np.uint64)
            shares = options["masked_lm_prob"], 6, options["mask_share"], options["random_share"]
            twin = mask_batch(loader.folder.gather(batch.rows), roles, policy, *shares, keys)
            width = batch.input_ids.shape[1]
            assert (batch.mlm_positions % width).tolist() == twin.mlm_positions.tolist()
            assert batch.mlm_labels.tolist() == twin.mlm_labels.tolist()
            assert batch.input_ids[batch.input_ids != PAD].tolist() == twin.input_ids.tolist()
            check_whole_words(batch, roles.starts_word)
            masked.append(
                set(zip(batch.rows.repeat(np.diff(twin.mlm_offsets)), twin.mlm_positions, strict=True))
            )
    first, second = set().union(*masked[:5]), set().union(*masked[5:])
    assert len(first & second) < len(first) / 2


def restore_specials(instances: InstanceBatch) -> None:
    """Write [CLS] and [SEP] to their positions again."""
    instances.input_ids[instances.offsets[:-1]] = CLS
    instances.input_ids[instances.offsets[1:] - 1] = SEP
    instances.input_ids[instances.offsets[:-1] + instances.b_start - 1] = SEP


def check_whole_words(batch: Batch, starts_word: Any) -> None:
    """Assert that no word is predicted in part."""
    ids = batch.input_ids.reshape(-1).copy()
    ids[batch.mlm_positions] = batch.mlm_labels
    predicted = np.zeros(ids.size, np.bool_)
    predicted[batch.mlm_positions] = True
    width = batch.input_ids.shape[1]
    for place in np.flatnonzero(~starts_word[ids]):
        position = place % width
        is_first = position == 1 or ids[place - 1] == SEP
        if not is_first and ids[place] not in {PAD, SEP, CLS}:
            assert predicted[place] == predicted[place - 1]


def test_the_example_for_numpy_runs(dynamic: Any) -> None:
    """The example in the README for NumPy learns a bigram model from dynamic masks."""
    loader = Loader(dynamic[0], batch_size=16)
    follows = np.ones((len(PIECES), len(PIECES)))
    for _ in range(60):
        batch = loader.next_batch()
        ids, places = batch.input_ids.reshape(-1), batch.mlm_positions
        np.add.at(follows, (ids[places - 1], batch.mlm_labels), 1)
    batch = loader.next_batch()
    guesses = follows[batch.input_ids.reshape(-1)[batch.mlm_positions - 1]].argmax(-1)
    assert (guesses == batch.mlm_labels).mean() > 0.4
