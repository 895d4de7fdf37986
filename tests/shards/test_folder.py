"""Opened shard folders: numbers of rows, copies in any order, held-out documents, and messages about damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.counting import make_folder, rewrite

from wpprep.errors import MissingInputError, OptionError, ShardError, WpprepError
from wpprep.records import InstanceBatch
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import take_rows
from wpprep.shards.loader import Loader

Written = tuple[Path, list[InstanceBatch]]


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Shards of 17, 1 and 23 rows, three rows per document, and the rows."""
    return make_folder(tmp_path_factory.mktemp("static") / "shards")


def test_rows_have_numbers_over_all_shards(static: Written) -> None:
    """Shards of 17, 1 and 23 rows start at 0, 17 and 18, and the row after the last is 41."""
    folder = ShardFolder(static[0])
    assert folder.starts.tolist() == [0, 17, 18, 41]
    assert len(folder) == 41
    assert folder.tokens == sum(len(batch.input_ids) for batch in static[1])
    names = [str(static[0] / f"shard-0000{i}-of-00003.arrow") for i in range(3)]
    assert folder.places(np.array([20, 17, 3, 18])) == {names[0]: [3], names[1]: [0], names[2]: [0, 2]}


def test_gather_copies_rows_in_the_requested_order(static: Written) -> None:
    """Rows of several shards, one of them twice, come in the order of their numbers in the request."""
    folder, (first, second, third) = ShardFolder(static[0]), static[1]
    found = folder.gather(np.array([18, 0, 17, 18]))
    parts = [
        take_rows(third, np.array([0])),
        take_rows(first, np.array([0])),
        second,
        take_rows(third, np.array([0])),
    ]
    assert found.input_ids.tolist() == np.concatenate([part.input_ids for part in parts]).tolist()
    assert found.mlm_labels.tolist() == np.concatenate([part.mlm_labels for part in parts]).tolist()
    assert found.document.tolist() == [int(part.document[0]) for part in parts]
    assert np.diff(found.offsets).tolist() == folder.lengths(np.array([18, 0, 17, 18])).tolist()


def test_shards_are_opened_when_they_are_first_read(tmp_path: Path) -> None:
    """A folder with a missing shard can be opened and counted; `check`, and so the loader, names the shard."""
    folder, _ = make_folder(tmp_path / "shards")
    (folder / "shard-00001-of-00003.arrow").unlink()
    opened = ShardFolder(folder)
    assert len(opened) == 41
    with pytest.raises(ShardError, match=r"shard-00001.*not there"):
        opened.check()
    with pytest.raises(ShardError, match=r"shard-00001.*not there"):
        Loader(folder, batch_size=2)


def test_one_shard_file_is_opened_alone(static: Written) -> None:
    """The rows of a shard file are numbered from 0; a file that is not among the shards is refused."""
    path = static[0] / "shard-00002-of-00003.arrow"
    opened = ShardFolder(path)
    assert (len(opened), opened.location, opened.path) == (23, path, static[0])
    expected = take_rows(static[1][2], np.array([4])).input_ids
    assert opened.gather(np.array([4])).input_ids.tolist() == expected.tolist()
    with pytest.raises(MissingInputError, match=r"manifest\.json: not among the shards of"):
        ShardFolder(static[0] / "manifest.json")


def test_several_folders_have_one_numbering(static: Written, tmp_path: Path) -> None:
    """Rows of the second folder follow those of the first, and the longer maximum length holds."""
    second = make_folder(tmp_path / "second", rows=(60,), longest=32)[0]
    both, alone = ShardFolder(static[0], second), ShardFolder(second)
    assert both.folder_rows.tolist() == [0, 41, 101]
    assert both.folder_of.tolist() == [0, 0, 0, 1]
    assert both.gather(np.array([41 + 7])).input_ids.tolist() == alone.gather(np.array([7])).input_ids.tolist()
    assert both.max_seq_length == 32


