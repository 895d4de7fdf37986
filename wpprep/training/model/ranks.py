"""Several processes that train one model, started by `torchrun` or `accelerate launch`.

Both launchers set RANK, WORLD_SIZE, LOCAL_RANK and MASTER_ADDR in the environment; nothing else is read here.
Gradients are reduced by DistributedDataParallel; counts are reduced on the CPU (gloo), so that summing them
never waits for a GPU.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist

from wpprep.config import usable_cpus


@dataclass(frozen=True)
class Ranks:
    """Position of this process among those that train together.

    Attributes:
        rank: number of the process, from 0.
        world: number of processes.
        local: number of the process on its machine, from 0.
    """

    rank: int = 0
    world: int = 1
    local: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the output."""
        return self.rank == 0

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the sum over all processes, on the CPU, the same in each.

        A tensor that is already on the CPU is overwritten with the sum.
        """
        total = tensor.cpu()
        if self.world > 1:
            dist.all_reduce(total)
        return total

    def gather(self, tensor: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensor of every process, in order of rank, on the CPU; all must have the same shape."""
        mine = tensor.cpu()
        if self.world == 1:
            return [mine]
        parts = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(parts, mine)
        return parts

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.world > 1:
            dist.barrier()

    def device(self) -> torch.device:
        """Return the device of this process: the GPU with its local number, or the CPU without GPUs."""
        if not torch.cuda.is_available():
            limit_threads()
            return torch.device("cpu")
        device = torch.device("cuda", self.local)
        torch.cuda.set_device(device)
        return device


@functools.cache
def limit_threads() -> None:
    """Lower the number of torch's threads to that of the usable CPUs, once, unless OMP_NUM_THREADS is set.

    torch counts the CPUs of the affinity mask; a container's quota may be smaller, and more threads than CPUs
    wait for each other in every operation.
    """
    if "OMP_NUM_THREADS" not in os.environ and usable_cpus() < torch.get_num_threads():
        torch.set_num_threads(usable_cpus())


@contextlib.contextmanager
def join_ranks() -> Iterator[Ranks]:
    """Join the process group that the environment describes; without one, yield a single rank."""
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
