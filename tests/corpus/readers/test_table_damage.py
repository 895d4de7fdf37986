"""Damaged offsets, views and indices of tables: errors that name the file and row, never a read outside."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow as pa
import pytest
from support.corpora import read, read_leniently

from wpprep.corpus.readers.columns import Columns, check_columns
from wpprep.errors import CorpusError

TEXTS = [f"Sentence {i} is here, and it is long. " * (1 + i % 3) for i in range(40)]
TYPES = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.uint32(), pa.large_string()),
]


def write(path: Path, table: pa.Table, rows: int = 20) -> bytearray:
    """Write an Arrow file and return its bytes."""
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return bytearray(path.read_bytes())


def place_of(data: bytearray, buffer: pa.Buffer) -> int:
    """Return where the bytes of a buffer are in a file, which has them once."""
    assert data.count(buffer.to_pybytes()) == 1
    return data.index(buffer.to_pybytes())


@pytest.mark.parametrize("column", ["text", "id", "title"])
@pytest.mark.parametrize("bit", [12, 20, 28, 30, 31])
def test_a_flipped_bit_of_an_offset_is_damage(tmp_path: Path, column: str, bit: int) -> None:
    """An offset out of order in any column that is read is an error with the first row of its batch."""
    values = {
        "text": TEXTS,
        "id": [f"i{i:03}" for i in range(40)],
        "title": [f"title{i:04}" for i in range(40)],
    }
    path = tmp_path / "a.arrow"
    data = write(path, pa.table(values), 40)
    at = place_of(data, pa.array(values[column]).buffers()[1]) + 4 * 20
    data[at + bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=rf"^{re.escape(str(path))}: damaged Arrow data near row 0: .*offset"):
        read(path)
    documents, left_out = read_leniently(path)
    assert (documents, left_out.count) == ([], 1)


def test_other_batches_are_read(tmp_path: Path) -> None:
    """With --skip-bad a damaged batch is left out, for every size of slices, and the others are read."""
    path = tmp_path / "a.arrow"
    data = write(path, pa.table({"text": TEXTS, "n": range(40)}))
    second = pa.array(TEXTS[20:])
    data[place_of(data, second.buffers()[1]) + 4 * 5 + 3] ^= 0x40
    path.write_bytes(data)
    for target_bytes in (1, 10**9):
        documents, left_out = read_leniently(path, target_bytes)
        assert [document.id for document in documents] == [f"a.arrow:{i}" for i in range(20)]
        assert left_out.count == 1
        assert left_out.first[0].startswith("a.arrow: damaged Arrow data near row 20: ")


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_sound_columns_pass_and_invalid_utf8_is_left_to_readers(kind: pa.DataType) -> None:
    """Nulls, slices and every type of strings pass; so do bytes that are not UTF-8."""
    column = pa.array([*TEXTS, None], pa.string()).cast(kind)
    for batch in (pa.record_batch({"text": column}), pa.record_batch({"text": column}).slice(3, 7)):
        check_columns(batch, Columns("text"))
    bad = pa.array([b"caf\xe9, and more than twelve bytes"], pa.binary()).view(pa.string())
    check_columns(pa.record_batch({"text": bad}), Columns("text"))


def test_views_and_indices_out_of_range_are_damage() -> None:
    """A view of bytes that are not there, and an index beyond its dictionary, are refused."""
    view = pa.array([TEXTS[0], TEXTS[1]], pa.string_view())
    valid, views, *data = view.buffers()
    wrong = bytearray(views.to_pybytes())
    wrong[28:32] = (10**6).to_bytes(4, "little")  # the offset of the second view
    bad_view = pa.Array.from_buffers(pa.string_view(), 2, [valid, pa.py_buffer(bytes(wrong)), *data])
    indices = pa.array([0, 9], pa.int8())
    bad_index = pa.DictionaryArray.from_arrays(indices, pa.array(["a", "b"]), safe=False)
    for column in (bad_view, bad_index):
        with pytest.raises((pa.ArrowInvalid, pa.ArrowIndexError)):
            check_columns(pa.record_batch({"text": column}), Columns("text"))


def test_ids_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A time stamp beyond the year 9999 and a column that is there twice are errors that name the column."""
    path = tmp_path / "a.arrow"
    write(path, pa.table({"text": ["One."], "id": pa.array([2**61], pa.timestamp("s"))}))
    with pytest.raises(CorpusError, match=r"column id is timestamp\[s\]: cannot be read as ids"):
        read(path)
    write(path, pa.table([pa.array(["One."]), pa.array(["Two."])], names=["text", "text"]))
    with pytest.raises(CorpusError, match="several columns text; choose another with --text-field"):
        read(path)


def test_random_damage_never_ends_the_process(tmp_path: Path) -> None:
    """Of files with flipped bits, every one is read or refused with CorpusError, in a process that survives."""
    rng = random.Random(7)
    for number, kind in enumerate(TYPES * 16):
        path = tmp_path / f"{number:03}.arrow"
        table = pa.table(
            {"text": pa.array(TEXTS).cast(kind), "id": pa.array([f"i{i}" for i in range(40)]).cast(kind)}
        )
        data = write(path, table)
        for _ in range(2):
            data[rng.randrange(8, len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
    code = """
        import sys
        from pathlib import Path
        from wpprep.config import CorpusOptions
        from wpprep.corpus.readers import plan_slices, read_slice
        from wpprep.errors import CorpusError
        refused = 0
        options = CorpusOptions(format="arrow")
        for path in sorted(Path(sys.argv[1]).glob("*.arrow")):
            try:
                for slice_ in plan_slices([path], options, 1):
                    list(read_slice(slice_, options))
            except CorpusError:
                refused += 1
        print(refused)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10
