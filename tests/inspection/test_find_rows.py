"""Rows in readable form: found by number, document or text, from folders and single files of either layout."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.counting import make_folder

from wpprep.errors import MissingInputError, OptionError
from wpprep.inspection.find_rows import (
    Instance,
    blocks,
    by_number,
    of_document,
    originals,
    predicted_places,
    readable,
    rows_holding,
    with_text,
)
from wpprep.records import InstanceBatch
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import read_shard

CLS, SEP, MASK = 2, 3, 4


def two_rows() -> InstanceBatch:
    """[CLS] 7 [MASK] [SEP] with 8 masked, and [CLS] [MASK] 8 [SEP] with 7 masked and 8 kept."""
    return InstanceBatch(
        input_ids=np.array([CLS, 7, MASK, SEP, CLS, MASK, 8, SEP], np.uint16),
        offsets=np.array([0, 4, 8]),
        b_start=np.array([4, 4]),
        next_sentence_label=np.zeros(2, np.uint8),
        document=np.array([0, 1]),
        mlm_positions=np.array([2, 1, 2], np.uint16),
        mlm_labels=np.array([8, 7, 8], np.uint16),
        mlm_offsets=np.array([0, 1, 3]),
    )


def test_predictions_have_a_place_in_the_ids() -> None:
    """Positions 2 of row 0, and 1 and 2 of row 1, which starts at 4, are the places 2, 5 and 6."""
    assert predicted_places(two_rows()).tolist() == [2, 5, 6]


def test_originals_are_the_ids_before_masking() -> None:
    """The labels replace the input ids at the predicted places, in a copy."""
    batch = two_rows()
    assert originals(batch).tolist() == [CLS, 7, 8, SEP, CLS, 7, 8, SEP]
    assert batch.input_ids[2] == MASK


def test_rows_hold_ids_that_are_contiguous() -> None:
    """Ids are compared before masking, one after another, and any of several lists is enough."""
    batch = two_rows()
    assert rows_holding(batch, [[7, 8]]).tolist() == [0, 1]
    assert rows_holding(batch, [[8, 7]]).tolist() == []
    assert rows_holding(batch, [[99], [CLS, 7, 8]]).tolist() == [0, 1]


def test_a_search_does_not_reach_into_the_next_row(shards: Path) -> None:
    """The last token of a row and the first of the next are adjacent in the file, and are not a match."""
    batch = read_shard(shards / "shard-00000-of-00003.arrow")
    pieces, ids = readable(ShardFolder(shards).vocabulary), originals(batch)
    sep, cls = ids[batch.offsets[1] - 1], ids[batch.offsets[1]]
    assert (pieces[sep], pieces[cls]) == ("[SEP]", "[CLS]")
    assert not len(rows_holding(batch, [[int(sep), int(cls)]]))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    """A folder with shards of 17, 1 and 23 rows, three rows per document, and the rows."""
    return make_folder(tmp_path_factory.mktemp("small") / "shards")


def test_numbers_go_through_all_shards(small: tuple[Path, list[InstanceBatch]]) -> None:
    """Row 17 is the only one of shard 1, and row 18 the first of shard 2; the order is the requested one."""
    found = by_number(ShardFolder(small[0]), [18, 0, 17, 18])
    assert [(one["number"], one["shard"][:11], one["row"]) for one in found] == [
        (18, "shard-00002", 0),
        (0, "shard-00000", 0),
        (17, "shard-00001", 0),
        (18, "shard-00002", 0),
    ]
    with pytest.raises(OptionError, match="no row 41; expected 0 to 40"):
        by_number(ShardFolder(small[0]), [41])


def test_only_shards_with_wanted_rows_are_opened(tmp_path: Path) -> None:
    """Rows of other shards are found although one shard is missing; a row of the missing one is an error."""
    folder, _ = make_folder(tmp_path / "shards")
    (folder / "shard-00001-of-00003.arrow").unlink()
    opened = ShardFolder(folder)
    assert [one["number"] for one in by_number(opened, [16, 18])] == [16, 18]
    with pytest.raises(MissingInputError, match=r"shard-00001-of-00003\.arrow: no such file"):
        by_number(opened, [17])


def test_an_instance_has_the_values_of_its_row(small: tuple[Path, list[InstanceBatch]]) -> None:
    """Pieces, predictions, label and document are those that were written."""
    folder, (_, _, last) = small
    one: Instance = by_number(ShardFolder(folder), [18 + 4])[0]
    pieces = readable(ShardFolder(folder).vocabulary)
    ids = last.input_ids[last.offsets[4] : last.offsets[5]]
    places = slice(last.mlm_offsets[4], last.mlm_offsets[5])
    assert one["pieces"] == [pieces[i] for i in ids]
    assert list(one["predictions"]) == last.mlm_positions[places].tolist()
    assert list(one["predictions"].values()) == [pieces[i] for i in last.mlm_labels[places]]
    assert (one["label"], one["document"]) == (last.next_sentence_label[4], last.document[4])
    assert one["objective"] == "nsp"


def test_blocks_give_every_row_with_its_numbers(small: tuple[Path, list[InstanceBatch]]) -> None:
    """A block per shard, with the number of its first row; chosen shards keep the numbers they have."""
    opened = ShardFolder(small[0])
    assert [(block.first, block.start, len(block.batch)) for block in blocks(opened)] == [
        (0, 0, 17),
        (17, 0, 1),
        (18, 0, 23),
    ]
    assert [block.first for block in blocks(opened, [0, 2])] == [0, 18]


def test_a_search_ends_when_there_are_enough_rows(small: tuple[Path, list[InstanceBatch]]) -> None:
    """Of the three rows of document 2000 two are enough, and the rows up to the second are searched."""
    opened = ShardFolder(small[0])
    found = of_document(opened, 2000, most=2)
    assert [one["number"] for one in found.instances] == [18, 19]
    assert found.looked == 20
    everything = with_text(opened, "w3 w4", most=1000)
    assert everything.looked == 41
    assert everything.instances


def test_a_text_that_cannot_be_encoded_is_refused(small: tuple[Path, list[InstanceBatch]]) -> None:
    """A text with an unknown word, or with nothing but blanks, is an error and not an empty result."""
    for text in ("w3 unknown", " "):
        with pytest.raises(OptionError, match="cannot encode"):
            with_text(ShardFolder(small[0]), text, most=1)
