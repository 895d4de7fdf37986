"""Estimates of time, memory, disk and traffic on several nodes, from the estimates for one processor.

    time = parallel work of one processor / (nodes x workers) + serial work + start of a process

All workers share counting, encoding and making shards; one node merges pieces. The shared folder or bucket
carries the text (once for the vocabulary, once for encoding), the token store (written once; read once per
pass, and again for random next sentences), and the shards. This module does not measure anything (see
`wpprep.pipeline.plan`), and the estimates do not include the speed of the network.
"""

from __future__ import annotations

from typing import Any

from wpprep.config import ShardOptions

_TOKEN_BYTES = 2.3  # per token in the store, including sentence and document offsets


def on_nodes(plan: dict[str, Any], shard: ShardOptions, nodes: int, workers: int) -> dict[str, Any]:
    """Return estimates for a number of nodes.

    Args:
        plan: the estimates for one processor.
        shard: the options of the shards.
        nodes: number of nodes.
        workers: number of worker processes per node.

    Returns:
        ``nodes`` and ``workers``; for ``train_vocab`` and ``make_shards`` the ``seconds``,
        ``node_memory_bytes``, and ``read_bytes`` and ``written_bytes`` of all nodes; the maximum ``disk_bytes``
        of the shared folder.

    >>> figures = {"seconds": 1000.0, "start": 2.0, "alone": 98.0, "memory_bytes": 10**9}
    >>> figures |= {"disk_bytes": 0, "tokens": 0}
    >>> plan = {"formats": {"lines": {"bytes": 10**9}}, "train_vocab": figures, "make_shards": figures}
    >>> on_nodes(plan, ShardOptions(), 4, 5)["train_vocab"]["seconds"]  # 2 + (1000 - 2 - 98) / 20 + 98
    145.0
    """
    corpus = sum(found["bytes"] for found in plan["formats"].values())
    vocab, shards = plan["train_vocab"], plan["make_shards"]
    tokens = shards["tokens"] / shard.dupe_factor
    store = round(tokens * _TOKEN_BYTES)
    # A random next is as long as the rest of its own document would be: about half of a row, in some rows.
    is_pairing = shard.objective == "nsp"
    share_of_partners = 0.5 * shard.random_next_prob if is_pairing else 0.0
    again = round(store * shard.dupe_factor * (1 + share_of_partners))
    return {
        "nodes": nodes,
        "workers": workers,
        "train_vocab": _stage(vocab, nodes * workers, workers) | {"read_bytes": corpus, "written_bytes": 0},
        "make_shards": _stage(shards, nodes * workers, workers)
        | {"read_bytes": corpus + again, "written_bytes": store + shards["disk_bytes"]},
        "disk_bytes": store + shards["disk_bytes"],
    }


def _stage(figures: dict[str, Any], processes: int, workers: int) -> dict[str, Any]:
    shared = max(0.0, figures["seconds"] - figures["start"] - figures["alone"])
    return {
        "seconds": round(figures["start"] + shared / processes + figures["alone"], 1),
        "node_memory_bytes": figures["memory_bytes"] * workers,
    }


def as_lines(found: dict[str, Any]) -> list[str]:
    """Return the estimates as lines of text."""
    where = f"on {found['nodes']} nodes of {found['workers']} workers"
    stages = [
        f"{name.replace('_', '-')} {where}: about {found[name]['seconds']:,.0f} s, "
        f"{found[name]['node_memory_bytes'] / 1e6:,.0f} MB of memory per node, "
        f"{found[name]['read_bytes'] / 1e6:,.0f} MB read, {found[name]['written_bytes'] / 1e6:,.0f} MB written"
        for name in ("train_vocab", "make_shards")
    ]
    return [*stages, f"shared folder: {found['disk_bytes'] / 1e6:,.0f} MB of disk at most"]
