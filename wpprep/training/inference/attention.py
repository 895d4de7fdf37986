"""Attention weights of every layer and head over one text or two, as an HTML page and as a picture.

The page is self-contained and loads nothing: it holds the weights as one byte each (the square root of the
weight times 255, so that small weights keep two digits too), the tokens, a style and a script. Text is escaped
or written as JSON; the content security policy allows the page's own script only.

What this module does not do: interpret a head. Weights show which tokens a head attends to, not how the model
uses them (Jain and Wallace, 2019).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import time
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from transformers import BertModel

from wpprep.errors import OptionError
from wpprep.inspection.charts import is_chart, panels, render
from wpprep.jobs.summary import Summary
from wpprep.storage.output_file import output_file, refuse_output
from wpprep.storage.place import Location, Place
from wpprep.training.model.loading import load, open_model, read_config, read_vocabulary

Weights = npt.NDArray[np.float32]  # [layers, heads, from tokens, to tokens]; each row sums to 1
MAX_WEIGHTS = 2_000_000  # on a page, so that it stays below 3 MB


@dataclass(frozen=True)
class Attention:
    """The attention of every head of a model: ``weights[layer, head, i, j]`` of token i to token j."""

    tokens: list[str]
    weights: Weights


@dataclass(frozen=True, kw_only=True, repr=False)
class AttentionSummary(Summary):
    """The page and the picture that were written.

    Attributes:
        page: the HTML file.
        picture: the PNG beside it.
        layers, heads, tokens: how many are in them.
    """

    page: Location
    picture: Location
    layers: int
    heads: int
    tokens: int

    @property
    def place(self) -> Location:
        """The HTML file."""
        return self.page

    @property
    def headline(self) -> str:
        """The numbers of layers, heads and tokens."""
        return f"{self.layers} layers of {self.heads} heads over {self.tokens} tokens"


def read_attention(model: str | os.PathLike[str], text: str, second: str | None = None) -> Attention:
    """Return the attention of every layer and head of a model over a text, or over a pair of texts.

    Args:
        model: any BERT's folder with its vocabulary.
        text: the text.
        second: the second text of a pair.

    Raises:
        MissingInputError: there is no model.
        OptionError: the text is too long for the model, or not Unicode.
    """
    texts = [text] if second is None else [text, second]
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as error:
        raise OptionError(f"the text is not Unicode at character {error.start}") from error
    folder = open_model(model)
    config = read_config(folder)
    vocabulary = read_vocabulary(folder, config)
    roles = vocabulary.roles
    ids, segments = [roles.cls], [0]
    for segment, each in enumerate(texts):
        found = [*vocabulary.tokenizer.encode(each, add_special_tokens=False).ids, roles.sep]
        ids, segments = ids + found, segments + [segment] * len(found)
    if len(ids) > config.max_position_embeddings:
        raise OptionError(
            f"the text has {len(ids)} tokens, the model takes at most {config.max_position_embeddings}"
        )
    bert = load(BertModel, folder, config, add_pooling_layer=False, attn_implementation="eager").eval()
    with torch.inference_mode():
        outputs = bert(torch.tensor([ids]), token_type_ids=torch.tensor([segments]), output_attentions=True)
    return Attention([vocabulary.pieces[i] for i in ids], torch.cat(outputs.attentions).numpy())


def attention(
    model: str | os.PathLike[str],
    text: str,
    second: str | None = None,
    *,
    out: str | os.PathLike[str] = "attention.html",
    overwrite: bool = False,
) -> AttentionSummary:
    """Write a page with the attention of every head, and a picture of all heads next to it (.png).

    Args:
        model: any BERT's folder with its vocabulary.
        text: the text.
        second: the second text of a pair.
        out: the page, a file that ends in ``.html``; an earlier page is replaced.
        overwrite: replace any other page or picture.

    Raises:
        MissingInputError: there is no model.
        OptionError: the text is too long for the model or the page, or ``out`` has another suffix.
        MissingExtraError: matplotlib is not installed.
    """
    started = time.perf_counter()
    if not str(out).endswith(".html"):
        raise OptionError(f"{out}: ends in {Path(str(out)).suffix!r}, expected .html")
    picture_out = f"{str(out).removesuffix('.html')}.png"
    refuse_output(out, is_ours=_is_page, overwrite=overwrite)
    refuse_output(picture_out, is_ours=is_chart, overwrite=overwrite)
    found = read_attention(model, text, second)
    layers, heads, tokens, _ = found.weights.shape
    if found.weights.size > MAX_WEIGHTS:
        most = int((MAX_WEIGHTS / (layers * heads)) ** 0.5)
        raise OptionError(
            f"the text has {tokens} tokens; a page of {layers} x {heads} heads holds at most {most}"
        )
    chart = panels(
        np.sqrt(found.weights),
        rows=[f"layer {layer}" for layer in range(1, layers + 1)],
        columns=[f"head {head}" for head in range(1, heads + 1)],
        title=shorten(" ".join(found.tokens), 24 * max(2, heads)),
        note="rows look at columns, from [CLS] at the top left",
    )
    with output_file(picture_out, is_ours=is_chart, overwrite=overwrite) as file:
        file.write(render(chart, "png"))
    with output_file(out, is_ours=_is_page, overwrite=overwrite) as file:
        file.write(page(found).encode())
    return AttentionSummary(
        command="attention",
        seconds=time.perf_counter() - started,
        page=Place(out).location,
        picture=Place(picture_out).location,
        layers=layers,
        heads=heads,
        tokens=tokens,
    )


def _is_page(head: bytes) -> bool:
    """Return whether a file that begins with these bytes is a page of attention."""
    return b"<title>wpprep attention</title>" in head


def page(attention: Attention) -> str:
    """Return the page, one HTML file that loads nothing."""
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
    """Return weights as bytes: the root of 0.01 is 0.1, stored as 26 of 255, which represents 0.0104."""
    return np.round(255 * np.sqrt(weights)).astype(np.uint8).tobytes()


def shorten(text: str, most: int) -> str:
    """Return a text, truncated to at most ``most`` characters.

    >>> shorten("lighthouse", 6)
    'light…'
    """
    return text if len(text) <= most else text[: most - 1] + "…"
