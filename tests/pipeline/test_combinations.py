"""Options together: every combination gives a sound folder that says of itself what is in it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from wpprep.pipeline.encode import encode
from wpprep.pipeline.make_shards import make_shards
from wpprep.shards.audit import find_faults
from wpprep.storage.manifest import Shard, find_damage, read_manifest

# Every objective and every policy once; the other pairs of them are slow only for their number.
_QUICK = {("nsp", "token"), ("sop", "word"), ("single", "span"), ("nsp", None)}


@pytest.fixture(scope="module")
def tokens(sample_corpus: Path, vocab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample corpus, encoded."""
    folder = tmp_path_factory.mktemp("combinations") / "tokens"
    return Path(encode([sample_corpus / "wiki"], vocab, folder, workers=1).folder)


@pytest.mark.parametrize(
    ("objective", "mask_policy"),
    [
        pytest.param(objective, policy, marks=() if (objective, policy) in _QUICK else pytest.mark.slow)
        for objective, policy in itertools.product(("nsp", "sop", "single"), ("token", "word", "span", None))
    ],
    ids=lambda x: x or "dynamic",
)
def test_options_go_together(tokens: Path, tmp_path: Path, objective: str, mask_policy: str | None) -> None:
    """Layouts, holdout, bins and numbers of shards under every objective and policy are found sound."""
    masks = {"mask_policy": mask_policy} if mask_policy else {"masking": "dynamic"}
    choices = itertools.product(
        ("compact", "dense"), (0.0, 0.2), (None, "24,64"), ({"shards": 2}, {"shard_bytes": 30_000})
    )
    for number, (layout, holdout, bins, cut) in enumerate(choices):
        options: dict[str, Any] = {"max_seq_length": 64, "dupe_factor": 2, "workers": 1, "objective": objective}
        options |= masks | cut | {"layout": layout, "holdout": holdout, "bins": bins}
        out = Path(make_shards(out=tmp_path / str(number), from_tokens=tokens, **options).folder)
        assert find_damage(out) == []
        assert find_faults(out) == []
        inside = {"holdout"} if holdout else set()
        inside |= {"bin-24", "bin-64"} if bins else set()
        assert {path.name for path in out.iterdir() if path.is_dir()} == inside | {"vocab"}
        manifest = read_manifest(out)
        shards = [file for file in manifest.files if isinstance(file, Shard)]
        assert sum(shard.rows for shard in shards) == manifest.statistics["rows"]
        if "shards" in cut:
            assert len(shards) == 2 * (2 if bins else 1)
        else:
            assert len(shards) >= 4
