"""Attention to look at: every layer and head over one text or two, as a page and as a picture.

The page holds everything it needs and loads nothing: the weights as one byte each (the square root of the
weight times 255, so that small ones keep two digits too), the tokens, a style and a script. Text is written
into it escaped, or as JSON; its content security policy lets no script run but its own.

What this module does not do: say what a head means. Weights say where it looks, not what the model makes of it.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertModel

from wpprep.errors import OptionError
from wpprep.inspection.charts import panels, save
from wpprep.storage.files import write_text
from wpprep.training.model.loading import load, read_config, read_vocabulary

Weights = npt.NDArray[np.float32]  # [layers, heads, from tokens, to tokens]; each row sums to 1
_MOST_WEIGHTS = 2_000_000  # on a page, so that it stays below 3 MB


@dataclass(frozen=True)
class Attention:
    """What every head of a model looks at: ``weights[layer, head, token]`` over the ``tokens``."""

    tokens: list[str]
    weights: Weights


@dataclass(frozen=True)
class Drawn:
    """The files that `draw_attention` wrote, and what is in them."""

    page: Path
    picture: Path
    layers: int
    heads: int
    tokens: int


def read_attention(model: str | os.PathLike[str], text: str, second: str | None = None) -> Attention:
    """The attention of every layer and head of a model over a text, or over two as a pair.

    Raises:
        MissingInputError: there is no model.
        OptionError: the text is longer than the model takes.
    """
    texts = [text] if second is None else [text, second]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise OptionError(f"the text is not Unicode at character {error.start}") from error
    folder = Path(model)
    config = read_config(folder)
    vocabulary = read_vocabulary(folder, config)
    roles = vocabulary.roles
    ids, segments = [roles.cls], [0]
    for segment, each in enumerate(texts):
        found = [*vocabulary.tokenizer.encode(each, add_special_tokens=False).ids, roles.sep]
        ids, segments = ids + found, segments + [segment] * len(found)
    if len(ids) > config.max_position_embeddings:
        raise OptionError(f"the text has {len(ids)} tokens, the model takes {config.max_position_embeddings}")
    bert = load(BertModel, folder, config, add_pooling_layer=False, attn_implementation="eager").eval()
    with torch.inference_mode():
        outputs = bert(torch.tensor([ids]), token_type_ids=torch.tensor([segments]), output_attentions=True)
    return Attention([vocabulary.pieces[i] for i in ids], torch.cat(outputs.attentions).numpy())


def draw_attention(
    model: str | os.PathLike[str],
    text: str,
    second: str | None = None,
    *,
    out: str | os.PathLike[str] = "attention.html",
) -> Drawn:
    """Write a page on which every head can be opened, and a picture of all of them beside it (.png).

    Raises:
        MissingInputError: there is no model.
        OptionError: the text is too long for the model or the page.
        MissingExtraError: matplotlib is not installed.
    """
    path = Path(out)
    if path.suffix != ".html":
        raise OptionError(f"{path}: ends in {path.suffix!r}, expected .html")
    found = read_attention(model, text, second)
    layers, heads, tokens, _ = found.weights.shape
    if found.weights.size > _MOST_WEIGHTS:
        most = int((_MOST_WEIGHTS / (layers * heads)) ** 0.5)
        raise OptionError(
            f"the text has {tokens} tokens; a page of {layers} x {heads} heads takes {most} at most"
        )
    picture = save(
        panels(
            np.sqrt(found.weights),
            rows=[f"layer {layer}" for layer in range(1, layers + 1)],
            columns=[f"head {head}" for head in range(1, heads + 1)],
            title=shorten(" ".join(found.tokens), 24 * max(2, heads)),
            note="rows look at columns, from [CLS] at the top left",
        ),
        path.with_suffix(".png"),
    )
    write_text(path, page(found))
    return Drawn(path, picture, layers, heads, tokens)


def page(attention: Attention) -> str:
    """The page, as one HTML file that loads nothing."""
    layers, heads, tokens, _ = attention.weights.shape
    data = {
        "tokens": attention.tokens,
        "layers": layers,
        "heads": heads,
        "weights": base64.b64encode(_as_bytes(attention.weights)).decode(),
    }
    folder = resources.files("wpprep.training.inference")
    style, script = ((folder / f"attention.{kind}").read_text("utf-8") for kind in ("css", "js"))
    filled = {
        "HASH": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        "STYLE": style,
        "SHAPE": f"{layers} layers of {heads} heads over {tokens} tokens",
        "TEXT": html.escape(" ".join(attention.tokens)),
        "DATA": json.dumps(data, ensure_ascii=False).replace("<", "\\u003c"),
        "SCRIPT": script,
    }
    written = (folder / "attention.html").read_text("utf-8")
    return re.sub(r"@@([A-Z]+)@@", lambda mark: filled[mark[1]], written)


def _as_bytes(weights: Weights) -> bytes:
    """Weights as bytes: the root of 0.01 is 0.1, which is 26 of 255, and 26 stands for 0.0104."""
    return np.round(255 * np.sqrt(weights)).astype(np.uint8).tobytes()


def shorten(text: str, most: int) -> str:
    """A text of at most so many characters.

    >>> shorten("lighthouse", 6)
    'light…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"
