"""Attention: the weights of transformers, in a page that runs no foreign script, and in a picture."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.bert import torch, transformers

from wpprep.errors import OptionError
from wpprep.training.inference import attention as room
from wpprep.training.inference.attention import Attention, attention, page, read_attention


def data_of(text: str) -> Any:
    """The data that the page's script reads."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_weights_are_those_of_transformers(model: Path) -> None:
    """The weights of every layer and head over a pair equal those of transformers, and each row sums to 1."""
    found = read_attention(model, "The lamp is lit.", "Bees fly.")
    inputs = transformers.AutoTokenizer.from_pretrained(model)(
        "The lamp is lit.", "Bees fly.", return_tensors="pt"
    )
    bert = transformers.AutoModel.from_pretrained(model, attn_implementation="eager").eval()
    with torch.inference_mode():
        theirs = torch.cat(bert(**inputs, output_attentions=True).attentions).numpy()
    assert found.weights.shape == (3, 2, len(found.tokens), len(found.tokens))
    np.testing.assert_allclose(found.weights, theirs, rtol=1e-5)
    np.testing.assert_allclose(found.weights.sum(-1), 1, rtol=1e-5)


def test_the_page_holds_the_weights(model: Path) -> None:
    """A byte is the root of a weight times 255: squared it is the weight, to within a step of the root."""
    found = read_attention(model, "The lamp is lit.")
    data = data_of(page(found))
    assert (data["tokens"], data["layers"], data["heads"]) == (found.tokens, 3, 2)
    stored = np.frombuffer(base64.b64decode(data["weights"]), np.uint8).reshape(found.weights.shape) / 255
    assert np.abs(stored - np.sqrt(found.weights)).max() <= 0.5 / 255 + 1e-6


def test_text_is_never_run(model: Path) -> None:
    """Tags in tokens are escaped, the template's placeholders in them are kept, only one script may run."""
    tokens = ["[CLS]", "</script><script>alert(1)</script>", "@@SCRIPT@@", "&amp;", "[SEP]"]
    text = page(Attention(tokens, np.full((1, 1, 5, 5), 0.2, np.float32)))
    assert data_of(text)["tokens"] == tokens
    assert "<script>alert" not in text
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    allowed = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}'" in text
    assert not re.search(r"(src|href)=\"(?!data:)|https?:|url\(", text)


def test_both_files_are_written(model: Path, tmp_path: Path) -> None:
    """A page and a picture, the same bytes each time; other suffixes and texts that are too long are errors."""
    pytest.importorskip("matplotlib", reason="pictures are an extra: pip install 'wpprep[report]'")
    attention(model, "서울의 lamp", out=tmp_path / "a.html")
    assert (tmp_path / "a.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    attention(model, "서울의 lamp", out=tmp_path / "b.html")
    for suffix in ("png", "html"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    with pytest.raises(OptionError, match="ends in '.pdf', expected .html"):
        attention(model, "a", out=tmp_path / "a.pdf")
    with pytest.raises(OptionError, match="tokens, the model takes at most 64"):
        attention(model, "a " * 100, out=tmp_path / "c.html")


def test_pages_stay_small(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a page would be too large, the message has the maximum number of tokens: 2 x 3 x 4 x 4 is 96."""
    monkeypatch.setattr(room, "MAX_WEIGHTS", 96)
    with pytest.raises(OptionError, match="a page of 3 x 2 heads holds at most 4"):
        attention(model, "The lamp is lit.", out=tmp_path / "a.html")
