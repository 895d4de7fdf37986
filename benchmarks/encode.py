"""Encoding: text to ids, WordPiece and byte-level BPE, wpprep against its peers, one thread each.

    python benchmarks/encode.py
    python benchmarks/encode.py --cases en-wordpiece --only wpprep tokenizers --rounds 5

Every contender encodes the same documents (WikiExtractor articles) without special tokens, from an empty cache.
`tokenizers` is far slower and gets only the first few megabytes; its speed does not change with size.
flash-tokenizer gets the same, line by line, because it pads and allocates to a maximum length. gigatoken reads
a file itself, the others get strings; wpprep is measured both ways. `tokenizers` is measured with
encode_batch_fast and with encode_batch, which also returns the offsets of the tokens.
"""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness import DATA, Contender, Work, main, text_of

_SEPARATOR = b"</doc>\n"


@dataclass(frozen=True)
class Case:
    """A folder of text and a published vocabulary."""

    folder: str
    vocabulary: str

    @property
    def file(self) -> Path:
        """The file of the vocabulary."""
        return DATA / "vocabs" / self.vocabulary

    @property
    def is_byte_level(self) -> bool:
        """Whether the vocabulary is byte-level BPE."""
        return self.vocabulary.startswith("gpt2")

    def documents(self, megabytes: float | None = None) -> tuple[list[str], int]:
        """Return the documents and their size in bytes."""
        data = text_of(self.folder, megabytes)
        return data.decode().split(_SEPARATOR.decode()), len(data)


CASES = {
    "en-wordpiece": Case("wiki-en", "bert-base-uncased-vocab.txt"),
    "zh-wordpiece": Case("wiki-zh", "bert-base-chinese-vocab.txt"),
    "ja-wordpiece": Case("wiki-ja", "bert-base-multilingual-cased-vocab.txt"),
    "ko-wordpiece": Case("wiki-ko", "bert-base-multilingual-cased-vocab.txt"),
    "en-bytes": Case("wiki-en", "gpt2-vocab.json"),
}


def ours(case: Case) -> Work:
    """Strings to ids, by wpprep."""
    from wpprep.tokenizer.encoder import Encoder

    Encoder.from_folder(case.file).encode("compile the kernels, é 한 中")
    encoder = Encoder.from_folder(case.file)
    documents, size = case.documents()

    def run() -> int:
        return len(encoder.encode_documents(("", [document]) for document in documents).tokens)

    return Work(run, size)


def ours_from_file(case: Case) -> Work:
    """Bytes of a file to ids, by wpprep, without strings."""
    from wpprep.tokenizer.encoder import Encoder
    from wpprep.tokenizer.stream import encoded_lines

    file, size = _as_file(case)
    Encoder.from_folder(case.file).encode_batch(["compile the kernels", "é 한 中"])
    list(encoded_lines(Encoder.from_folder(case.file), io.BytesIO("compile, é 한 中\n".encode())))
    encoder = Encoder.from_folder(case.file)

    def run() -> int:
        with open(file, "rb") as stream:
            return sum(len(row) for rows in encoded_lines(encoder, stream, _SEPARATOR) for row in rows)

    return Work(run, size)


def _as_file(case: Case) -> tuple[Path, int]:
    data = text_of(case.folder)
    file = Path(tempfile.mkdtemp()) / "text.txt"
    file.write_bytes(data)
    return file, len(data)


def ours_again(case: Case) -> Work:
    """Strings to ids when the chunks of the text are known: the cost of the next gigabyte."""
    work = ours(case)
    work.run()
    return work


def tokenizers(case: Case) -> Work:
    """`encode_batch_fast`, which returns no offsets."""
    from wpprep.tokenizer.vocabulary import Vocabulary

    tokenizer = Vocabulary.from_folder(case.file).tokenizer
    documents, size = case.documents(4)

    def run() -> int:
        return sum(len(e.ids) for e in tokenizer.encode_batch_fast(documents, add_special_tokens=False))

    return Work(run, size)


def tokenizers_with_offsets(case: Case) -> Work:
    """`encode_batch`, which also returns the offsets of the tokens."""
    from wpprep.tokenizer.vocabulary import Vocabulary

    tokenizer = Vocabulary.from_folder(case.file).tokenizer
    documents, size = case.documents(4)

    def run() -> int:
        return sum(len(e.ids) for e in tokenizer.encode_batch(documents, add_special_tokens=False))

    return Work(run, size)


def flash(case: Case) -> Work | None:
    """flash-tokenizer, line by line; WordPiece only."""
    if case.is_byte_level:
        return None
    from flash_tokenizer import BertTokenizerFlash

    longest = 4096
    tokenizer = BertTokenizerFlash(
        str(case.file), do_lower_case="multilingual" not in case.vocabulary, model_max_length=longest
    )
    documents, size = case.documents(4)
    lines = [line for document in documents for line in document.split("\n") if line]

    def run() -> int:
        rows = (tokenizer(line, padding="longest", max_length=longest).input_ids[0] for line in lines)
        return sum(len(row) - 2 for row in rows)

    return Work(run, size)


def tensorflow(case: Case) -> Work | None:
    """FastBertTokenizer of tensorflow-text; WordPiece only."""
    if case.is_byte_level:
        return None
    import tensorflow_text as text

    tokenizer = text.FastBertTokenizer(
        case.file.read_text().split("\n")[:-1],
        token_out_type="int32",
        lower_case_nfd_strip_accents="multilingual" not in case.vocabulary,
    )
    documents, size = case.documents(16)
    return Work(lambda: int(tokenizer.tokenize(documents).flat_values.shape[0]), size)


def gigatoken(case: Case) -> Work | None:
    """gigatoken, from a file; byte-level BPE only."""
    if not case.is_byte_level:
        return None
    import gigatoken as giga

    from wpprep.tokenizer.vocabulary import Vocabulary

    tokenizer = giga.Tokenizer(Vocabulary.from_folder(case.file).tokenizer)
    file, size = _as_file(case)
    source = giga.TextFileSource([str(file)], separator=_SEPARATOR)

    def run() -> int:
        made = tokenizer.encode_files(source)
        return sum(len(row) for row in made)

    return Work(run, size)


if __name__ == "__main__":
    main(
        __doc__,
        CASES,
        [
            Contender("wpprep", ours),
            Contender("wpprep, file to ids", ours_from_file),
            Contender("wpprep, chunks known", ours_again),
            Contender("tokenizers", tokenizers, "tokenizers"),
            Contender("tokenizers, offsets", tokenizers_with_offsets, "tokenizers"),
            Contender("flash-tokenizer", flash, "flash_tokenizer", "flash-tokenizer"),
            Contender("tensorflow-text", tensorflow, "tensorflow_text", "tensorflow-text"),
            Contender("gigatoken", gigatoken, "gigatoken"),
        ],
    )
