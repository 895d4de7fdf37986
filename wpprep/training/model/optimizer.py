"""The optimizer step: AdamW, the learning rate schedule and mixed precision.

The method is BERT's (Devlin et al., 2019, appendix A.2, and optimization.py of google-research/bert): no
weight decay on biases and norms, linear warm-up, linear decay, gradients clipped by their global norm. Unlike
BERT's optimizer, AdamW corrects the bias of its moments.
"""

from __future__ import annotations

from typing import Any

import torch

from wpprep.config import TrainOptions
from wpprep.errors import OptionError

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def learning_rate(step: int, options: TrainOptions) -> float:
    """Return the learning rate of a step, counted from 0: linear warm-up to the peak, linear decay towards 0.

    >>> o = TrainOptions(steps=10, warmup_steps=2, learning_rate=1.0)
    >>> [learning_rate(step, o) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.125]
    """
    warmup = options.warmup_steps or 0
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    return options.learning_rate * (options.steps - step) / max(1, options.steps - warmup)


def check_like(name: str, tensor: torch.Tensor, wanted: torch.Tensor) -> None:
    """Raise ValueError unless a tensor of a file has the shape and the dtype of another one."""
    if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
        raise ValueError(f"{name} is {_described(tensor)}, expected {_described(wanted)}")


def _described(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


class Updates:
    """The optimizer of a model, with its schedule, gradient scaling and clipping.

    Biases and norms, the one-dimensional weights, do not decay. Gradients of fp16 are scaled up so that
    small ones do not underflow; a step whose scaled gradients overflow is skipped and the scale lowered.
    """

    def __init__(self, model: Any, options: TrainOptions, device: torch.device) -> None:
        """Create the optimizer.

        Args:
            model: the module whose weights are trained, already on ``device``.
            options: learning rate, schedule, weight decay, gradient clipping and precision.
            device: where the model runs.

        Raises:
            OptionError: fp16 without a GPU.
        """
        if options.precision == "fp16" and device.type != "cuda":
            raise OptionError("precision is fp16, which needs a GPU; expected fp32 or bf16 here")
        self.model, self.options, self.device = model, options, device
        weights = list(model.parameters())
        groups = [
            {
                "params": [weight for weight in weights if weight.ndim >= 2],
                "weight_decay": options.weight_decay,
            },
            {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(
            groups, lr=options.learning_rate, betas=(0.9, 0.999), eps=1e-6, fused=True
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=options.precision == "fp16")

    def autocast(self) -> Any:
        """Return the context manager in which the forward pass must run."""
        precision = _PRECISIONS[self.options.precision]
        return torch.autocast(self.device.type, precision, enabled=precision != torch.float32)

    def backward(self, loss: torch.Tensor) -> None:
        """Accumulate the gradients of a loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def apply(self, step: int) -> torch.Tensor:
        """Update the weights with the accumulated gradients and clear these.

        Args:
            step: number of the step, from 0; sets the learning rate.

        Returns:
            The norm of the gradient before clipping, ``float64[]`` on the device; 0 for a step that fp16
            skipped.
        """
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.options.grad_clip).double()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step, self.options)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        return torch.where(norm.isfinite(), norm, 0.0) if self.scaler.is_enabled() else norm

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return AdamW's moments by name, for a checkpoint."""
        return {
            f"adamw.{index}.{name}": value
            for index, moments in self.optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }

    def restore(self, tensors: dict[str, torch.Tensor], scaler: dict[str, Any]) -> None:
        """Restore a checkpoint.

        Args:
            tensors: the moments, named as by `tensors`; other names are ignored.
            scaler: state of the gradient scaler.

        Raises:
            ValueError: a moment is missing, or has another name or shape than its weight.
        """
        moments: dict[int, dict[str, torch.Tensor]] = {}
        weights = [weight for group in self.optimizer.param_groups for weight in group["params"]]
        for name, value in tensors.items():
            if name.startswith("adamw."):
                _, index, part = name.split(".")
                if part not in _MOMENTS or not (index.isdecimal() and int(index) < len(weights)):
                    raise ValueError(f"{name} is unknown")
                check_like(name, value, weights[int(index)] if part != "step" else torch.zeros(()))
                moments.setdefault(int(index), {})[part] = value
        for number, parts in moments.items():
            if len(parts) < len(_MOMENTS):
                raise ValueError(f"a part of adamw.{number} is missing")
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.scaler.load_state_dict(scaler)
