"""TensorBoard's event files with scalars, written without the tensorboard package.

    file     records with lengths and checksums, laid out in `wpprep.storage.tfrecords`
    record   Event { wall_time 1: double, step 2: varint, file_version 3: "brain.Event:2" in the first record,
                     in the others summary 5: Summary { value 1, repeated: Value { tag 1, simple_value 2 } } }

Source: tensorflow/core/util/event.proto and framework/summary.proto. TensorBoard reads any file with "tfevents"
in its name. torch's SummaryWriter writes the same records and needs the tensorboard package, which depends on
a web server, gRPC and a data server; scalars need 40 lines.

What this module does not do: histograms, images, text.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from wpprep.storage.files import atomic_write
from wpprep.storage.tfrecords import frame

_WALL_TIME, _STEP, _VERSION, _SUMMARY = 0x09, 0x10, 0x1A, 0x2A  # tags of Event's fields
_VALUE, _TAG, _SIMPLE = 0x0A, 0x0A, 0x15  # of Summary's, and of Value's
_FRAME = 16  # bytes of a record in addition to its data: the length and two checksums
_FIRST = bytes([_VERSION, 13]) + b"brain.Event:2"


def append_event(path: Path, step: int, values: Mapping[str, float]) -> None:
    """Append the values of a step, by tag, to an event file; a new file begins with the version record."""
    record = _record(step, _field(_SUMMARY, b"".join(_value(tag, value) for tag, value in values.items())))
    if not path.exists():
        record = _record(0, _FIRST) + record
    with open(path, "ab") as file:
        file.write(record)


def rewind_events(path: Path, step: int) -> None:
    """Drop the records after a step, and an incomplete last record."""
    if path.exists():
        data = path.read_bytes()
        with atomic_write(path) as file:
            file.writelines(data[start:stop] for start, stop, at in _records(data) if at <= step)


def _record(step: int, rest: bytes) -> bytes:
    event = bytes([_WALL_TIME]) + struct.pack("<d", time.time()) + bytes([_STEP]) + _varint(step) + rest
    return frame(event)


def _value(tag: str, value: float) -> bytes:
    return _field(_VALUE, _field(_TAG, tag.encode()) + bytes([_SIMPLE]) + struct.pack("<f", value))


def _field(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    """Return a protobuf varint: seven bits per byte, the lowest first, the eighth set in all but the last.

    >>> _varint(300)
    b'\\xac\\x02'
    """
    parts = []
    while value >= 128:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _records(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield start, stop and step of each record up to the first damaged or incomplete one.

    The first record is the version record, at step 0.
    """
    start = 0
    while start + _FRAME <= len(data):
        stop = start + _FRAME + int.from_bytes(data[start : start + 8], "little")
        event = data[start + 12 : stop - 4]
        if stop > len(data) or data[start:stop] != frame(event):
            return
        step, shift = 0, 0
        for byte in event[10:]:  # after the time and the step's tag
            step |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        yield start, stop, step
        start = stop
