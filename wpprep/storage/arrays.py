"""Conversion between NumPy and Arrow arrays without copying.

``pyarrow.array`` and ``to_numpy`` do the same, but import pandas first where it is installed, which costs
0.4 seconds in every process.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wpprep.records import offsets_of


def plain(values: npt.NDArray[Any]) -> Any:
    """Return numbers as an Arrow array of their dtype, ``[n]``, over the same memory.

    >>> plain(np.array([3, 1], np.uint16)).type
    DataType(uint16)
    """
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def strings(values: list[str]) -> Any:
    """Return strings, less than 2 GB in UTF-8, as an Arrow array.

    >>> strings(["tide", "sea"]).to_pylist()
    ['tide', 'sea']
    """
    encoded = [value.encode() for value in values]
    offsets = offsets_of(np.fromiter(map(len, encoded), np.int64, len(encoded))).astype(np.int32)
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(offsets), data])


def numbers(array: Any) -> npt.NDArray[Any]:
    """Return the values of an Arrow array of integers, as a view ``[n]`` of its memory.

    Raises:
        ValueError: the array has null values.
    """
    if array.null_count:
        raise ValueError(f"{array.null_count} values are missing")
    dtype = np.dtype(str(array.type))
    if not len(array):
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
