"""UTF-8 in compiled code: loads of 8 bytes, comparisons of 64 bytes at once, code points.

The low-level parts of the kernels. Numba has no operation to load several bytes, to compare many bytes at once
or to find the position of a bit, so these are generated as LLVM instructions, which compile on every processor.

    eight_bytes(text, i)      text[i:i + 8] as one number, the first byte lowest; one load, aligned or not
    between(text, i, a, z)    64 bits: bit k is set if a <= text[i + k] <= z; a few instructions for all
    lowest_bit(bits)          position of the lowest set bit, 64 if there is none
    highest_bit(bits)         position of the highest set bit of a number that is not 0
    prefetch(array, i)        prefetches the cache line of array[i], without waiting for it

These read up to PADDING bytes after the end of the text, so the array must contain them; their values are
ignored. No function except `is_valid` checks that the text is UTF-8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from wpprep.kernels import njit
from wpprep.records import Bytes, Ints, offsets_of

CODE_POINTS = 0x110000
PADDING = 72  # number of bytes after the text that may be read
FIRST_BYTES = -64  # as int8, the first byte of a character is at least this; its other bytes are less
_AT_ONCE = 64
_BATCH_CHARACTERS = 1 << 20
_LONG = 1000  # mean length in characters of sentences that are encoded one by one
_LOOK_AHEAD = 1 << 16  # bytes after the first unknown character that are searched for others


def _place(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """Return the address of element ``arguments[1]`` of an array, as a pointer to the given type."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]]), kind.as_pointer())


def _generate_load(_: Any, text: Any, i: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments, ir.IntType(64)), align=1)

    return types.uint64(text, i), generate


def _generate_prefetch(_: Any, array: Any, i: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments, ir.IntType(8))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        call: Any = cgutils.get_or_insert_function
        to_read, in_all_caches, data = number(0), number(3), number(1)
        builder.call(call(builder.module, kind, "llvm.prefetch.p0i8"), [place, to_read, in_all_caches, data])
        return context.get_dummy_value()

    return types.void(array, i), generate


def _generate_between(_: Any, text: Any, i: Any, first: Any, last: Any) -> Any:
    byte, many = ir.IntType(8), ir.VectorType(ir.IntType(8), _AT_ONCE)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def repeated(value: Any) -> Any:
            one = builder.insert_element(ir.Constant(many, ir.Undefined), value, ir.IntType(32)(0))
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), _AT_ONCE), [0] * _AT_ONCE)
            return builder.shuffle_vector(one, ir.Constant(many, ir.Undefined), everywhere)

        data = builder.load(_place(context, builder, signature, arguments, many), align=1)
        low, high = (builder.trunc(bound, byte) for bound in arguments[2:])
        # One unsigned comparison is enough: values below the first bound wrap around to large ones.
        above = builder.sub(data, repeated(low))
        found = builder.icmp_unsigned("<=", above, repeated(builder.sub(high, low)))
        return builder.bitcast(found, ir.IntType(64))

    return types.uint64(text, i, types.uint64, types.uint64), generate


