"""One optimizer step: AdamW as in BERT, its schedule, and the arithmetic's precision."""

from __future__ import annotations

from typing import Any

import torch

from wpprep.config import TrainOptions
from wpprep.errors import OptionError

_PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def learning_rate(step: int, options: TrainOptions) -> float:
    """The rate of a step, counted from 0: up to the top over the warm-up, then down towards 0.

    >>> o = TrainOptions(steps=10, warmup_steps=2, learning_rate=1.0)
    >>> [learning_rate(step, o) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.125]
    """
    warmup = options.warmup_steps or 0
    if step < warmup:
        return options.learning_rate * (step + 1) / warmup
    return options.learning_rate * (options.steps - step) / max(1, options.steps - warmup)


class Updates:
    """The optimizer of a model and what goes with it.

    Biases and norms, which are the vectors among the weights, do not decay. Gradients of fp16 are scaled up
    so that small ones do not vanish; a step whose scaled gradients overflow is left out and the scale lowered.

    Raises:
        OptionError: fp16 without a GPU.
    """

    def __init__(self, model: Any, options: TrainOptions, device: torch.device) -> None:
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
        """The context in which the model runs."""
        precision = _PRECISIONS[self.options.precision]
        return torch.autocast(self.device.type, precision, enabled=precision != torch.float32)

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradients of a loss."""
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]

    def apply(self, step: int) -> torch.Tensor:
        """Change the weights by the gradients, which are then forgotten.

        Returns:
            The length of the gradient before it was clipped, ``float64[]`` on the device; 0 for a step that
            fp16 left out.
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
        """AdamW's moments by name, for a checkpoint."""
        return {
            f"adamw.{index}.{name}": value
            for index, moments in self.optimizer.state_dict()["state"].items()
            for name, value in moments.items()
        }

    def restore(self, tensors: dict[str, torch.Tensor], scaler: dict[str, Any]) -> None:
        """Go on with the moments and the scale of a checkpoint."""
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("adamw."):
                _, index, part = name.split(".")
                moments.setdefault(int(index), {})[part] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        self.scaler.load_state_dict(scaler)
