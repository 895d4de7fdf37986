"""The census of shards: counts equal to those taken row by row, and a sample of large folders."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wpprep.errors import ShardError
from wpprep.inspection.census import Census, padding_shares, take_census
from wpprep.inspection.find_rows import Instance, by_number, readable
from wpprep.pipeline.make_shards import make_shards
from wpprep.records import Ints
from wpprep.shards.folder import ShardFolder
from wpprep.storage.manifest import read_manifest


def nonzero(counts: Ints) -> dict[int, int]:
    """The counts that are not 0, by index."""
    return {int(i): int(counts[i]) for i in np.flatnonzero(counts)}


def check_against_rows(shards: Path) -> tuple[Census, list[Instance]]:
    """Count the rows one by one and compare."""
    opened = ShardFolder(shards)
    census, rows = take_census(opened), by_number(opened, range(len(opened)))
    lengths = Counter(len(row["pieces"]) for row in rows)
    ones = Counter(len(row["pieces"]) for row in rows if row["label"])
    ends = [{0, row["b_start"] - 1, len(row["pieces"]) - 1} for row in rows]
    candidates = Counter(
        i for row, end in zip(rows, ends, strict=True) for i in range(len(row["pieces"])) if i not in end
    )
    predicted = Counter(i for row in rows for i in row["predictions"])
    masked = Counter(i for row in rows for i in row["predictions"] if row["pieces"][i] == "[MASK]")
    kept = Counter(i for row in rows for i, was in row["predictions"].items() if row["pieces"][i] == was)
    ids = {piece: i for i, piece in enumerate(readable(opened.vocabulary))}
    pieces = Counter(
        ids[row["predictions"].get(i, piece)] for row in rows for i, piece in enumerate(row["pieces"])
    )
    assert nonzero(census.lengths) == lengths
    assert nonzero(census.random_next) == ones
    assert nonzero(census.candidates) == candidates
    assert nonzero(census.predicted) == predicted
    assert nonzero(census.masked) == masked
    assert nonzero(census.kept) == kept
    assert nonzero(census.pieces) == pieces
    assert (census.rows, census.tokens) == (len(rows), sum(lengths[n] * n for n in lengths))
    return census, rows


def test_counts_are_those_of_the_rows(shards: Path) -> None:
    """Every count is equal to one taken row by row and position by position."""
    census, rows = check_against_rows(shards)
    assert nonzero(census.documents) == Counter(row["document"] for row in rows)
    statistics = read_manifest(shards).statistics
    assert (census.masked.sum(), census.kept.sum()) == (statistics["masked"], statistics["kept"])


@pytest.mark.parametrize(
    "options",
    [{"layout": "dense"}, {"objective": "single"}, {"masking": "dynamic"}, {"bins": "32,64"}],
    ids=["dense", "single", "dynamic", "bins"],
)
def test_counts_are_those_of_the_rows_in_other_shards(
    options: Any, sample_corpus: Path, vocab: Path, tmp_path: Path
) -> None:
    """Dense rows have no document, single segments have one [SEP], and dynamic rows no predictions."""
    corpus = [sample_corpus / "books"]
    make_shards(corpus, vocab, tmp_path / "out", max_seq_length=64, dupe_factor=1, workers=1, **options)
    census, _ = check_against_rows(tmp_path / "out")
    assert (census.documents.sum() == 0) == (options.get("layout") == "dense")


def test_a_sample_of_a_large_folder_is_counted(shards: Path) -> None:
    """With a maximum that one shard reaches, one whole shard is counted, and always the same."""
    opened = ShardFolder(shards)
    census = take_census(opened, most_tokens=1)
    assert census.counted == 1
    assert census.tokens in {file.tokens for file in opened.files}
    assert census.tokens == take_census(opened, most_tokens=1).tokens
    assert take_census(opened).counted == 3


def test_a_damaged_row_is_named_by_its_file(shards: Path) -> None:
    """A length out of range raises an error with the file, and is not counted at another index."""
    opened = ShardFolder(shards)
    small = dataclasses.replace(opened.manifest, options=opened.options | {"max_seq_length": 32})
    opened.manifests[0] = small
    with pytest.raises(ShardError, match=r"shard-00000-of-00003\.arrow: row 0 is damaged .*verify --deep"):
        take_census(opened)


def test_padding_by_hand() -> None:
    """Rows of 8 and 16 tokens, 100 of each, in batches of 2 with a maximum length of 32.

    Padded to the maximum length, 24 of 64 places of a batch are tokens: 1 - 24/64 = 0.625 is padding. Sorted,
    both rows of a batch have one length, and nothing is padded.
    """
    lengths = np.zeros(33, np.int64)
    lengths[[8, 16]] = 100
    shares = padding_shares(lengths, batch_size=2, window=100)
    assert shares["to the full length"] == pytest.approx(0.625)
    assert shares["sorted in 64 batches"] == 0
    # A random pair has two lengths half of the time, and then 16 + 16 places for 24 tokens.
    assert 0.1 < shares["to the longest of a batch"] < 0.2
    assert padding_shares(np.zeros(33, np.int64)) == {}
