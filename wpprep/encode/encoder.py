"""The encoder: ids of text, equal to the library's on every string, at the speed of a table look-up.

Text is scanned into chunks; a chunk never seen before goes through `tokenizers`, its ids are kept, and
the ids of a text are one gather over its chunks. The rules stay in the library, so ids are its ids.

    >>> encoder = Encoder.from_folder("vocab")                         # doctest: +SKIP
    >>> encoder.encode("to be or not to be")                           # doctest: +SKIP
    array([211, 122, 207, 263, 211, 122], dtype=uint16)
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from wpprep.encode.cuts import bert_rule, byte_level_rule
from wpprep.encode.scanner import Bytes, ChunkTable, Codes, CutRule
from wpprep.records import Ints, TokenizedDocuments, Tokens, offsets_of, token_dtype
from wpprep.vocab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_CACHE_BYTES = 256 << 20


@njit(cache=True, nogil=True)
def _gather(
    codes: Codes, code_ends: Ints, piece_ids: Tokens, piece_starts: Ints, tokens: Tokens, ends: Ints
) -> int:
    """Write the ids of every chunk one after another, and where each sentence ends; returns how many."""
    n, first = 0, 0
    for sentence in range(len(code_ends)):
        for i in range(first, code_ends[sentence]):
            code = codes[i]
            for j in range(piece_starts[code], piece_starts[code + 1]):
                tokens[n] = piece_ids[j]
                n += 1
        ends[sentence] = n
        first = code_ends[sentence]
    return n


@njit(cache=True, nogil=True)
def _count(codes: Codes, piece_starts: Ints) -> int:
    n = 0
    for code in codes:
        n += piece_starts[code + 1] - piece_starts[code]
    return n


class Encoder:
    """Encodes text with one vocabulary.

    Attributes:
        vocabulary: the vocabulary.
        dtype: of ids, ``uint16`` or ``uint32``.
        marks_words: whether it says where words start, because the piece alone does not tell.
    """

    def __init__(self, vocabulary: Vocabulary, cache_bytes: int = _CACHE_BYTES) -> None:
        self.vocabulary = vocabulary
        self.dtype = token_dtype(len(vocabulary.pieces))
        self.marks_words = not isinstance(vocabulary.tokenizer.model, models.WordPiece)
        self._cache_bytes = cache_bytes
        self._rule = safe_rule(vocabulary.tokenizer)
        if self._rule is None:
            log.warning("%s: this tokenizer's text cannot be cut safely; encoding it whole", vocabulary.folder)
        else:
            self._table = ChunkTable(self._rule)
            self._forget()

    @classmethod
    def from_folder(cls, path: str | Path) -> Encoder:
        """An encoder for a vocabulary folder or file (`Vocabulary.from_folder`)."""
        return cls(Vocabulary.from_folder(path))

    def encode(self, text: str) -> Tokens:
        """Ids of a text, without [CLS] and [SEP]; ``uint16`` or ``uint32``, 1-D."""
        data = text.encode()
        return self._encode_sentences(np.frombuffer(data, np.uint8), np.array([len(data)], np.int64)).tokens

    def encode_documents(self, documents: Iterable[tuple[str, Sequence[str]]]) -> TokenizedDocuments:
        """Encode documents given as (id, sentences); sentences and documents without tokens are left out."""
        ids, sentences, counts = [], [], []
        for id_, of_document in documents:
            ids.append(id_)
            sentences.extend(of_document)
            counts.append(len(of_document))
        data = "".join(sentences).encode()
        encoded = self._encode_sentences(np.frombuffer(data, np.uint8), _byte_ends(sentences, len(data)))
        return _without_empty(ids, encoded, np.cumsum(counts, dtype=np.int64))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, special tokens included."""
        return str(self.vocabulary.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False))

    def _encode_sentences(self, text: Bytes, ends: Ints) -> _Encoded:
        """All ids of valid UTF-8, cut into sentences at ``ends``."""
        if self._rule is None:
            data = text.tobytes()
            starts = [0, *ends[:-1].tolist()]
            sentences = [data[a:b].decode() for a, b in zip(starts, ends.tolist(), strict=True)]
            return self._ask_library(sentences)
        if self._table.nbytes + self._ids.nbytes + self._starts.nbytes > self._cache_bytes:
            self._table.clear()
            self._forget()
        codes, code_ends = self._table.scan(text, ends)
        self._learn()
        tokens, token_ends = np.empty(_count(codes, self._starts), self.dtype), np.empty(len(ends), np.int64)
        _gather(codes, code_ends, self._ids, self._starts, tokens, token_ends)
        marks = None
        if self.marks_words:
            marks = np.empty(len(tokens), np.bool_)
            _gather(codes, code_ends, self._marks, self._starts, marks, token_ends)
        return _Encoded(tokens, token_ends, marks)

    def _learn(self) -> None:
        """Encode the chunks that the last scan saw for the first time."""
        new = self._table.chunks(self._known)
        if not new:
            return
        known, self._known = self._known, self._known + len(new)
        tokens, ends, marks = self._ask_library(new)
        used = int(self._starts[known])
        self._starts = _with_room(self._starts, self._known + 1)
        self._starts[known + 1 : self._known + 1] = used + ends
        self._ids = _with_room(self._ids, used + len(tokens))
        self._ids[used : used + len(tokens)] = tokens
        if marks is not None:
            self._marks = _with_room(self._marks, used + len(tokens))
            self._marks[used : used + len(tokens)] = marks

    def _forget(self) -> None:
        self._ids: Tokens = np.empty(1 << 16, self.dtype)
        self._marks = np.empty(1 << 16 if self.marks_words else 0, np.bool_)
        self._starts = np.zeros(1 << 16, np.int64)
        self._known = 0

    def _ask_library(self, texts: list[str]) -> _Encoded:
        """What `tokenizers` makes of texts; a word starts where its pre-token does."""
        tokenizer = self.vocabulary.tokenizer
        encode = tokenizer.encode_batch if self.marks_words else tokenizer.encode_batch_fast
        encodings = encode(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        ends = np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))
        tokens = np.fromiter(itertools.chain.from_iterable(ids), self.dtype)
        if not self.marks_words:
            return _Encoded(tokens, ends, None)
        words = np.fromiter(itertools.chain.from_iterable(e.word_ids for e in encodings), np.int64)
        marks = np.diff(words, prepend=-1) != 0
        starts = np.concatenate([[0], ends[:-1]])
        marks[starts[starts < ends]] = True
        return _Encoded(tokens, ends, marks)


