"""Vectors of text: those of transformers, in both file formats, for any size of batches and chunks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow.parquet as pq
import pytest
from support.bert import torch, transformers

from wpprep.errors import CorpusError, MissingInputError, OptionError, TextDecodeError
from wpprep.training.inference import embed as room
from wpprep.training.inference.embed import embed, similarity

LINES = [
    "The lamp is lit.",
    "",
    "Bees",
    "The train to the north stops at every village of the island " * 2,
    "Fog ☃",
]


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A file of the lines."""
    path = tmp_path / "text"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture(scope="module")
def states(model: Path) -> list[Any]:
    """transformers' own hidden states of every line, alone: ``float32[layers + 1, tokens, hidden]``."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    bert = transformers.AutoModel.from_pretrained(model).eval()
    found = []
    for line in LINES:
        inputs = tokenizer(line, return_tensors="pt")
        with torch.inference_mode():
            found.append(torch.cat(bert(**inputs, output_hidden_states=True).hidden_states).numpy())
    return found


@pytest.fixture(params=[8, 1 << 13])
def _chunks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line or two at a time, and all at once."""
    monkeypatch.setattr(room, "CHUNK_TOKENS", request.param)


@pytest.mark.usefixtures("_chunks")
def test_vectors_of_tokens_are_the_hidden_states(
    model: Path, text: Path, states: list[Any], tmp_path: Path
) -> None:
    """The vectors of every token and layer equal transformers' in both files, each with its piece."""
    done = embed(model, text, tmp_path / "x.parquet", pooling="tokens", layers="all", batch_size=2)
    table = pq.read_table(tmp_path / "x.parquet")
    assert done.layers == [0, 1, 2, 3]
    assert done.vectors == len(table) == sum(state.shape[1] for state in states)
    lines = np.array(table["line"])
    for number, state in enumerate(states):
        mine = table.filter(lines == number)
        assert mine["position"].to_pylist() == list(range(state.shape[1]))
        assert (mine["piece"][0].as_py(), mine["piece"][-1].as_py()) == ("[CLS]", "[SEP]")
        for layer in range(4):
            vectors = np.array(mine[f"layer_{layer}"].to_pylist(), np.float32)
            np.testing.assert_allclose(vectors, state[layer], rtol=1e-4, atol=1e-5)
    embed(model, text, tmp_path / "x.npy", pooling="tokens", layers="all", batch_size=2)
    vectors, offsets = np.load(tmp_path / "x.npy"), np.load(tmp_path / "x.offsets.npy")
    assert vectors.shape == (done.vectors, 4, 32)
    for number, state in enumerate(states):
        mine = vectors[offsets[number] : offsets[number + 1]]
        np.testing.assert_allclose(mine, state.transpose(1, 0, 2), rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("_chunks")
def test_a_line_has_the_vector_of_cls_or_the_mean(
    model: Path, text: Path, states: list[Any], tmp_path: Path
) -> None:
    """[CLS]'s hidden state, or the mean over all tokens without padding, of the layers selected."""
    cases: list[tuple[Literal["cls", "mean"], list[Any]]] = [
        ("cls", [state[:, 0] for state in states]),
        ("mean", [state.mean(1) for state in states]),
    ]
    for pooling, expected in cases:
        embed(model, text, tmp_path / f"{pooling}.npy", pooling=pooling, layers="-1", batch_size=3)
        vectors = np.load(tmp_path / f"{pooling}.npy")
        assert vectors.shape == (5, 32)
        np.testing.assert_allclose(vectors, np.stack(expected)[:, 3], rtol=1e-4, atol=1e-5)
        embed(model, text, tmp_path / f"{pooling}.parquet", pooling=pooling, layers="1,-1", batch_size=3)
        table = pq.read_table(tmp_path / f"{pooling}.parquet")
        assert table.column_names == ["line", "layer_1", "layer_3"]
        first = np.array(table["layer_1"].to_pylist(), np.float32)
        np.testing.assert_allclose(first, np.stack(expected)[:, 1], rtol=1e-4, atol=1e-5)


def test_long_lines_are_cut_and_counted(model: Path, text: Path, tmp_path: Path) -> None:
    """A line that is too long keeps its beginning, and the number of such lines is returned."""
    done = embed(model, text, tmp_path / "x.npy", pooling="tokens", max_seq_length=8)
    assert done.cut == 1
    assert np.diff(np.load(tmp_path / "x.offsets.npy")).max() == 8
    with pytest.raises(OptionError, match="max_seq_length is 65, the model takes at most 64"):
        embed(model, text, tmp_path / "y.npy", max_seq_length=65)


def test_lines_are_compared(model: Path, text: Path, tmp_path: Path) -> None:
    """The similarity of a line to itself is 1, and that of others the cosine of their vectors."""
    assert list(similarity(model, text, text)) == pytest.approx([1.0] * 5)
    (tmp_path / "other").write_text("\n".join(reversed(LINES)) + "\n")
    embed(model, text, tmp_path / "x.npy")
    vectors = np.load(tmp_path / "x.npy")
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert list(similarity(model, text, tmp_path / "other")) == pytest.approx(
        (unit * unit[::-1]).sum(1), abs=1e-5
    )
    (tmp_path / "other").write_text("a\nb\n")
    with pytest.raises(CorpusError, match=r"text:3: .*other has no such line"):
        list(similarity(model, text, tmp_path / "other"))
    with pytest.raises(OptionError, match="one vector per line"):
        list(similarity(model, text, text, layers="all"))


def test_what_cannot_be_embedded_is_refused(model: Path, text: Path, tmp_path: Path) -> None:
    """Another suffix, a layer too high, an empty text and invalid UTF-8 are errors, and leave no file."""
    with pytest.raises(OptionError, match="ends in '.txt', expected .parquet or .npy"):
        embed(model, text, tmp_path / "x.txt")
    with pytest.raises(OptionError, match="layers has 4, expected 0 to 3"):
        embed(model, text, tmp_path / "x.npy", layers="4")
    with pytest.raises(OptionError, match="layers is 'first', expected last, all"):
        embed(model, text, tmp_path / "x.npy", layers="first")
    with pytest.raises(MissingInputError, match="no such file"):
        embed(model, tmp_path / "nothing", tmp_path / "x.npy")
    (tmp_path / "empty").touch()
    with pytest.raises(CorpusError, match="holds no text"):
        embed(model, tmp_path / "empty", tmp_path / "x.npy")
    (tmp_path / "bad").write_bytes(b"ok\n\xff\n")
    with pytest.raises(TextDecodeError, match="bad:2: invalid UTF-8"):
        embed(model, tmp_path / "bad", tmp_path / "x.parquet")
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "x"))]


def test_long_texts_are_encoded_in_parts(
    model: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vectors of a long text, and whether it was truncated, are the same as those of a whole encoding."""
    whole = embed(model, text, tmp_path / "whole.npy")
    monkeypatch.setattr(room, "LONG", 10)
    parts = embed(model, text, tmp_path / "parts.npy")
    assert (tmp_path / "parts.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert (parts.texts, parts.cut) == (whole.texts, whole.cut)
