"""Encoding line by line: one row of ids per line."""

from __future__ import annotations

import io
import itertools
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.errors import CorpusError, TextDecodeError
from wpprep.tokenizer import stream
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.stream import encoded_lines


@pytest.fixture(scope="module")
def encoder(vocab: Path) -> Encoder:
    """Encoder of the sample vocabulary."""
    return Encoder.from_folder(vocab)


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), max_size=20))
def test_every_line_is_one_row(encoder: Encoder, lines: list[str]) -> None:
    """There are as many rows as lines, each the encoding of its line; only \\n ends a line."""
    stream = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, stream)))
    assert [row.tolist() for row in rows] == [encoder.encode(line).tolist() for line in lines]


def test_a_last_line_without_end_is_a_line(encoder: Encoder) -> None:
    """The last line need not end in \\n."""
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, io.BytesIO(b"one\ntwo"))))
    assert [row.tolist() for row in rows] == [encoder.encode(line).tolist() for line in ("one", "two")]


def test_invalid_utf8_is_named_by_its_byte(encoder: Encoder) -> None:
    """The byte is counted from the start of the stream."""
    with pytest.raises(TextDecodeError, match="invalid UTF-8 at byte 9 "):
        list(encoded_lines(encoder, io.BytesIO(b"first\nsec\xffond\n")))


@pytest.mark.parametrize("separator", [b"\n", b"--\n"])
def test_a_line_of_many_blocks_is_encoded_once(
    encoder: Encoder, separator: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines and separators that are split between blocks give the rows of whole lines."""
    texts = ["the tide and the moon", "", "sea", "the keeper"]
    data = b"".join(text.encode() + separator for text in texts)
    for size in (1, 2, 3, 7):
        monkeypatch.setattr(stream, "_BLOCK", size)
        rows = list(itertools.chain.from_iterable(encoded_lines(encoder, io.BytesIO(data), separator)))
        assert [row.tolist() for row in rows] == [encoder.encode(text).tolist() for text in texts]


def test_a_line_longer_than_any_text_is_refused(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines before it are encoded; the message has the byte at which it begins."""
    monkeypatch.setattr(stream, "_BLOCK", 4)
    monkeypatch.setattr(stream, "LONGEST", 10)
    rows = encoded_lines(encoder, io.BytesIO(b"the sea\n" + b"x" * 100))
    assert [row.tolist() for row in next(rows)] == [encoder.encode("the sea").tolist()]
    with pytest.raises(CorpusError, match="from byte 8 on"):
        next(rows)


def test_tokenize_answers_line_by_line(vocab: Path) -> None:
    """The command prints the pieces of a line before it has read the next one."""
    command = [sys.executable, "-c", "from wpprep.cli import main; main()", "tokenize", "--vocab", str(vocab)]
    filter_ = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert filter_.stdin is not None
    assert filter_.stdout is not None
    for line in (b"the moon\n", b"\n", b"the tide\n"):
        filter_.stdin.write(line)
        filter_.stdin.flush()
        assert filter_.stdout.readline().replace(b" ", b"").replace(b"##", b"") == line.replace(b" ", b"")
    filter_.stdin.close()
    assert filter_.wait() == 0


@given(st.lists(st.text(max_size=20).map(lambda t: t.replace("--", "")), max_size=8))
def test_any_separator(encoder: Encoder, texts: list[str]) -> None:
    """A separator of several bytes ends a text and is part of none."""
    texts = [text for text in texts if not text.startswith("-") and not text.endswith("-")]
    stream = io.BytesIO("".join(f"{text}--\n" for text in texts).encode())
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, stream, b"--\n")))
    assert [row.tolist() for row in rows] == [encoder.encode(text).tolist() for text in texts]
