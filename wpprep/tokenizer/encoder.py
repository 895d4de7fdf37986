"""Encoder of text: the ids of `tokenizers` for every string, at the speed of a table look-up.

1. Text is cut into chunks (`scanner`), each represented by a number; `safe_cuts` defines where this is safe.
2. A new chunk is encoded: by a kernel if the kernel supports all of its characters (`wordpiece`, `bytepairs`),
   else by `tokenizers`. Its ids are kept.
3. The ids of a text are gathered from those of its chunks (`chunk_ids`).
4. When the memory for chunks is full, chunks met once are dropped, and frequent ones are kept.

The library defines the result: with a tokenizer that normalises, splits or merges in an unsupported way it
encodes whole texts, after a warning. The encoder adds no special tokens and does not truncate.

    >>> encoder = Encoder.from_folder("vocab")                         # doctest: +SKIP
    >>> encoder.encode("to be or not to be")                           # doctest: +SKIP
    array([211, 122, 207, 263, 211, 122], dtype=uint16)
"""

from __future__ import annotations

import itertools
import json
import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from wpprep.config import RunOptions
from wpprep.records import Bytes, Ints, TokenizedDocuments, Tokens, offsets_of, token_dtype
from wpprep.tokenizer.bytepairs import BytePairKernel
from wpprep.tokenizer.characters import bert_characters
from wpprep.tokenizer.chunk_ids import ChunkMemory, Encoded, Gathered
from wpprep.tokenizer.cut_rule import CutRule
from wpprep.tokenizer.safe_cuts import Normalize, Pipe, bert_rule, byte_level_rule
from wpprep.tokenizer.utf8 import is_valid, padded, utf8_batches
from wpprep.tokenizer.vocabulary import Vocabulary
from wpprep.tokenizer.wordpiece import WordPieceKernel, fits

log = logging.getLogger(__name__)

_CACHE_MEMORY = RunOptions.cache_memory