def _bit_instruction(of: Callable[[Any, Any], Any]) -> Any:
    def generate_for(_: Any, bits: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return of(builder, arguments[0])

        return types.uint64(types.uint64), generate

    return intrinsic(generate_for)


_NO = ir.IntType(1)(0)  # the result for 0 is defined
eight_bytes: Any = intrinsic(_generate_load)
prefetch: Any = intrinsic(_generate_prefetch)
between: Any = intrinsic(_generate_between)
lowest_bit: Any = _bit_instruction(lambda builder, bits: builder.cttz(bits, _NO))
highest_bit: Any = _bit_instruction(
    lambda builder, bits: builder.sub(ir.IntType(64)(63), builder.ctlz(bits, _NO))
)


@njit(cache=True, nogil=True, inline="always")
def code_point_at(text: Bytes, i: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the code point of the multi-byte character at byte ``i`` of valid UTF-8, and its width."""
    lead, low = np.uint64(text[i]), np.uint8(0x3F)
    value, width = (lead & np.uint64(0x1F)) << np.uint64(6) | np.uint64(text[i + 1] & low), np.uint64(2)
    if lead >= 0xE0:
        value, width = value << np.uint64(6) | np.uint64(text[i + 2] & low), np.uint64(3)
        if lead >= 0xF0:
            value, width = value << np.uint64(6) | np.uint64(text[i + 3] & low), np.uint64(4)
            return value & np.uint64(0x1FFFFF), width
        return value & np.uint64(0xFFFF), width
    return value, width


@njit(cache=True, nogil=True)
def is_valid(text: Bytes, n: int) -> bool:
    """Return whether the first ``n`` bytes are UTF-8 (The Unicode Standard, table 3-7); needs PADDING."""
    i, stop = np.uint64(0), np.uint64(n)
    while i < stop:
        skipped = lowest_bit(between(text, i, 0x80, 0xFF))
        i += skipped
        if skipped == 64 or i >= stop:
            continue
        lead, second = text[i], text[i + np.uint64(1)]
        low, high, width = 0x80, 0xBF, 2
        if lead >= 0xE0:
            width = 3
            low = 0xA0 if lead == 0xE0 else low
            high = 0x9F if lead == 0xED else high
        if lead >= 0xF0:
            width = 4
            low = 0x90 if lead == 0xF0 else low
            high = 0x8F if lead == 0xF4 else high
        if lead < 0xC2 or lead > 0xF4 or second < low or second > high or i + np.uint64(width) > stop:
            return False
        for k in range(2, width):
            if text[i + np.uint64(k)] & 0xC0 != 0x80:
                return False
        i += np.uint64(width)
    return True


@njit(cache=True, nogil=True)
def _unknown(text: Bytes, start: int, end: int, table: Any, unprobed: int, known: int, found: Ints) -> int:
    """Write the distinct unprobed code points of ``text[start:end]`` to ``found``; return their number.

    The search ends `_LOOK_AHEAD` bytes after the first of them, or at twice its distance from ``start`` if that
    is further: a kernel that restarts a long chunk after every probe then takes linear time in total.
    """
    i, n, stop = np.uint64(start), 0, end
    while i < stop:
        code_point, width = np.uint64(text[i]), np.uint64(1)
        if code_point >= 128:
            code_point, width = code_point_at(text, i)
        if table[code_point] == unprobed:
            if n == 0:
                place: Any = np.int64(i)
                stop = min(end, place + max(_LOOK_AHEAD, place - start))
            table[code_point] = known
            found[n] = code_point
            n += 1
        i += width
    return n


def unknown_characters(text: Bytes, start: int, end: int, table: Any, unprobed: int, known: int) -> list[str]:
    """Return unprobed characters of ``text[start:end]``: the first one, and those soon after it.

    At least one is returned if there is one, however far from ``start`` it is.

    Args:
        text: ``uint8``, valid UTF-8.
        start: offset at which the search starts, at the first byte of a character.
        end: offset at which it ends.
        table: one entry per code point, indexed by it.
        unprobed: entry of the characters to find.
        known: entry written for the characters found, until the caller has probed them and replaces it.
    """
    found = np.empty(min(end - start, CODE_POINTS), np.int64)  # pages never written cost nothing
    n = _unknown(text, start, end, table, unprobed, known, found)
    return [chr(code_point) for code_point in found[:n].tolist()]


def padded(text: Bytes, used: int) -> Bytes:
    """Return the text with at least PADDING bytes after the first ``used`` ones, copied if it had fewer."""
    if len(text) >= used + PADDING:
        return text
    return np.concatenate([text, np.zeros(PADDING, np.uint8)])


def utf8_batches(
    sentences: Sequence[str], batch_characters: int = _BATCH_CHARACTERS, long: int = _LONG
) -> Iterator[tuple[Bytes, Ints]]:
    """Yield the UTF-8 of sentences with padding, and the end of each in bytes, some sentences at a time.

    Args:
        sentences: any strings without surrogates.
        batch_characters: a batch ends with the sentence that brings it to this number of characters.
        long: mean length in characters above which the sentences of a batch are encoded one by one: a single
            wide character makes every character of a joined string wide.
    """
    edges = offsets_of(np.fromiter(map(len, sentences), np.int64, len(sentences)))
    first = 0
    while first < len(sentences):
        last = min(int(np.searchsorted(edges, edges[first] + batch_characters)), len(sentences))
        yield _utf8(sentences[first:last], edges[first + 1 : last + 1] - edges[first], long)
        first = last


def _utf8(sentences: Sequence[str], ends: Ints, long: int) -> tuple[Bytes, Ints]:
    """Return the UTF-8 of sentences, with padding, and their ends in bytes, given those in characters."""
    if ends[-1] > long * len(sentences):
        encoded = [sentence.encode() for sentence in sentences]
        ends = np.cumsum(np.fromiter(map(len, encoded), np.int64, len(encoded)))
        return np.frombuffer(b"".join([*encoded, bytes(PADDING)]), np.uint8), ends
    text = np.frombuffer("".join([*sentences, "\0" * PADDING]).encode(), np.uint8)
    if len(text) == ends[-1] + PADDING:
        return text, ends
    return text, np.flatnonzero(text.view(np.int8) >= FIRST_BYTES)[ends]
