"""The corpus of a run: its tasks, its identity, named corpora and the resumed survey."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from support.checksums import checksums

from wpprep.config import CorpusOptions
from wpprep.corpus.dedup_and_mix import SurveySlices
from wpprep.corpus.tasks import bytes_of, inputs_of, plan_of, refuse_empty, tasks_of
from wpprep.errors import CorpusError, OptionError, OutputError
from wpprep.jobs.plans import Receipt
from wpprep.pipeline.encode import encode
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document, Slice


def write(path: Path, documents: Sequence[Document]) -> Path:
    """Documents as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"id": d.id, "text": d.text}) + "\n" for d in documents), encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora of several files, with equal texts in each and between them."""
    folder = tmp_path_factory.mktemp("corpora")
    for name, numbers in (("wiki", range(300)), ("books", range(200, 400))):
        for file in range(3):
            documents = [
                Document(
                    f"{name}-{file}-{n}",
                    f"Sentence {n % 250} tells of {name if n % 7 else 'all'}. The {n % 250}th goes on.",
                )
                for n in list(numbers)[file::3]
            ]
            write(folder / name / f"{file}.jsonl", documents)
    return folder


def test_a_survey_is_resumed(corpora: Path, tmp_path: Path) -> None:
    """A resumed survey skips finished tasks, and the result is that of an uninterrupted run."""
    vocab = train_vocab(corpora / "wiki", tmp_path / "vocab", vocab_size=110, workers=1).folder
    options: dict[str, Any] = {"deduplicate": True, "workers": 1, "slice_bytes": 2_000}
    encode(corpora, vocab, tmp_path / "whole", **options)
    surveyed_tasks = []

    def stop_at_the_fourth(self: SurveySlices, task: Any) -> Receipt:
        surveyed_tasks.append(task[0])
        if len(surveyed_tasks) == 4:
            raise KeyboardInterrupt
        return call(self, task)

    call = SurveySlices.__call__
    with mock.patch.object(SurveySlices, "__call__", stop_at_the_fourth):
        with pytest.raises(KeyboardInterrupt):
            encode(corpora, vocab, tmp_path / "out", **options)
        encode(corpora, vocab, tmp_path / "out", **options)
    assert surveyed_tasks[3] == surveyed_tasks[4]
    assert len(set(surveyed_tasks)) == len(surveyed_tasks) - 1
    assert checksums(tmp_path / "out") == checksums(tmp_path / "whole")


def test_a_late_survey_task_writes_nothing_beside_the_output(corpora: Path, tmp_path: Path) -> None:
    """Tables of the survey are in .unfinished: a late node fails there, and the folder is unchanged."""
    vocab = train_vocab(corpora / "wiki", tmp_path / "vocab", vocab_size=110, workers=1).folder
    late: list[tuple[SurveySlices, Any]] = []
    call = SurveySlices.__call__

    def remember(self: SurveySlices, task: Any) -> Receipt:
        late.append((self, task))
        return call(self, task)

    with mock.patch.object(SurveySlices, "__call__", remember):
        encode(corpora, vocab, tmp_path / "out", deduplicate=True, workers=1)
    before = checksums(tmp_path / "out")
    work, task = late[0]
    with pytest.raises(OutputError, match=r"\.unfinished/survey-00000\.arrow: cannot be written: No such file"):
        work(task)
    assert checksums(tmp_path / "out") == before


def test_mix_and_inputs_must_match(corpora: Path, tmp_path: Path) -> None:
    """Names that do not match, inputs without a name, invalid shares and empty corpora are errors."""
    wiki, books = f"wiki={corpora / 'wiki'}", f"books={corpora / 'books'}"
    (tmp_path / "empty.txt").write_text("\n")
    for inputs, error, message in [
        (
            [wiki, str(corpora / "books")],
            OptionError,
            "every input must be NAME=PATH, with NAME one of wiki, books",
        ),
        ([wiki], OptionError, "mix names books, but no input is books=PATH"),
        ([wiki, books, "more=x"], OptionError, "more=x: with mix every input"),
        ([wiki, f"books={tmp_path / 'empty.txt'}"], CorpusError, "the corpus books is empty"),
    ]:
        with pytest.raises(error, match=message):
            train_vocab(inputs, tmp_path / "out", vocab_size=110, mix="wiki=3,books=1", workers=1)
    for mix in ("wiki", "wiki=1", "wiki=1,wiki=2", "wiki=0,books=1", "wiki=a,books=1", "wiki=-1,books=2", ""):
        with pytest.raises(OptionError, match="mix is "):
            CorpusOptions(mix=mix)
    with pytest.raises(OptionError, match="max_documents is 0, expected at least 1"):
        CorpusOptions(max_documents=0)


def test_tasks_have_about_the_same_size(tmp_path: Path) -> None:
    """Consecutive slices share a task until it has the wanted size; the order of the corpus stays."""
    for name in "abcd":
        (tmp_path / f"{name}.txt").write_text(f"Text of {name}." + "\n" * 90)  # 100 bytes
    options = CorpusOptions(format="prose")
    for slice_bytes, expected in [(100, ["a", "b", "c", "d"]), (150, ["ab", "cd"]), (10**6, ["abcd"])]:
        tasks = tasks_of(tmp_path, options, slice_bytes)
        assert ["".join(Path(slice_.path).stem for slice_ in slices) for slices in tasks] == expected


def test_named_corpora_share_no_task(tmp_path: Path) -> None:
    """The corpora come in the order of the mix, each with tasks and slices of its own name."""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text("Text.")
    inputs = [f"books={tmp_path / 'b.txt'}", f"wiki={tmp_path / 'a.txt'}"]
    tasks = tasks_of(inputs, CorpusOptions(format="prose", mix="wiki=1,books=1"), 10**6)
    assert [[slice_.corpus for slice_ in slices] for slices in tasks] == [["wiki"], ["books"]]


def test_compressed_bytes_count_three_times(tmp_path: Path) -> None:
    """The text of a slice is its bytes, three times those of a compressed file, 0 for a missing file."""
    (tmp_path / "a.txt").write_bytes(b"x" * 50)
    (tmp_path / "a.gz").write_bytes(b"\x1f\x8b" + b"x" * 48)
    assert bytes_of(Slice(str(tmp_path / "a.txt"), "prose", 10, 30)) == 20
    assert bytes_of(Slice(str(tmp_path / "a.txt"), "prose", 0, -1)) == 50
    assert bytes_of(Slice(str(tmp_path / "a.gz"), "prose", 0, -1)) == 150
    assert bytes_of(Slice(str(tmp_path / "none"), "prose", 0, -1)) == 0


def test_a_corpus_is_identified_by_names_and_sizes(tmp_path: Path) -> None:
    """Another folder gives the same identity; another name, size, order or named corpus another one."""

    def identity(folder: str, names: str = "ab", size: int = 5, corpus: str = "") -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(b"x" * size)
        slices = [Slice(str(tmp_path / folder / name), "prose", 0, -1, corpus) for name in names]
        plan = plan_of({}, None, [slices])
        return str(plan["corpus"])

    first = identity("one")
    assert identity("two") == first
    others = [
        identity("three", "ac"),
        identity("four", size=6),
        identity("five", "ba"),
        identity("six", corpus="w"),
    ]
    assert len({first, *others}) == 5


def test_slices_of_a_file_do_not_change_its_identity(tmp_path: Path) -> None:
    """A file counts once, however it is cut into slices and tasks."""
    (tmp_path / "a").write_bytes(b"x" * 10)
    whole, first, second = (Slice(str(tmp_path / "a"), "prose", *ends) for ends in [(0, -1), (0, 5), (5, 10)])
    plan = plan_of({"a": 1}, "sha", [[whole]])
    assert plan_of({"a": 1}, "sha", [[first], [second]]) == plan
    assert (plan["options"], plan["vocabulary"]) == ({"a": 1}, "sha")


def test_an_empty_corpus_is_refused_by_its_inputs() -> None:
    """The error has all inputs; one document is enough."""
    assert inputs_of("a") == ["a"]
    refuse_empty(1, ["a", "b"])
    with pytest.raises(CorpusError, match="a, b: the corpus is empty: no document contains text"):
        refuse_empty(0, ["a", "b"])
