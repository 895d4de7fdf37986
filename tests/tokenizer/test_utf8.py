"""UTF-8 in compiled code: results of the instructions, validity, batches of sentences."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from wpprep.tokenizer.utf8 import (
    PADDING,
    between,
    code_point_at,
    eight_bytes,
    highest_bit,
    is_valid,
    lowest_bit,
    padded,
    utf8_batches,
)


@njit
def _between(text: Any, i: Any, first: Any, last: Any) -> Any:
    return between(text, i, first, last)


@njit
def _bits(bits: Any) -> Any:
    return lowest_bit(bits), highest_bit(bits)


@njit
def _eight(text: Any, i: Any) -> Any:
    return eight_bytes(text, i)


def test_sixty_four_bytes_are_compared_at_once() -> None:
    """Bit k is set if byte i + k is between the bounds, both included, for all 256 bytes."""
    data = bytes(range(256)) + bytes(PADDING)
    text = np.frombuffer(data, np.uint8)
    for i in range(0, 256, 29):
        for first, last in [(97, 122), (0, 0), (128, 255), (9, 10), (255, 255), (32, 32)]:
            mask = int(_between(text, np.uint64(i), np.uint64(first), np.uint64(last)))
            assert [mask >> k & 1 for k in range(64)] == [first <= data[i + k] <= last for k in range(64)]


@given(st.integers(1, 2**64 - 1))
def test_places_of_bits(bits: int) -> None:
    """The positions are those of the lowest and the highest set bit; the lowest of 0 is 64."""
    lowest, highest = _bits(np.uint64(bits))
    assert (lowest, highest) == ((bits & -bits).bit_length() - 1, bits.bit_length() - 1)
    assert _bits(np.uint64(0))[0] == 64


def test_eight_bytes_in_one_load() -> None:
    """The first byte is the lowest of the number, wherever the load begins."""
    data = bytes(range(7, 40))
    for i in range(9):
        assert int(_eight(np.frombuffer(data, np.uint8), np.uint64(i))) == int.from_bytes(
            data[i : i + 8], "little"
        )


def valid(data: bytes) -> bool:
    """Return whether the kernel accepts the bytes."""
    return bool(is_valid(np.frombuffer(data + b"\x80" * PADDING, np.uint8), len(data)))


def is_utf8(data: bytes) -> bool:
    """Return whether Python accepts the bytes."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_every_start_of_two_and_three_bytes() -> None:
    """Pairs of bytes, and first bytes before bytes at the bounds, are valid exactly if Python decodes them."""
    edges = [0, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xFF]
    tries = [bytes([a, b]) for a in range(256) for b in range(256)]
    tries += [bytes([a, b, c]) for a in range(0xC0, 256) for b in edges for c in edges]
    tries += [
        bytes([a, b, c, d]) for a in range(0xE0, 256) for b in edges for c in edges for d in (0x7F, 0x80, 0xC0)
    ]
    assert [t for t in tries if valid(t) != is_utf8(t)] == []


@pytest.mark.parametrize("length", [0, 1, 61, 62, 63, 64, 65, 128])
@given(
    tail=st.one_of(st.binary(max_size=5), st.text(max_size=3).map(lambda t: t.encode("utf-8", "surrogatepass")))
)
def test_after_plain_text(length: int, tail: bytes) -> None:
    """Bytes after any number of ASCII bytes, truncated anywhere, are valid exactly if Python decodes them."""
    for cut in range(len(tail) + 1):
        data = b"x" * length + tail[:cut]
        assert valid(data) == is_utf8(data)


@njit
def _code_point(text: Any, i: Any) -> Any:
    return code_point_at(text, i)


@pytest.mark.parametrize(
    "character", ["\x80", "\u07ff", "\u0800", "\ud7ff", "\uffff", "\U00010000", "\U0010ffff"]
)
def test_code_points_and_widths(character: str) -> None:
    """The first and last code points of two, three and four bytes are decoded, with their number of bytes."""
    data = character.encode()
    found = _code_point(np.frombuffer(b"a" + data + bytes(PADDING), np.uint8), np.uint64(1))
    assert tuple(map(int, found)) == (ord(character), len(data))


def test_padding_is_added_once() -> None:
    """Text with less than PADDING bytes after the used ones is copied, other text is returned."""
    text = np.frombuffer(b"abc", np.uint8)
    longer = padded(text, 3)
    assert longer[:3].tobytes() == b"abc"
    assert len(longer) >= 3 + PADDING
    assert padded(longer, 3) is longer


@pytest.mark.parametrize("long", [0, 5, 1000])
@given(sentences=st.lists(st.text(st.sampled_from("aé한😀 "), max_size=9), max_size=12))
def test_sentences_are_laid_out_as_utf8(long: int, sentences: list[str]) -> None:
    """Every batch has padding, and the ends separate its sentences, encoded together or one by one."""
    found = []
    for text, ends in utf8_batches(sentences, 10, long):
        assert len(text) == ends[-1] + PADDING
        found += [text[a:b].tobytes().decode() for a, b in itertools.pairwise([0, *ends.tolist()])]
    assert found == sentences


def test_a_batch_ends_with_the_sentence_that_fills_it() -> None:
    """With 4 characters per batch, "ab" and "cd" are the first one, and a long sentence is one by itself."""
    batches = [ends.tolist() for _, ends in utf8_batches(["ab", "cd", "efghijk", "l"], 4)]
    assert batches == [[2, 4], [7], [1]]
