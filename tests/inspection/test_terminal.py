"""What people look at: instances, pieces and differences in a terminal."""

import io

import pytest
from rich.console import Console

from wpprep.errors import MissingInputError, OptionError
from wpprep.inspection.find_rows import originals, readable, rows_holding
from wpprep.inspection.terminal import as_data, show
from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.folder import ShardFolder
from wpprep.shards.format import read_shard


def printed(path, **options):
    """What `show` prints on a terminal of 100 columns without colours."""
    console = Console(file=io.StringIO(), width=100, no_color=True)
    show(path, console=console, **options)
    return console.file.getvalue()


def test_instances_show_what_stood_where_masks_are(shards):
    """Every predicted position appears with its original piece; the label is said in words."""
    instance = as_data(shards, rows=1)["instances"][0]
    text = printed(shards, rows=1)
    assert text.count("⟨") == len(instance["predictions"])
    assert all(f"⟨{piece}" in text.replace("\n", " ") for piece in instance["predictions"].values())
    assert ("B is random" if instance["label"] else "B follows A") in text


def test_rows_are_counted_over_all_shards(shards):
    """A row beyond the first shard comes from the next one; beyond the last is an error."""
    everything = as_data(shards, rows=10**6)
    first = sum(instance["shard"].startswith("shard-00000") for instance in everything["instances"])
    assert as_data(shards, rows=1, start=first)["instances"][0]["shard"].startswith("shard-00001")
    assert len(everything["instances"]) == everything["rows"]
    with pytest.raises(OptionError, match="expected 0 to"):
        as_data(shards, rows=1, start=everything["rows"])


def test_one_shard_file_can_be_shown(shards):
    """The path of a file shows that file's rows."""
    path = shards / "shard-00002-of-00003.arrow"
    assert {i["shard"] for i in as_data(path, rows=2)["instances"]} == {path.name}


def test_a_vocabulary_shows_its_entries_and_an_example(vocab):
    """Size, identity, first entries, lengths and a sentence cut into pieces."""
    text = printed(vocab)
    assert "2,000 entries" in text
    assert "[PAD]" in text
    assert "lighthouse" in text


def restored(instance):
    """The pieces of an instance as they stood before masking."""
    return [instance["predictions"].get(i, piece) for i, piece in enumerate(instance["pieces"])]


def test_rows_are_shown_by_number_in_the_order_asked_for(shards):
    """Numbers and ranges; a number means the same row as with start."""
    everything = as_data(shards, rows=10**6)["instances"]
    some = as_data(shards, row=("7", "200-202", "0"))["instances"]
    assert some == [everything[i] for i in (7, 200, 201, 202, 0)]
    assert [instance["number"] for instance in some] == [7, 200, 201, 202, 0]


def test_rows_of_a_document_and_no_others(shards):
    """Asked for more than there are, all of them come, in the order of the shards."""
    everything = as_data(shards, rows=10**6)["instances"]
    document = everything[3]["document"]
    found = as_data(shards, document=document, rows=10**6)
    assert found["instances"] == [one for one in everything if one["document"] == document]
    assert found["looked"] == found["rows"] == len(everything)


def test_a_search_finds_words_that_masks_hide(shards):
    """The rows are those whose restored pieces hold the words one after another, looked for one by one here."""
    everything = as_data(shards, rows=10**6)["instances"]
    expected = [one["number"] for one in everything if " of the " in " ".join(restored(one))]
    found = as_data(shards, search="Of  THE", rows=10**6)
    assert [one["number"] for one in found["instances"]] == expected
    hidden = [one for one in found["instances"] if " of the " not in " ".join(one["pieces"])]
    assert len(expected) > 10
    assert hidden
    assert as_data(shards, search="of the", rows=2)["looked"] == expected[1] + 1


