"""Sorted runs on disk: merging adds the counts, in order, whatever is read at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.counts import Rows, counts_of, rows_of

from wpprep.vocab.counting.runs import BATCH_ROWS, Spill, chunk_counts, merged, sorted_table, write_run

ROWS = st.dictionaries(
    st.text(st.sampled_from("a\u00e9\u4e2d\U0001f600b"), max_size=4),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    max_size=20,
)


@given(runs=st.lists(ROWS, max_size=6), rows_at_once=st.integers(1, 30), batch_rows=st.integers(1, 5))
def test_merging_runs_adds_their_counts_in_order(
    tmp_path_factory: pytest.TempPathFactory, runs: list[Rows], rows_at_once: int, batch_rows: int
) -> None:
    """For any number of rows at once, each chunk is returned once, with its sums, in the order of its bytes."""
    folder = tmp_path_factory.mktemp("runs")
    expected: dict[str, list[int]] = {}
    for i, rows in enumerate(runs):
        table = sorted_table(counts_of(rows))
        write_run(folder / f"{i}", [table.slice(k, batch_rows) for k in range(0, len(table), batch_rows)])
        for chunk, pair in rows.items():
            sums = expected.setdefault(chunk, [0, 0])
            sums[0], sums[1] = sums[0] + pair[0], sums[1] + pair[1]
    parts = [chunk_counts(table) for table in merged([folder / f"{i}" for i in range(len(runs))], rows_at_once)]
    found = rows_of(parts)
    assert {chunk: list(pair) for chunk, pair in found.items()} == expected
    assert list(found) == sorted(expected, key=str.encode)


def test_runs_longer_than_a_batch_are_merged(tmp_path: Path) -> None:
    """Runs of many batches, of unequal lengths and ranges, are merged to one sorted sequence of chunks."""
    ranges = [(0, 5 * BATCH_ROWS), (3 * BATCH_ROWS, 4 * BATCH_ROWS), (9 * BATCH_ROWS, 9 * BATCH_ROWS + 1)]
    for i, (first, last) in enumerate(ranges):
        write_run(tmp_path / f"{i}", [sorted_table(counts_of({f"{n:08}": (1, 2) for n in range(first, last)}))])
    tables = list(merged([tmp_path / f"{i}" for i in range(3)], 1000))
    assert len(tables) > 3
    found = rows_of([chunk_counts(table) for table in tables])
    assert list(found) == sorted(found)
    assert len(found) == 5 * BATCH_ROWS + 1
    assert found[f"{3 * BATCH_ROWS:08}"] == (2, 4)


def test_more_runs_than_can_be_open_are_merged_in_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a fan-in of 2, seven runs and an existing one are added; only the existing one is left."""
    monkeypatch.setattr("wpprep.vocab.counting.runs.FAN_IN", 2)
    write_run(tmp_path / "theirs", [sorted_table(counts_of({"a": (1, 0), "z": (5, 0)}))])
    spill = Spill(tmp_path, "ours", 1)
    spill.take_in([tmp_path / "theirs"])
    for i in range(7):
        spill.put_aside(counts_of({"a": (1, 1), f"b{i}": (2**40, 0)}))
    found = rows_of(list(spill.merged_counts()))
    assert found == {"a": (8, 7), "z": (5, 0)} | {f"b{i}": (2**40, 0) for i in range(7)}
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]
