"""Counting as a stage: runs on disk, resumed and merged, give the same counts and vocabulary as memory."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc

from wpprep.config import CorpusOptions, CountOptions, CountRunOptions
from wpprep.corpus.readers import plan_slices
from wpprep.errors import CorpusError, MissingInputError, OptionError, VocabularyError
from wpprep.jobs.output import OutputFolder
from wpprep.pipeline import train_vocab as learning
from wpprep.pipeline.count_words import count_words
from wpprep.pipeline.counting_task import CountSlices
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import find_damage, read_manifest
from wpprep.vocab.counting.counts_file import open_counts, write_tsv


@pytest.mark.parametrize("table_bytes", [0, 10**9])
def test_a_task_writes_the_run_of_its_slices(sample_corpus: Path, tmp_path: Path, table_bytes: int) -> None:
    """Put aside after every batch or not at all, the run and its receipt are the same bytes and facts."""
    options = CountOptions(holdout=0.2)
    slices = plan_slices([sample_corpus / "wiki"], CorpusOptions(), 10**9)
    receipts = []
    for name, size in (("one", table_bytes), ("two", 10**8)):
        (tmp_path / name).mkdir()
        task = CountSlices(options, CorpusOptions(), tmp_path / name, size)
        receipts.append(task(("run-00000.arrow", slices)))
    assert receipts[0] == receipts[1]
    assert receipts[0]["held_out"]["documents"] > 0
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["run-00000.arrow"]


@pytest.fixture(scope="module")
def counts(sample_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The counts of the sample corpus, a tenth held out."""
    out = tmp_path_factory.mktemp("module") / "counts"
    return Path(count_words([sample_corpus / "wiki"], out, workers=1, holdout=0.1).folder)


def test_workers_slices_and_memory_change_no_byte(sample_corpus: Path, counts: Path, tmp_path: Path) -> None:
    """Many small tasks in three processes give the counts of one task, and the same manifest."""
    corpus = [sample_corpus / "wiki"]
    for workers, slice_bytes in ((1, 5_000), (3, 20_000)):
        out = tmp_path / f"{workers}"
        count_words(corpus, out, workers=workers, slice_bytes=slice_bytes, memory="1.1GB", holdout=0.1)
        assert sorted(path.name for path in out.iterdir()) == ["counts.arrow", "manifest.json"]
        for name in ("counts.arrow", "manifest.json"):
            assert (out / name).read_bytes() == (counts / name).read_bytes()
    assert find_damage(counts) == []


def test_one_count_gives_the_vocabularies_of_the_corpus(
    sample_corpus: Path, counts: Path, tmp_path: Path
) -> None:
    """Case, accents, size, score and alphabet can all vary: every file is that of a run over the text."""
    choices: list[dict[str, Any]] = [
        {"vocab_size": 1500},
        {"vocab_size": 1200, "lowercase": False, "score": "frequency"},
        {"vocab_size": 900, "preset": "bert-uncased", "algorithm": "bpe", "limit_alphabet": 30},
    ]
    for i, options in enumerate(choices):
        made = Path(train_vocab(None, tmp_path / f"counts-{i}", counts=counts, **options).folder)
        told = train_vocab([sample_corpus / "wiki"], tmp_path / f"text-{i}", holdout=0.1, workers=1, **options)
        assert told.manifest.statistics["held_out"]["documents"] > 0
        assert {file.name for file in made.iterdir()} == {file.name for file in Path(told.folder).iterdir()}
        for file in made.iterdir():
            assert file.read_bytes() == (Path(told.folder) / file.name).read_bytes(), file.name


