"""Signals: SIGINT and SIGTERM are recorded, so that a checkpoint can be written before the process ends."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_log = logging.getLogger(__name__)


@dataclass
class Stop:
    """The last signal received, 0 if there was none."""

    signal: int = 0

    def leave(self) -> None:
        """Raise as the signal would have: KeyboardInterrupt for SIGINT, else SystemExit with 128 + signal."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or signal.SIGTERM))


@contextlib.contextmanager
def note_signals() -> Iterator[Stop]:
    """Record SIGINT and SIGTERM instead of ending the process; a second signal ends it at once.

    Outside the main thread, where Python installs no handlers, signals are not recorded.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, _frame: Any) -> None:
        stop.signal = number
        _log.warning("stopping after this step to keep a checkpoint; a second signal stops at once")
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
