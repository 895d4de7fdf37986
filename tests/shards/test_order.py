"""The order of batches: excluded rows, cursors, and what the order depends on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from support.counting import make_folder

from wpprep.errors import OptionError
from wpprep.records import Ints
from wpprep.shards.folder import ShardFolder
from wpprep.shards.order import Order


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Ten rows in two shards."""
    return ShardFolder(make_folder(tmp_path_factory.mktemp("ten") / "shards", rows=(4, 6))[0])


def order_of(
    folder: ShardFolder,
    *,
    batch_size: int | None = None,
    batch_tokens: int | None = None,
    bins: int | None = None,
    tail: str = "carry",
    exclude: Sequence[int] = (),
) -> Order:
    """An order with the given options and seed 1."""
    return Order(
        folder,
        batch_size=batch_size,
        batch_tokens=batch_tokens,
        bins=bins,
        seed=1,
        tail=tail,
        exclude=np.array(exclude, np.int64),
        weights=None,
        full=False,
    )


def test_excluded_rows_do_not_occur(folder: ShardFolder) -> None:
    """Without rows 0, 1, 5, 6 and 9, at both ends and in runs, an epoch is the rows 2, 3, 4, 7 and 8."""
    order = order_of(folder, batch_size=5, exclude=[0, 1, 5, 6, 9])
    for epoch in range(3):
        rows, epochs = order.batch(epoch)
        assert sorted(rows.tolist()) == [2, 3, 4, 7, 8]
        assert epochs.tolist() == [epoch] * 5


@pytest.mark.parametrize(
    ("tail", "sizes", "epochs"),
    [
        ("carry", [4, 4, 4, 4, 4], [0, 0, 0, 1, 1]),
        ("keep", [4, 4, 2, 4, 4], [0, 0, 0, 1, 1]),
        ("drop", [4, 4, 4, 4, 4], [0, 0, 1, 1, 2]),
    ],
)
def test_the_tail_of_an_epoch(folder: ShardFolder, tail: str, sizes: list[int], epochs: list[int]) -> None:
    """Ten rows in batches of four: the last two are filled up, make a batch, or are dropped."""
    order = order_of(folder, batch_size=4, tail=tail)
    assert [len(order.batch(i).rows) for i in range(5)] == sizes
    assert [order.epoch(i) for i in range(5)] == epochs


def test_a_batch_does_not_depend_on_those_read_before(folder: ShardFolder) -> None:
    """Any batch, read first, is equal to the one that is read in sequence."""
    sequence = order_of(folder, batch_tokens=60, bins=2)
    batches = [sequence.batch(i).rows.tolist() for i in range(30)]
    for number in (29, 7, 0):
        assert order_of(folder, batch_tokens=60, bins=2).batch(number).rows.tolist() == batches[number]


def test_a_cursor_saves_the_search(folder: ShardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the cursor of a batch, only the window of that batch is planned, and not all windows before it."""
    far = order_of(folder, batch_tokens=60, bins=2)
    expected, cursor = far.batch(200).rows.tolist(), far.cursor(200)
    assert cursor is not None
    planned = 0
    lengths = folder.lengths

    def counted(rows: Ints) -> Ints:
        nonlocal planned
        planned += 1
        return lengths(rows)

    resumed = order_of(folder, batch_tokens=60, bins=2)
    monkeypatch.setattr(folder, "lengths", counted)
    resumed.seek(cursor)
    assert resumed.batch(200).rows.tolist() == expected
    assert planned == 1
    assert cursor[0] > 10


def test_batches_of_equal_size_need_no_cursor(folder: ShardFolder) -> None:
    """The window of such a batch is computed from its number."""
    assert order_of(folder, batch_size=4).cursor(1000) is None


@pytest.mark.parametrize(
    ("batch_size", "batch_tokens", "bins", "message"),
    [
        (None, None, None, "expected either batch_size or batch_tokens"),
        (4, 60, None, "expected either batch_size or batch_tokens"),
        (None, 23, None, "batch_tokens is 23, expected at least 24"),
        (4, None, -1, "bins is -1, expected at least 1"),
    ],
)
def test_options_out_of_range_are_refused(
    folder: ShardFolder, batch_size: int | None, batch_tokens: int | None, bins: int | None, message: str
) -> None:
    """The message has the value and what is expected."""
    with pytest.raises(OptionError, match=message):
        order_of(folder, batch_size=batch_size, batch_tokens=batch_tokens, bins=bins)


def test_batches_by_tokens_have_no_tail_to_drop(folder: ShardFolder) -> None:
    """The tail drop is for batches of a number of rows."""
    with pytest.raises(OptionError, match="tail is 'drop', which needs batch_size"):
        order_of(folder, batch_tokens=60, tail="drop")


def test_weights_need_a_share_for_each_folder(tmp_path: Path) -> None:
    """A weight below a thousandth of the sum, or one for a folder without rows to draw, is refused."""
    both = ShardFolder(*(make_folder(tmp_path / name, rows=(5,))[0] for name in ("one", "two")))
    options = {"batch_tokens": None, "bins": None, "seed": 1, "tail": "carry", "full": False}
    for weights, exclude, message in (
        ([1.0, 0.0001], [], "at least a thousandth of their sum"),
        ([1.0, 1.0], [5, 6, 7, 8, 9], "all rows of a folder with a weight are excluded"),
        ([1.0, -1.0], [], "expected 2 numbers above 0, one per folder"),
    ):
        with pytest.raises(OptionError, match=message):
            Order(both, batch_size=2, weights=weights, exclude=np.array(exclude, np.int64), **options)  # type: ignore[arg-type]
