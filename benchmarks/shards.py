"""Text to finished shards, beside a plain reading of Google's procedure; pass 2 alone; memory; two workers.

    python benchmarks/shards.py [--files 12] [--runs 3] [--reference-mb 0.5] [FOLDER]

The peer stands in for google-research/bert's create_pretraining_data.py, which needs TensorFlow 1: the same
steps in plain Python (BERT's basic and WordPiece tokenization, `tests/reference`'s reading of its pairing and
masking, a TFRecord an instance), one process, everything in memory. It is spared the splitting of sentences and
the writing of records by TensorFlow (ours is used), so that it is faster than the script, which was
measured at 0.21 MB of text and 550 instances a second on such a machine.

Every run of wpprep is a fresh process; medians are printed, instances a second of processor time (of all
processes) beside those a second on the clock, and the peak memory of the largest process. The corpus is
written out as plain files first; shards have about 16 MB, so that there is work for two even in a small corpus.
Real text is looked for as the tests do (WPPREP_DATA).
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
DATA = Path(os.environ.get("WPPREP_DATA", ROOT.parent / "shared" / "data"))
LENGTH, PREDICTIONS, DUPES = 512, 77, 5

_RUN = """
import json, resource, sys, time
from wpprep.pipeline import make_shards
corpus, vocab, out, tokens, workers = sys.argv[1:]
def used():
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
started, used_before, marks = time.perf_counter(), used(), {}
def mark(stage, done, total):
    marks.setdefault(stage, (time.perf_counter() - started, used() - used_before))
