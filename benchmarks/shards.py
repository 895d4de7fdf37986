"""Text to finished shards, against a plain version of Google's procedure; pass 2 alone; two workers.

    python benchmarks/shards.py --cores 2
    python benchmarks/shards.py --cores 2 --cases en --only wpprep "wpprep, 2 workers" --rounds 5

The peer replaces google-research/bert's create_pretraining_data.py, which needs TensorFlow 1: the same steps in
plain Python (BERT's basic and WordPiece tokenization, the pairing and masking of `tests/reference`, one
TFRecord per instance), in one process and in memory. It does not split sentences, and it writes records with
our code instead of TensorFlow, so that it is faster than the script, which reached 0.21 MB of text and 550
instances per second on such a machine. It gets the first half megabyte of the text: its speed does not change
with size.

Results are instances: ``made`` counts them, ``bytes each`` is the size of one on disk. CPU seconds are those of
all processes, so that two workers can be compared with one on a busy machine: the difference is work that is
done twice. Kernels are compiled before the clock starts; interpreters and imports are not timed.
"""

from __future__ import annotations

import random
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from harness import DATA, ROOT, Contender, Work, main, text_of

LENGTH, PREDICTIONS, DUPES = 512, 77, 5
_PEERS_BYTES = 500_000


@dataclass(frozen=True)
class Case:
    """Text of a folder, and the bytes of a shard: 64 MB by default, 16 MB for enough shards for two workers."""

    folder: str
    shard_bytes: int
    vocabulary: str = "bert-base-uncased-vocab.txt"

    @property
    def vocab(self) -> Path:
        """The file of the vocabulary."""
        return DATA / "vocabs" / self.vocabulary


CASES = {"en": Case("wiki-en", 16_000_000), "en, shards of 64 MB": Case("wiki-en", 64_000_000)}


def ours(case: Case, workers: int = 1) -> Work:
    """Text to finished files."""
    corpus, scratch, text_bytes = prepared(case)
    make = partial(make_shards, case, corpus=[corpus], vocab=case.vocab, workers=workers)
    return Work(lambda: make(scratch / "out"), text_bytes, lambda: shard_bytes(scratch / "out"))


def pass_2(case: Case, workers: int = 1) -> Work:
    """Token store to finished files, with its checksums verified as in every run."""
    from wpprep.pipeline.encode import encode

    corpus, scratch, text_bytes = prepared(case)
    tokens = encode([corpus], case.vocab, scratch / "tokens", workers=2).folder
    make = partial(make_shards, case, from_tokens=tokens, workers=workers)
    return Work(lambda: make(scratch / "out"), text_bytes, lambda: shard_bytes(scratch / "out"))


def prepared(case: Case) -> tuple[Path, Path, int]:
    """Compile the kernels; return the corpus as a file, a temporary folder, and the bytes of the corpus."""
    text, scratch = text_of(case.folder), Path(_SCRATCH.name)
    (scratch / "corpus").write_bytes(text)
    (scratch / "little").write_bytes(text[: text.index(b"</doc>", 200_000) + 7])
    make_shards(case, scratch / "warm", corpus=[scratch / "little"], vocab=case.vocab, workers=1)
    return scratch / "corpus", scratch, len(text)


_SCRATCH = tempfile.TemporaryDirectory()


def make_shards(case: Case, out: Path, **how: Any) -> int:
    """Make the shards of a case; return the number of instances."""
    from wpprep.pipeline import make_shards as pipeline

    how |= {"dupe_factor": DUPES, "max_seq_length": LENGTH, "shard_bytes": case.shard_bytes}
    return int(pipeline.make_shards(out=out, **how).manifest.statistics["rows"])


def shard_bytes(out: Path) -> int:
    """Return the size of all shards of a folder in bytes."""
    return sum(path.stat().st_size for path in out.glob("shard-*"))


# -- the peer ------------------------------------------------------------------------------------------


def google(case: Case) -> Work:
    """Google's procedure on the first bytes of the text; sentences are split before the clock starts."""
    corpus = Path(_SCRATCH.name) / "corpus"
    corpus.write_bytes(text_of(case.folder))
    texts = sentences_of(corpus, _PEERS_BYTES)
    pieces = {piece: i for i, piece in enumerate(case.vocab.read_text().splitlines())}
    records = Path(_SCRATCH.name) / "records"
    text_bytes = sum(len(sentence.encode()) for document in texts for sentence in document)
    return Work(reading_of_google(texts, pieces, records), text_bytes, lambda: records.stat().st_size)


def reading_of_google(texts: list[list[str]], pieces: dict[str, int], records: Path) -> Callable[[], int]:
    """Return the procedure as a function that writes records and returns their number."""
    import sys

    sys.path.insert(0, str(ROOT / "tests"))
    from reference.masking import google_mask, number_to_predict
    from reference.pairing import google_pairs

    from wpprep.storage.tfrecords import encode_records

    cls, sep, mask = (pieces[name] for name in ("[CLS]", "[SEP]", "[MASK]"))

    def run() -> int:
        generator, rows = random.Random(12345), 0
        documents = [[tokenize(text, pieces) for text in document] for document in texts]
        documents = [[ids for ids in document if ids] for document in documents]
        documents = [document for document in documents if document]
        with records.open("wb") as file:
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
                    file.write(encode_records({name: np.array([v]) for name, v in features.items()}))
                    rows += 1
        return rows

    return run


def sentences_of(corpus: Path, size: int) -> list[list[str]]:
    """Return the sentences of the first documents."""
    from wpprep.config import CorpusOptions
    from wpprep.corpus.readers import plan_slices, read_slice
    from wpprep.corpus.sentences import sentence_splitter

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
    """BERT's tokenization.py in short: blanks, lower case, punctuation alone, then the longest piece first."""
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
    main(
        __doc__,
        CASES,
        [
            Contender("wpprep", ours),
            Contender("wpprep, 2 workers", partial(ours, workers=2)),
            Contender("pass 2", pass_2),
            Contender("pass 2, 2 workers", partial(pass_2, workers=2)),
            Contender("Google's, plain Python", google),
        ],
    )
