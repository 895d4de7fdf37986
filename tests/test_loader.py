"""The loader: order, ranks, resuming, padding, dynamic masks, and what it says about damage."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wpprep import loader as room
from wpprep import order
from wpprep.errors import OptionError, ShardError, WpprepError
from wpprep.loader import Loader
from wpprep.manifest import Manifest, describe, write_manifest
from wpprep.records import InstanceBatch
from wpprep.rows import ShardFolder
from wpprep.shards import write_shard
from wpprep.vocab.vocabulary import Vocabulary

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
    files = [describe(path, folder) for path in sorted(folder.iterdir())]
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
    options = {
        "max_seq_length": longest,
        "dupe_factor": 1,
        "objective": "nsp",
        "masking": "static",
        "mask_policy": "token",
        "masked_lm_prob": 0.15,
        "max_predictions_per_seq": round(longest * 0.15),
        "mask_share": 0.8,
        "random_share": 0.1,
        "seed": 1,
    } | changes
    written = [make_instances(n, longest, seed, masking=options["masking"]) for seed, n in enumerate(rows)]
    files = [
        write_shard(folder / f"shard-{i:05d}-of-{len(rows):05d}.arrow", batch, vocabulary.sha256, options)
        for i, batch in enumerate(written)
    ]
    manifest = Manifest(
        kind="shards",
        options=options,
        vocabulary=vocabulary.sha256,
        files=[*files, describe(folder / "vocab" / "manifest.json", folder)],
    )
    write_manifest(folder, manifest)
    return folder, written


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("static") / "shards")


@pytest.fixture(scope="module")
def dynamic(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[InstanceBatch]]:
    return make_folder(tmp_path_factory.mktemp("dynamic") / "shards", masking="dynamic")


def take(loader: Loader, batches: int) -> list[list[int]]:
    """Row numbers of the next batches."""
    return [loader.next_batch().rows.tolist() for _ in range(batches)]


@pytest.mark.parametrize(("tail", "batches"), [("carry", 6), ("keep", 6), ("drop", 5)])
def test_an_epoch_has_every_row_once(static: Any, tail: str, batches: int) -> None:
    """Epochs are different permutations of all rows; only `drop` leaves the tail out, another each epoch."""
    loader = Loader(static[0], batch_size=8, tail=tail)
    rows = [row for batch in take(loader, 41 if tail == "carry" else 2 * batches) for row in batch]
    per_epoch = 40 if tail == "drop" else 41
    first, second = rows[:per_epoch], rows[per_epoch : 2 * per_epoch]
    assert len(set(first)) == len(set(second)) == per_epoch
    assert set(first) <= set(range(41))
    assert first != second
    assert first != sorted(first)


@pytest.mark.parametrize("tail", ["carry", "keep", "drop"])
@pytest.mark.parametrize("world", [2, 3, 7])
def test_ranks_share_one_list_of_batches(static: Any, tail: str, world: int) -> None:
    """Rank r of w has every w-th batch of the list that one process has, and all end an epoch together."""
    alone = take(Loader(static[0], batch_size=4, tail=tail), 6 * world)
    loaders = [Loader(static[0], batch_size=4, tail=tail, rank=rank, world=world) for rank in range(world)]
    shared = [take(loader, 6) for loader in loaders]
    assert [shared[i % world][i // world] for i in range(6 * world)] == alone
    steps = {len(list(Loader(static[0], batch_size=4, tail=tail, rank=r, world=world))) for r in range(world)}
    assert len(steps) == 1


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    worlds=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    tail=st.sampled_from(["carry", "keep"]),
    data=st.data(),
)
def test_no_row_is_lost_or_repeated_when_the_world_changes(
    static: Any, size: int, batch_size: int, worlds: list[int], tail: str, data: Any
) -> None:
    """Stopping anywhere and going on with another number of ranks reads on where all ranks were."""
    folder = ShardFolder(static[0])
    excluded = np.array(sorted(data.draw(st.sets(st.integers(0, 40), max_size=min(40, size)))), np.int64)
    state, seen = Loader(folder, batch_size=batch_size, tail=tail, exclude=excluded).state_dict(), []
    for world in worlds:
        loaders = [
            Loader(folder, batch_size=batch_size, tail=tail, exclude=excluded, rank=rank, world=world)
            for rank in range(world)
        ]
        for loader in loaders:
            loader.load_state_dict(state)
        for _ in range(3):
            for loader in loaders:
                seen += loader.rows_of(loader.consumed + loader.rank)[0].tolist()
                loader.consumed += world
        state = loaders[-1].state_dict()
    rows = 41 - len(excluded)
    for start in range(0, len(seen) - rows + 1, rows):
        assert sorted(seen[start : start + rows]) == sorted(set(range(41)) - set(excluded.tolist()))


def test_resuming_mid_epoch_gives_the_batches_that_were_left(dynamic: Any) -> None:
    """A loader restored from one number, through JSON, yields the arrays an uninterrupted one yields."""
    whole = Loader(dynamic[0], batch_size=5, seed=7)
    take(whole, 4)
    state = json.loads(json.dumps(whole.state_dict()))
    resumed = Loader(dynamic[0], batch_size=5, seed=7)
    resumed.load_state_dict(state)
    for _ in range(12):
        one, other = whole.next_batch(), resumed.next_batch()
        for field in dataclasses.fields(one):
            assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name


def test_a_state_of_another_order_is_refused(static: Any) -> None:
    """A state saved with another batch size names the difference instead of reading other rows."""
    state = Loader(static[0], batch_size=5).state_dict()
    with pytest.raises(OptionError, match="batch_size 5, this one has 6"):
        Loader(static[0], batch_size=6).load_state_dict(state)


@pytest.mark.parametrize("pad_to", ["longest", "full"])
def test_batches_equal_the_slow_twin(static: Any, pad_to: str) -> None:
    """Ids, types, mask, flat positions and labels are those of a loop over Python lists."""
    folder, written = static
    for batch in Loader(folder, batch_size=6, pad_to=pad_to, tail="keep"):
        twin = slow_batch(written, batch.rows, 24 if pad_to == "full" else None)
        for name, expected in twin.items():
            assert np.array_equal(getattr(batch, name), expected), name
        assert batch.input_ids.dtype == batch.mlm_labels.dtype == batch.next_sentence_label.dtype == np.int64


def slow_batch(written: list[InstanceBatch], rows: Any, width: int | None) -> dict[str, Any]:
    """What `Loader.assemble` should return, the slow way."""
    found = []
    for row in rows:
        shard, local = 0, int(row)
        while local >= len(written[shard]):
            local -= len(written[shard])
            shard += 1
        batch = written[shard]
        ids = batch.input_ids[batch.offsets[local] : batch.offsets[local + 1]].tolist()
        places = slice(batch.mlm_offsets[local], batch.mlm_offsets[local + 1])
        found.append((ids, batch, local, places))
    width = width or min(24, (max(len(ids) for ids, *_ in found) + 7) // 8 * 8)
    lengths = [len(ids) for ids, *_ in found]
    return {
        "input_ids": [ids + [PAD] * (width - len(ids)) for ids, *_ in found],
        "token_type_ids": [[int(b.b_start[r] <= j < len(ids)) for j in range(width)] for ids, b, r, _ in found],
        "attention_mask": None
        if min(lengths) == width
        else [[int(j < n) for j in range(width)] for n in lengths],
        "mlm_positions": [
            i * width + p for i, (_, b, _, s) in enumerate(found) for p in b.mlm_positions[s].tolist()
        ],
        "mlm_labels": [label for _, b, _, s in found for label in b.mlm_labels[s].tolist()],
        "next_sentence_label": [b.next_sentence_label[r] for _, b, r, _ in found],
        "tokens": sum(lengths),
    }


def test_nothing_padded_means_no_attention_mask(static: Any) -> None:
    """Rows of equal length come without a mask, so that a model need not apply one."""
    folder = ShardFolder(static[0])
    lengths = np.concatenate([np.diff(batch.offsets) for batch in static[1]])
    assert Loader(folder, batch_size=4).assemble(np.flatnonzero(lengths == 24)[:4]).attention_mask is None
    mixed = np.array([np.argmin(lengths), np.argmax(lengths)])
    assert Loader(folder, batch_size=4).assemble(mixed).attention_mask is not None


def test_dynamic_masks_follow_row_and_epoch_alone(dynamic: Any) -> None:
    """A row's masks in an epoch are the same in any batch, and others next epoch or with another seed."""

    def masks(batch_size: int, seed: int) -> dict[tuple[int, int], tuple[Any, ...]]:
        loader, found = Loader(dynamic[0], batch_size=batch_size, seed=seed, tail="keep"), {}
        for epoch in range(2):
            for batch in loader:
                width = batch.input_ids.shape[1]
                for i, row in enumerate(batch.rows.tolist()):
                    mine = batch.mlm_positions // width == i
                    places = batch.mlm_positions[mine] % width
                    found[row, epoch] = (places.tolist(), batch.mlm_labels[mine].tolist())
        return found

    one, other = masks(4, 7), masks(9, 7)
    assert one == other
    assert sum(one[row, 0] != one[row, 1] for row in range(41)) > 20
    assert sum(one[row, 0] != masks(4, 8)[row, 0] for row in range(41)) > 20