options = {"tokens": tokens or None, "workers": int(workers), "dupe_factor": 5, "shard_bytes": 16_000_000}
summary = make_shards([corpus], vocab, out, progress=mark, **options)
seconds, cpu = time.perf_counter() - started, used() - used_before
shards = [file for file in summary.manifest.files if file.name.startswith("shard-")]
peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({"seconds": seconds, "pass_2": seconds - marks["shard"][0],
    "cpu": cpu, "cpu_2": cpu - marks["shard"][1], "peak": peak / 1024,
    "text": summary.manifest.corpus["text_bytes"], "rows": summary.manifest.statistics["rows"],
    "bytes": sum(file.bytes for file in shards), "tokens": summary.manifest.statistics["tokens"],
    "shards": len(shards)}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DATA / "wiki-en")
    parser.add_argument("--files", type=int, default=12, help="how many files of the folder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--reference-mb", type=float, default=0.5, help="text for the peer, in MB")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        sys.exit(f"{arguments.folder}: no such folder; name one with gzipped text, or set WPPREP_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        corpus = unpack(arguments.folder, arguments.files, Path(scratch) / "corpus")
        vocab = Path(scratch) / "vocab"
        learn(corpus, vocab)
        compare(corpus, vocab, Path(scratch), arguments.runs, arguments.reference_mb)


def unpack(folder: Path, files: int, target: Path) -> Path:
    """The first files of a folder, as plain files."""
    target.mkdir()
    for path in sorted(folder.glob("*.gz"))[:files]:
        (target / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    return target


def learn(corpus: Path, vocab: Path) -> None:
    from wpprep.pipeline import train_vocab

    train_vocab([corpus], vocab, vocab_size=min(30522, 2000 * len(list(corpus.iterdir()))), score="frequency")


def compare(corpus: Path, vocab: Path, scratch: Path, runs: int, reference_mb: float) -> None:
    peer = reference(corpus, vocab, int(reference_mb * 1e6))
    make(corpus, vocab, scratch / "out", "", 1)  # compiles the kernels
    ours = {workers: median([make(corpus, vocab, scratch / "out", "", workers) for _ in range(runs)])
            for workers in (1, 2)}  # fmt: skip
    make(corpus, vocab, scratch / "out", str(scratch / "tokens"), 2)
    second = {workers: median([make(corpus, vocab, scratch / "out", str(scratch / "tokens"), workers)
              for _ in range(runs)]) for workers in (1, 2)}  # fmt: skip
    print(f"{ours[1]['text'] / 1e6:.1f} MB of text, dupe_factor {DUPES}, max_seq_length {LENGTH}, static: "
          f"{ours[1]['rows']:,.0f} instances of {ours[1]['tokens'] / ours[1]['rows']:.0f} tokens, "
          f"{ours[1]['shards']:.0f} shards, {os.cpu_count()} CPUs\n")  # fmt: skip
    print(f"{'':32}{'MB text/s':>10}{'instances/s':>13}{'a CPU second':>13}{'bytes/inst.':>12}{'peak MB':>9}")
    line("Google's procedure, plain Python", peer, "seconds", "cpu")
    for workers in (1, 2):
        line(f"wpprep, text to shards, {workers} worker{'s' * (workers > 1)}", ours[workers], "seconds", "cpu")
    for workers in (1, 2):
        line(f"wpprep, pass 2 alone, {workers} worker{'s' * (workers > 1)}", second[workers], "pass_2", "cpu_2")
    ratio = ours[1]["text"] / ours[1]["seconds"] / (peer["text"] / peer["seconds"])
    gain, gain_2 = ours[1]["seconds"] / ours[2]["seconds"], second[1]["pass_2"] / second[2]["pass_2"]
    print(f"\n1 worker is {ratio:.0f} times the peer; 2 are {gain:.2f} times 1, in pass 2 {gain_2:.2f} times")


def line(name: str, measured: dict[str, float], seconds: str, cpu: str) -> None:
    """Text and instances a second, instances a second of processor time, bytes an instance, memory."""
    text, rows = measured["text"] / measured[seconds] / 1e6, measured["rows"] / measured[seconds]
    of_cpu, size = measured["rows"] / measured[cpu], measured["bytes"] / measured["rows"]
    print(f"{name:32}{text:>10.2f}{rows:>13,.0f}{of_cpu:>13,.0f}{size:>12,.0f}{measured['peak']:>9,.0f}")


def make(corpus: Path, vocab: Path, out: Path, tokens: str, workers: int) -> dict[str, float]:
    """One run of wpprep in a process of its own."""
    import json
    import shutil

    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", _RUN, str(corpus), str(vocab), str(out), tokens, str(workers)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def median(measured: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in measured) for name in measured[0]}


# -- the peer ------------------------------------------------------------------------------------------


def reference(corpus: Path, vocab: Path, size: int) -> dict[str, float]:
    """Google's procedure over the first ``size`` bytes of text; a line is a sentence."""
    sys.path.insert(0, str(ROOT / "tests"))
    from reference.masking import google_mask, number_to_predict
    from reference.pairing import google_pairs

    from wpprep.tfrecords import encode_records

    texts = sentences_of(corpus, size)
    pieces = {piece: i for i, piece in enumerate((vocab / "vocab.txt").read_text().splitlines())}
    generator, rows, written = random.Random(12345), 0, 0
    started, used = time.perf_counter(), time.process_time()
    documents = [[tokenize(text, pieces) for text in document] for document in texts]
    documents = [[ids for ids in document if ids] for document in documents]
    documents = [document for document in documents if document]
    cls, sep, mask = (pieces[name] for name in ("[CLS]", "[SEP]", "[MASK]"))
    with tempfile.TemporaryFile() as file:
        for _ in range(DUPES):
            for a, b, is_random in google_pairs(documents, LENGTH, 0.1, generator):
                ids = [cls, *a, sep, *b, sep]
                quota = number_to_predict(len(ids), 0.15, PREDICTIONS)
                masked = google_mask(ids, {cls, sep}, None, quota, mask, len(pieces), generator)
                rest, unused = [0] * (LENGTH - len(ids)), [0] * (PREDICTIONS - len(masked.positions))
                features = {
                    "input_ids": masked.tokens + rest,
                    "input_mask": [1] * len(ids) + rest,
                    "segment_ids": [0] * (len(a) + 2) + [1] * (len(b) + 1) + rest,
                    "masked_lm_positions": masked.positions + unused,
                    "masked_lm_ids": masked.labels + unused,
                    "masked_lm_weights": [1.0] * len(masked.positions) + [0.0] * len(unused),
                    "next_sentence_labels": [int(is_random)],
                }
                written += file.write(encode_records({name: np.array([v]) for name, v in features.items()}))
                rows += 1
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    text = sum(len(sentence.encode()) for document in texts for sentence in document)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "text": text, "rows": rows, "bytes": written, "peak": peak}


def sentences_of(corpus: Path, size: int) -> list[list[str]]:
    """Sentences of the first documents, split before the clock runs."""
    from wpprep.config import CorpusOptions
    from wpprep.readers import plan_slices, read_slice
    from wpprep.sentences import sentence_splitter

    options = CorpusOptions()
    documents: list[list[str]] = []
    for slice_ in plan_slices([corpus], options, 10**9):
        split = sentence_splitter(options.sentences, options.language, slice_.format)
        for document in read_slice(slice_, options):
            documents.append([str(sentence) for sentence in split(document.text)])
            size -= len(document.text)
            if size <= 0:
                return documents
    return documents


def tokenize(text: str, pieces: dict[str, int]) -> list[int]:
    """BERT's tokenization.py in short: blanks, lower case, punctuation apart, then the longest piece first."""
    spaced = "".join(f" {c} " if unicodedata.category(c).startswith("P") else c for c in text.lower())
    ids: list[int] = []
    for word in spaced.split():
        found, start = [], 0
        while start < len(word):
            mark = "##" if start else ""
            end = len(word)
            while end > start and mark + word[start:end] not in pieces:
                end -= 1
            if end == start:
                found = [pieces["[UNK]"]]
                break
            found.append(pieces[mark + word[start:end]])
            start = end
        ids += found
    return ids


if __name__ == "__main__":
    main()
