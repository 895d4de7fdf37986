"""Claims: a task is claimed by one living node; those of lost nodes are free again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from wpprep.jobs import claims
from wpprep.jobs.claims import Claims


def sign_of_life(folder: Path, number: int) -> Path:
    """The file by which a node shows that it lives."""
    (found,) = folder.glob(f"node-{number}-*")
    return found


def test_a_node_claims_its_own_share_first(tmp_path: Path) -> None:
    """Node 2 of 3 claims tasks 1, 4 of seven (counted from 0), then those of node 3 (2, 5), then of node 1."""
    node = Claims(tmp_path, "2/3", 60)
    assert node.own("abcdefg") == ["b", "e"]
    assert node.order("abcdefg") == ["b", "e", "c", "f", "a", "d", "g"]


def test_a_claim_holds_until_its_node_ends(tmp_path: Path) -> None:
    """A task that one node has claimed cannot be claimed by another, until the first has ended."""
    with Claims(tmp_path, "1/2", 60) as second:
        with Claims(tmp_path, "2/2", 60) as first:
            assert not second.is_taken("task")
            assert first.take("task")
            assert not second.take("task")
            assert not first.take("task")
            assert second.is_taken("task")
            assert not first.is_taken("task")
        assert not second.is_taken("task")
        assert second.take("task")


def test_a_node_without_a_sign_of_life_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claims of a node that has given no sign of life for ``lost_after`` seconds are free."""
    with Claims(tmp_path, "1/2", 30) as alive:
        monkeypatch.setattr(claims, "BEAT", 3600)  # node 2 gives one sign
        with Claims(tmp_path, "2/2", 30) as lost:
            assert lost.take("task")
            assert not alive.take("task")
            deadline = time.monotonic() + 60
            while not alive.take("task"):  # until the one sign has been given
                assert time.monotonic() < deadline
                long_ago = time.time() - 3600
                os.utime(sign_of_life(tmp_path, 2), (long_ago, long_ago))
            assert not lost.take("task")


def test_a_node_gives_signs_of_life(tmp_path: Path) -> None:
    """The file of a living node, made old, is modified again; no file is left when the node ends."""
    with Claims(tmp_path, "1/1", 30):
        sign = sign_of_life(tmp_path, 1)
        os.utime(sign, (0, 0))
        deadline = time.monotonic() + 60
        while sign.stat().st_mtime == 0:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_without_a_name_is_being_written(tmp_path: Path) -> None:
    """An empty claim is another node's while it is young, and free when it is old."""
    (tmp_path / "task.claim").touch()
    with Claims(tmp_path, "1/2", 30) as node:
        assert node.is_taken("task")
        assert not node.take("task")
        os.utime(tmp_path / "task.claim", (0, 0))
        assert node.take("task")


def test_the_first_word_holds_for_all_nodes(tmp_path: Path) -> None:
    """Every node gets the word that the first one gave for a name."""
    with Claims(tmp_path, "1/2", 30) as first, Claims(tmp_path, "2/2", 30) as second:
        assert first.first_word("tokens", "7 slices") == "7 slices"
        assert second.first_word("tokens", "9 slices") == "7 slices"
        assert second.first_word("shards", "9 slices") == "9 slices"
        assert first.first_word("shards", "7 slices") == "9 slices"
