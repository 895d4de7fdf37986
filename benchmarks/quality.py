"""Quality of vocabularies on held-out documents: our scores, `tokenizers`, sentencepiece; a table per language.

    python benchmarks/quality.py [--cases en ko]

15 % of the documents of a folder are held out. Every trainer learns from the rest, and `wpprep.vocab.quality`
measures all of them on the same held-out text. The figures do not depend on the machine or its load.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import DATA

SHARE = 0.15
# folder, entries, lowercase
CASES: dict[str, tuple[str, int, bool]] = {"en": ("wiki-en", 30522, True), "ko": ("wiki-ko", 16000, False)}


def split(folder: Path, out: Path) -> tuple[Path, Path]:
    """Write the documents of a folder into a training file and a held-out file; return both paths."""
    from wpprep.config import CorpusOptions
    from wpprep.corpus.filters import place_of
    from wpprep.corpus.readers import plan_slices, read_slice

    options = CorpusOptions()
    learned, held_out = out / "learned.txt", out / "held-out.txt"
    with open(learned, "w") as to_learn, open(held_out, "w") as to_measure:
        for slice_ in plan_slices([folder], options, 1 << 30):
            for document in read_slice(slice_, options):
                file = to_measure if place_of(document.id) < SHARE * 2**64 else to_learn
                file.write(document.text + "\n\n\n\n")
    return learned, held_out


def ours(score: str) -> Callable[[Path, Path, int, bool], Path]:
    """Return a trainer of WordPiece with one of our scores."""

    def train(text: Path, out: Path, size: int, lowercase: bool) -> Path:
        from wpprep import train_vocab

        options: dict[str, Any] = {"vocab_size": size, "lowercase": lowercase, "score": score, "holdout": 0.0}
        return train_vocab([text], out, format="prose", workers=1, **options).folder

    return train


def tokenizers(text: Path, out: Path, size: int, lowercase: bool) -> Path:
    """Train the library's WordPiece with its defaults, accents kept."""
    from tokenizers import BertWordPieceTokenizer

    tokenizer = BertWordPieceTokenizer(lowercase=lowercase, strip_accents=False)
    tokenizer.train([str(text)], vocab_size=size, min_frequency=2, show_progress=False)
    tokenizer.save(f"{out}.json")
    return Path(f"{out}.json")


def sentencepiece(text: Path, out: Path, size: int, lowercase: bool) -> Path:
    """Train sentencepiece's BPE on the same lowercased or cased text."""
    import sentencepiece

    rule = "nmt_nfkc_cf" if lowercase else "nmt_nfkc"
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(out), vocab_size=size, model_type="bpe", num_threads=2,
        minloglevel=2, max_sentence_length=10**6, normalization_rule_name=rule,
    )  # fmt: skip
    return Path(f"{out}.model")


TRAINERS = {
    "likelihood": ours("likelihood"),
    "frequency": ours("frequency"),
    "ratio": ours("ratio"),
    "tokenizers": tokenizers,
    "sentencepiece": sentencepiece,
}


def main() -> None:
    """Train, measure and print."""
    from wpprep.pipeline.compare_vocabs import compare_vocabs
    from wpprep.vocab.quality import table

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    given = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"no real text in {DATA} (set WPPREP_DATA)")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    for case in given.cases:
        folder, size, lowercase = CASES[case]
        with tempfile.TemporaryDirectory() as scratch:
            learned, held_out = split(DATA / folder, Path(scratch))
            made = {}
            for name, train in TRAINERS.items():
                try:
                    made[name] = train(learned, Path(scratch) / name, size, lowercase)
                except ImportError as error:
                    print(f"{name}: {error}")
            found = compare_vocabs(list(made.values()), [held_out], format="prose").qualities
        print(f"\n{case}: {folder}, {size:,} entries, {'lowercase' if lowercase else 'cased'}, 15 % held out")
        qualities = dict(zip(made, found.values(), strict=True))
        print("\n".join(table(qualities)), flush=True)


if __name__ == "__main__":
    main()