def test_dynamic_masks_leave_the_shards_alone(dynamic: Any) -> None:
    """Masking works on a copy: the labels put back give the ids that are in the shard."""
    folder, written = dynamic
    for batch in Loader(folder, batch_size=6):
        restored = batch.input_ids.copy().reshape(-1)
        restored[batch.mlm_positions] = batch.mlm_labels
        assert np.array_equal(
            restored.reshape(batch.input_ids.shape), slow_batch(written, batch.rows, None)["input_ids"]
        )
        assert len(batch.mlm_labels) >= len(batch)


def test_rows_are_held_out_by_whole_documents(static: Any) -> None:
    """No document has rows on both sides, the draw is keyed, and the loader never yields a held-out row."""
    folder = ShardFolder(static[0])
    documents = np.concatenate([batch.document for batch in static[1]])
    held = folder.held_out(folder.hold_out(8, seed=3), seed=3)
    assert 8 <= len(held) <= 10
    assert held.tolist() == sorted(set(held.tolist()))
    rest = np.setdiff1d(np.arange(41), held)
    assert not set(documents[held]) & set(documents[rest])
    assert folder.hold_out(8, seed=3) == folder.hold_out(8, seed=3) != folder.hold_out(8, seed=4)
    loader = Loader(folder, batch_size=4, tail="keep", exclude=held)
    assert sorted(row for batch in loader for row in batch.rows.tolist()) == rest.tolist()
    with pytest.raises(OptionError, match="whole documents"):
        folder.hold_out(30, seed=3)


