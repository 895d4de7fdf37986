"""Differences between the ids of Google's tokenization.py and those of `tokenizers` (and so of wpprep).

    python benchmarks/differences.py
    python benchmarks/differences.py --folders wiki-ko --megabytes 4

Google's rules are implemented below in plain Python, from the documented behaviour of BasicTokenizer and
WordpieceTokenizer in google-research/bert. Each known difference is a switch, which replaces the rule by that
of `tokenizers`, with the tables of the library. Text between blanks that gets different ids is attributed to
the one switch that makes the ids equal.
"""

from __future__ import annotations

import argparse
import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from harness import DATA, text_of
from tokenizers import normalizers, pre_tokenizers

from wpprep.tokenizer.encoder import Encoder

CAUSES = {
    "sigma": "final sigma: \u03a3 at the end of a word becomes \u03c2, in tokenizers \u03c3",
    "long": "words of 101 to 200 characters are cut into pieces, in tokenizers [UNK]",
    "kept": "unassigned and private-use characters stay, tokenizers deletes them",
    "ideographs": "the ideographs U+2B820-2B91F stand alone, in tokenizers they do not",
    "marks": "punctuation newer than the tables of tokenizers stands alone",
    "case": "letters whose lower case or accents the two libraries' tables know differently",
}
_IDEOGRAPHS = re.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002ceaf\U0002f800-\U0002fa1f]"
)


@functools.cache
def _library_makes(character: str, lowercase: bool) -> str:
    """Return the normalised form of a character between two letters, according to the library."""
    return str(normalizers.BertNormalizer(lowercase=lowercase).normalize_str(f"a{character}b"))[1:-1]


@functools.cache
def _is_mark(character: str) -> bool:
    return len(pre_tokenizers.BertPreTokenizer().pre_tokenize_str(f"a{character}b")) == 3


def words(text: str, lowercase: bool, like_library: str) -> Iterator[str]:
    """BasicTokenizer: clean, isolate ideographs, lowercase, strip accents, split at punctuation."""
    cleaned = []
    for c in text:
        if c in "\0\ufffd" or (unicodedata.category(c) in {"Cc", "Cf"} and c not in "\t\n\r"):
            continue
        if like_library == "kept" and unicodedata.category(c) in {"Cn", "Co"} and not _library_makes(c, False):
            continue
        if c in " \t\n\r" or unicodedata.category(c) == "Zs":
            cleaned.append(" ")
        elif _IDEOGRAPHS.match(c) and not (like_library == "ideographs" and _library_makes(c, False) == c):
            cleaned.append(f" {c} ")
        else:
            cleaned.append(c)
    for token in "".join(cleaned).split():
        yield from _split(_lowered(token, like_library) if lowercase else token, like_library)


def _lowered(token: str, like_library: str) -> str:
    if like_library == "case":
        return "".join(_library_makes(c, True).strip() for c in token)
    lower = "".join(c.lower() for c in token) if like_library == "sigma" else token.lower()
    return "".join(c for c in unicodedata.normalize("NFD", lower) if unicodedata.category(c) != "Mn")


def _split(token: str, like_library: str) -> Iterator[str]:
    word = ""
    for c in token:
        is_mark = unicodedata.category(c).startswith("P") or (
            c.isascii() and c.isprintable() and not c.isalnum()
        )
        if like_library == "marks":
            is_mark = _is_mark(c)
        if is_mark:
            yield from filter(None, (word, c))
            word = ""
        else:
            word += c
    if word:
        yield word


def pieces_of(word: str, ids: dict[str, int], most_characters: int) -> list[int]:
    """WordpieceTokenizer: greedy, longest piece first."""
    if len(word) > most_characters:
        return [ids["[UNK]"]]
    found, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in ids), None)
        if end is None:
            return [ids["[UNK]"]]
        found.append(ids[prefix + word[start:end]])
        start = end
    return found


def google(text: str, ids: dict[str, int], lowercase: bool, like_library: str = "") -> list[int]:
    """Return the ids of Google's FullTokenizer, optionally with one rule of the library."""
    most = 100 if like_library == "long" else 200
    return [i for word in words(text, lowercase, like_library) for i in pieces_of(word, ids, most)]


def compare(folder: str, vocabulary: str, megabytes: float | None) -> None:
    """Print the number of differences in a folder's text, by cause."""
    encoder = Encoder.from_folder(DATA / "vocabs" / vocabulary)
    ids, lowercase = encoder.vocabulary.ids, "uncased" in vocabulary
    counts = Counter(re.split("[ \t\n\r]+", text_of(folder, megabytes).decode()))
    parts = list(counts)
    why: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for part, made in zip(parts, encoder.encode_batch(parts), strict=True):
        ours = made.tolist()
        if google(part, ids, lowercase) == ours:
            continue
        cause = next((c for c in CAUSES if google(part, ids, lowercase, c) == ours), "several")
        why[cause] += counts[part]
        examples.setdefault(cause, part[:24])
    total = counts.total()
    print(f"\n{folder}, {vocabulary}: {total:,} parts between blanks, {why.total():,} with other ids")
    for cause, count in why.most_common():
        what = CAUSES.get(cause, "several of these at once, or something else")
        print(f"{count:10,} {count / total * 1e6:8.1f} in a million   {what} ({examples[cause]!a})")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folders", nargs="*", default=["wiki-en", "wiki-ko"])
    parser.add_argument(
        "--megabytes", type=float, help="maximum size of the text of each folder [default: all]"
    )
    options = parser.parse_args()
    for name in options.folders:
        for vocabulary in ("bert-base-uncased-vocab.txt", "bert-base-multilingual-cased-vocab.txt"):
            compare(name, vocabulary, options.megabytes)
