"""Reading UTF-8 in compiled code: what the instructions answer, and what is valid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from wpprep.tokenizer.utf8 import PADDING, between, eight_bytes, highest_bit, is_valid, lowest_bit


@njit
def _between(text, i, first, last):
    return between(text, i, first, last)


@njit
def _bits(bits):
    return lowest_bit(bits), highest_bit(bits)


@njit
def _eight(text, i):
    return eight_bytes(text, i)


def test_sixty_four_bytes_at_a_glance() -> None:
    """Bit k says whether byte i + k lies between the bounds, both included, for every byte there is."""
    data = bytes(range(256)) + bytes(PADDING)
    text = np.frombuffer(data, np.uint8)
    for i in range(0, 256, 29):
        for first, last in [(97, 122), (0, 0), (128, 255), (9, 10), (255, 255), (32, 32)]:
            mask = int(_between(text, np.uint64(i), np.uint64(first), np.uint64(last)))
            assert [mask >> k & 1 for k in range(64)] == [first <= data[i + k] <= last for k in range(64)]


@given(st.integers(1, 2**64 - 1))
def test_places_of_bits(bits: int) -> None:
    """The lowest and the highest bit that are set; of none, the lowest is 64."""
    lowest, highest = _bits(np.uint64(bits))
    assert (lowest, highest) == ((bits & -bits).bit_length() - 1, bits.bit_length() - 1)
    assert _bits(np.uint64(0))[0] == 64


def test_eight_bytes_in_one_load() -> None:
    """The first byte is the lowest, wherever the load begins."""
    data = bytes(range(7, 40))
    for i in range(9):
        assert int(_eight(np.frombuffer(data, np.uint8), np.uint64(i))) == int.from_bytes(
            data[i : i + 8], "little"
        )


def valid(data: bytes) -> bool:
    return bool(is_valid(np.frombuffer(data + b"\x80" * PADDING, np.uint8), len(data)))


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_every_start_of_two_and_three_bytes() -> None:
    """All pairs of bytes, and all leads with bytes at the bounds behind them, are judged as by Python."""
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
    """What comes after any number of ASCII bytes, and is cut off anywhere, is judged as by Python."""
    for cut in range(len(tail) + 1):
        data = b"x" * length + tail[:cut]
        assert valid(data) == is_utf8(data)
