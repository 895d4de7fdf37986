"""TFRecord files: examples of integers and floats in TensorFlow's format, written without TensorFlow.

    record   uint64 length | uint32 masked crc32c of these 8 bytes | data | uint32 masked crc32c of the data
    data     Example { features 1: Features { feature 1, repeated: { key 1: name, value 2: Feature } } }
    Feature  { int64_list 3: { value 1: packed varints } }  or  { float_list 2: { value 1: packed float32 } }

Formats: tensorflow/core/lib/io/record_writer.h and tensorflow/core/example/example.proto; the mask of the
checksum is ``rotate right 15, plus 0xa282ead8``. Integers must not be negative.

What this module does not do: read records, compress them, or interpret the features (`wpprep.pipeline.export`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from wpprep.kernels import njit

Bytes = npt.NDArray[np.uint8]

_INTS, _FLOATS = 0x1A, 0x12  # tags of int64_list and float_list
_KEY = 0x0A  # tag of field 1 of each message
_VALUE = 0x12  # tag of field 2 of a map entry
_OVERHEAD = 40  # maximum bytes of a feature without name and values: 6 lengths of at most 5 bytes, and tags


def _crc_table() -> npt.NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1).astype(np.uint32)
    return table


_CRC_TABLE = _crc_table()


def encode_records(columns: Mapping[str, npt.NDArray[Any]]) -> memoryview:
    """Return one record for each row, concatenated.

    Args:
        columns: feature name to ``[rows]`` or ``[rows, width]``; floats become a float_list (float32), and
            integers, which must not be negative, an int64_list.

    >>> len(encode_records({"a": np.array([1])}))
    30
    """
    names = [np.frombuffer(name.encode(), np.uint8) for name in columns]
    values = [array if array.ndim == 2 else array[:, None] for array in columns.values()]
    is_float = np.array([array.dtype.kind == "f" for array in values])
    # One array for all features, floats as their bits, so that the kernel has one type.
    bits = [a.astype(np.float32).view(np.uint32) if f else a for a, f in zip(values, is_float, strict=True)]
    rectangle = np.concatenate([array.astype(np.int64) for array in bits], axis=1)
    ends = np.cumsum([array.shape[1] for array in values])
    name_ends = np.cumsum([len(name) for name in names])
    most = 16 + 6 + int(name_ends[-1]) + _OVERHEAD * len(names) + 10 * rectangle.shape[1]
    buffer = np.empty(most * len(rectangle), np.uint8)
    size = _encode(rectangle, ends, is_float, np.concatenate(names), name_ends, buffer)
    return buffer[:size].data


def frame(data: bytes) -> bytes:
    """Return one record: the data with its length and checksums.

    >>> frame(b"ab").hex(" ", 4)
    '0200 00000000 00007827 0b346162 1cb0f0f4'
    """
    length = len(data).to_bytes(8, "little")
    return b"".join((length, _checksum(length), data, _checksum(data)))


def _checksum(data: bytes) -> bytes:
    return int(_masked_crc(np.frombuffer(data, np.uint8))).to_bytes(4, "little")


@njit(cache=True)
def _encode(
    rows: npt.NDArray[np.int64],
    ends: npt.NDArray[np.int64],
    is_float: npt.NDArray[np.bool_],
    names: Bytes,
    name_ends: npt.NDArray[np.int64],
    buffer: Bytes,
) -> int:
    """Write a record for each of ``rows`` (``int64[rows, values]``) to ``buffer``; return the number of bytes.

    The values of feature f end at ``ends[f]``, and its name ends at ``name_ends[f]`` in ``names``.
    """
    at, features = 0, len(ends)
    packed = np.empty(features, np.int64)
    for row in range(len(rows)):
        # 1. Sizes, from the inside out.
        body, first, name_first = 0, 0, 0
        for f in range(features):
            packed[f] = 4 * (ends[f] - first) if is_float[f] else _packed_size(rows[row, first : ends[f]])
            body += _message_size(_entry_size(packed[f], name_ends[f] - name_first))
            first, name_first = ends[f], name_ends[f]
        # 2. The frame's head.
        start = at + 12
        length = _message_size(body)
        _put_fixed(buffer, at, length, 8)
        _put_fixed(buffer, at + 8, _masked_crc(buffer[at : at + 8]), 4)
        # 3. The example, from the outside in.
        at = _put_head(buffer, start, _KEY, body)
        first = name_first = 0
        for f in range(features):
            name = names[name_first : name_ends[f]]
            list_size = _message_size(packed[f])
            at = _put_head(buffer, at, _KEY, _entry_size(packed[f], len(name)))
            at = _put_head(buffer, at, _KEY, len(name))
            for byte in name:
                buffer[at] = byte
                at += 1
            at = _put_head(buffer, at, _VALUE, _message_size(list_size))
            at = _put_head(buffer, at, _FLOATS if is_float[f] else _INTS, list_size)
            at = _put_head(buffer, at, _KEY, packed[f])
            for v in range(first, ends[f]):
                if is_float[f]:
                    _put_fixed(buffer, at, rows[row, v], 4)
                    at += 4
                else:
                    at = _put_varint(buffer, at, rows[row, v])
            first, name_first = ends[f], name_ends[f]
        # 4. The frame's end.
        _put_fixed(buffer, at, _masked_crc(buffer[start:at]), 4)
        at += 4
    return at


@njit(cache=True)
def _entry_size(packed: int, name: int) -> int:
    """Return the number of bytes of a feature's map entry, without its tag and length."""
    return _message_size(name) + _message_size(_message_size(_message_size(packed)))


@njit(cache=True)
def _message_size(size: int) -> int:
    """Return the number of bytes of a field with ``size`` bytes of content: tag, length and content."""
    return 1 + _varint_size(size) + size


@njit(cache=True)
def _varint_size(value: int) -> int:
    size = 1
    while value >= 128:
        value >>= 7
        size += 1
    return size


@njit(cache=True)
def _packed_size(values: npt.NDArray[np.int64]) -> int:
    size = 0
    for value in values:
        size += _varint_size(value)
    return size


@njit(cache=True)
def _put_head(buffer: Bytes, at: int, tag: int, size: int) -> int:
    buffer[at] = tag
    return _put_varint(buffer, at + 1, size)


@njit(cache=True)
def _put_varint(buffer: Bytes, at: int, value: int) -> int:
    while value >= 128:
        buffer[at] = (value & 127) | 128
        value >>= 7
        at += 1
    buffer[at] = value
    return at + 1


@njit(cache=True)
def _put_fixed(buffer: Bytes, at: int, value: int, size: int) -> None:
    for i in range(size):
        buffer[at + i] = (value >> (8 * i)) & 255


@njit(cache=True)
def _masked_crc(data: Bytes) -> int:
    """Return the masked crc32c (Castagnoli polynomial) of some bytes."""
    crc = np.uint32(0xFFFFFFFF)
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & np.uint32(255)] ^ (crc >> np.uint32(8))
    crc ^= np.uint32(0xFFFFFFFF)
    return (((int(crc) >> 15) | (int(crc) << 17)) + 0xA282EAD8) & 0xFFFFFFFF
