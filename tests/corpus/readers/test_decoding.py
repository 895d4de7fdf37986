"""Decoding: byte order marks, other encodings, and characters that text cannot contain."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.corpora import COMPRESSORS, read

from wpprep.config import CorpusOptions
from wpprep.corpus.readers import decoding, detect
from wpprep.errors import CorpusError, OptionError, TextDecodeError
from wpprep.records import Document


@pytest.mark.parametrize("compress", COMPRESSORS)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_followed(
    tmp_path: Path, compress: Callable[[bytes], bytes], encoding: str
) -> None:
    """Files with a byte order mark give the documents of the same text in UTF-8, compressed or not."""
    text = "Ein Bär.\nNoch einer.\n\n第三句。\n𠀀 vier.\n"
    path = tmp_path / "corpus"
    path.write_bytes(text.encode())
    plain = [document.text for document in read(path)]
    path.write_bytes(compress(text.encode(encoding)))
    assert detect(path) == "lines"
    for target_bytes in (1, 1000):
        assert [document.text for document in read(path, target_bytes)] == plain


@given(text=st.text(st.characters(codec="utf-8"), max_size=40), block=st.integers(1, 9), size=st.integers(1, 9))
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32", "gb18030"])
def test_transcoding_is_exact_for_every_block_size(
    tmp_path_factory: pytest.TempPathFactory, encoding: str, text: str, block: int, size: int
) -> None:
    """A file in another encoding is converted to the UTF-8 of its text, for any block and read size."""
    path = tmp_path_factory.getbasetemp() / "transcoded"
    path.write_bytes(text.encode(encoding))
    with mock.patch.object(decoding, "_BLOCK", block), path.open("rb") as file:
        transcoder = decoding.Transcoder(file, path, encoding, "strict")
        assert b"".join(iter(lambda: transcoder.read(size), b"")) == text.encode()


def test_other_encodings_are_read_when_named(tmp_path: Path) -> None:
    """--encoding applies to files without a byte order mark; names of UTF-8 have no effect."""
    path = tmp_path / "corpus"
    path.write_bytes("Привет, мир.\nЖёлтый.\n".encode("cp1251"))
    assert [d.text for d in read(path, encoding="cp1251")] == ["Привет, мир.\nЖёлтый."]
    path.write_bytes("\ufeffOne.\nTwo.\n".encode())
    assert read(path, encoding="UTF8") == read(path)
    with pytest.raises(OptionError, match="encoding is 'klingon', expected auto or a name such as"):
        CorpusOptions(encoding="klingon")
    with pytest.raises(OptionError, match="encoding is 'base64'"):
        CorpusOptions(encoding="base64")


def test_invalid_bytes_in_other_encodings_are_placed(tmp_path: Path) -> None:
    """Half a character of UTF-16 is an error with its byte, or is replaced and counted."""
    path = tmp_path / "corpus"
    path.write_bytes(
        codecs.BOM_UTF16_LE + "One.\nTw".encode("utf-16-le") + b"\x00\xd8" + "o.\n".encode("utf-16-le")
    )
    with pytest.raises(
        TextDecodeError, match=r"invalid utf-16 at byte 16 \(found 0x00\); use --errors replace"
    ):
        read(path, format="lines")
    assert read(path, format="lines", errors="replace")[0].replaced == 1


def test_unfit_characters_are_replaced_and_counted(tmp_path: Path) -> None:
    """With --errors replace NULs and lone surrogates become U+FFFD, as invalid bytes do."""
    path = tmp_path / "corpus"
    path.write_bytes(b'{"text": "a\\u0000b\\ud800c\xff"}\n')
    assert read(path, errors="replace") == [Document("corpus:0", "a\ufffdb\ufffdc\ufffd", 3)]
    path.write_bytes(b"One.\0\nTwo\xff.\n")
    assert read(path, format="lines", errors="replace") == [Document("corpus:0", "One.\ufffd\nTwo\ufffd.", 2)]
    with pytest.raises(CorpusError, match="byte 4: found a NUL, expected text; use --errors replace"):
        path.write_bytes(b"One.\0\n")
        read(path, format="lines")