class Encoder:
    """Encoder of text with one vocabulary.

    Args:
        vocabulary: the vocabulary.
        cache_memory: maximum number of bytes for chunks and their ids; does not affect the ids.

    Attributes:
        vocabulary: the vocabulary.
        dtype: dtype of ids, ``uint16`` or ``uint32``.
        marks_words: whether word starts are returned as well, because the pieces alone do not show them.
    """

    def __init__(self, vocabulary: Vocabulary, cache_memory: int = _CACHE_MEMORY) -> None:
        """Create the encoder; log a warning if the tokenizer's text cannot be cut safely."""
        self.vocabulary = vocabulary
        self.dtype = token_dtype(len(vocabulary.pieces))
        self.marks_words = not isinstance(vocabulary.tokenizer.model, models.WordPiece)
        self._tokenizer, self._adds_space = _without_prefix_space(vocabulary.tokenizer)
        self._rule = safe_rule(self._tokenizer)
        if self._rule is None:
            log.warning("%s: this tokenizer's text cannot be cut safely; encoding it whole", vocabulary.folder)
        else:
            self._memory = ChunkMemory(self._rule, self.dtype, cache_memory, marks_words=self.marks_words)
            self._kernel = kernel_of(self._tokenizer)

    @classmethod
    def from_folder(cls, path: str | os.PathLike[str], cache_memory: int = _CACHE_MEMORY) -> Encoder:
        """Return an encoder for a vocabulary folder or file.

        Raises:
            MissingInputError: ``path`` does not exist.
            VocabularyError: it is not a vocabulary, or a damaged one.
        """
        return cls(Vocabulary.from_folder(path), cache_memory)

    def encode(self, text: str) -> Tokens:
        """Return the ids of a text without [CLS] and [SEP], a 1-D array of `dtype`."""
        return self.encode_sentences([text]).tokens

    def encode_batch(self, texts: Sequence[str]) -> list[Tokens]:
        """Return the ids of every text, as `encode` does."""
        encoded = self.encode_sentences(texts)
        return [encoded.tokens[a:b] for a, b in itertools.pairwise([0, *encoded.ends.tolist()])]

    def encode_utf8(self, text: Bytes, begins: Ints, ends: Ints) -> list[Tokens]:
        """Return the ids of every ``text[begins[i]:ends[i]]``, as `encode` does, without creating strings.

        Args:
            text: ``uint8[n]``, UTF-8.
            begins: ``int64[n_texts]``, ascending offsets into ``text``.
            ends: ``int64[n_texts]``, ascending offsets into ``text``, at least one.

        Raises:
            UnicodeDecodeError: the bytes up to the last end are not UTF-8.
        """
        text = padded(text, int(ends[-1]))
        if not is_valid(text, int(ends[-1])):
            text[: ends[-1]].tobytes().decode()
        if self._rule is None or self._adds_space:
            data = text.tobytes()
            return self.encode_batch([data[a:b].decode() for a, b in zip(begins, ends, strict=True)])
        gathered = self._memory.gathered(int(ends[-1]))
        self._encode_batch(text, ends, gathered, begins)
        encoded = gathered.encoded()
        return [encoded.tokens[a:b] for a, b in itertools.pairwise([0, *encoded.ends.tolist()])]

    def encode_documents(self, documents: Iterable[tuple[str, Sequence[str]]]) -> TokenizedDocuments:
        """Encode documents given as (id, sentences); sentences and documents without tokens are omitted."""
        ids: list[str] = []
        sentences: list[str] = []
        counts: list[int] = []
        for id_, of_document in documents:
            ids.append(id_)
            sentences.extend(of_document)
            counts.append(len(of_document))
        return _without_empty(ids, self.encode_sentences(sentences), np.cumsum(counts, dtype=np.int64))

    def encode_sentences(self, sentences: Sequence[str]) -> Encoded:
        """Return the ids of all sentences in one array, the end of each, and word starts if `marks_words`."""
        if self._adds_space:
            sentences = [s if not s or s[0] == " " else f" {s}" for s in sentences]
        if self._rule is None:
            return self._ask_library(sentences)
        gathered = self._memory.gathered(sum(map(len, sentences)))
        for text, ends in utf8_batches(sentences):
            self._encode_batch(text, ends, gathered)
        return gathered.encoded()

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, special tokens included."""
        return str(self.vocabulary.tokenizer.decode([int(i) for i in ids], skip_special_tokens=False))

    def _encode_batch(self, text: Bytes, ends: Ints, into: Gathered, begins: Ints | None = None) -> None:
        """Append the ids of valid UTF-8 to ``into``, divided into sentences as by `ChunkTable.scan`."""
        memory = self._memory
        codes, code_ends = memory.table.scan(text, ends, begins)
        self._learn()
        memory.recall(codes, code_ends, into)
        memory.keep_to_bound()

    def _learn(self) -> None:
        """Encode the chunks that were new in the last scan."""
        table, known = self._memory.table, self._memory.known
        if len(table) == known:
            return
        left = np.arange(known, len(table))
        if self._kernel is not None:
            encoded, is_left = self._kernel.encode(table.blob, table.starts[known : len(table) + 1])
            self._memory.learn(left, encoded)
            left = left[is_left]
        if len(left):
            self._memory.learn(left, self._ask_library(table.chunks_of(left)))

    def _ask_library(self, texts: Sequence[str]) -> Encoded:
        """Encode texts with `tokenizers`; a word starts where its pre-token does."""
        encode = self._tokenizer.encode_batch if self.marks_words else self._tokenizer.encode_batch_fast
        encodings = encode(texts, add_special_tokens=False)
        ids = [encoding.ids for encoding in encodings]
        ends = np.cumsum(np.fromiter(map(len, ids), np.int64, len(ids)))
        tokens = np.fromiter(itertools.chain.from_iterable(ids), self.dtype)
        if not self.marks_words:
            return Encoded(tokens, ends, None)
        words = np.fromiter(itertools.chain.from_iterable(e.word_ids for e in encodings), np.int64)
        marks = np.diff(words, prepend=-1) != 0
        starts = np.concatenate([[0], ends[:-1]])
        marks[starts[starts < ends]] = True
        return Encoded(tokens, ends, marks)


def safe_rule(tokenizer: Tokenizer) -> CutRule | None:
    """Return the rule for cutting this tokenizer's text (`safe_cuts`), None if only whole texts are safe."""
    if any(not token.special for token in tokenizer.get_added_tokens_decoder().values()):
        return None
    if tokenizer.truncation is not None or tokenizer.padding is not None:
        return None
    model, pre_tokenizer = tokenizer.model, tokenizer.pre_tokenizer
    if isinstance(model, models.BPE) and model.dropout:
        return None
    steps = _steps(tokenizer.normalizer)
    if isinstance(pre_tokenizer, pre_tokenizers.ByteLevel):
        is_plain = pre_tokenizer.use_regex and not pre_tokenizer.add_prefix_space
        is_plain = is_plain and all(isinstance(step, (*_FORMS, normalizers.Lowercase)) for step in steps)
        return byte_level_rule() if is_plain else None
    if isinstance(pre_tokenizer, pre_tokenizers.BertPreTokenizer) and all(
        isinstance(step, (*_FORMS, normalizers.BertNormalizer, normalizers.Lowercase, normalizers.StripAccents))
        for step in steps
    ):
        composes = any(isinstance(step, _COMPOSING_FORMS) for step in steps)
        return bert_rule(_pipe(tokenizer), composes, _normalize(tokenizer))
    return None