def test_an_id_out_of_range_names_file_and_row(tmp_path: Path) -> None:
    """A token that the vocabulary does not have stops with the file and row, not with an index error."""
    folder, written = make_folder(tmp_path / "shards")
    written[2].input_ids[written[2].offsets[5]] = 999
    rewrite(folder, 2, written[2])
    with pytest.raises(ShardError, match=r"shard-00002-of-00003\.arrow: row 5 is damaged"):
        list(Loader(folder, batch_size=8))


def test_damage_is_found_and_named(tmp_path: Path) -> None:
    """A shard cut short or missing, a flipped bit under `verify`, another vocabulary: each says which file."""
    folder, _ = make_folder(tmp_path / "shards")
    shard = folder / "shard-00001-of-00003.arrow"
    good = shard.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    shard.write_bytes(flipped)
    with pytest.raises(ShardError, match=r"shard-00001.*sha256"):
        ShardFolder(folder, verify=True)
    shard.write_bytes(good[:-10])
    with pytest.raises(ShardError, match=r"shard-00001.*bytes, expected"):
        ShardFolder(folder)
    shard.unlink()
    with pytest.raises(ShardError, match=r"shard-00001.*not there"):
        ShardFolder(folder)
    shard.write_bytes(good)
    ShardFolder(folder, verify=True)
    with open(folder / "vocab" / "tokenizer.json", "a") as file:
        file.write(" ")
    with pytest.raises(WpprepError, match="vocab"):
        ShardFolder(folder)


