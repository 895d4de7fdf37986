"""Settings of the fine-tuning tests."""

from __future__ import annotations

from typing import Any

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 16, "learning_rate": 1e-3, "max_seq_length": 48}
