"""Encoding as a filter: lines in, ids out."""

import io
import itertools
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wpprep.errors import TextDecodeError
from wpprep.tokenizer.encoder import Encoder
from wpprep.tokenizer.stream import encoded_lines


@pytest.fixture(scope="module")
def encoder(vocab):
    """An encoder of the sample vocabulary."""
    return Encoder.from_folder(vocab)


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), max_size=20))
def test_a_line_in_is_a_line_out(encoder, lines):
    """There are as many rows as lines, each the encoding of its line; only \\n ends a line."""
    stream = io.BytesIO("".join(f"{line}\n" for line in lines).encode())
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, stream)))
    assert [row.tolist() for row in rows] == [encoder.encode(line).tolist() for line in lines]


def test_a_last_line_without_end_counts(encoder):
    """The last line need not end in \\n."""
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, io.BytesIO(b"one\ntwo"))))
    assert [row.tolist() for row in rows] == [encoder.encode(line).tolist() for line in ("one", "two")]


def test_invalid_utf8_is_named_by_its_byte(encoder):
    """The byte is counted from the start of the stream."""
    with pytest.raises(TextDecodeError, match="invalid UTF-8 at byte 9 "):
        list(encoded_lines(encoder, io.BytesIO(b"first\nsec\xffond\n")))


def test_tokenize_answers_line_by_line(vocab):
    """A person at a terminal gets the pieces of a line before typing the next one."""
    command = [sys.executable, "-c", "from wpprep.cli import main; main()", "tokenize", "--vocab", vocab]
    filter_ = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in (b"the moon\n", b"\n", b"the tide\n"):
        filter_.stdin.write(line)
        filter_.stdin.flush()
        assert filter_.stdout.readline().replace(b" ", b"").replace(b"##", b"") == line.replace(b" ", b"")
    filter_.stdin.close()
    assert filter_.wait() == 0


@given(st.lists(st.text(max_size=20).map(lambda t: t.replace("--", "")), max_size=8))
def test_any_separator(encoder, texts):
    """Texts with a separator of several bytes between them; the separator belongs to none."""
    texts = [text for text in texts if not text.startswith("-") and not text.endswith("-")]
    stream = io.BytesIO("".join(f"{text}--\n" for text in texts).encode())
    rows = list(itertools.chain.from_iterable(encoded_lines(encoder, stream, b"--\n")))
    assert [row.tolist() for row in rows] == [encoder.encode(text).tolist() for text in texts]