def rewrite(folder: Path, index: int, batch: InstanceBatch) -> None:
    """Write a shard anew and put it into the manifest."""
    from wpprep.manifest import read_manifest

    manifest = read_manifest(folder)
    files = list(manifest.files)
    files[index] = write_shard(folder / files[index].name, batch, manifest.vocabulary, manifest.options)
    write_manifest(folder, dataclasses.replace(manifest, files=files))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 42, "tail": "drop"}, "fewer than one batch"),
        ({"batch_size": 4, "rank": 2, "world": 2}, "rank is 2"),
        ({"batch_size": 4, "tail": "wag"}, "tail is 'wag'"),
        ({"batch_size": 4, "pad_to": "moon"}, "pad_to is 'moon'"),
    ],
)
def test_arguments_out_of_range_are_refused(static: Any, changes: dict[str, Any], message: str) -> None:
    """Each message names the argument and its value."""
    with pytest.raises(OptionError, match=message):
        Loader(static[0], **changes)


def test_an_unfinished_folder_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest is no shard folder."""
    with pytest.raises(WpprepError, match="manifest"):
        Loader(tmp_path, batch_size=4)


def test_the_loader_needs_no_torch() -> None:
    """Importing the loader does not import torch, so that other frameworks can use it."""
    code = "import sys, wpprep.loader; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_behind_the_excluded_are_reached() -> None:
    """The map from the rows that remain to global rows skips excluded ones at both ends and in runs."""
    excluded = np.array([0, 1, 5, 6, 9], np.int64)
    whole = [np.array(values, np.int64) for values in ([0, 1], [5], [0], [0, 5])]
    rows, epochs = order._draw_rows(0, 10, 1, *whole, excluded)
    assert sorted(rows[:5]) == sorted(rows[5:]) == [2, 3, 4, 7, 8]
    assert epochs.tolist() == [0] * 5 + [1] * 5


def padded(batches: list[room.Batch]) -> float:
    """Share of padding over some batches."""
    return 1 - sum(batch.tokens for batch in batches) / sum(batch.input_ids.size for batch in batches)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 480 rows of very different lengths."""
    return make_folder(tmp_path_factory.mktemp("uneven") / "shards", rows=(300, 180), longest=64)[0]


@pytest.mark.parametrize("tail", ["carry", "keep", "drop"])
def test_bins_make_batches_of_similar_length(uneven: Path, tail: str) -> None:
    """Every row still comes once an epoch, batches keep their size, and there is much less padding."""
    plain = list(Loader(uneven, batch_size=8, tail=tail))
    loader = Loader(uneven, batch_size=8, bins=16, tail=tail)
    # With `carry` the window that an epoch ends in reaches into the next: 15 windows of 128 are 4 epochs.
    binned = [loader.next_batch() for _ in range(240 if tail == "carry" else 60)]
    rows = np.concatenate([batch.rows for batch in binned])
    assert set(np.bincount(rows, minlength=480)) == {4 if tail == "carry" else 1}
    assert {len(batch) for batch in binned} == {8}
    assert padded(binned) < padded(plain) / 3
    widths = [batch.input_ids.shape[1] for batch in binned]
    assert widths != sorted(widths)


