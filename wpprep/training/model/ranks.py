"""Several processes that train one model, started by `torchrun` or `accelerate launch`.

Both tell a process its place in the environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR), which is all that
is read here. Gradients travel by DistributedDataParallel; counts travel between CPUs, so that adding them
up never waits for a GPU.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class Ranks:
    """This process is ``rank`` of ``world``; ``local`` is its number on this machine."""

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, on the CPU, the same in each."""
        total = tensor.cpu()
        if self.world > 1:
            dist.all_reduce(total)
        return total

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """The tensor of every process, on the CPU; all of one shape."""
        mine = tensor.cpu()
        if self.world == 1:
            return [mine]
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(parts, mine)
        return parts

    def wait(self) -> None:
        """Until every process is here."""
        if self.world > 1:
            dist.barrier()

    def device(self) -> torch.device:
        """The device of this process: a GPU of its own where there is one."""
        if not torch.cuda.is_available():
            return torch.device("cpu")
        device = torch.device("cuda", self.local)
        torch.cuda.set_device(device)
        return device


@contextlib.contextmanager
def join_ranks() -> Iterator[Ranks]:
    """The place of this process among those that were started together; alone if there are no others."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks()
        return
    started = not dist.is_initialized()
    if started:
        dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield Ranks(dist.get_rank(), dist.get_world_size(), int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        if started:
            dist.destroy_process_group()
