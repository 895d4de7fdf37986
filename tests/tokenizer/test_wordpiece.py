"""WordPiece for new chunks: longest match first, unknown words, chunks for the library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from reference.encoding import differences
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from wpprep.tokenizer.encoder import Encoder, kernel_of
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.tokenizer.wordpiece import WordPieceKernel, fits

PIECES = ["[UNK]", "un", "##aff", "##able", "u", "##n", "##a", "##ab", ",", "é", "##é"]


def tokenizer_of(pieces: list[str], *, longest_word: int = 100) -> Tokenizer:
    """Return a WordPiece tokenizer with BERT's lowercasing, accents kept."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=longest_word))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def encoded(tokenizer: Tokenizer, chunks: list[str]) -> tuple[list[list[str]], list[bool]]:
    """Return the pieces of every chunk by the kernel, and which chunks are left to the library."""
    kernel = kernel_of(tokenizer)
    assert isinstance(kernel, WordPieceKernel)
    data = [chunk.encode() for chunk in chunks]
    starts = np.cumsum([0, *map(len, data)])
    (tokens, ends, marks), is_left = kernel.encode(np.frombuffer(b"".join(data) + bytes(72), np.uint8), starts)
    assert marks is None
    pieces = [str(tokenizer.id_to_token(i)) for i in tokens.tolist()]
    rows = [pieces[a:b] for a, b in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]
    return rows, is_left.tolist()


def test_the_longest_piece_is_matched_first() -> None:
    """ "unaffable" is un ##aff ##able although u, ##n and ##a fit; "una" is un ##a."""
    rows, is_left = encoded(tokenizer_of(PIECES), ["unaffable", "una", "UNAFFABLE", "u,un"])
    assert rows == [["un", "##aff", "##able"], ["un", "##a"], ["un", "##aff", "##able"], ["u", ",", "un"]]
    assert is_left == [False] * 4


def test_a_word_without_a_match_to_its_end_is_unknown() -> None:
    """No backtracking: "unabx" has no piece for x, and "unabl" is matched to un ##ab and fails at l."""
    assert encoded(tokenizer_of(PIECES), ["unabx", "unabl", "x", "unx,un"])[0] == [
        ["[UNK]"],
        ["[UNK]"],
        ["[UNK]"],
        ["[UNK]", ",", "un"],
    ]


def test_long_chunks_are_left_to_the_library() -> None:
    """A chunk of 256 bytes is encoded by the kernel, one of 257 bytes gets no tokens."""
    rows, is_left = encoded(tokenizer_of(PIECES, longest_word=300), ["u" + "a" * 255, "u" + "a" * 256, "un"])
    assert is_left == [False, True, False]
    assert [len(row) for row in rows] == [256, 0, 1]


def test_words_longer_than_the_maximum_are_unknown() -> None:
    """The maximum length of words counts characters after normalising, as in the library."""
    pieces = ["[UNK]", "a", "##a", "##é", "é"]
    tokenizer = tokenizer_of(pieces, longest_word=10)
    encoder = Encoder(Vocabulary(Path("a"), "", tokenizer, pieces))
    texts = ["a" * 10, "a" * 11, "é" * 10, "é" * 11, "É" * 10 + "\x0b" * 5, "a" * 400, "ab", "aaab", "İ" * 6]
    assert differences(encoder, tokenizer, texts) == []
    assert encoder.encode(texts[0]).tolist() == [1] + [2] * 9
    assert encoder.encode(texts[1]).tolist() == [0]


@pytest.mark.parametrize("n", [1 << 19, 1 << 20])
def test_pieces_fit_up_to_two_million_nodes(n: int) -> None:
    """A node has 21 bits: 2 nodes per character of all pieces, and 2 roots."""
    assert fits({"a" * n: 0}) == (n < 1 << 20)
