"""Slow, obviously correct twins of the kernels, plain versions of published procedures, and synthetic text.

Twins work on lists: a document is a list of sentences, a sentence a list of token ids.
"""

from __future__ import annotations

import random
from itertools import accumulate, chain

import numpy as np

from wpprep.records import InstanceBatch, TokenizedDocuments, TokenRoles
from wpprep.shards.token_store import Part, TokenStore

Document = list[list[int]]

PAD, UNK, CLS, SEP, MASK = range(5)
FIRST = 5  # ids from here on are tokens of text


def roles(vocab_size: int = 30_000) -> TokenRoles:
    """Return the roles of a vocabulary in which every third piece continues a word."""
    starts_word = np.arange(vocab_size) % 3 != 0
    return TokenRoles(vocab_size, PAD, UNK, CLS, SEP, MASK, np.arange(FIRST, vocab_size), starts_word)


def columns(documents: list[Document], *, marked: bool = False) -> TokenizedDocuments:
    """Return documents as the encoder does; with ``marked``, odd ids start words."""
    sentences = list(chain.from_iterable(documents))
    tokens = np.array(list(chain.from_iterable(sentences)), np.uint16)
    return TokenizedDocuments(
        ids=[f"document {d}" for d in range(len(documents))],
        tokens=tokens,
        sentences=np.array([0, *accumulate(map(len, sentences))], np.int64),
        documents=np.array([0, *accumulate(map(len, documents))], np.int64),
        word_starts=tokens % 2 == 1 if marked else None,
    )


def store(documents: list[Document], *, marked: bool = False) -> TokenStore:
    """Return a token store of one part, in memory."""
    batch = columns(documents, marked=marked)
    bits = None if batch.word_starts is None else np.packbits(batch.word_starts, bitorder="little")
    part = Part(None, batch.tokens, batch.sentences.astype(np.int32), batch.documents.astype(np.int32), bits)
    for array in (part.tokens, part.sentences, part.documents, part.word_starts):
        if array is not None:
            array.flags.writeable = False  # as a mapped file is
    return TokenStore([part].__getitem__, [len(documents)])


def numbered(lengths: list[list[int]]) -> list[Document]:
    """Return documents with sentences of these lengths, in which no token is repeated."""
    counter = iter(range(FIRST, 2**16))
    return [[[next(counter) for _ in range(length)] for length in document] for document in lengths]


def synthetic(documents: int, sentences: int, words: int, seed: int) -> list[Document]:
    """Return documents of up to ``2 * sentences`` sentences of up to ``2 * words`` random tokens."""
    generator = random.Random(seed)
    return [
        [
            [generator.randrange(FIRST, 30_000) for _ in range(generator.randint(1, 2 * words))]
            for _ in range(generator.randint(1, 2 * sentences))
        ]
        for _ in range(documents)
    ]


def rows(batch: InstanceBatch) -> list[list[int]]:
    """Return the token ids of every row."""
    return [ids.tolist() for ids in np.split(batch.input_ids, batch.offsets[1:-1])] if len(batch) else []
