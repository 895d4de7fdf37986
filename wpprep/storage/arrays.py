"""From NumPy's arrays to Arrow's and back, over the same memory.

This is what ``pyarrow.array`` and ``to_numpy`` do. But these look for pandas first, and load it where it is
installed: 0.4 seconds in every process, for nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from wpprep.records import offsets_of


def plain(values: npt.NDArray[Any]) -> Any:
    """Numbers as an Arrow array of their dtype.

    >>> plain(np.array([3, 1], np.uint16)).type
    DataType(uint16)
    """
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def strings(values: list[str]) -> Any:
    """Strings, less than 2 GB of them, as an Arrow array.

    >>> strings(["tide", "sea"]).to_pylist()
    ['tide', 'sea']
    """
    encoded = [value.encode() for value in values]
    offsets = offsets_of(np.fromiter(map(len, encoded), np.int64, len(encoded))).astype(np.int32)
    data = pa.py_buffer(b"".join(encoded))
    return pa.Array.from_buffers(pa.string(), len(values), [None, pa.py_buffer(offsets), data])


def numbers(array: Any) -> npt.NDArray[Any]:
    """The values of an Arrow array of integers, as a read-only view.

    Raises:
        ValueError: some are missing.
    """
    if array.null_count:
        raise ValueError(f"{array.null_count} values are missing")
    dtype = np.dtype(str(array.type))
    if not len(array):
        return np.empty(0, dtype)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
