"""Shards of a language in which word n + 1 follows word n, so that any mask can be filled: for tests."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from wpprep.config import ShardOptions, as_dict
from wpprep.records import InstanceBatch
from wpprep.shards.format import write_shard
from wpprep.storage.manifest import File, Manifest, Shard, describe, write_manifest
from wpprep.tokenizer.vocabulary import Vocabulary

WORDS = 40
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PAD, UNK, CLS, SEP, MASK = range(5)
FIRST_WORD = len(SPECIAL)
PIECES = [*SPECIAL, *(f"w{i}" for i in range(WORDS)), *"abc", "##a", "##b"]


def make_vocabulary(folder: Path) -> Vocabulary:
    """A WordPiece vocabulary of 40 words as `wpprep train-vocab` would leave it."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True)
    ids = {piece: i for i, piece in enumerate(PIECES)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in PIECES))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **dict(zip(names, SPECIAL, strict=True)),
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    files: list[File | Shard] = [describe(path, folder) for path in sorted(folder.iterdir())]
    write_manifest(folder, Manifest(kind="vocabulary", options={}, files=files))
    return Vocabulary.from_folder(folder)


def make_instances(rows: int, longest: int, seed: int, *, masking: str, per_document: int = 3) -> InstanceBatch:
    """Instances of a language in which word n + 1 follows word n, so that any mask can be filled."""
    draw = np.random.default_rng(seed)
    ids: list[list[int]] = []
    b_start, random_next, positions, labels = [], [], [], []
    for _ in range(rows):
        inner = longest - 3 if draw.random() < 0.7 else int(draw.integers(4, longest - 2))
        half, start, is_random = inner // 2, int(draw.integers(WORDS)), int(draw.integers(2))
        second = start + half + (int(draw.integers(3, WORDS - 3)) if is_random else 0)
        a = [FIRST_WORD + (start + j) % WORDS for j in range(half)]
        b = [FIRST_WORD + (second + j) % WORDS for j in range(inner - half)]
        row = [CLS, *a, SEP, *b, SEP]
        chosen = np.zeros(0, np.int64)
        if masking == "static":
            places = [place for place, token in enumerate(row) if token >= FIRST_WORD]
            chosen = np.sort(draw.choice(places, max(1, round(len(row) * 0.15)), replace=False))
        positions.append(chosen)
        labels.append(np.array([row[place] for place in chosen], np.int64))
        for place in chosen:
            row[place] = MASK
        ids.append(row)
        b_start.append(half + 2)
        random_next.append(is_random)
    return InstanceBatch(
        input_ids=np.concatenate([np.array(row, np.uint16) for row in ids]),
        offsets=np.cumsum([0, *map(len, ids)]),
        b_start=np.array(b_start, np.int64),
        next_sentence_label=np.array(random_next, np.uint8),
        document=np.arange(rows, dtype=np.int64) // per_document + 1000 * seed,
        mlm_positions=np.concatenate(positions).astype(np.uint16),
        mlm_labels=np.concatenate(labels).astype(np.uint16),
        mlm_offsets=np.cumsum([0, *map(len, positions)]),
    )


def make_folder(
    folder: Path, *, rows: tuple[int, ...] = (17, 1, 23), longest: int = 24, **changes: Any
) -> tuple[Path, list[InstanceBatch]]:
    """A finished shard folder and what is in it."""
    vocabulary = make_vocabulary(folder / "vocab")
    options = as_dict(
        ShardOptions(
            max_seq_length=longest,
            dupe_factor=1,
            max_predictions_per_seq=round(longest * 0.15),
            seed=1,
        )
    )
    options |= changes
    written = [make_instances(n, longest, seed, masking=options["masking"]) for seed, n in enumerate(rows)]
    files = [
        write_shard(folder / f"shard-{i:05d}-of-{len(rows):05d}.arrow", batch, vocabulary.sha256, options)
        for i, batch in enumerate(written)
    ]
    manifest = Manifest(
        kind="shards",
        options=options,
        vocabulary=vocabulary.sha256,
        corpus={"documents": 2**31},
        files=[*files, describe(folder / "vocab" / "manifest.json", folder)],
    )
    write_manifest(folder, manifest)
    return folder, written


def rewrite(folder: Path, index: int, batch: InstanceBatch) -> None:
    """Write a shard anew and put it into the manifest."""
    from wpprep.storage.manifest import read_manifest

    manifest = read_manifest(folder)
    assert manifest.vocabulary is not None
    files = list(manifest.files)
    files[index] = write_shard(folder / files[index].name, batch, manifest.vocabulary, manifest.options)
    write_manifest(folder, dataclasses.replace(manifest, files=files))
