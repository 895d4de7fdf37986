"""The loader's order: epochs, ranks, resuming, bins and weights."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.counting import make_folder

from wpprep.errors import OptionError, WpprepError
from wpprep.records import InstanceBatch
from wpprep.shards import loader as room
from wpprep.shards.folder import ShardFolder
from wpprep.shards.loader import Loader


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("static") / "shards")


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("dynamic") / "shards", masking="dynamic")


def take(loader: Loader, batches: int) -> list[list[int]]:
    """Row numbers of the next batches."""
    return [loader.next_batch().rows.tolist() for _ in range(batches)]


@pytest.mark.parametrize(("tail", "batches"), [("carry", 6), ("keep", 6), ("drop", 5)])
def test_an_epoch_has_every_row_once(static: Any, tail: str, batches: int) -> None:
    """Epochs are different permutations of all rows; only `drop` omits a tail, another in each epoch."""
    loader = Loader(static[0], batch_size=8, tail=tail)
    rows = [row for batch in take(loader, 41 if tail == "carry" else 2 * batches) for row in batch]
    per_epoch = 40 if tail == "drop" else 41
    first, second = rows[:per_epoch], rows[per_epoch : 2 * per_epoch]
    assert len(set(first)) == len(set(second)) == per_epoch
    assert set(first) <= set(range(41))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize("tail", ["carry", "keep", "drop"])
@pytest.mark.parametrize("world", [2, 3, 7])
def test_ranks_share_one_list_of_batches(static: Any, tail: str, world: int) -> None:
    """Rank r of w has every w-th batch of the list of one process, and all ranks end an epoch at one step."""
    alone = take(Loader(static[0], batch_size=4, tail=tail), 6 * world)
    loaders = [Loader(static[0], batch_size=4, tail=tail, rank=rank, world=world) for rank in range(world)]
    shared = [take(loader, 6) for loader in loaders]
    assert [shared[i % world][i // world] for i in range(6 * world)] == alone
    steps = {len(list(Loader(static[0], batch_size=4, tail=tail, rank=r, world=world))) for r in range(world)}
    assert len(steps) == 1


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    worlds=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    tail=st.sampled_from(["carry", "keep"]),
    data=st.data(),
)
def test_no_row_is_lost_or_repeated_when_the_world_changes(
    static: Any, size: int, batch_size: int, worlds: list[int], tail: str, data: Any
) -> None:
    """A loader that is stopped and continued with another number of ranks has every row once per epoch."""
    folder = ShardFolder(static[0])
    excluded = np.array(sorted(data.draw(st.sets(st.integers(0, 40), max_size=min(40, size)))), np.int64)
    state, seen = Loader(folder, batch_size=batch_size, tail=tail, exclude=excluded).state_dict(), []
    for world in worlds:
        loaders = [
            Loader(folder, batch_size=batch_size, tail=tail, exclude=excluded, rank=rank, world=world)
            for rank in range(world)
        ]
        for loader in loaders:
            loader.load_state_dict(state)
        for _ in range(3):
            for loader in loaders:
                seen += loader.rows_of(loader.consumed + loader.rank)[0].tolist()
                loader.consumed += world
        state = loaders[-1].state_dict()
    rows = 41 - len(excluded)
    for start in range(0, len(seen) - rows + 1, rows):
        assert sorted(seen[start : start + rows]) == sorted(set(range(41)) - set(excluded.tolist()))


def test_resuming_mid_epoch_gives_the_batches_that_were_left(dynamic: Any) -> None:
    """A loader restored from its state, through JSON, gives the arrays of an uninterrupted one."""
    whole = Loader(dynamic[0], batch_size=5, seed=7)
    take(whole, 4)
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = Loader(dynamic[0], batch_size=5, seed=7)
    resumed.load_state_dict(state)
    for _ in range(12):
        one, other = whole.next_batch(), resumed.next_batch()
        for field in dataclasses.fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_a_state_of_another_order_is_refused(static: Any) -> None:
    """A state saved with another batch size is refused with the difference."""
    state = Loader(static[0], batch_size=5).state_dict()
    with pytest.raises(OptionError, match="batch_size 5, this one has 6"):
        Loader(static[0], batch_size=6).load_state_dict(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 42, "tail": "drop"}, "fewer than one batch"),
        ({"batch_size": 4, "rank": 2, "world": 2}, "rank is 2"),
        ({"batch_size": 4, "tail": "wag"}, "tail is 'wag'"),
        ({"batch_size": 4, "pad_to": "moon"}, "pad_to is 'moon'"),
    ],
)
def test_arguments_out_of_range_are_refused(static: Any, changes: dict[str, Any], message: str) -> None:
    """Each message names the argument and its value."""
    with pytest.raises(OptionError, match=message):
        Loader(static[0], **changes)


def test_an_unfinished_folder_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest is refused."""
    with pytest.raises(WpprepError, match="manifest"):
        Loader(tmp_path, batch_size=4)


