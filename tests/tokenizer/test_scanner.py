"""Scanner: the chunks of a plain twin, whatever the table's size and history."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference.encoding import cut, mixed_texts
from tokenizers import normalizers, pre_tokenizers

from wpprep.records import Bytes, Ints
from wpprep.tokenizer.cut_rule import CutRule, blank_rule
from wpprep.tokenizer.safe_cuts import bert_rule, byte_level_rule
from wpprep.tokenizer.scanner import ChunkTable, tally


def pipe(text: str) -> list[str]:
    text = normalizers.Sequence([normalizers.NFC(), normalizers.BertNormalizer()]).normalize_str(text)
    return [word for word, _ in pre_tokenizers.BertPreTokenizer().pre_tokenize_str(text)]


RULES = {"blanks": blank_rule(), "bert": bert_rule(pipe, composes=True), "byte-level": byte_level_rule()}


def laid_out(sentences: list[str]) -> tuple[Bytes, Ints]:
    data = [sentence.encode() for sentence in sentences]
    return np.frombuffer(b"".join(data), np.uint8), np.cumsum([len(d) for d in data], dtype=np.int64)


def scanned(table: ChunkTable, sentences: list[str]) -> list[list[str]]:
    codes, ends = table.scan(*laid_out(sentences))
    chunks = table.chunks()
    return [[chunks[code] for code in part] for part in np.split(codes, ends[:-1])]


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@given(sentences=st.lists(mixed_texts, min_size=1, max_size=4))
def test_chunks_are_those_of_the_twin(rule: CutRule, sentences: list[str]) -> None:
    """Sentences are cut as by the twin, with a table that must grow and again with all chunks known."""
    expected = [cut(sentence, rule) for sentence in sentences]
    table = ChunkTable(rule, capacity=8)
    assert scanned(table, sentences) == expected
    count = len(table)
    assert scanned(table, sentences) == expected
    assert len(table) == count == len({chunk for chunks in expected for chunk in chunks})


def test_codes_count_up_in_the_order_of_first_occurrence() -> None:
    """The code of a chunk is the number of chunks first seen before it, over several scans."""
    table = ChunkTable(blank_rule())
    assert table.scan(*laid_out(["b a b"]))[0].tolist() == [0, 1, 0]
    assert table.scan(*laid_out(["c a"]))[0].tolist() == [2, 1]
    assert table.chunks() == ["b", "a", "c"]


def test_chunks_of_every_length_are_distinguished() -> None:
    """Chunks of about 8 and 16 bytes, the parts of a key, differ if any byte or the length differs."""
    chunks = ["x" * n for n in range(1, 41)]
    chunks += [
        c[:i] + "y" + c[i + 1 :]
        for c in chunks
        if len(c) in {7, 8, 9, 15, 16, 17, 24, 25, 33}
        for i in range(len(c))
    ]
    table = ChunkTable(blank_rule(), capacity=8)
    codes, _ = table.scan(*laid_out([" ".join(chunks)]))
    assert codes.tolist() == list(range(len(chunks)))
    assert table.scan(*laid_out([" ".join(chunks)]))[0].tolist() == codes.tolist()
    assert table.chunks() == chunks


def test_nul_bytes_count() -> None:
    """Chunks of NUL bytes differ by their length, and from chunks that end with NUL bytes."""
    chunks = ["\0", "\0\0", "\0" * 8, "\0" * 9, "\0" * 16, "\0" * 17, "a\0", "a", "a\0\0"]
    table = ChunkTable(blank_rule())
    assert table.scan(*laid_out([" ".join(chunks)]))[0].tolist() == list(range(len(chunks)))


def test_more_chunks_than_one_round_finds() -> None:
    """A text with more chunks than the 8,192 of one round of cutting and looking up is scanned completely."""
    n = 20_007
    codes, ends = ChunkTable(blank_rule()).scan(*laid_out(["a b " * n, "", "b"]))
    assert codes.tolist() == [0, 1] * n + [1]
    assert ends.tolist() == [2 * n, 2 * n, 2 * n + 1]


def test_long_chunks_make_the_blob_grow() -> None:
    """Chunks longer than the whole blob are stored completely."""
    chunks = ["a" * 5000, "b" * 50000, "a" * 5001]
    table = ChunkTable(blank_rule(), capacity=8)
    assert scanned(table, [" ".join(chunks)]) == [chunks]


def test_empty_input() -> None:
    """No sentences, and sentences without text, have no chunks."""
    table = ChunkTable(blank_rule())
    assert [array.tolist() for array in table.scan(*laid_out([]))] == [[], []]
    assert [array.tolist() for array in table.scan(*laid_out(["", " ", ""]))] == [[], [0, 0, 0]]


def test_sentence_ends_are_cuts() -> None:
    """A word that continues in the next sentence is two chunks."""
    assert scanned(ChunkTable(blank_rule()), ["to b", "e or"]) == [["to", "b"], ["e", "or"]]


def test_clear_forgets() -> None:
    """After clear() the next chunk has code 0 again, and the old chunks are removed."""
    table = ChunkTable(blank_rule(), capacity=8)
    table.scan(*laid_out([" ".join(map(str, range(1000)))]))
    grown = table.nbytes
    table.clear()
    assert (len(table), table.nbytes < grown) == (0, True)
    assert scanned(table, ["7 8 7"]) == [["7", "8", "7"]]
    assert table.chunks() == ["7", "8"]


@given(st.sets(st.integers(0, 29), max_size=30))
def test_keep_numbers_anew(kept: set[int]) -> None:
    """After keep() the kept chunks have codes in the given order, and all others are new."""
    words = [f"word{i:0{i}}" for i in range(30)]
    table = ChunkTable(blank_rule(), capacity=8)
    table.scan(*laid_out([" ".join(words)]))
    order = sorted(kept, reverse=True)
    table.keep(np.array(order, np.int64))
    assert table.chunks() == [words[i] for i in order]
    assert scanned(table, [" ".join(words)]) == [words]
    assert len(table) == 30


def test_add_returns_the_codes_of_scan() -> None:
    """Whole chunks get the codes that scanning assigned, and new ones the next codes."""
    table = ChunkTable(blank_rule())
    table.scan(*laid_out(["to be"]))
    data, ends = laid_out(["be", "or not", "to", "be"])
    assert table.add(data, ends).tolist() == [1, 2, 0, 1]
    assert table.chunks() == ["to", "be", "or not"]


def test_tally_weighs() -> None:
    """Counts increase by the weights, or by one for each occurrence without weights."""
    counts = np.zeros(3, np.int64)
    tally(np.array([0, 2, 0], np.int32), np.zeros(0, np.int64), counts)
    tally(np.array([1, 2], np.int32), np.array([5, 2**40]), counts)
    assert counts.tolist() == [2, 5, 1 + 2**40]


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
@given(parts=st.lists(st.tuples(mixed_texts, mixed_texts), min_size=1, max_size=4))
def test_text_between_sentences_is_skipped(rule: CutRule, parts: list[tuple[str, str]]) -> None:
    """Sentences that do not begin at the end of the previous one are scanned as alone."""
    data = b"".join((gap + sentence).encode() for gap, sentence in parts)
    ends = np.cumsum([len((gap + sentence).encode()) for gap, sentence in parts], dtype=np.int64)
    begins = ends - np.array([len(sentence.encode()) for _, sentence in parts])
    table = ChunkTable(rule)
    codes, code_ends = table.scan(np.frombuffer(data, np.uint8), ends, begins)
    chunks = table.chunks()
    found = [[chunks[code] for code in part] for part in np.split(codes, code_ends[:-1])]
    assert found == [cut(sentence, rule) for _, sentence in parts]


@given(before=st.integers(0, 140), text=mixed_texts, after=st.integers(0, 140))
def test_plain_text_of_every_length(before: int, text: str, after: int) -> None:
    """The chunks are the twin's, whatever is at the ends of the 64 bytes that are compared at once."""
    plain = "It was 12 o'clock (or so), <he said>; don't_ask 4me\tor 007.\n\nA-b " * 3
    sentence = plain[-before or len(plain) :] + text + plain[:after]
    for rule in RULES.values():
        assert scanned(ChunkTable(rule), [sentence, sentence[3:]]) == [
            cut(sentence, rule),
            cut(sentence[3:], rule),
        ]
