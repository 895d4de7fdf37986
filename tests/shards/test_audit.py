"""The deep check: valid shards pass, and every rule that a row breaks is named with file and row."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference import CLS, FIRST, MASK, PAD, SEP, columns, roles, store, synthetic

from wpprep.config import ShardOptions, as_dict
from wpprep.instances.masking import mask_batch
from wpprep.instances.pairing import make_instances
from wpprep.instances.statistics import shard_statistics
from wpprep.pipeline.make_shards import make_shards
from wpprep.records import InstanceBatch
from wpprep.shards.audit import RULES, check_rows, find_faults
from wpprep.shards.format import read_shard, write_shard
from wpprep.storage.manifest import Shard, find_damage, read_manifest, write_manifest

CORPUS = synthetic(documents=40, sentences=10, words=6, seed=1)
SMALL = {"max_seq_length": 64, "dupe_factor": 2, "shards": 2, "workers": 1}


def instances(options: ShardOptions) -> InstanceBatch:
    """The instances of a small corpus, in arrays that can be changed."""
    d = np.arange(len(CORPUS))
    made = make_instances(columns(CORPUS), d, d * 0, store(CORPUS), roles(), options)
    most = int(options.max_predictions_per_seq or 1)
    return mask_batch(made.batch, roles(), options.mask_policy, 0.15, most, 0.8, 0.1, made.mask_keys)


def broken_rules(batch: InstanceBatch, options: ShardOptions) -> dict[str, int]:
    """The rules that rows break, and the first such row of each."""
    counts, firsts = np.zeros(len(RULES), np.int64), np.full(len(RULES), -1)
    check_rows(batch, roles(), as_dict(options), len(CORPUS), 0, counts, firsts)
    return {RULES[rule]: int(firsts[rule]) for rule in np.flatnonzero(counts)}


@pytest.mark.parametrize("objective", ["nsp", "sop", "single"])
@pytest.mark.parametrize("mask_policy", ["token", "word", "span"])
def test_what_we_make_is_sound(objective: str, mask_policy: str) -> None:
    """Instances of every objective and policy break no rule."""
    options = ShardOptions(max_seq_length=32, objective=objective, mask_policy=mask_policy)
    assert broken_rules(instances(options), options) == {}


def test_every_rule_is_checked() -> None:
    """One changed value in row 7 breaks the rule on that value and no other."""
    options = ShardOptions(max_seq_length=32)
    sound = instances(options)
    first, last = int(sound.offsets[7]), int(sound.offsets[8])
    mlm = int(sound.mlm_offsets[7])
    predicted = sound.mlm_positions[mlm : sound.mlm_offsets[8]].tolist()
    b_start = int(sound.b_start[7])
    plain = next(p for p in range(1, last - first - 1) if p not in {*predicted, b_start - 1})
    changes: list[tuple[str, int, int, str]] = [
        ("input_ids", first, FIRST, "it does not start with [CLS]"),
        ("input_ids", last - 1, FIRST, "it does not end with [SEP]"),
        ("input_ids", first + b_start - 1, FIRST, "b_start is neither after a [SEP] nor the length"),
        ("b_start", 7, 2, "b_start is neither after a [SEP] nor the length"),
        ("input_ids", first + plain, 30_000, "a token id is outside the vocabulary"),
        *(("input_ids", first + plain, id_, "a special token is in the text") for id_ in (CLS, SEP, MASK, PAD)),
        ("mlm_positions", mlm, 0, "mlm_positions are not sorted, or not positions of text"),
        ("mlm_positions", mlm, b_start - 1, "mlm_positions are not sorted, or not positions of text"),
        (
            "mlm_positions",
            mlm + len(predicted) - 1,
            40,
            "mlm_positions are not sorted, or not positions of text",
        ),
        ("mlm_labels", mlm, 30_000, "an mlm label is outside the vocabulary, or a special token"),
        ("mlm_labels", mlm, SEP, "an mlm label is outside the vocabulary, or a special token"),
        ("input_ids", first + predicted[0], PAD, "a random replacement is a special or unused token"),
        ("next_sentence_label", 7, 2, "next_sentence_label is not 0 or 1, or 1 without a B"),
        ("document", 7, len(CORPUS), "document is not in the corpus"),
    ]
    seen = set()
    for name, place, value, rule in changes:
        array = getattr(sound, name).copy()
        array[place] = value
        found = broken_rules(dataclasses.replace(sound, **{name: array}), options)
        assert found.get(rule) == 7
        if name != "mlm_positions":  # one moved off its place leaves a [MASK] in the text, or takes in a [SEP]
            assert set(found) == {rule}
        seen.add(rule)
    shorter = ShardOptions(max_seq_length=31, max_predictions_per_seq=5)
    assert RULES[0] in broken_rules(sound, shorter)
    fewer = ShardOptions(max_seq_length=32, max_predictions_per_seq=4)
    assert set(broken_rules(sound, fewer)) == {RULES[9]}
    assert seen | {RULES[0], RULES[9]} == set(RULES)


@pytest.mark.parametrize(
    "options", [{}, {"layout": "dense"}, {"masking": "dynamic"}, {"holdout": 0.1, "bins": "32,64"}], ids=str
)
def test_folders_are_sound(sample_corpus: Path, vocab: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    """Folders of each layout, masked or not, with holdout and bins, have no faults."""
    out = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", **(SMALL | options)).folder
    assert find_damage(out) == []
    assert find_faults(out) == []


def rewrite(folder: Path, number: int, **arrays: Any) -> Path:
    """Change columns of a shard with its checksum: an error of the program, not of the disk."""
    manifest = read_manifest(folder)
    file = manifest.files[number]
    assert isinstance(file, Shard)
    batch = dataclasses.replace(read_shard(folder / file.name), **arrays)
    entry = write_shard(folder / file.name, batch, manifest.vocabulary or "", manifest.options)
    files = [entry if other is file else other for other in manifest.files]
    write_manifest(folder, dataclasses.replace(manifest, files=files))
    return folder / file.name


def test_a_wrong_row_is_named(shards: Path, tmp_path: Path) -> None:
    """A fault that no checksum shows has the file, the first row, the rule and the number of rows."""
    folder = Path(shutil.copytree(shards, tmp_path / "shards"))
    document = read_shard(folder / "shard-00001-of-00003.arrow").document.copy()
    document[[5, 9]] = 10**6
    path = rewrite(folder, 1, document=document)
    assert find_damage(folder) == []
    (fault,) = find_faults(folder)
    assert fault.startswith(f"{path}: row 5: document is not in the corpus (2 rows of ")


def test_labels_out_of_balance_are_named(shards: Path, tmp_path: Path) -> None:
    """A shard with label 1 in every row is a fault, and so is the difference from the manifest."""
    folder = Path(shutil.copytree(shards, tmp_path / "shards"))
    ones = np.ones(read_manifest(folder).files[0].rows, np.uint8)  # type: ignore[union-attr]
    path = rewrite(folder, 0, next_sentence_label=ones)
    faults = find_faults(folder)
    assert f"{path}: label 1 has a share of 1.0000, expected 0.5" in faults
    assert any("random_next is" in fault and "in manifest.json" in fault for fault in faults)


def test_damage_is_a_fault_too(shards: Path, tmp_path: Path) -> None:
    """A shard that cannot be read gives a line and not an exception."""
    folder = Path(shutil.copytree(shards, tmp_path / "shards"))
    path = folder / "shard-00002-of-00003.arrow"
    path.write_bytes(path.read_bytes()[:1000])
    assert any(fault.startswith(f"{path}: damaged") for fault in find_faults(folder))


def test_statistics_are_those_of_the_rows(shards: Path) -> None:
    """The number of rows in the manifest is the sum over the shards."""
    manifest = read_manifest(shards)
    files = [file for file in manifest.files if isinstance(file, Shard)]
    counted = [shard_statistics(read_shard(shards / file.name), roles(), 64)["rows"] for file in files]
    assert sum(counted) == manifest.statistics["rows"]
