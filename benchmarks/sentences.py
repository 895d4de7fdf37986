"""Sentence splitters: speed, and agreement of their boundaries with ours.

    pip install pysbd syntok blingfire      # peers, all optional
    python benchmarks/sentences.py --kilobytes 400

Each splitter gets the same paragraphs of each language folder, one at a time. Agreement is the F1 of its
boundaries inside paragraphs with those of `wpprep.corpus.sentences` (positions counted in letters, without
blanks). Times are CPU seconds.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from harness import DATA, text_of

from wpprep.corpus.sentences import split_sentences

FOLDERS = {
    "wiki-en": "en", "books-en": "en", "wiki-de": "de", "books-ru": "ru", "wiki-ko": "ko", "wiki-ja": "ja",
    "wiki-zh": "zh",
}  # fmt: skip
Splitter = Callable[[str], list[str]]


def ours(language: str) -> Splitter:
    """Return sentencex with the rules that wpprep adds."""
    return partial(split_sentences, language)


def sentencex(language: str) -> Splitter:
    """Return sentencex alone."""
    return partial(importlib.import_module("sentencex").segment, language)


def pysbd(language: str) -> Splitter | None:
    """Return pySBD, the golden rules (https://github.com/nipunsadvilkar/pySBD), if it knows the language."""
    module: Any = importlib.import_module("pysbd")
    known = language in importlib.import_module("pysbd.languages").LANGUAGE_CODES
    return module.Segmenter(language=language, clean=False).segment if known else None


def syntok(language: str) -> Splitter | None:
    """Return syntok, rules over tokens for English, German and Spanish (https://github.com/fnl/syntok)."""
    segmenter: Any = importlib.import_module("syntok.segmenter")

    def split(text: str) -> list[str]:
        paragraphs = segmenter.analyze(text)
        return [
            "".join(t.spacing + t.value for t in sentence) for sentences in paragraphs for sentence in sentences
        ]

    return split if language in ("en", "de", "es") else None


def blingfire(language: str) -> Splitter:
    """Return BlingFire, one finite state machine for all languages (https://github.com/microsoft/BlingFire)."""
    module: Any = importlib.import_module("blingfire")
    return lambda text: module.text_to_sentences(text).split("\n")


SPLITTERS: dict[str, Callable[[str], Splitter | None]] = {
    "wpprep": ours, "sentencex": sentencex, "pysbd": pysbd, "syntok": syntok, "blingfire": blingfire
}  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kilobytes", type=int, default=400, help="size of the text of each folder")
    options = parser.parse_args()
    print("| folder | splitter | sentences | MB/s | agreement |")
    print("|---|---|---:|---:|---:|")
    for folder, language in FOLDERS.items():
        if (DATA / folder).is_dir():
            compare(folder, language, paragraphs_of(folder, options.kilobytes / 1000))


def paragraphs_of(folder: str, megabytes: float) -> list[str]:
    """Return the paragraphs of the first text of a folder: lines, or in books the parts between blank lines."""
    text = text_of(folder, megabytes).decode("utf-8", "ignore").replace("\r", "").removeprefix("\ufeff")
    if folder.startswith("books"):
        return [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()]
    return [line for line in text.split("\n") if line.strip() and not line.startswith(("<doc ", "</doc>"))]


def compare(folder: str, language: str, paragraphs: list[str]) -> None:
    """Print the rows of a folder."""
    size = sum(len(paragraph.encode()) for paragraph in paragraphs)
    expected: list[set[int]] = []
    for name, make in SPLITTERS.items():
        try:
            split = make(language)
        except ImportError:
            print(f"| {folder} | {name} | not installed | | |")
            continue
        if split is None:
            continue
        split(paragraphs[0])
        started = time.process_time()
        found = [split(paragraph) for paragraph in paragraphs]
        seconds = time.process_time() - started
        places = [places_of(sentences) for sentences in found]
        expected = expected or places
        both = sum(len(a & b) for a, b in zip(places, expected, strict=True))
        all_ = sum(len(a) + len(b) for a, b in zip(places, expected, strict=True))
        number = sum(len(one) + 1 for one in places)
        print(
            f"| {folder} | {name} | {number:,} | {size / seconds / 1e6:.2f} | {2 * both / max(1, all_):.1%} |",
            flush=True,
        )


def places_of(sentences: list[str]) -> set[int]:
    """Return the ends of sentences inside a paragraph, counted in letters."""
    places, place = set(), 0
    for sentence in sentences:
        if letters := len("".join(sentence.split())):
            place += letters
            places.add(place)
    places.discard(place)
    return places


if __name__ == "__main__":
    main()
