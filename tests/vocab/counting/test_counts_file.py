"""Counts on disk: Arrow and TSV files are read back, and damage is reported with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from reference.counts import Rows, counts_of, rows_of

from wpprep.config import CountOptions
from wpprep.errors import MissingInputError, VocabularyError
from wpprep.tokenizer.normalization import counting_rule
from wpprep.vocab.counting.counts_file import identity_of, open_counts, write_counts, write_tsv
from wpprep.vocab.counting.runs import sorted_table

ROWS: Rows = {" a": (3, 1), "\n\tb": (2, 0), "c\\n": (1, 4), "\r": (1, 0), "held out": (0, 2)}


def test_arrow_files_keep_counts_and_metadata(tmp_path: Path) -> None:
    """Both counts of every chunk, the metadata and the identity of the corpus are read back."""
    rule = counting_rule(CountOptions())
    facts = {"rule": rule.name, "rule_sha256": rule.identity, "corpus_identity": "c0ffee"}
    assert write_counts(tmp_path / "counts.arrow", [sorted_table(counts_of(ROWS))], facts) == len(ROWS)
    saved = open_counts(tmp_path)
    assert rows_of(list(saved.parts())) == ROWS
    assert saved.facts["rule"] == "bert"
    assert identity_of(saved) == "c0ffee"
    saved.refuse_other_rule(rule)
    with pytest.raises(VocabularyError, match="by the rule 'bert', this vocabulary requires 'byte-level'"):
        saved.refuse_other_rule(counting_rule(CountOptions(algorithm="bbpe")))


def test_tsv_has_the_documents_to_learn_from(tmp_path: Path) -> None:
    """Blanks and escapes are read back; held-out counts, and chunks without others, are not written."""
    with (tmp_path / "counts.tsv").open("wb") as file:
        write_tsv(file, [counts_of(ROWS)])
    assert (tmp_path / "counts.tsv").read_bytes() == b" a\t3\n\\n\\tb\t2\nc\\\\n\t1\n\\r\t1\n"
    saved = open_counts(tmp_path / "counts.tsv")
    assert rows_of(list(saved.parts())) == {chunk: (n, 0) for chunk, (n, _) in ROWS.items() if n}
    assert saved.facts == {}
    saved.refuse_other_rule(counting_rule(CountOptions(algorithm="bbpe")))


def test_the_identity_of_tsv_is_that_of_its_bytes(tmp_path: Path) -> None:
    """Equal files have the same identity, others another."""
    names = []
    for name, text in (("a", "x\t1\n"), ("b", "x\t1\n"), ("c", "x\t2\n")):
        (tmp_path / f"{name}.tsv").write_text(text)
        names.append(identity_of(open_counts(tmp_path / f"{name}.tsv")))
    assert names[0] == names[1] != names[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("word", "expected an integer"),
        ("word\t-1", "expected an integer"),
        ("\t3", "no word"),
        (f"a\t{2**63}", "expected an integer from 0 to"),
    ],
)
def test_bad_lines_of_tsv_are_named(line: str, message: str, tmp_path: Path) -> None:
    """The message begins with path and line number."""
    (tmp_path / "bad.tsv").write_text(f"good\t1\n{line}\n")
    with pytest.raises(VocabularyError, match=rf"bad\.tsv:2: .*{message}"):
        list(open_counts(tmp_path / "bad.tsv").parts())


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    """A missing file, a damaged one and one of another format version are three messages."""
    with pytest.raises(MissingInputError, match="no counts found; expected a folder of count-words"):
        open_counts(tmp_path)
    write_counts(tmp_path / "counts.arrow", [sorted_table(counts_of(ROWS))], {"format_version": 99})
    with pytest.raises(VocabularyError, match=r"counts\.arrow: format version 99, expected 1: run count-words"):
        open_counts(tmp_path)
    (tmp_path / "counts.arrow").write_bytes(b"ARROW1 and no more")
    with pytest.raises(VocabularyError, match=r"counts\.arrow: damaged, or not a file of word counts"):
        open_counts(tmp_path)
