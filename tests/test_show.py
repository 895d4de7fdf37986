"""What people look at: instances and vocabularies in a terminal."""

import io

import pytest
from rich.console import Console

from wpprep.errors import OptionError
from wpprep.show import as_data, show


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
    with pytest.raises(OptionError, match="it has rows 0 to"):
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