def test_a_search_does_not_reach_into_the_next_row(shards):
    """The last word of a row and the first of the next stand side by side in the file, and are no find."""
    batch, pieces = read_shard(shards / "shard-00000-of-00003.arrow"), readable(ShardFolder(shards).vocabulary)
    ids = originals(batch)
    sep, cls = ids[batch.offsets[1] - 1], ids[batch.offsets[1]]
    assert (pieces[sep], pieces[cls]) == ("[SEP]", "[CLS]")
    assert not len(rows_holding(batch, [[int(sep), int(cls)]]))


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
        ({"search": "sea", "row": ("1",)}, "row and search do not go together"),
        ({"rows": 0}, "rows is 0, expected at least 1"),
        ({"order": "shortest"}, "expected one of id, longest, rarest, commonest"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(shards, options, message):
    """The message says what was asked for and what there is."""
    with pytest.raises(OptionError, match=message):
        as_data(shards, **options)


def test_only_shards_have_rows(vocab, shards, tmp_path):
    """A vocabulary has no row and no counts; a file beside the shards is none of them."""
    with pytest.raises(OptionError, match="neither a shard folder nor a shard file, which row needs"):
        as_data(vocab, row=("1",))
    with pytest.raises(OptionError, match="order is rarest, which needs counts from shards"):
        as_data(vocab, order="rarest")
    with pytest.raises(MissingInputError, match="other: no such folder"):
        as_data(shards, compare=tmp_path / "other")


def test_pieces_are_chosen_and_ordered(vocab, shards):
    """By beginning, by length, and by how often they stood in the text."""
    pieces = readable(ShardFolder(shards).vocabulary)
    found = as_data(vocab, prefix="##t", rows=10**6)
    assert [one["id"] for one in found["pieces"]] == [i for i, p in enumerate(pieces) if p.startswith("##t")]
    assert {len(one["piece"].removeprefix("##")) for one in as_data(vocab, length=5)["pieces"]} == {5}
    longest = as_data(vocab, order="longest", rows=1)["pieces"][0]
    assert longest["characters"] == max(len(piece.removeprefix("##")) for piece in pieces)
    words = [word for one in as_data(shards, rows=10**6)["instances"] for word in restored(one)]
    first, second = as_data(shards, order="commonest", prefix="t", rows=2)["pieces"]
    assert first["count"] == words.count(first["piece"]) >= second["count"] == words.count(second["piece"]) > 0
    assert first["piece"] == "the"
    assert "count" in printed(shards, order="rarest", rows=2)


def test_pieces_that_look_like_markup_are_printed_as_they_are(shards):
    """Text of the corpus is no markup of the terminal library: [UNK] and [/bold] stay."""
    assert "[UNK]" in printed(shards, vocab=True, prefix="[")


@pytest.fixture(scope="module")
def others(sample_corpus, vocab, tmp_path_factory):
    """The corpus of `shards` with another seed, and once more as it is."""
    folder, options = tmp_path_factory.mktemp("others"), {"max_seq_length": 64, "dupe_factor": 2, "workers": 1}
    corpus = [sample_corpus / "wiki"]
    make_shards(corpus, vocab, folder / "seed", shards=3, seed=7, **options)
    make_shards(corpus, vocab, folder / "same", shards=3, **options)
    return folder


def test_equal_shards_have_no_difference(shards, others):
    """No option and no row differs, and it is said so."""
    data = as_data(shards, compare=others / "same")
    assert (data["options"], data["first"], data["same_files"]) == ({}, None, True)
    assert "the shards are equal byte for byte; 0 options differ" in printed(shards, compare=others / "same")


def test_a_comparison_names_options_and_the_first_row_that_differs(shards, others):
    """The seed differs; the row named is the first of those that are not equal, looked for one by one here."""
    data = as_data(shards, compare=others / "seed")
    assert data["options"] == {"seed": [12345, 7]}
    ours, theirs = (as_data(path, rows=10**6)["instances"] for path in (shards, others / "seed"))
    row = next(i for i, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other)
    assert data["first"]["row"] == row
    assert data["first"]["instances"] == [ours[row], theirs[row]]
    assert data["statistics"]["rows"] == [len(ours), len(theirs)]
    text = printed(shards, compare=others / "seed")
    assert f"row {row} is the first that differs" in text


def test_a_label_or_a_mask_alone_is_a_difference(shards):
    """Any column of a row makes it another row, wherever in the batch it lies."""
    import dataclasses

    from wpprep.inspection.diff import rows_that_differ

    batch = read_shard(shards / "shard-00001-of-00003.arrow")
    assert not rows_that_differ(batch, batch).any()
    for name in ("input_ids", "mlm_positions", "mlm_labels"):
        values = getattr(batch, name).copy()
        values[-1] += 1
        changed = dataclasses.replace(batch, **{name: values})
        assert rows_that_differ(batch, changed).nonzero()[0].tolist() == [len(batch) - 1], name
    for name in ("b_start", "next_sentence_label", "document"):
        values = getattr(batch, name).copy()
        values[3] += 1
        changed = dataclasses.replace(batch, **{name: values})
        assert rows_that_differ(batch, changed).nonzero()[0].tolist() == [3], name


def test_a_folder_that_goes_on_differs_where_the_other_ends(shards, tmp_path):
    """A copy without its last shard: the first row of that shard has nothing beside it."""
    import dataclasses
    import shutil

    from wpprep.storage.manifest import read_manifest, write_manifest

    shutil.copytree(shards, tmp_path / "short")
    manifest = read_manifest(shards)
    files = [file for file in manifest.files if not file.name.startswith("shard-00002")]
    write_manifest(tmp_path / "short", dataclasses.replace(manifest, files=files))
    data = as_data(tmp_path / "short", compare=shards)
    rows = as_data(tmp_path / "short", rows=1)["rows"]
    assert data["first"]["row"] == rows
    assert data["first"]["instances"] == [None, as_data(shards, row=(str(rows),))["instances"][0]]
    assert "ends before it" in printed(tmp_path / "short", compare=shards)
