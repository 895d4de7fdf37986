"""Prose extracted by wpprep and by WikiExtractor from the same pages of real dumps.

    pip install wikiextractor                                  # into any environment
    python benchmarks/extraction.py --python PATH/bin/python   # Python of that environment [default: this one]

WikiExtractor (https://github.com/attardi/wikiextractor) is run from the command line with --json. The
comparison uses the pages that both keep:

    characters   of prose, without the title
    numbers      in the text: runs of digits with their points and commas
    of templates numbers given to {{convert}}, {{cvt}}, {{val}}, {{formatnum}}, {{nowrap}}, {{unité}}, {{M}}
                 outside of references and tables, that the extracted text contains
    markup       braces, brackets, tags, quotes of bold, entities and table rows that remain
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import plan_slices, read_slice
from wpprep.corpus.readers.mediawiki.dump import _raw_pages, parse_page
from wpprep.records import Slice

DATA = Path(os.environ.get("WPPREP_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))
DUMPS = ("enwiki-excerpt.xml.bz2", "itwiki-excerpt.xml.gz")
NUMBER = re.compile(r"\d[\d.,]*")
MARKUP = re.compile(
    r"\{\{|\}\}|\[\[|\]\]|</?(?:ref|br|div|span|small|sup|sub|nowiki|math|i|b)\b|''|&(?:[a-z]+|#\d+);|^[|!]|__[A-Z]+__",
    re.MULTILINE,
)
UNITS = re.compile(r"\{\{\s*(?:convert|cvt|val|formatnum|nowrap|unité|m)\s*[|:]\s*([\d.,]*\d)", re.IGNORECASE)
ASIDE = re.compile(
    r"<ref[^>]*?/>|<ref.*?</ref>|<!--.*?-->|^\{\|.*?^\|\}", re.DOTALL | re.MULTILINE | re.IGNORECASE
)


def main() -> None:
    """Print one table per dump."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="Python of an environment with wikiextractor")
    options = parser.parse_args()
    print("| dump | | pages | characters | numbers | of templates | markup left | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for name in DUMPS:
        given = numbers_of_templates(DATA / "dumps" / name)
        started = time.perf_counter()
        ours = our_pages(DATA / "dumps" / name)
        our_seconds = time.perf_counter() - started
        theirs, their_seconds = their_pages(DATA / "dumps" / name, options.python)
        both = ours.keys() & theirs.keys()
        for who, pages, seconds in (("wpprep", ours, our_seconds), ("WikiExtractor", theirs, their_seconds)):
            texts = {page: pages[page] for page in both}
            print(f"| {name} | {who} | {row(pages, texts, given)} | {seconds:.1f} |", flush=True)


def row(pages: dict[str, str], texts: dict[str, str], given: dict[str, list[str]]) -> str:
    """Return the row of one extractor."""
    characters = sum(map(len, texts.values()))
    numbers = sum(len(NUMBER.findall(text)) for text in texts.values())
    wanted = [(page, number) for page in texts for number in given.get(page, [])]
    found = {page: set(map(plain, NUMBER.findall(text))) for page, text in texts.items()}
    kept = sum(plain(number) in found[page] for page, number in wanted)
    left = sum(len(MARKUP.findall(text)) for text in texts.values())
    return f"{len(pages)} | {characters:,} | {numbers:,} | {kept} of {len(wanted)} | {left:,}"


def plain(number: str) -> str:
    """Return a number without points and commas, which differ between languages."""
    return re.sub(r"[.,]", "", number)


def our_pages(path: Path) -> dict[str, str]:
    """Return our prose by page id, without the line of the title."""
    options = CorpusOptions()
    documents = [d for slice_ in plan_slices([path], options, 10**9) for d in read_slice(slice_, options)]
    return {d.id: d.text.removeprefix(f"{d.title}\n") for d in documents}


def their_pages(path: Path, python: str) -> tuple[dict[str, str], float]:
    """Return WikiExtractor's prose by page id, and the time in seconds."""
    opener = bz2.open if path.suffix == ".bz2" else gzip.open
    with tempfile.TemporaryDirectory() as scratch:
        plain, out = Path(scratch) / "dump.xml", Path(scratch) / "out"
        with opener(path) as dump:
            plain.write_bytes(dump.read())
        command = [python, "-m", "wikiextractor.WikiExtractor", str(plain), "--json", "-q", "-o", str(out)]
        started = time.perf_counter()
        subprocess.run([*command, "--processes", "1"], check=True, cwd=scratch)
        seconds = time.perf_counter() - started
        rows = [
            json.loads(line) for file in sorted(out.rglob("wiki_*")) for line in file.open(encoding="utf-8")
        ]
    return {str(row["id"]): row["text"] for row in rows if row["text"].strip()}, seconds


def numbers_of_templates(path: Path) -> dict[str, list[str]]:
    """Return the numbers in templates of quantities, for each page's prose."""
    slice_ = Slice(str(path), "wiki-dump", 0, -1)
    pages = [parse_page(raw, str(path), "strict")[0] for raw in _raw_pages(slice_, CorpusOptions())]
    return {page.id: UNITS.findall(ASIDE.sub("", without_boxes(page.text))) for page in pages}


def without_boxes(text: str) -> str:
    """Return wikitext without templates that begin a line and span several lines, such as infoboxes."""
    return re.sub(
        r"^\{\{[^{}]*(?:\{\{[^{}]*(?:\{\{[^{}]*\}\}[^{}]*)*\}\}[^{}]*)*\n\}\}", "", text, flags=re.MULTILINE
    )


if __name__ == "__main__":
    main()
