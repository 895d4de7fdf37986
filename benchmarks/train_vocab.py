"""Learn a vocabulary: whole processes, with start-up, reading, counting, merging and writing.

    python benchmarks/train_vocab.py [--runs 3] [--only wpprep] [FOLDER ...]

The corpus is first written as plain files of 16 MB, one per task, so that decompression is not timed. Every run
is a new process, contenders alternate, and medians are printed with peak resident memory. Peers that are not
installed are listed and omitted. Real text is read from WPPREP_DATA, as in the tests.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.util
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZE = 30522
_WPPREP = """
import sys
from wpprep.cli import main
corpus, out = sys.argv[1:]
sys.argv[1:] = ["train-vocab", corpus, "--out", out, "--workers", "2", "--vocab-size", "{size}",
                "--algorithm", "{algorithm}", "--score", "{score}"]
main()
"""
_TOKENIZERS = """
import sys, pathlib
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer
files = sorted(map(str, pathlib.Path(sys.argv[1]).iterdir()))
tokenizer = {kind}
tokenizer.train(files, vocab_size={size}, min_frequency=2, show_progress=False{more})
tokenizer.save(sys.argv[2])
"""
_SENTENCEPIECE = """
import sys, pathlib, sentencepiece
files = sorted(map(str, pathlib.Path(sys.argv[1]).iterdir()))
sentencepiece.SentencePieceTrainer.train(
    input=files, model_prefix=sys.argv[2], vocab_size={size}, model_type="bpe", num_threads=2,
    minloglevel=2, max_sentence_length=10**6)
"""

_RUSTBPE = """
import sys, pathlib, rustbpe
def texts():
    for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        yield from file.open(encoding="utf-8")
tokenizer = rustbpe.Tokenizer()
tokenizer.train_from_iterator(texts(), vocab_size={size})
"""
_GIGATOKEN = """
import sys, pathlib, gigatoken
files = sorted(map(str, pathlib.Path(sys.argv[1]).iterdir()))
gigatoken.train_bpe(gigatoken.TextFileSource(files), {size}, [])
"""
# The goals: ours, the peer, and the ratio of their speeds.
RATIOS = (
    ("wpprep wordpiece frequency", "tokenizers BertWordPieceTokenizer", 4.0),
    ("wpprep wordpiece likelihood", "tokenizers BertWordPieceTokenizer", 3.0),
    ("wpprep bbpe", "gigatoken BPE", 1.0),
)

# name: (package, program)
CONTESTANTS = {
    "wpprep wordpiece likelihood": (
        "wpprep", _WPPREP.format(size=SIZE, algorithm="wordpiece", score="likelihood")
    ),
    "wpprep wordpiece frequency": (
        "wpprep", _WPPREP.format(size=SIZE, algorithm="wordpiece", score="frequency")
    ),
    "wpprep bbpe": ("wpprep", _WPPREP.format(size=SIZE, algorithm="bbpe", score="frequency")),
    "tokenizers BertWordPieceTokenizer": (
        "tokenizers", _TOKENIZERS.format(kind="BertWordPieceTokenizer(strip_accents=False)", size=SIZE, more="")
    ),
    "tokenizers ByteLevelBPETokenizer": (
        "tokenizers", _TOKENIZERS.format(kind="ByteLevelBPETokenizer()", size=SIZE, more="")
    ),
    "sentencepiece BPE": ("sentencepiece", _SENTENCEPIECE.format(size=SIZE)),
    "rustbpe": ("rustbpe", _RUSTBPE.format(size=SIZE)),
    "gigatoken BPE": ("gigatoken", _GIGATOKEN.format(size=SIZE)),
}  # fmt: skip


def main() -> None:
    """Time every contender and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    data = Path(os.environ.get("WPPREP_DATA", Path(__file__).parents[2] / "shared" / "data"))
    parser.add_argument("folders", nargs="*", type=Path, default=[data / "wiki-en"])
    parser.add_argument("--all", action="store_true", help="measure all text folders together")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="run only contenders with this text in their names")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = sorted(data.glob("wiki-??")) + sorted(data.glob("books-??")) if given.all else given.folders
        corpus = unpacked(folders, Path(scratch) / "corpus")
        size = sum(file.stat().st_size for file in corpus.iterdir())
        print(f"{size / 1e6:.1f} MB, {SIZE:,} entries, {os.cpu_count()} CPUs, median of {given.runs}")
        chosen = {name: entry for name, entry in CONTESTANTS.items() if given.only in name}
        for name in [
            name for name, (package, _) in chosen.items() if importlib.util.find_spec(package) is None
        ]:
            print(f"{name}: not installed")
            del chosen[name]
        times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in chosen}
        for run in range(given.runs):
            for name, (_, program) in chosen.items():
                times[name].append(timed(program, corpus, Path(scratch) / f"{name}-{run}"))
        for name, results in times.items():
            seconds, cpu, memory = (sorted(column) for column in zip(*results, strict=True))
            print(
                f"{name:34} {statistics.median(seconds):6.2f} s ({seconds[0]:.2f} to {seconds[-1]:.2f}), "
                f"CPU {statistics.median(cpu):6.2f} s, {memory[-1]:5.0f} MB"
            )
        medians = {name: statistics.median(run[0] for run in results) for name, results in times.items()}
        for ours, peer, goal in RATIOS:
            if ours in medians and peer in medians:
                print(f"{ours}: {medians[peer] / medians[ours]:.2f} times as fast as {peer} (goal {goal:g})")


def unpacked(folders: list[Path], out: Path) -> Path:
    """Write the text of the folders as plain files of about 16 MB; return their folder."""
    out.mkdir()
    pieces: list[list[bytes]] = []
    for folder in folders:
        pieces.append([])
        for file in sorted(folder.iterdir()):
            data = file.read_bytes()
            pieces[-1].append(gzip.decompress(data) if file.suffix == ".gz" else data)
            if sum(map(len, pieces[-1])) > 16_000_000:
                pieces.append([])
    for i, piece in enumerate(filter(None, pieces)):
        (out / f"wiki_{i:02}").write_bytes(b"".join(piece))
    return out


def timed(program: str, corpus: Path, out: Path) -> tuple[float, float, float]:
    """Run a program; return wall and CPU seconds, and peak resident memory of the main process in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(corpus), str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"a contestant failed:\n{program}")
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
