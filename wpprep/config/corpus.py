"""Options for reading a corpus, selecting its documents, and writing its clean text."""

from __future__ import annotations

import codecs
import contextlib
import re
from dataclasses import dataclass
from fractions import Fraction

from wpprep.config.fields import OptionSet, check, check_least, fill, option

FORMATS = (
    "auto", "lines", "prose", "wikiextractor", "wikiextractor-json", "jsonl", "parquet", "arrow", "wiki-dump"
)  # fmt: skip
SENTENCE_RULES = ("auto", "sentencex", "lines", "paragraphs")
DECODE_ERRORS = ("strict", "replace")
TEXT_FORMATS = ("jsonl", "parquet")
COMPRESSIONS = ("none", "gzip", "zstd")


@dataclass(frozen=True, kw_only=True)
class CorpusOptions(OptionSet):
    """Options for reading text and selecting documents."""

    format: str = option("auto", "Format of the corpus files.", choices=FORMATS)
    encoding: str = option("auto", "Encoding of text files; auto is that of the byte order mark, else UTF-8.")
    text_field: str = option("text", "Field or column that holds the text (jsonl, parquet, arrow).")
    id_field: str | None = option(
        None, "Field or column of the document id. [default: id if present, else file and place]"
    )
    rows_per_document: int | None = option(
        None,
        "Number of rows (parquet, arrow) or lines (jsonl) per document. [default: 1, but 1000 for text without "
        "other fields, one sentence per row, as in BookCorpus]",
    )
    namespaces: str = option("0", "Namespaces to read from a dump: comma-separated numbers, or all.")
    language: str = option("en", "Language of the text (en, ko, zh, ...), for the sentence rules.")
    sentences: str = option(
        "auto",
        "Rule for splitting text into sentences; auto is lines for the format lines, else sentencex.",
        choices=SENTENCE_RULES,
    )
    errors: str = option(
        "strict",
        "Handling of invalid UTF-8: stop with an error, or replace it by U+FFFD and count.",
        choices=DECODE_ERRORS,
    )
    min_chars: int = option(0, "Minimum number of characters of a document; shorter documents are dropped.")
    min_sentences: int = option(0, "Minimum number of sentences of a document; shorter documents are dropped.")
    sample: float = option(1.0, "Fraction of documents used, selected by document id.")
    deduplicate: bool = option(
        False,
        "Drop documents with the same text as an earlier document of the corpus.",
        flags="--deduplicate/--keep-duplicates",
    )
    mix: str | None = option(
        None,
        "Fractions of the text from several corpora, such as wiki=0.75,books=0.25; the corpora are then given "
        "as wiki=PATH books=PATH. As much text is used as the fractions allow, and no document twice.",
    )
    max_documents: int | None = option(
        None, "Maximum number of documents used, selected by document id after all other filters."
    )
    skip_bad: bool = option(
        False,
        "Skip input that cannot be read; count it and list it in the manifest.",
        flags="--skip-bad/--stop-at-bad",
    )

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        check(bool(self.language), "language is empty, expected a code such as en")
        check(bool(self.text_field), "text_field is empty, expected a name such as text")
        _check_encoding(self.encoding)
        check_least(self, "min_chars", 0)
        check_least(self, "min_sentences", 0)
        check(0 < self.sample <= 1, f"sample is {self.sample}, expected above 0 and at most 1")
        check_least(self, "rows_per_document", 1)
        check_least(self, "max_documents", 1)
        _check_mix(self)
        check(
            re.fullmatch(r"all|\d+(\s*,\s*\d+)*", self.namespaces) is not None,
            f"namespaces is {self.namespaces!r}, expected all, or numbers such as 0,14",
        )

    @property
    def mix_shares(self) -> dict[str, Fraction]:
        """The fraction of the text from each named corpus; the sum is 1.

        >>> {name: str(share) for name, share in CorpusOptions(mix="wiki=3,books=1").mix_shares.items()}
        {'wiki': '3/4', 'books': '1/4'}
        """
        pairs = [pair.rpartition("=") for pair in (self.mix or "").split(",") if pair.strip()]
        weights = {name.strip(): Fraction(weight.strip()) for name, _, weight in pairs}
        total = sum(weights.values(), Fraction(0))
        return {name: weight / total for name, weight in weights.items()}


@dataclass(frozen=True, kw_only=True)
class ExtractOptions(OptionSet):
    """Options for writing clean text."""

    to: str = option("jsonl", "Format of the output files.", choices=TEXT_FORMATS)
    compress: str = option(
        None,
        "Compression of the files; for parquet, of their columns. [default: none; zstd for parquet]",
        choices=COMPRESSIONS,
    )
    file_bytes: int = option(64_000_000, "Approximate number of bytes of input text per output file.")

    def __post_init__(self) -> None:
        """Fill in defaults and check the values."""
        super().__post_init__()
        fill(self, "compress", "zstd" if self.to == "parquet" else "none")
        check_least(self, "file_bytes", 1)


def _check_encoding(name: str) -> None:
    known = name == "auto"
    with contextlib.suppress(LookupError, ValueError, TypeError):
        known = known or codecs.lookup(name)._is_text_encoding  # noqa: SLF001
    check(known, f"encoding is {name!r}, expected auto or a name such as utf-16, cp1251 or shift_jis")


def _check_mix(options: CorpusOptions) -> None:
    if options.mix is None:
        return
    check(
        re.fullmatch(r"\s*[\w-]+=\d*\.?\d+\s*(,\s*[\w-]+=\d*\.?\d+\s*)+", options.mix) is not None,
        f"mix is {options.mix!r}, expected names and shares of several corpora, such as wiki=0.75,books=0.25",
    )
    names = re.findall(r"([\w-]+)=", options.mix)
    check(len(set(names)) == len(names), f"mix is {options.mix!r}, expected each corpus once")
    positive = all(float(share) > 0 for share in re.findall(r"=([\d.]+)", options.mix))
    check(positive, f"mix is {options.mix!r}, expected shares above 0")
