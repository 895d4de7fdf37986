"""Summary of a corpus, and estimates of time, memory and disk for a vocabulary and shards of it.

A sample is read from slices all over the corpus. Then the real `train_vocab` and `make_shards` run on a few
documents (to compile the kernels), on half of the sample, and on all of it, in a separate process that measures
time and memory. The estimates are extrapolated from the last two measurements:

    counting, encoding, shards   linear in the size of the text
    merging                      linear in the number of distinct words, which is a power of the size of the
                                 text (Heaps' law) fitted to both points
    memory                       for the vocabulary, linear in the number of distinct words; for shards, linear
                                 in the size of the text, up to a full shard

Times are seconds of one processor; N workers share all work except merging. The languages of documents are only
a guess, by script and, for Latin and Cyrillic letters, by a few frequent words.
"""

from __future__ import annotations

import collections
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from wpprep import rng
from wpprep.config import CorpusOptions, RunOptions, ShardOptions, VocabOptions, as_dict, build, refuse_unknown
from wpprep.config.keywords import PlanKeywords
from wpprep.corpus.filters import used_documents
from wpprep.corpus.tasks import Paths, refuse_empty, tasks_of
from wpprep.errors import VocabularyError
from wpprep.jobs.summary import Summary
from wpprep.pipeline.cluster_plan import as_lines as lines_of_nodes
from wpprep.pipeline.cluster_plan import on_nodes
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.records import Document, Slice
from wpprep.storage.files import compression, open_raw, size_of

_SLICE_BYTES = 1 << 20
_FEW = 20  # number of documents for compiling the kernels
_WORDS = {  # some of the most frequent words
    "en": "the of and in to was is for", "de": "der die und in den von mit ist", "pl": "w na z się do jest nie",
    "fr": "le la les et des du est en", "es": "el la los de y en que por", "it": "il di che la e un per del",
    "pt": "o de que e do da em os", "nl": "de het een van en in is op", "sv": "och att det som en på är av",
    "tr": "ve bir bu da ile için de olarak", "ru": "и на что не как это но", "uk": "та на що не як це але",
}  # fmt: skip
_WORDS_OF = {language: frozenset(words.split()) for language, words in _WORDS.items()}
_SCRIPTS = {  # ranges of code points by language, or by script if several languages use it
    "ko": ((0xAC00, 0xD7A3),),
    "ja": ((0x3040, 0x30FF),),
    "zh": ((0x4E00, 0x9FFF), (0x3400, 0x4DBF)),
    "Arabic script": ((0x0600, 0x06FF),),
    "Devanagari script": ((0x0900, 0x097F),),
    "el": ((0x0370, 0x03FF),),
    "he": ((0x0590, 0x05FF),),
    "th": ((0x0E00, 0x0E7F),),
}


@dataclass
class Found:
    """Contents of a corpus in one format; documents and text are estimates from the sample.

    Attributes:
        files: number of files.
        bytes: bytes of the files, or of the slices of them that are read.
        documents: number of documents.
        text_bytes: bytes of text.
    """

    files: int = 0
    bytes: int = 0
    documents: int = 0
    text_bytes: int = 0


@dataclass
class _Sample:
    """Documents that were read from the corpus in one format."""

    documents: list[Document] = field(default_factory=list)
    of_bytes: int = 0  # bytes of the files that were read
    text_bytes: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, repr=False)
class PlanSummary(Summary):
    """Summary of a corpus, and estimates of the work on it.

    Attributes:
        formats: `Found` for each format, as a dictionary.
        languages: fractions of the documents by language, a guess.
        sample_bytes: bytes of text that were processed for the estimates.
        train_vocab, make_shards: ``seconds`` of one processor, which include ``start`` of a process and
            ``alone`` for serial work; ``memory_bytes`` of one worker; ``disk_bytes``.
        cluster: estimates for several nodes (`cluster_plan.on_nodes`), if ``nodes`` was given.
    """

    formats: dict[str, Any]
    languages: dict[str, float]
    sample_bytes: int
    train_vocab: dict[str, Any]
    make_shards: dict[str, Any]
    cluster: dict[str, Any] | None = None

    def figures(self) -> dict[str, Any]:
        """Return the plan as plain values; without ``cluster`` if there is none."""
        return {name: value for name, value in super().figures().items() if value is not None}