def test_the_loader_needs_no_torch() -> None:
    """Importing the loader does not import torch."""
    code = "import sys, wpprep.shards.loader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def padded(batches: list[room.Batch]) -> float:
    """Share of padding over some batches."""
    return 1 - sum(batch.tokens for batch in batches) / sum(batch.input_ids.size for batch in batches)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 480 rows of very different lengths."""
    return make_folder(tmp_path_factory.mktemp("uneven") / "shards", rows=(300, 180), longest=64)[0]


@pytest.mark.parametrize("tail", ["carry", "keep", "drop"])
def test_bins_make_batches_of_similar_length(uneven: Path, tail: str) -> None:
    """Every row occurs once per epoch, batches keep their size, and padding is less than a third."""
    plain = list(Loader(uneven, batch_size=8, tail=tail))
    loader = Loader(uneven, batch_size=8, bins=16, tail=tail)
    # With `carry` the window that an epoch ends in reaches into the next: 15 windows of 128 are 4 epochs.
    binned = [loader.next_batch() for _ in range(240 if tail == "carry" else 60)]
    rows = np.concatenate([batch.rows for batch in binned])
    assert set(np.bincount(rows, minlength=480)) == {4 if tail == "carry" else 1}
    assert {len(batch) for batch in binned} == {8}
    assert padded(binned) < padded(plain) / 3
    widths = [batch.input_ids.shape[1] for batch in binned]
    assert widths != sorted(widths)


@settings(max_examples=40, deadline=None)
@given(
    batch_tokens=st.integers(24, 400),
    bins=st.integers(1, 9),
    tail=st.sampled_from(["carry", "keep"]),
    pad_to=st.sampled_from(["longest", "full"]),
)
def test_batches_by_tokens_never_have_more(
    static: Any, batch_tokens: int, bins: int, tail: str, pad_to: str
) -> None:
    """Rows times length are at most the limit, and no row is lost or repeated in an epoch."""
    loader = Loader(static[0], batch_tokens=batch_tokens, bins=bins, tail=tail, pad_to=pad_to)
    rows: list[int] = []
    while len(rows) < 3 * 41:
        batch = loader.next_batch()
        assert batch.input_ids.size <= batch_tokens
        rows += batch.rows.tolist()
    if tail == "keep":
        assert sorted(rows[:41]) == sorted(rows[41:82]) == list(range(41))
    counts = np.bincount(rows, minlength=41)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 2 * max(1, bins * batch_tokens // 24 // 41 + 1)


@pytest.mark.parametrize("options", [{"batch_size": 4, "bins": 3}, {"batch_tokens": 70, "bins": 4}])
@pytest.mark.parametrize("world", [1, 3])
def test_binned_batches_resume_on_any_world(dynamic: Any, options: dict[str, Any], world: int) -> None:
    """A state saved within a window, through JSON, continues the list of batches on other ranks."""
    alone = Loader(dynamic[0], **options)
    expected = take(alone, 60)
    first = Loader(dynamic[0], **options)
    assert take(first, 23) == expected[:23]
    state = json.loads(json.dumps(first.state_dict()))
    ranks = [Loader(dynamic[0], **options, rank=rank, world=world) for rank in range(world)]
    for loader in ranks:
        loader.load_state_dict(state)
    shared = [take(loader, 36 // world) for loader in ranks]
    assert [shared[i % world][i // world] for i in range(36)] == expected[23:59]
    assert ranks[0].state_dict()["consumed"] == 59


def test_a_state_far_on_is_restored(dynamic: Any) -> None:
    """A loader of batches by tokens, restored far into a run, gives the next batch of the saved one."""
    far = Loader(dynamic[0], batch_tokens=70, bins=4)
    take(far, 400)
    state = far.state_dict()
    resumed = Loader(dynamic[0], batch_tokens=70, bins=4)
    resumed.load_state_dict(state)
    assert state["cursor"][0] > 50
    assert take(resumed, 1) == take(far, 1)


@pytest.fixture(scope="module")
def pair(static: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two shard folders of one vocabulary, 41 and 60 rows."""
    return static[0], make_folder(tmp_path_factory.mktemp("second") / "shards", rows=(60,), longest=32)[0]


def test_several_folders_are_one_numbering(pair: tuple[Path, Path]) -> None:
    """Without weights every row of every folder occurs once per epoch."""
    loader = Loader(pair, batch_size=8, tail="keep")
    rows = [row for batch in loader for row in batch.rows.tolist()]
    assert sorted(rows) == list(range(101))


def test_weights_share_out_the_rows(pair: tuple[Path, Path]) -> None:
    """Over 1,000 rows the shares are exact, and the rows of each folder occur equally often."""
    excluded = np.array([0, 1, 2, 50, 100], np.int64)
    loader = Loader(pair, batch_size=50, weights=[3, 1], exclude=excluded)
    rows = np.array([row for batch in take(loader, 20) for row in batch])
    counts = np.bincount(rows, minlength=101)
    assert (counts[:41].sum(), counts[41:].sum()) == (750, 250)
    assert not counts[excluded].any()
    for part in (np.setdiff1d(np.arange(41), excluded), np.setdiff1d(np.arange(41, 101), excluded)):
        assert counts[part].max() - counts[part].min() <= 2
    with pytest.raises(OptionError, match="one per folder"):
        Loader(pair, batch_size=5, weights=[1])
    with pytest.raises(OptionError, match="expected carry"):
        Loader(pair, batch_size=5, weights=[1, 1], tail="keep")
