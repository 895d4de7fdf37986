"""wpprep tokenize."""

from __future__ import annotations

import click

from wpprep.config import RunOptions

from ._options import common


@click.command()
@click.option("--vocab", required=True, help="Vocabulary folder or file.")
@click.option("--ids", is_flag=True, help="Write ids instead of pieces.")
@click.option(
    "--cache-memory",
    default=RunOptions.cache_memory,
    type=click.IntRange(min=0),
    help="Size of the cache of token ids of frequent words, in bytes.",
    show_default=True,
)
@common
def tokenize(vocab: str, ids: bool, cache_memory: int, quiet: bool, as_json: bool) -> None:
    """Tokenize lines from stdin; write one line of pieces or ids for each. Lines end only at \\n.

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