class _Encoded(NamedTuple):
    """Ids of several texts one after another, the end of each, and where words start."""

    tokens: Tokens
    ends: Ints
    marks: npt.NDArray[np.bool_] | None


def safe_rule(tokenizer: Tokenizer) -> CutRule | None:
    """Where this tokenizer's text may be cut, None if only whole texts are safe (see `cuts`)."""
    if any(not token.special for token in tokenizer.get_added_tokens_decoder().values()):
        return None
    if tokenizer.truncation is not None or tokenizer.padding is not None:
        return None
    model, normalizer, pre_tokenizer = tokenizer.model, tokenizer.normalizer, tokenizer.pre_tokenizer
    if isinstance(model, models.BPE) and model.dropout:
        return None
    if isinstance(pre_tokenizer, pre_tokenizers.ByteLevel):
        is_plain = normalizer is None and pre_tokenizer.use_regex and not pre_tokenizer.add_prefix_space
        return byte_level_rule() if is_plain else None
    if isinstance(pre_tokenizer, pre_tokenizers.BertPreTokenizer):
        steps = _steps(normalizer)
        if all(isinstance(step, _SAFE_NORMALIZERS) for step in steps):

            def pipe(text: str) -> list[str]:
                text = text if normalizer is None else normalizer.normalize_str(text)
                return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]

            return bert_rule(pipe, any(isinstance(s, normalizers.NFC | normalizers.NFKC) for s in steps))
    return None


_SAFE_NORMALIZERS = (
    normalizers.BertNormalizer,
    normalizers.NFC,
    normalizers.NFKC,
    normalizers.NFD,
    normalizers.NFKD,
    normalizers.Lowercase,
    normalizers.StripAccents,
)


def _steps(normalizer: Any) -> list[Any]:
    if normalizer is None:
        return []
    if isinstance(normalizer, normalizers.Sequence):
        return [step for i in range(len(normalizer)) for step in _steps(normalizer[i])]
    return [normalizer]


def _byte_ends(sentences: Sequence[str], total: int) -> Ints:
    """The end of every sentence in the UTF-8 of all of them."""
    lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
    if int(lengths.sum()) != total:  # not ASCII
        lengths = np.fromiter((len(s.encode()) for s in sentences), np.int64, len(sentences))
    return np.cumsum(lengths)


def _without_empty(ids: list[str], encoded: _Encoded, documents: Ints) -> TokenizedDocuments:
    """Drop sentences without tokens, then documents without sentences."""
    has_tokens = np.diff(encoded.ends, prepend=0) > 0
    edges = offsets_of(has_tokens)[np.concatenate([[0], documents])]
    has_sentences = np.diff(edges) > 0
    return TokenizedDocuments(
        ids=[id_ for id_, has in zip(ids, has_sentences.tolist(), strict=True) if has],
        tokens=encoded.tokens,
        sentences=np.concatenate([[0], encoded.ends[has_tokens]]),
        documents=np.concatenate([[0], edges[1:][has_sentences]]),
        word_starts=encoded.marks,
    )


def _with_room(array: Any, least: int) -> Any:
    """The array, or a longer one with the same beginning."""
    if least <= len(array):
        return array
    return np.concatenate([array, np.zeros(max(least, 2 * len(array)) - len(array), array.dtype)])
