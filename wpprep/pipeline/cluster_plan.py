"""What a plan means for several nodes: time, memory, disk and traffic, from the figures of one processor.

    work of one processor / (nodes x workers) + what only one can do + the start of a process

Counting, encoding and making shards are shared by all workers; merging pieces is one node's. Through the
shared folder or bucket goes the text (once for the vocabulary, once to be encoded), the token store (written
once; read once a pass, and again what random next sentences take from it), and the shards. What this module
does not do: measure anything (`planning`), or know how fast the network is.
"""

from __future__ import annotations

from typing import Any

from wpprep.config import ShardOptions

_TOKEN_BYTES = 2.3  # of a token in the store, its share of sentence and document offsets included


def on_nodes(plan: dict[str, Any], shard: ShardOptions, nodes: int, workers: int) -> dict[str, Any]:
    """Estimates for so many nodes of so many workers each.

    Args:
        plan: what `planning.plan` found.
        shard: the options that the shards are made with.

    Returns:
        ``nodes``, ``workers``; of ``train_vocab`` and ``make_shards`` the ``seconds``, ``node_memory_bytes``,
        and ``read_bytes`` and ``written_bytes`` by all nodes; ``disk_bytes`` of the shared folder at its
        fullest.

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
    # A random next reads as much as its own document's rest would have been: about half of a row, in some rows.
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
    """The estimates, line by line, for people."""
    where = f"on {found['nodes']} nodes of {found['workers']} workers"
    stages = [
        f"{name.replace('_', '-')} {where}: about {found[name]['seconds']:,.0f} s, "
        f"{found[name]['node_memory_bytes'] / 1e6:,.0f} MB of memory a node, "
        f"{found[name]['read_bytes'] / 1e6:,.0f} MB read, {found[name]['written_bytes'] / 1e6:,.0f} MB written"
        for name in ("train_vocab", "make_shards")
    ]
    return [*stages, f"shared folder: {found['disk_bytes'] / 1e6:,.0f} MB of disk at its fullest"]