@settings(max_examples=40, deadline=None)
@given(
    batch_tokens=st.integers(24, 400),
    bins=st.integers(1, 9),
    tail=st.sampled_from(["carry", "keep"]),
    pad_to=st.sampled_from(["longest", "full"]),
)
def test_batches_by_tokens_never_have_more(
    static: Any, batch_tokens: int, bins: int, tail: str, pad_to: str
) -> None:
    """Rows times length stay within the limit, and no row is lost or repeated in an epoch."""
    loader = Loader(static[0], batch_tokens=batch_tokens, bins=bins, tail=tail, pad_to=pad_to)
    rows: list[int] = []
    while len(rows) < 3 * 41:
        batch = loader.next_batch()
        assert batch.input_ids.size <= batch_tokens
        rows += batch.rows.tolist()
    if tail == "keep":
        assert sorted(rows[:41]) == sorted(rows[41:82]) == list(range(41))
    counts = np.bincount(rows, minlength=41)
    assert counts.min() >= 1
    assert counts.max() - counts.min() <= 2 * max(1, bins * batch_tokens // 24 // 41 + 1)


@pytest.mark.parametrize("options", [{"batch_size": 4, "bins": 3}, {"batch_tokens": 70, "bins": 4}])
@pytest.mark.parametrize("world", [1, 3])
def test_binned_batches_resume_on_any_world(dynamic: Any, options: dict[str, Any], world: int) -> None:
    """A state taken mid-window, through JSON, goes on with the same list of batches on other ranks."""
    alone = Loader(dynamic[0], **options)
    expected = take(alone, 60)
    first = Loader(dynamic[0], **options)
    assert take(first, 23) == expected[:23]
    state = json.loads(json.dumps(first.state_dict()))
    ranks = [Loader(dynamic[0], **options, rank=rank, world=world) for rank in range(world)]
    for loader in ranks:
        loader.load_state_dict(state)
    shared = [take(loader, 36 // world) for loader in ranks]
    assert [shared[i % world][i // world] for i in range(36)] == expected[23:59]
    assert ranks[0].state_dict()["consumed"] == 59


def test_a_state_far_on_is_found_without_walking(dynamic: Any) -> None:
    """Resuming batches by tokens starts at the saved window, not at the first."""
    far = Loader(dynamic[0], batch_tokens=70, bins=4)
    take(far, 400)
    state = far.state_dict()
    resumed = Loader(dynamic[0], batch_tokens=70, bins=4)
    resumed.load_state_dict(state)
    window, _ = state["cursor"]
    assert take(resumed, 1) == take(far, 1)
    assert min(resumed.order._plans) == window > 50


@pytest.fixture(scope="module")
def pair(static: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two shard folders of one vocabulary, 41 and 60 rows."""
    return static[0], make_folder(tmp_path_factory.mktemp("second") / "shards", rows=(60,), longest=32)[0]


def test_several_folders_are_one_numbering(pair: tuple[Path, Path]) -> None:
    """Without weights every row of every folder comes once an epoch, with the tokens it has at home."""
    loader = Loader(pair, batch_size=8, tail="keep")
    rows = [row for batch in loader for row in batch.rows.tolist()]
    assert sorted(rows) == list(range(101))
    both, second = ShardFolder(*pair), ShardFolder(pair[1])
    assert both.gather(np.array([41 + 7])).input_ids.tolist() == second.gather(np.array([7])).input_ids.tolist()
    assert both.max_seq_length == 32


def test_weights_share_out_the_rows(pair: tuple[Path, Path]) -> None:
    """Over 1,000 rows the shares are exact, and each folder runs through its own rows evenly."""
    excluded = np.array([0, 1, 2, 50, 100], np.int64)
    loader = Loader(pair, batch_size=50, weights=[3, 1], exclude=excluded)
    rows = np.array([row for batch in take(loader, 20) for row in batch])
    counts = np.bincount(rows, minlength=101)
    assert (counts[:41].sum(), counts[41:].sum()) == (750, 250)
    assert not counts[excluded].any()
    for part in (np.setdiff1d(np.arange(41), excluded), np.setdiff1d(np.arange(41, 101), excluded)):
        assert counts[part].max() - counts[part].min() <= 2
    with pytest.raises(OptionError, match="one a folder"):
        Loader(pair, batch_size=5, weights=[1])
    with pytest.raises(OptionError, match="expected carry"):
        Loader(pair, batch_size=5, weights=[1, 1], tail="keep")


def test_folders_that_do_not_fit_are_refused(static: Any, dynamic: Any) -> None:
    """Static and dynamic masks cannot be mixed; the message names the folder and the option."""
    with pytest.raises(OptionError, match=r"dynamic.*masking is dynamic, but static"):
        ShardFolder(static[0], dynamic[0])


def test_the_example_for_numpy_runs(dynamic: Any) -> None:
    """What the README shows for JAX or plain NumPy: a bigram model learned from dynamic masks."""
    loader = Loader(dynamic[0], batch_size=16)
    follows = np.ones((len(PIECES), len(PIECES)))
    for _ in range(60):
        batch = loader.next_batch()
        ids, places = batch.input_ids.reshape(-1), batch.mlm_positions
        np.add.at(follows, (ids[places - 1], batch.mlm_labels), 1)
    batch = loader.next_batch()
    guesses = follows[batch.input_ids.reshape(-1)[batch.mlm_positions - 1]].argmax(-1)
    assert (guesses == batch.mlm_labels).mean() > 0.4
