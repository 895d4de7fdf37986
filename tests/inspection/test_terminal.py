"""Instances, pieces and vocabularies in a terminal, and as the plain data that is printed."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Unpack

import pytest
from rich.console import Console

from wpprep.config.keywords import ShowKeywords
from wpprep.errors import MissingInputError, OptionError
from wpprep.inspection.find_rows import Instance, readable
from wpprep.inspection.terminal import Instances, Piece, as_data, label_of, show
from wpprep.shards.folder import ShardFolder


def printed(path: Path, **options: Unpack[ShowKeywords]) -> str:
    """What `show` prints on a terminal of 100 columns without colours."""
    text = io.StringIO()
    show(path, console=Console(file=text, width=100, no_color=True), **options)
    return text.getvalue()


def shown(path: Path, **options: Unpack[ShowKeywords]) -> Instances:
    """The plain data of instances."""
    data = as_data(path, **options)
    assert data["kind"] == "shards"
    return data


def pieces_of(path: Path, **options: Unpack[ShowKeywords]) -> list[Piece]:
    """The plain data of pieces."""
    data = as_data(path, **options)
    assert data["kind"] == "pieces"
    return data["pieces"]


def restored(instance: Instance) -> list[str]:
    """The pieces of an instance before masking."""
    return [instance["predictions"].get(i, piece) for i, piece in enumerate(instance["pieces"])]


def test_predictions_are_printed_with_their_original_pieces(shards: Path) -> None:
    """Every predicted position shows its original piece, and the label is printed in words."""
    instance = shown(shards, rows=1)["instances"][0]
    text = printed(shards, rows=1)
    assert text.count("⟨") == len(instance["predictions"])
    assert all(f"⟨{piece}" in text.replace("\n", " ") for piece in instance["predictions"].values())
    assert label_of(instance) in text


@pytest.mark.parametrize(
    ("objective", "b_start", "label", "words"),
    [
        ("nsp", 3, 0, "B follows A"),
        ("nsp", 3, 1, "B is random"),
        ("sop", 3, 1, "A and B are swapped"),
        ("single", 5, 0, "one segment"),
    ],
)
def test_labels_have_words(objective: str, b_start: int, label: int, words: str) -> None:
    """The words depend on the objective; a row without B is one segment."""
    instance = Instance(
        row=0,
        number=0,
        pieces=["[CLS]", "a", "[SEP]", "b", "[SEP]"],
        predictions={},
        b_start=b_start,
        label=label,
        document=0,
        shard="shard",
        objective=objective,
    )
    assert label_of(instance) == words


def test_rows_are_counted_over_all_shards(shards: Path) -> None:
    """A row after the first shard comes from the next one; one after the last is an error."""
    everything = shown(shards, rows=10**6)
    first = sum(instance["shard"].startswith("shard-00000") for instance in everything["instances"])
    assert shown(shards, rows=1, start=first)["instances"][0]["shard"].startswith("shard-00001")
    assert len(everything["instances"]) == everything["rows"]
    with pytest.raises(OptionError, match=r"start is \d+, expected 0 to"):
        as_data(shards, rows=1, start=everything["rows"])


def test_one_shard_file_can_be_shown(shards: Path) -> None:
    """The path of a file shows the rows of that file, counted from 0."""
    path = shards / "shard-00002-of-00003.arrow"
    found = shown(path, rows=2)["instances"]
    assert {one["shard"] for one in found} == {path.name}
    assert [one["number"] for one in found] == [0, 1]


def test_a_vocabulary_shows_its_entries_and_an_example(vocab: Path) -> None:
    """Number of entries, first entries, and a sentence cut into pieces are printed."""
    text = printed(vocab)
    assert "2,000 entries" in text
    assert "[PAD]" in text
    assert "lighthouse" in text


def test_rows_are_shown_by_number_in_the_requested_order(shards: Path) -> None:
    """Numbers and ranges can be mixed; a number means the same row as with start."""
    everything = shown(shards, rows=10**6)["instances"]
    some = shown(shards, row=("7", "200-202", "0"))["instances"]
    assert some == [everything[i] for i in (7, 200, 201, 202, 0)]
    assert [instance["number"] for instance in some] == [7, 200, 201, 202, 0]


def test_rows_of_a_document_and_no_others(shards: Path) -> None:
    """With a large number of rows, all rows of the document are shown, in the order of the shards."""
    everything = shown(shards, rows=10**6)["instances"]
    document = everything[3]["document"]
    found = shown(shards, document=document, rows=10**6)
    assert found["instances"] == [one for one in everything if one["document"] == document]
    assert found["looked"] == found["rows"] == len(everything)


def test_a_search_finds_words_that_masks_hide(shards: Path) -> None:
    """The rows found are those with the words in their pieces before masking."""
    everything = shown(shards, rows=10**6)["instances"]
    expected = [one["number"] for one in everything if " of the " in " ".join(restored(one))]
    found = shown(shards, search="Of  THE", rows=10**6)
    assert [one["number"] for one in found["instances"]] == expected
    hidden = [one for one in found["instances"] if " of the " not in " ".join(one["pieces"])]
    assert len(expected) > 10
    assert hidden
    assert shown(shards, search="of the", rows=2)["looked"] == expected[1] + 1
    assert f"searched in the first {expected[1] + 1:,}" in " ".join(
        printed(shards, search="of the", rows=2).split()
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"row": ("10000000",)}, "no row 10000000; expected 0 to"),
        ({"row": ("9-5",)}, "expected the smaller number first"),
        ({"row": ("0-999999999999",)}, "more than 10,000 rows"),
        ({"row": ("five",)}, "expected a number, or two as in 5-9"),
        ({"document": 10**6}, "no document 1000000; expected 0 to"),
        ({"document": -1}, "no document -1"),
        ({"search": "日本"}, "cannot encode"),
        ({"search": "  "}, "cannot encode"),
        ({"search": "sea", "row": ("1",)}, "row and search cannot be used together"),
        ({"rows": 0}, "rows is 0, expected at least 1"),
        ({"order": "shortest"}, "expected one of id, longest, rarest, commonest"),
    ],
)
def test_options_out_of_range_are_refused(shards: Path, options: Any, message: str) -> None:
    """The message has the value that was given and the values that are expected."""
    with pytest.raises(OptionError, match=message):
        as_data(shards, **options)


def test_only_shards_have_rows(vocab: Path, shards: Path, tmp_path: Path) -> None:
    """A vocabulary has no rows and no counts, and the folder to compare with must exist."""
    with pytest.raises(OptionError, match="neither a shard folder nor a shard file, which row needs"):
        as_data(vocab, row=("1",))
    with pytest.raises(OptionError, match="order is rarest, which needs counts from shards"):
        as_data(vocab, order="rarest")
    with pytest.raises(MissingInputError, match="other: no such folder"):
        as_data(shards, compare=str(tmp_path / "other"))


def test_pieces_are_chosen_and_ordered(vocab: Path, shards: Path) -> None:
    """Pieces are chosen by prefix and by length, and ordered by length or by their number in the text."""
    pieces = readable(ShardFolder(shards).vocabulary)
    found = pieces_of(vocab, prefix="##t", rows=10**6)
    assert [one["id"] for one in found] == [i for i, p in enumerate(pieces) if p.startswith("##t")]
    assert {len(one["piece"].removeprefix("##")) for one in pieces_of(vocab, length=5)} == {5}
    (longest,) = pieces_of(vocab, order="longest", rows=1)
    assert longest["characters"] == max(len(piece.removeprefix("##")) for piece in pieces)
    words = [word for one in shown(shards, rows=10**6)["instances"] for word in restored(one)]
    first, second = pieces_of(shards, order="commonest", prefix="t", rows=2)
    assert first["count"] == words.count(first["piece"]) >= second["count"] == words.count(second["piece"]) > 0
    assert first["piece"] == "the"
    assert "count" in printed(shards, order="rarest", rows=2)


def test_pieces_that_look_like_markup_are_printed_unchanged(shards: Path) -> None:
    """A piece in brackets is text and not markup of the terminal library."""
    assert "[UNK]" in printed(shards, vocab=True, prefix="[")