_COMPOSING_FORMS = (normalizers.NFC, normalizers.NFKC)
_FORMS = (*_COMPOSING_FORMS, normalizers.NFD, normalizers.NFKD)


def kernel_of(tokenizer: Tokenizer) -> WordPieceKernel | BytePairKernel | None:
    """Return the kernel for the chunks of a tokenizer with a `safe_rule`, None if there is none for it."""
    if isinstance(tokenizer.pre_tokenizer, pre_tokenizers.ByteLevel):
        return BytePairKernel.of(tokenizer)
    return _wordpiece_kernel(tokenizer)


def _wordpiece_kernel(tokenizer: Tokenizer) -> WordPieceKernel | None:
    """Return the kernel for WordPiece with a BertNormalizer, after a Unicode form or none; else None."""
    model, steps = tokenizer.model, _steps(tokenizer.normalizer)
    if not isinstance(model, models.WordPiece) or not steps or len(steps) > 2:
        return None
    *forms, bert = steps
    if not isinstance(bert, normalizers.BertNormalizer) or not all(isinstance(form, _FORMS) for form in forms):
        return None
    pieces = tokenizer.get_vocab(with_added_tokens=False)
    if not fits(pieces):
        return None
    strips_accents = bert.lowercase if bert.strip_accents is None else bert.strip_accents
    characters = bert_characters(
        _pipe(tokenizer), _normalize(tokenizer), has_form=bool(forms), strips_accents=bool(strips_accents)
    )
    return WordPieceKernel(pieces, model, characters)


def _normalize(tokenizer: Tokenizer) -> Normalize:
    normalizer = tokenizer.normalizer
    return (lambda text: text) if normalizer is None else normalizer.normalize_str


def _pipe(tokenizer: Tokenizer) -> Pipe:
    """Return the tokenizer's function from text to words."""
    normalize, pre_tokenizer = _normalize(tokenizer), tokenizer.pre_tokenizer
    return lambda text: [word for word, _ in pre_tokenizer.pre_tokenize_str(normalize(text))]


def _steps(normalizer: Any) -> list[Any]:
    if normalizer is None:
        return []
    if isinstance(normalizer, normalizers.Sequence):
        return [step for i in range(len(normalizer)) for step in _steps(normalizer[i])]
    return [normalizer]


def _without_prefix_space(tokenizer: Tokenizer) -> tuple[Tokenizer, bool]:
    """Return a tokenizer that adds no space before a text, and whether the caller must add it.

    The space belongs before the text, not before each of its chunks. A tokenizer with a normaliser, which may
    turn the beginning of the text into a space, is returned unchanged.
    """
    pre_tokenizer = tokenizer.pre_tokenizer
    if (
        not isinstance(pre_tokenizer, pre_tokenizers.ByteLevel)
        or not pre_tokenizer.add_prefix_space
        or tokenizer.normalizer is not None
    ):
        return tokenizer, False
    content = json.loads(tokenizer.to_str())
    content["pre_tokenizer"]["add_prefix_space"] = False
    twin = Tokenizer.from_str(json.dumps(content))
    twin.encode_special_tokens = True  # not stored in the file
    return twin, True


def _without_empty(ids: list[str], encoded: Encoded, documents: Ints) -> TokenizedDocuments:
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