def plan(
    corpus: Paths,
    *,
    sample_bytes: int = 8_000_000,
    nodes: int | None = None,
    workers: int | None = None,
    **options: Unpack[PlanKeywords],
) -> PlanSummary:
    """Summarise a corpus and estimate time, memory and disk for `train_vocab` and `make_shards`.

    Args:
        corpus: files and folders of text.
        sample_bytes: bytes of text to process for the estimates.
        nodes: number of machines for additional estimates.
        workers: number of worker processes per machine; by default the number of usable CPUs.
        **options: fields of `CorpusOptions`, `VocabOptions` and `ShardOptions`.

    Raises:
        WpprepError: an input or an option is invalid; the message names it.
    """
    started = time.perf_counter()
    refuse_unknown(options, CorpusOptions, VocabOptions, ShardOptions)
    run = build(RunOptions, {"workers": workers})
    text = build(CorpusOptions, options)
    slices = [slice_ for task in tasks_of(corpus, text, _SLICE_BYTES) for slice_ in task]
    refuse_empty(len(slices), corpus)
    with tempfile.TemporaryDirectory() as scratch:
        samples = _read_sample(slices, text, sample_bytes, Path(scratch))
        documents = [document for sample in samples.values() for document in sample.documents]
        refuse_empty(len(documents), corpus)
        found = {name: _extrapolate(name, slices, sample) for name, sample in samples.items()}
        read_seconds = sum(
            sample.seconds / max(1, sample.of_bytes) * found[name].bytes for name, sample in samples.items()
        )
        measured = _measure(
            documents, build(VocabOptions, options), build(ShardOptions, options), Path(scratch)
        )
    shard = build(ShardOptions, options)
    whole = sum(of_format.text_bytes for of_format in found.values())
    planned: dict[str, Any] = {
        "formats": {name: asdict(of_format) for name, of_format in found.items()},
        "languages": _languages(documents),
        "sample_bytes": measured["vocab"][-1]["text_bytes"],
        "train_vocab": _estimate_vocab(measured["vocab"], whole, read_seconds),
        "make_shards": _estimate_shards(measured["shards"], whole, read_seconds, shard),
    }
    if nodes is not None:
        planned["cluster"] = on_nodes(planned, shard, nodes, run.workers)
    return PlanSummary(command="plan", seconds=time.perf_counter() - started, **planned)


def _read_sample(
    slices: list[Slice], text: CorpusOptions, sample_bytes: int, scratch: Path
) -> dict[str, _Sample]:
    """Read documents from slices all over the corpus, at least one slice per format; return them by format."""
    samples: dict[str, _Sample] = {}
    left = sample_bytes
    for index in rng.permutation(len(slices), np.uint64(0)):
        slice_ = slices[index]
        if left <= 0 and slice_.format in samples:
            continue
        sample, started, size = samples.setdefault(slice_.format, _Sample()), time.process_time(), 0
        readable, of_bytes = _beginning(slice_, scratch)
        for document in used_documents(readable, replace(text, skip_bad=text.skip_bad or readable != slice_)):
            sample.documents.append(document)
            size += len(document.text.encode())
            if size > max(left, _SLICE_BYTES):
                of_bytes = min(of_bytes, size)  # the rest of a large slice
                break
        sample.seconds += time.process_time() - started
        sample.of_bytes += of_bytes
        sample.text_bytes += size
        left -= size
    return samples


def _beginning(slice_: Slice, scratch: Path) -> tuple[Slice, int]:
    """Return a slice that is cheap to read, and the number of bytes of its file.

    For a large compressed file, it is a copy of the beginning in ``scratch``.
    """
    if slice_.stop >= 0:
        return slice_, slice_.stop - slice_.start
    size = size_of(slice_.path)
    if size <= _SLICE_BYTES or compression(slice_.path) is None:
        return slice_, size
    beginning = scratch / Path(slice_.path).name
    with open_raw(slice_.path, _SLICE_BYTES) as file:
        beginning.write_bytes(file.read(_SLICE_BYTES))
    return slice_._replace(path=str(beginning)), _SLICE_BYTES


def _extrapolate(format_: str, slices: list[Slice], sample: _Sample) -> Found:
    """Return the contents of the corpus in one format, extrapolated from its sample."""
    mine = [slice_ for slice_ in slices if slice_.format == format_]
    paths = {slice_.path for slice_ in mine}
    size = sum(slice_.stop - slice_.start if slice_.stop >= 0 else size_of(slice_.path) for slice_ in mine)
    times = size / max(1, sample.of_bytes)
    return Found(len(paths), size, round(len(sample.documents) * times), round(sample.text_bytes * times))


