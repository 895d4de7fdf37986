"""Nodes: how they share tasks and elect the one that finishes (whole jobs: tests/pipeline/test_nodes.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from wpprep.errors import OutputError
from wpprep.jobs.claims import Claims
from wpprep.jobs.nodes import Alone, FinishedElsewhere, Nodes


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Nodes, Nodes]]:
    """Two nodes of one folder, which is the test's own."""
    with Claims(tmp_path / "claims", "1/2", 60) as one, Claims(tmp_path / "claims", "2/2", 60) as other:
        yield Nodes(tmp_path, one), Nodes(tmp_path, other)


def test_one_node_has_all_tasks() -> None:
    """Alone, a node shares nothing, agrees with itself, and finishes the folder at once."""
    node = Alone()
    assert not node.is_shared
    assert node.own("abc") == list(node.share("abc")) == ["a", "b", "c"]
    node.agree("tokens", {"a": 1})
    node.elect()
    node.wait()


def test_tasks_are_claimed_when_they_are_requested(two: tuple[Nodes, Nodes]) -> None:
    """Two nodes that take turns get every task once, each its own share first."""
    shares = [node.share("abcdef") for node in two]
    turns = [next(share) for _ in range(3) for share in shares]
    assert turns == ["a", "b", "c", "d", "e", "f"]
    assert [list(share) for share in shares] == [[], []]


def test_nodes_must_have_the_same_tasks(two: tuple[Nodes, Nodes]) -> None:
    """The second node with other tasks for a stage is refused; other stages are separate."""
    two[0].agree("tokens", {"a": (0, 100)})
    two[1].agree("tokens", {"a": (0, 100)})
    two[1].agree("shards", {"a": (0, 50)})
    with pytest.raises(OutputError, match=r"cuts the work into other tasks; .*--slice-bytes"):
        two[1].agree("tokens", {"a": (0, 50)})


def test_one_node_is_elected(two: tuple[Nodes, Nodes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second node waits, with growing pauses, until the elected one has written the manifest."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 40:
            (tmp_path / "manifest.json").touch()

    monkeypatch.setattr("wpprep.jobs.nodes.time.sleep", sleep)
    two[0].elect()
    assert pauses == []
    with pytest.raises(FinishedElsewhere):
        two[1].elect()
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.02, 0.5)
    assert two[1].wait_for_finish()


def test_a_finished_folder_ends_the_work(two: tuple[Nodes, Nodes], tmp_path: Path) -> None:
    """No task is claimed in a folder that has its manifest."""
    assert not two[0].wait_for_finish()
    share = two[0].share("ab")
    assert next(share) == "a"
    (tmp_path / "manifest.json").touch()
    with pytest.raises(FinishedElsewhere):
        next(share)
