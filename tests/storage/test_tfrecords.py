"""TFRecord files: checked against independent parsers, and a record worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.storage.tfrecords import encode_records, frame


@pytest.mark.parametrize("size", [1, 100, 5000])
def test_checksums_are_crc32c(size: int) -> None:
    """The two checksums of a record are those of an independent crc32c, masked as TensorFlow does."""
    crc32c = pytest.importorskip("crc32c", reason="needs the package crc32c").crc32c
    data = bytes(encode_records({"feature": np.arange(size)[None] * 977}))

    def masked(part: bytes) -> bytes:
        crc: int = crc32c(part)
        return ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) % 2**32).to_bytes(4, "little")

    length = int.from_bytes(data[:8], "little")
    assert len(data) == length + 16
    assert data[8:12] == masked(data[:8])
    assert data[12 + length :] == masked(data[12 : 12 + length])


def test_a_record_worked_by_hand() -> None:
    """One feature ``a`` with the value 300, whose varint is AC 02, byte by byte from the inside out.

    Int64List 0A 02 AC 02; Feature 1A 04 ...; entry 0A 01 61 12 06 ...; Features 0A 0B ...; Example 0A 0D ...
    """
    data = bytes(encode_records({"a": np.array([300])}))
    example = bytes.fromhex("0a0d 0a0b 0a0161 1206 1a04 0a02 ac02")
    assert data[:8] == len(example).to_bytes(8, "little")
    assert data[12:-4] == example


@given(st.lists(st.lists(st.integers(0, 2**40), min_size=3, max_size=3), min_size=1, max_size=4))
def test_records_hold_any_values(rows: list[list[int]]) -> None:
    """Integers of any size and floats come back through the reference parser of protocol buffers."""
    pb2 = pytest.importorskip("tfrecord.example_pb2", reason="needs the package tfrecord")
    floats = np.array(rows, np.float32) / 3
    data = bytes(encode_records({"ints": np.array(rows), "floats": floats, "label": np.arange(len(rows))}))
    for number, row in enumerate(rows):
        length = int.from_bytes(data[:8], "little")
        example = pb2.Example.FromString(data[12 : 12 + length])
        features = example.features.feature
        assert list(features["ints"].int64_list.value) == row
        assert list(features["floats"].float_list.value) == floats[number].tolist()
        assert list(features["label"].int64_list.value) == [number]
        data = data[16 + length :]
    assert not data


def test_a_frame_is_length_and_data_with_checksums() -> None:
    """`frame` gives an encoded example the framing of `encode_records`, also around no data."""
    record = bytes(encode_records({"a": np.array([300])}))
    assert frame(record[12:-4]) == record
    assert len(frame(b"")) == 16


def test_rows_of_no_columns_width_are_empty_lists() -> None:
    """A feature without values is an empty list, and every row has a record."""
    record = bytes(encode_records({"a": np.empty((2, 0), np.int64)}))
    half = len(record) // 2
    assert record[:half] == record[half:]
    assert record[12 : half - 4] == bytes.fromhex("0a0b 0a09 0a0161 1204 1a02 0a00")