def _measure(
    documents: list[Document], vocab: VocabOptions, shard: ShardOptions, scratch: Path
) -> dict[str, list[dict[str, Any]]]:
    """Measure both stages on a few documents, on half of the sample, and on all of it.

    Returns:
        the measurements on half and all, by stage (``vocab``, ``shards``).
    """
    half = documents[:: 2 if len(documents) > 3 else 1]
    for name, some in (("few", documents[:_FEW]), ("half", half), ("all", documents)):
        rows = (json.dumps({"id": str(i), "text": document.text}) + "\n" for i, document in enumerate(some))
        (scratch / f"{name}.jsonl").write_text("".join(rows))
    sizes = [sum(len(document.text.encode()) for document in some) for some in (half, documents)]
    options = {
        "vocab": as_dict(replace(vocab, holdout=0.0)),
        "shards": as_dict(replace(shard, holdout=0.0, shards=None)),
    }
    found = {}
    for stage, of_stage in options.items():
        code = "from wpprep.pipeline.plan import measure; measure()"
        command = [sys.executable, "-P", "-c", code, str(scratch), stage, json.dumps(of_stage)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 (our own code)
        if done.returncode:
            problem = done.stderr.strip().splitlines()[-1]
            raise VocabularyError(f"the sample of {len(documents)} documents cannot be processed: {problem}")
        taken = json.loads(done.stdout)[1:]
        found[stage] = [one | {"text_bytes": size} for one, size in zip(taken, sizes, strict=True)]
    return found


def measure() -> None:
    """Learn vocabularies from three files, or make shards of them; print the measurements as JSON."""
    folder, stage, options = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    start, results = time.process_time(), []  # includes the time of imports
    for name in ("few", "half", "all"):
        taken = (_learn if stage == "vocab" else _shard)(folder / f"{name}.jsonl", folder, options)
        files = [file for file in (folder / stage).rglob("*") if file.is_file()]
        disk = sum(file.stat().st_size for file in files)
        results.append(taken | {"start": start, "memory": peak_memory(), "disk": disk})
    print(json.dumps(results))


def _shard(corpus: Path, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Make shards with the vocabulary of `_learn`; return time and tokens."""
    started = time.process_time()
    made = make_shards([corpus], folder / "vocab", folder / "shards", workers=1, overwrite=True, **options)
    return {"seconds": time.process_time() - started, "tokens": made.manifest.statistics["tokens"]}


def _learn(corpus: Path, folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Learn the largest vocabulary that the text allows, up to the given size; return times and words."""
    size = options["vocab_size"]
    run: dict[str, Any] = {"workers": 1, "overwrite": True}
    while True:
        started, stages = time.process_time(), dict[str, float]()

        def note(stage: str, done: int, total: int, stages: dict[str, float] = stages) -> None:
            stages.setdefault(stage, time.process_time())

        try:
            asked = options | {"vocab_size": size, "limit_alphabet": min(options["limit_alphabet"], size // 2)}
            learned = train_vocab([corpus], folder / "vocab", progress=note, **run, **asked).manifest
        except VocabularyError:
            if size < 100:
                raise
            size = size * 2 // 3
        else:
            count, merge = stages["normalise"] - started, time.process_time() - stages["normalise"]
            return {"words": learned.statistics["distinct_words"], "count": count, "merge": merge}


def peak_memory() -> int:
    """Return the maximum memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # the value of getrusage includes the parent's memory
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource  # noqa: PLC0415 (Windows has none)
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _estimate_vocab(measured: list[dict[str, Any]], whole: int, read_seconds: float) -> dict[str, Any]:
    """Extrapolate the measurements of `_learn` to the whole text, of ``whole`` bytes."""
    half, all_ = measured
    sizes, distinct, words = _two("text_bytes", measured), _two("words", measured), _words(half, all_, whole)
    count, merge = _line(sizes, _two("count", measured), whole), _line(distinct, _two("merge", measured), words)
    return {
        "seconds": round(all_["start"] + read_seconds + count + merge, 1),
        "start": round(all_["start"], 1),
        "alone": round(merge, 1),
        "memory_bytes": round(_line(distinct, _two("memory", measured), words)),
        "disk_bytes": all_["disk"],
        "distinct_words": round(words),
    }


def _estimate_shards(
    measured: list[dict[str, Any]], whole: int, read_seconds: float, options: ShardOptions
) -> dict[str, Any]:
    """Extrapolate the measurements of `_shard` to the whole text, of ``whole`` bytes."""
    sizes, all_ = _two("text_bytes", measured), measured[1]
    full = options.shard_bytes * all_["text_bytes"] / max(1, all_["disk"])  # text of a full shard
    memory = _line(sizes, _two("memory", measured), min(whole, full))
    return {
        "seconds": round(all_["start"] + read_seconds + _line(sizes, _two("seconds", measured), whole), 1),
        "start": round(all_["start"], 1),
        "alone": 0.0,
        "memory_bytes": round(memory),
        "disk_bytes": round(_line(sizes, _two("disk", measured), whole)),
        "tokens": round(_line(sizes, _two("tokens", measured), whole)),
    }


def _two(name: str, measured: list[dict[str, Any]]) -> list[float]:
    """Return one value of both measurements."""
    return [one[name] for one in measured]


def _words(half: dict[str, Any], all_: dict[str, Any], whole: int) -> float:
    """Return the distinct words of the whole corpus by Heaps' law, V = k n**b, through both points.

    >>> a, b = {"text_bytes": 10_000, "words": 1000}, {"text_bytes": 40_000, "words": 2000}
    >>> round(_words(a, b, 160_000))
    4000
    """
    more = math.log(all_["text_bytes"] / half["text_bytes"])
    power = min(1.0, math.log(max(1.0, all_["words"] / half["words"])) / more) if more > 0 else 1.0
    return float(all_["words"] * (whole / all_["text_bytes"]) ** power)


def _line(x: list[float], y: list[float], at: float) -> float:
    """Return the value at ``at`` of the line through two points, with a slope of at least 0.

    If both points have the same x, the value is proportional to x.


    >>> _line([10, 20], [3, 5], 100), _line([10, 10], [3, 5], 100)
    (21.0, 50.0)
    """
    if x[1] == x[0]:
        return y[1] * at / max(1e-9, x[1])
    slope = max(0.0, (y[1] - y[0]) / (x[1] - x[0]))
    return y[1] + slope * (at - x[1])


def _languages(documents: list[Document]) -> dict[str, float]:
    """Return guessed fractions of the documents by language, in descending order."""
    counts = collections.Counter(guess_language(document.text[:2000]) for document in documents)
    return {name: round(count / len(documents), 3) for name, count in counts.most_common()}


def guess_language(text: str) -> str:
    """Return the language of a text, guessed by script and frequent words, or ``unknown``.

    >>> guess_language("The harbour was empty when the two of them came to it.")
    'en'
    >>> guess_language("등대지기는 낮에 잔다."), guess_language("灯台守は昼に眠る。"), guess_language("Xyzzy.")
    ('ko', 'ja', 'unknown')
    """
    letters = [ord(letter) for letter in text if letter.isalpha()]
    for name, ranges in _SCRIPTS.items():
        inside = sum(any(low <= letter <= high for low, high in ranges) for letter in letters)
        if inside > (0.1 if name == "ja" else 0.4) * len(letters):  # Japanese mixes kana with ideographs
            return name
    words = text.lower().split()
    scores = {name: sum(word in frequent for word in words) for name, frequent in _WORDS_OF.items()}
    best = max(scores, key=lambda name: scores[name])
    return best if scores[best] > 0.03 * len(words) else "unknown"


def as_lines(plan: dict[str, Any]) -> list[str]:
    """Return the plan as lines of text."""
    lines = [
        f"{name}: {found['files']:,} files, {found['bytes'] / 1e6:,.1f} MB; about {found['documents']:,} "
        f"documents, {found['text_bytes'] / 1e6:,.1f} MB of text"
        for name, found in plan["formats"].items()
    ]
    guesses = ", ".join(f"{name} {share:.0%}" for name, share in plan["languages"].items())
    lines.append(f"languages, guessed by script and frequent words: {guesses}")
    for name in ("train_vocab", "make_shards"):
        found = plan[name]
        lines.append(
            f"{name.replace('_', '-')}: about {found['seconds']:,.0f} s of one processor, "
            f"{found['memory_bytes'] / 1e6:,.0f} MB of memory, {found['disk_bytes'] / 1e6:,.1f} MB of disk"
        )
    if "cluster" in plan:
        lines += lines_of_nodes(plan["cluster"])
    return [*lines, f"(extrapolated from {plan['sample_bytes'] / 1e6:,.1f} MB of processed text)"]