def test_folders_with_different_options_are_refused(static: Written, tmp_path: Path) -> None:
    """Static with dynamic masks, or labels with two meanings, cannot be mixed; folder and option are named."""
    dynamic = make_folder(tmp_path / "dynamic", rows=(5,), masking="dynamic")[0]
    with pytest.raises(OptionError, match=r"dynamic.*masking is dynamic, but static"):
        ShardFolder(static[0], dynamic)
    single = make_folder(tmp_path / "single", rows=(5,), objective="single")[0]
    with pytest.raises(OptionError, match=r"single: objective is single, but nsp"):
        ShardFolder(static[0], single)


def test_rows_are_held_out_by_whole_documents(static: Written) -> None:
    """No document has rows on both sides, the choice depends on the seed, and the loader omits these rows."""
    folder = ShardFolder(static[0])
    documents = np.concatenate([batch.document for batch in static[1]])
    held = folder.held_out(folder.hold_out(8, seed=3), seed=3)
    assert 8 <= len(held) <= 10
    assert held.tolist() == sorted(set(held.tolist()))
    rest = np.setdiff1d(np.arange(41), held)
    assert not set(documents[held]) & set(documents[rest])
    assert folder.hold_out(8, seed=3) == folder.hold_out(8, seed=3) != folder.hold_out(8, seed=4)
    loader = Loader(folder, batch_size=4, tail="keep", exclude=held)
    assert sorted(row for batch in loader for row in batch.rows.tolist()) == rest.tolist()


def test_no_rows_or_more_than_half_of_them_held_out(static: Written) -> None:
    """For 0 rows there is no bound and no row; 30 of 41 rows are refused."""
    folder = ShardFolder(static[0])
    assert folder.hold_out(0, seed=3) == -1
    assert folder.held_out(-1, seed=3).tolist() == []
    with pytest.raises(OptionError, match="whole documents"):
        folder.hold_out(30, seed=3)


def test_an_id_out_of_range_names_file_and_row(tmp_path: Path) -> None:
    """A token id outside the vocabulary raises an error with the file and the row, not an index error."""
    folder, written = make_folder(tmp_path / "shards")
    written[2].input_ids[written[2].offsets[5]] = 999
    rewrite(folder, 2, written[2])
    opened = ShardFolder(folder)
    with pytest.raises(ShardError, match=r"shard-00002-of-00003\.arrow: row 5 is damaged"):
        opened.gather(np.array([3, 18 + 5, 40]))
    assert len(opened.gather(np.array([3, 18 + 4, 40]))) == 3


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    """A shard cut short, a flipped bit under `verify`, and another vocabulary each name the file."""
    folder, _ = make_folder(tmp_path / "shards")
    shard = folder / "shard-00001-of-00003.arrow"
    good = shard.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    shard.write_bytes(flipped)
    with pytest.raises(ShardError, match=r"shard-00001.*sha256"):
        ShardFolder(folder, verify=True)
    shard.write_bytes(good[:-10])
    with pytest.raises(ShardError, match=r"shard-00001.*bytes, expected"):
        ShardFolder(folder).check()
    shard.write_bytes(good)
    ShardFolder(folder, verify=True).check()
    with open(folder / "vocab" / "tokenizer.json", "a") as file:
        file.write(" ")
    with pytest.raises(WpprepError, match="vocab"):
        ShardFolder(folder)


def test_a_folder_without_rows_can_be_looked_at_but_not_loaded(tmp_path: Path) -> None:
    """An empty bin has no rows; the loader refuses it with what to do."""
    folder, (one,) = make_folder(tmp_path / "shards", rows=(3,))
    rewrite(folder, 0, take_rows(one, np.empty(0, np.int64)))
    assert len(ShardFolder(folder)) == 0
    with pytest.raises(ShardError, match="hold no instances; make them again from a longer corpus"):
        Loader(folder, batch_size=2)