@pytest.mark.parametrize(
    "options",
    [{}, {"algorithm": "bpe"}, {"algorithm": "bbpe"}, {"algorithm": "bbpe", "lowercase": True}, {"cjk": False}],
    ids=str,
)
def test_a_vocabulary_counted_on_disk_is_the_one_counted_in_memory(
    options: dict[str, Any], sample_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A corpus too large for memory, and words too many for it, are put aside: the files are the same."""
    corpus, how = [sample_corpus / "wiki"], {"vocab_size": 1500, "workers": 1, "slice_bytes": 20_000} | options
    at_hand = Path(train_vocab(corpus, tmp_path / "hand", **how).folder)
    monkeypatch.setattr(learning, "fits_in_memory", lambda *_: False)
    monkeypatch.setattr(learning, "table_bytes", lambda _: 0)
    monkeypatch.setattr("wpprep.vocab.counting.counts_file._BATCHES_AT_ONCE", 1)
    on_disk = Path(train_vocab(corpus, tmp_path / "disk", **how).folder)
    assert {file.name: sha256_of(file) for file in on_disk.iterdir()} == {
        file.name: sha256_of(file) for file in at_hand.iterdir()
    }


def test_finished_tasks_are_not_counted_again(
    sample_corpus: Path, counts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that stops after three tasks goes on with the fourth; one that has merged only finishes."""
    corpus = [sample_corpus / "wiki"]
    how: dict[str, Any] = {"workers": 1, "slice_bytes": 15_000, "holdout": 0.1}
    counted: list[str] = []
    real = CountSlices.__call__

    def call(self: CountSlices, task: Any) -> Any:
        if len(counted) == 3:
            counted.clear()
            raise CorpusError("stopped")
        counted.append(task[0])
        return real(self, task)

    monkeypatch.setattr(CountSlices, "__call__", call)
    with pytest.raises(CorpusError, match="stopped"):
        count_words(corpus, tmp_path / "out", **how)
    monkeypatch.setattr(OutputFolder, "finish", lambda *_: (_ for _ in ()).throw(CorpusError("killed")))
    with pytest.raises(CorpusError, match="killed"):
        count_words(corpus, tmp_path / "out", **how)
    assert counted[0] == "run-00003.arrow"
    monkeypatch.undo()
    monkeypatch.setattr(CountSlices, "__call__", lambda *_: pytest.fail("counted again"))
    count_words(corpus, tmp_path / "out", **how)
    assert (tmp_path / "out" / "counts.arrow").read_bytes() == (counts / "counts.arrow").read_bytes()


def test_the_file_says_how_and_what_was_counted(counts: Path) -> None:
    """Schema metadata hold the rule, the options and the corpus; the columns are those documented."""
    reader = ipc.open_file(pa.OSFile(str(counts / "counts.arrow")))
    facts = json.loads(reader.schema.metadata[b"wpprep"])
    assert (facts["format_version"], facts["rule"], facts["options"]["holdout"]) == (1, "bert", 0.1)
    manifest = read_manifest(counts, "counts")
    both = facts["learned"]["fingerprint"] + facts["held_out"]["fingerprint"]
    assert f"{both % 2**64:016x}" == manifest.corpus["fingerprint"]
    assert reader.schema.names == ["chunk", "count", "held_out"]
    assert reader.read_all().num_rows == manifest.statistics["chunks"]


def test_counts_of_another_rule_are_refused(counts: Path, tmp_path: Path) -> None:
    """Byte-level BPE and whole ideographs need text cut in another way; the message names both rules."""
    with pytest.raises(VocabularyError, match="cut by the rule 'bert', this vocabulary requires 'byte-level'"):
        train_vocab(None, tmp_path / "v", counts=counts, algorithm="bbpe")
    with pytest.raises(OptionError, match="cjk is False, but .* was counted with True"):
        train_vocab(None, tmp_path / "v", counts=counts, cjk=False)
    with pytest.raises(OptionError, match=r"holdout is 0\.3, but .* was counted with 0\.1"):
        train_vocab(None, tmp_path / "v", counts=counts, holdout=0.3)
    with pytest.raises(OptionError, match="expected either a corpus or counts"):
        train_vocab(["corpus"], tmp_path / "v", counts=counts)
    assert not (tmp_path / "v").exists()


def test_damaged_counts_are_one_line(counts: Path, tmp_path: Path) -> None:
    """A missing, a cut and a foreign file are named."""
    with pytest.raises(MissingInputError, match="no counts found; expected a folder of count-words"):
        train_vocab(None, tmp_path / "v", counts=tmp_path / "nothing")
    (tmp_path / "cut.arrow").write_bytes((counts / "counts.arrow").read_bytes()[:5000])
    with pytest.raises(VocabularyError, match=r"cut\.arrow: damaged, or not a file of word counts"):
        train_vocab(None, tmp_path / "v", counts=tmp_path / "cut.arrow")
    with ipc.new_file(tmp_path / "foreign.arrow", pa.schema([("a", pa.int64())])) as writer:
        writer.write_table(pa.table({"a": [1]}))
    with pytest.raises(VocabularyError, match=r"foreign\.arrow: damaged, or not a file of word counts"):
        train_vocab(None, tmp_path / "v", counts=tmp_path / "foreign.arrow")


def test_tsv_in_and_out(sample_corpus: Path, counts: Path, tmp_path: Path) -> None:
    """Counts written as TSV give the same entries; blanks and backslashes of byte-level chunks come back."""
    with (tmp_path / "counts.tsv").open("wb") as file:
        write_tsv(file, open_counts(counts).parts())
    made = Path(train_vocab(None, tmp_path / "tsv", counts=tmp_path / "counts.tsv", vocab_size=1500).folder)
    told = Path(train_vocab(None, tmp_path / "counts", counts=counts, vocab_size=1500).folder)
    assert (made / "vocab.txt").read_bytes() == (told / "vocab.txt").read_bytes()


def test_what_was_left_out_is_listed(tmp_path: Path) -> None:
    """skip_bad's list is in the manifests of counts and vocabulary, in memory and by way of counts alike."""
    good = [json.dumps({"text": f"all good words come again {i}"}) for i in range(50)]
    (tmp_path / "a.jsonl").write_text("\n".join([*good, '{"text": 7}']) + "\n")
    how: dict[str, Any] = {"skip_bad": True, "workers": 1}
    counts = count_words([tmp_path / "a.jsonl"], tmp_path / "counts", **how)
    at_hand = train_vocab([tmp_path / "a.jsonl"], tmp_path / "one", vocab_size=50, **how)
    by_counts = train_vocab(None, tmp_path / "two", counts=counts.folder, vocab_size=50)
    assert counts.manifest.corpus["left_out"]["count"] == 1
    assert "line 51" in counts.manifest.corpus["left_out"]["first"][0]
    assert at_hand.manifest == by_counts.manifest
    assert at_hand.manifest.corpus == counts.manifest.corpus


def test_memory_has_a_floor() -> None:
    """250 MB for each process, the one that hands out the work included; sizes are read with their unit."""
    assert CountRunOptions(memory="250MB", workers=1).memory_bytes == 250_000_000
    assert CountRunOptions(memory="0.75 gb", workers=2).processes == 3
    assert CountRunOptions(memory="300MB").workers == 1
    assert CountRunOptions(workers=1).memory_bytes == 2_000_000_000
    assert CountRunOptions(workers=63).memory_bytes == 64 * 500_000_000
    with pytest.raises(OptionError, match="memory is 749MB, expected at least 750MB"):
        CountRunOptions(memory="749MB", workers=2)
    with pytest.raises(OptionError, match="memory is 'much', expected a size such as"):
        CountRunOptions(memory="much")


def test_a_corpus_all_held_out_is_learned_from(tmp_path: Path) -> None:
    """Where chance holds out the only document, the vocabulary is learned from it and not measured."""
    (tmp_path / "one.txt").write_text("to be or not to be, that is the question\n" * 5)
    how: dict[str, Any] = {"vocab_size": 35, "workers": 1}
    held = train_vocab([tmp_path / "one.txt"], tmp_path / "held", holdout=1 - 1e-9, **how)
    plain = train_vocab([tmp_path / "one.txt"], tmp_path / "plain", holdout=0.0, **how)
    assert (Path(held.folder) / "vocab.txt").read_bytes() == (Path(plain.folder) / "vocab.txt").read_bytes()
    assert held.manifest.statistics == plain.manifest.statistics
    assert held.manifest.corpus["documents"] == 1


def test_the_need_of_merging_is_told_before(
    sample_corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line says how much; it is a warning where that is much."""
    monkeypatch.setattr(learning, "_WORTH_A_LINE", 1000)
    with caplog.at_level(logging.WARNING):
        train_vocab([sample_corpus / "wiki"], tmp_path / "v", vocab_size=1000, workers=1)
    assert any("distinct words needs about 0.0" in record.message for record in caplog.records)


def most_of_its_own(pid: int, of: dict[int, int]) -> None:
    """Note the most memory of their own that a process and its children were seen with, in bytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in (pid, *map(int, children)):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{process}/status").read_text()
            if found := re.search(r"RssAnon:\s+(\d+) kB", status):
                of[process] = max(of.get(process, 0), 1024 * int(found[1]))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc")
@pytest.mark.parametrize("workers", [1, 2])
def test_at_its_floor_memory_changes_nothing(data: Path, tmp_path: Path, workers: int) -> None:
    """With 250 MB a process counts spill, no process takes more, and the vocabulary is that of no limit."""
    script = "import sys; from wpprep.pipeline.count_words import count_words; "
    script += "count_words([sys.argv[1]], sys.argv[2], workers=int(sys.argv[3]), memory=sys.argv[4])"
    processes = workers + (workers > 1)
    count_words([Path(__file__).parents[2] / "sample_corpus" / "wiki"], tmp_path / "compiled", workers=workers)
    memory = f"{250 * processes}MB"
    words = [str(data / "wiki-en"), str(tmp_path / "low"), str(workers), memory]
    run = subprocess.Popen([sys.executable, "-c", script, *words])
    most: dict[int, int] = {}
    spilled: set[str] = set()
    while run.poll() is None:
        spilled.update(path.name for path in (tmp_path / "low" / "runs").glob(".run-*.partial-00001"))
        with contextlib.suppress(OSError):
            most_of_its_own(run.pid, most)
        time.sleep(0.005)
    assert run.returncode == 0
    assert len(most) == processes
    assert max(most.values()) <= 250_000_000
    assert spilled
    whole = train_vocab([data / "wiki-en"], tmp_path / "whole", workers=workers, memory="4GB")
    low = train_vocab(None, tmp_path / "vocab", counts=tmp_path / "low", workers=workers, memory=memory)
    assert low.manifest == whole.manifest
