"""Conversion between NumPy and Arrow: the same values, over the same memory where that is promised."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from wpprep.storage.arrays import numbers, plain, strings


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "int64", "float32"])
def test_numbers_keep_type_and_memory(dtype: str) -> None:
    """Arrow's array has the type and the buffer of NumPy's."""
    values = np.array([3, 0, 7], dtype)
    array = plain(values)
    assert array.equals(pa.array([3, 0, 7], pa.from_numpy_dtype(values.dtype)))
    assert array.buffers()[1].address == values.ctypes.data


def test_a_strided_array_is_copied() -> None:
    """Every second value of an array is an Arrow array of its own."""
    assert plain(np.arange(6)[::2]).to_pylist() == [0, 2, 4]


def test_strings_of_any_length() -> None:
    """Empty strings and strings of several bytes per character keep their borders; no strings give none."""
    values = ["", "tide", "é", "海の", ""]
    assert strings(values).equals(pa.array(values))
    assert strings([]).to_pylist() == []


def test_numbers_come_back_as_a_view() -> None:
    """A slice of an Arrow array is a view of the same memory, at its offset."""
    array = pa.array([1, 2, 3, 4], pa.uint16())
    found = numbers(array[1:3])
    assert found.dtype == np.uint16
    assert found.tolist() == [2, 3]
    assert found.ctypes.data == array.buffers()[1].address + 2
    assert numbers(array[:0]).dtype == np.uint16


def test_missing_values_are_refused() -> None:
    """An array with nulls has no NumPy array of integers; the number of nulls is named."""
    with pytest.raises(ValueError, match="2 values are missing"):
        numbers(pa.array([1, None, None]))
