"""wpprep tokenize."""

from __future__ import annotations

import click

from wpprep.config import RunOptions

from ._options import common


@click.command()
@click.option("--vocab", required=True, help="Vocabulary folder or file.")
@click.option("--ids", is_flag=True, help="Write ids in place of pieces.")
@click.option(
    "--cache-memory",
    default=RunOptions.cache_memory,
    type=click.IntRange(min=0),
    help="Bytes in which the ids of frequent words are remembered.",
    show_default=True,
)
@common
def tokenize(vocab: str, ids: bool, cache_memory: int, quiet: bool, as_json: bool) -> None:
    """Filter: a line of text in, a line of pieces (or ids) out. Lines end at \\n alone.

    \b
    Example:
      echo "The lighthouse keeper" | wpprep tokenize --vocab vocab
    """
    import json
    import sys

    from wpprep.tokenizer.encoder import Encoder
    from wpprep.tokenizer.stream import encoded_lines

    encoder = Encoder.from_folder(vocab, cache_memory)
    for batch in encoded_lines(encoder, sys.stdin.buffer):
        rows = [row.tolist() if ids else [encoder.vocabulary.pieces[i] for i in row] for row in batch]
        lines = (json.dumps(row, ensure_ascii=False) if as_json else " ".join(map(str, row)) for row in rows)
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
