"""The whole flow: the same bytes from any number of workers, bad input in one line, resumed runs."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.checksums import checksums
from tokenizers import Tokenizer

from wpprep.config import CorpusOptions
from wpprep.errors import (
    CorpusError,
    MissingInputError,
    OptionError,
    OutputError,
    TextDecodeError,
    VocabularyError,
)
from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.pipeline.train_vocab import train_vocab
from wpprep.shards.format import read_shard
from wpprep.shards.loader import Loader
from wpprep.shards.token_store import TokenStore
from wpprep.storage.files import sha256_of
from wpprep.storage.manifest import Shard, find_damage, read_manifest

SMALL: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "shards": 3}


@pytest.mark.parametrize("workers", [2, 3])
@pytest.mark.parametrize("slice_bytes", [3_000, 20_000])
def test_a_vocabulary_is_the_same_for_any_workers_and_slices(
    sample_corpus: Path, vocab: Path, tmp_path: Path, workers: int, slice_bytes: int
) -> None:
    """Every file of the vocabulary folder, the manifest included, has the same bytes."""
    options: dict[str, Any] = {"vocab_size": 2000, "workers": workers, "slice_bytes": slice_bytes}
    again = train_vocab([sample_corpus / "wiki"], tmp_path / "vocab", **options)
    assert checksums(again.folder) == checksums(vocab)


@pytest.mark.parametrize(("workers", "slice_bytes"), [(1, 3_000), (2, 16_000_000), (3, 5_000), (5, 20_000)])
def test_shards_are_the_same_for_any_workers_and_slices(
    sample_corpus: Path, vocab: Path, shards: Path, tmp_path: Path, workers: int, slice_bytes: int
) -> None:
    """Every file of the shard folder, the manifest included, has the same bytes."""
    options = SMALL | {"workers": workers, "slice_bytes": slice_bytes}
    again = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options)
    assert checksums(again.folder) == checksums(shards)


@pytest.mark.parametrize("cache_memory", [0, 8_000_000])
def test_shards_are_the_same_for_any_cache_memory(
    sample_corpus: Path, vocab: Path, shards: Path, tmp_path: Path, cache_memory: int
) -> None:
    """How much the encoder may remember changes no byte."""
    options = SMALL | {"workers": 1, "cache_memory": cache_memory}
    again = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "shards", **options)
    assert checksums(again.folder) == checksums(shards)


def test_compression_changes_no_instance(
    sample_corpus: Path, vocab: Path, shards: Path, tmp_path: Path
) -> None:
    """The gzipped corpus gives shards with the same bytes."""
    for path in (sample_corpus / "wiki").iterdir():
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    again = make_shards([tmp_path], vocab, tmp_path.parent / f"{tmp_path.name}-out", workers=1, **SMALL)
    of_shards = {name: sum_ for name, sum_ in checksums(shards).items() if name.startswith("shard-")}
    assert of_shards == {n: s for n, s in checksums(again.folder).items() if n.startswith("shard-")}


def test_ids_are_those_of_the_saved_tokenizer(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Every document of the token store equals the library's encoding of its text."""
    from wpprep.corpus.readers import plan_slices, read_slice

    summary = encode([sample_corpus / "wiki"], vocab, tmp_path / "tokens", workers=1)
    tokenizer = Tokenizer.from_file(str(vocab / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    slices = plan_slices([sample_corpus / "wiki"], CorpusOptions(), 10**9)
    texts = [document.text for slice_ in slices for document in read_slice(slice_, CorpusOptions())]
    documents = TokenStore.open(summary.folder).take(np.arange(len(texts)))
    edges = documents.sentences[documents.documents]
    expected = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert [documents.tokens[a:b].tolist() for a, b in itertools.pairwise(edges)] == expected


def test_byte_level_documents_are_their_own_encoding(sample_corpus: Path, tmp_path: Path) -> None:
    """The blank before a sentence belongs to it: a document's tokens joined are the encoding of its text."""
    from wpprep.corpus.readers import plan_slices, read_slice

    corpus = [sample_corpus / "wiki" / "wiki_00"]
    vocab = Path(train_vocab(corpus, tmp_path / "vocab", algorithm="bbpe", vocab_size=600, workers=1).folder)
    summary = encode(corpus, vocab, tmp_path / "tokens", workers=1)
    tokenizer = Tokenizer.from_file(str(vocab / "tokenizer.json"))
    documents = TokenStore.open(summary.folder).take(np.arange(11))
    texts = [
        d.text
        for slice_ in plan_slices(corpus, CorpusOptions(), 10**9)
        for d in read_slice(slice_, CorpusOptions())
    ]
    edges = documents.sentences[documents.documents]
    expected = [e.ids for e in tokenizer.encode_batch(texts, add_special_tokens=False)]
    assert [documents.tokens[a:b].tolist() for a, b in itertools.pairwise(edges)] == expected


@pytest.mark.parametrize("policy", ["token", "word", "span"])
def test_word_starts_are_stored_only_where_the_loader_asks(
    sample_corpus: Path, tmp_path: Path, policy: str
) -> None:
    """Of byte-level pieces, and dynamic masks of words: a byte a token that single tokens need not pay for."""
    corpus = [sample_corpus / "wiki" / "wiki_00"]
    vocab = Path(train_vocab(corpus, tmp_path / "vocab", algorithm="bbpe", vocab_size=600, workers=1).folder)
    options: dict[str, Any] = {
        "max_seq_length": 64,
        "shards": 1,
        "masking": "dynamic",
        "mask_policy": policy,
        "workers": 1,
    }
    folder = Path(make_shards(corpus, vocab, tmp_path / "shards", **options).folder)
    batch = read_shard(folder / "shard-00000-of-00001.arrow")
    assert (batch.word_starts is not None) == (policy != "token")
    assert len(Loader(folder, batch_size=8).next_batch().mlm_labels) > 0


def test_a_shard_folder_is_complete_and_explains_itself(shards: Path, vocab: Path) -> None:
    """The manifest names every file, counts what is there, and the vocabulary lies inside."""
    assert find_damage(shards) == []
    manifest = read_manifest(shards, "shards")
    files = [file for file in manifest.files if isinstance(file, Shard)]
    assert [file.name for file in files] == [f"shard-{k:05}-of-00003.arrow" for k in range(3)]
    batches = [read_shard(shards / file.name) for file in files]
    assert manifest.statistics["rows"] == sum(map(len, batches)) == sum(file.rows for file in files)
    assert (
        manifest.vocabulary
        == sha256_of(vocab / "tokenizer.json")
        == sha256_of(shards / "vocab" / "tokenizer.json")
    )
    assert not (shards / "tokens").exists()


def test_shards_hold_about_equal_numbers_of_tokens(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """A shard's share of the corpus is cut by tokens; here documents have about 450, a shard 20,000."""
    summary = make_shards(
        [sample_corpus / "wiki"], vocab, tmp_path / "out", workers=1, **(SMALL | {"shards": 2})
    )
    tokens = [file.tokens for file in summary.manifest.files if isinstance(file, Shard)]
    assert max(tokens) / min(tokens) < 1.05


def test_dynamic_shards_are_not_masked(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Masks are left to the loader, and no [MASK] stands in the text."""
    options = SMALL | {"masking": "dynamic", "shards": 1, "workers": 1}
    summary = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", **options)
    batch = read_shard(Path(summary.folder) / "shard-00000-of-00001.arrow")
    assert len(batch.mlm_positions) == 0
    assert 4 not in batch.input_ids  # [MASK]


def test_single_segments_have_no_b(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """Under the objective single every row is [CLS] A [SEP]."""
    options = SMALL | {"objective": "single", "shards": 1, "workers": 1}
    summary = make_shards([sample_corpus / "wiki"], vocab, tmp_path / "out", **options)
    batch = read_shard(Path(summary.folder) / "shard-00000-of-00001.arrow")
    assert (batch.b_start == np.diff(batch.offsets)).all()
    assert not batch.next_sentence_label.any()


def test_tokens_can_be_kept_for_other_shards(sample_corpus: Path, vocab: Path, tmp_path: Path) -> None:
    """One encoding serves two lengths: the second run leaves the token store as it is."""
    corpus, tokens = [sample_corpus / "wiki"], tmp_path / "tokens"
    make_shards(corpus, vocab, tmp_path / "a", tokens=tokens, workers=1, **SMALL)
    before = {path.name: path.stat().st_mtime_ns for path in tokens.iterdir()}
    options = SMALL | {"max_seq_length": 32}
    kept = make_shards(corpus, vocab, tmp_path / "b", tokens=tokens, workers=1, **options)
    assert {path.name: path.stat().st_mtime_ns for path in tokens.iterdir()} == before
    assert find_damage(tokens) == []
    fresh = make_shards(corpus, vocab, tmp_path / "c", workers=1, **options)
    assert checksums(kept.folder) == checksums(fresh.folder)


def test_a_vocabulary_is_measured_on_documents_it_was_not_learned_from(
    sample_corpus: Path, tmp_path: Path
) -> None:
    """Of 44 documents a share is held out and measured; another seed holds out others."""
    figures = []
    for seed in (1, 2):
        options: dict[str, Any] = {"vocab_size": 1500, "holdout": 0.2, "seed": seed}
        manifest = train_vocab([sample_corpus / "wiki"], tmp_path / str(seed), workers=1, **options).manifest
        held_out = manifest.statistics["held_out"]
        assert manifest.corpus["documents"] == 44
        assert 0 < held_out["documents"] < 44
        assert 1.0 < held_out["tokens_per_word"] < 3.0
        assert 0.0 <= held_out["unk_share"] < 0.05
        figures.append(held_out)
    assert figures[0] != figures[1]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({}, "the corpus has one document"), ({"holdout": 0.5}, "holdout 0.5"), ({"shards": 99}, "shards is 99")],
)
def test_options_that_the_corpus_refutes_leave_the_folder_free(
    tmp_path: Path, vocab: Path, wrong: dict[str, Any], message: str
) -> None:
    """What the wrong command has left does not refuse the corrected one; kept tokens are used again."""
    (tmp_path / "text.txt").write_text("One sentence here. And another one.\n")
    given: dict[str, Any] = {
        "corpus": [tmp_path / "text.txt"],
        "vocab": vocab,
        "out": tmp_path / "out",
        "workers": 1,
    }
    for tokens in (None, tmp_path / "tokens"):
        with pytest.raises(OptionError, match=message):
            make_shards(**given, tokens=tokens, **wrong)
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "tokens" / "manifest.json").exists()
    made = make_shards(**given, tokens=tmp_path / "tokens", objective="single")
    assert made.manifest.statistics["rows"] > 0


def test_wrong_input_is_one_clear_line(tmp_path: Path, vocab: Path) -> None:
    """Missing files, empty corpora, foreign folders and invalid UTF-8 are named, and nothing is left behind."""
    out = tmp_path / "out"
    with pytest.raises(MissingInputError, match="nowhere: no such file"):
        train_vocab([tmp_path / "nowhere"], out)
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    with pytest.raises(CorpusError, match="the corpus is empty"):
        train_vocab([empty], out, vocab_size=100)
    with pytest.raises(CorpusError, match="the corpus is empty"):
        make_shards([empty], vocab, out)
    empty.write_text("")
    with pytest.raises(CorpusError, match="the corpus is empty"):
        make_shards([empty], vocab, out)
    text = tmp_path / "text.txt"
    text.write_text("Some text.\n")
    with pytest.raises(VocabularyError, match="not a vocabulary folder"):
        make_shards([text], tmp_path, out)
    with pytest.raises(MissingInputError, match="no such vocabulary"):
        make_shards([text], tmp_path / "none", out)
    with pytest.raises(OptionError, match="no option vocabsize"):
        train_vocab([text], out, vocabsize=100)  # type: ignore[call-arg]
    with pytest.raises(OutputError, match="holds something else"):
        train_vocab([text], tmp_path, vocab_size=100)
    assert not out.exists()


def test_invalid_utf8_stops_or_is_counted(tmp_path: Path) -> None:
    """The error names file and byte; --errors replace goes on, and the manifest counts."""
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"word " * 1000 + b"\xff word\n" + b"more words here, and some others there " * 100)
    with pytest.raises(TextDecodeError, match=r"bad\.txt.* 5000"):
        train_vocab([bad], tmp_path / "out", vocab_size=30)
    summary = train_vocab([bad], tmp_path / "out", vocab_size=30, errors="replace")
    assert summary.manifest.corpus["replaced"] == 1


def test_a_corpus_too_small_for_the_vocabulary_says_so(tmp_path: Path) -> None:
    """The error names how many entries the corpus gives."""
    text = tmp_path / "text.txt"
    text.write_text("a few words and a few more words\n" * 5)
    with pytest.raises(VocabularyError, match=r"gives only \d+ entries, vocab_size is 30,522"):
        train_vocab([text], tmp_path / "out")


def test_one_document_has_no_random_next(tmp_path: Path, vocab: Path) -> None:
    """The error names the ways out."""
    text = tmp_path / "text.txt"
    text.write_text("One sentence. Another one. And a third.\n")
    with pytest.raises(OptionError, match="objective"):
        make_shards([text], vocab, tmp_path / "out", workers=1, **(SMALL | {"shards": 1}))


def receipts(out: Path) -> int:
    """The number of receipts in a folder that is being written; folders may vanish meanwhile."""
    return sum(
        name.endswith(".json")
        for folder, _, names in os.walk(out)
        if Path(folder).name == ".unfinished"
        for name in names
    )


def test_a_killed_run_goes_on_to_the_same_bytes(
    sample_corpus: Path, vocab: Path, shards: Path, tmp_path: Path
) -> None:
    """SIGKILL ten times, each soon after another task is done: the bytes of a run that was never killed."""
    out = tmp_path / "out"
    script = (
        "import sys\nfrom wpprep import make_shards\n"
        f"make_shards([{str(sample_corpus / 'wiki')!r}], {str(vocab)!r}, {str(out)!r}, workers=2,"
        " slice_bytes=5_000, max_seq_length=64, dupe_factor=2, shards=3)\n"
    )
    hits = 0
    for attempt in range(10):
        before = done = receipts(out)
        run = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
        while run.poll() is None and done <= before:
            time.sleep(0.002)
            done = receipts(out)
        time.sleep(0.002 * attempt)
        if run.poll() is None:
            hits += not (out / "manifest.json").exists()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    assert hits >= 5, "the kills did not hit work"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert checksums(out) == checksums(shards)
