"""Shards to batches: wpprep's loader against datasets with DataCollatorForLanguageModeling.

    python benchmarks/load.py                   # on shards of the sample corpus
    python benchmarks/load.py --shards shards   # on another shard folder

One process; every batch is padded to its longest row. The table shows real tokens (no padding) per second, best
of five rounds, in which the readers alternate. The peer reads the same rows from a memory-mapped dataset; if
its collator masks, our loader masks too (`dynamic`).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import wpprep
from wpprep.shards.folder import ShardFolder

SAMPLE = Path(__file__).parent.parent / "sample_corpus"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", help="shard folder [default: made from the sample corpus]")
    parser.add_argument("--max-seq-length", type=int, default=512)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=5.0, help="time for each reader")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(options.shards)] if options.shards else made(Path(scratch), options.max_seq_length)
        print("| masks | reader | million tokens a second | times | batches a second |")
        print("|---|---|---:|---:|---:|")
        for folder in folders:
            masking = ShardFolder(folder).options["masking"]
            loader = wpprep.Loader(folder, batch_size=options.batch_size)
            with_tensors = wpprep.Loader(folder, batch_size=options.batch_size)
            readers = {
                "wpprep.Loader": ours(loader),
                "wpprep, PyTorch tensors": ours_as_tensors(with_tensors),
                "datasets + collator": theirs(folder, options.batch_size, masking),
            }
            report(masking, readers, options.seconds)


def made(scratch: Path, max_seq_length: int) -> list[Path]:
    """Make shard folders of about ten million tokens, one for each masking."""
    corpus = [SAMPLE / "wiki", SAMPLE / "books"]
    wpprep.train_vocab(corpus, scratch / "vocab", vocab_size=3000, workers=1)
    folders = [scratch / masking for masking in ("static", "dynamic")]
    for folder in folders:
        wpprep.make_shards(
            corpus,
            scratch / "vocab",
            folder,
            max_seq_length=max_seq_length,
            dupe_factor=200,
            masking=folder.name,
            workers=1,
        )
    return folders


def report(masking: str, readers: dict[str, Iterator[int]], seconds: float) -> None:
    """Read with each reader in turns, for five rounds after one warm-up batch, and print the best of each."""
    best = dict.fromkeys(readers, (0.0, 0.0))
    for batches in readers.values():
        next(batches)
    for _ in range(5):
        for name, batches in readers.items():
            started, tokens, count = time.perf_counter(), 0, 0
            while (passed := time.perf_counter() - started) < seconds / 5:
                tokens, count = tokens + next(batches), count + 1
            best[name] = max(best[name], (tokens / passed, count / passed))
    peer = best["datasets + collator"][0]
    for name, (tokens_a_second, batches_a_second) in best.items():
        times = f"{tokens_a_second / peer:,.0f}"
        print(
            f"| {masking} | {name} | {tokens_a_second / 1e6:,.2f} | {times} | {batches_a_second:,.1f} |",
            flush=True,
        )


def ours(loader: wpprep.Loader) -> Iterator[int]:
    """Yield the number of tokens of each batch of NumPy arrays."""
    for batch in loader.forever():
        yield batch.tokens


def ours_as_tensors(loader: wpprep.Loader) -> Iterator[int]:
    """Yield the number of tokens of each batch of tensors for BertForPreTraining, prefetched by a thread."""
    from wpprep.training.pretraining.torch_data import Feed, model_inputs

    feed = Feed(loader, lambda batch: (model_inputs(batch), batch.tokens), forever=True)
    for _, tokens in feed:
        yield tokens


def theirs(folder: Path, batch_size: int, masking: str) -> Iterator[int]:
    """Yield the number of tokens of each batch of datasets in a DataLoader without worker processes."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    import pyarrow as pa
    from datasets import Dataset, concatenate_datasets, disable_progress_bars
    from datasets.table import InMemoryTable
    from torch.utils.data import DataLoader
    from transformers import AutoTokenizer, DataCollatorForLanguageModeling, DataCollatorWithPadding

    disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(folder / "vocab")
    parts = []
    for name in ShardFolder(folder).names:
        table = pa.ipc.open_file(pa.memory_map(str(name))).read_all().select(["input_ids"])
        parts.append(Dataset(InMemoryTable(table)))
    data = concatenate_datasets(parts)
    dynamic = masking == "dynamic"
    collator = DataCollatorForLanguageModeling(tokenizer) if dynamic else DataCollatorWithPadding(tokenizer)
    batches = DataLoader(data, batch_size=batch_size, shuffle=True, collate_fn=collator)
    while True:
        for batch in batches:
            yield int(batch["attention_mask"].sum())


if __name__ == "__main__":
    main()
