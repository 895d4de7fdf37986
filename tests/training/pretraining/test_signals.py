"""Signals are recorded, and handlers restored."""

from __future__ import annotations

import os
import signal
import threading

import pytest

pytest.importorskip("transformers", reason="fine-tuning is an extra: pip install 'wpprep[train]'")

from wpprep.training.pretraining.signals import Stop, note_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_recorded(number: signal.Signals) -> None:
    """The process continues, and the handlers from before are in place after the first signal."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with note_signals() as stop:
        assert stop.signal == 0
        os.kill(os.getpid(), number)
        assert stop.signal == number
        assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_ends_the_process_at_once() -> None:
    """The first SIGINT is recorded, the second raises KeyboardInterrupt."""
    with pytest.raises(KeyboardInterrupt), note_signals() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal == signal.SIGINT
        signal.raise_signal(signal.SIGINT)


def test_leaving_ends_as_the_signal_would() -> None:
    """SIGINT is a KeyboardInterrupt; SIGTERM is exit code 143, also where another process received it."""
    with pytest.raises(KeyboardInterrupt):
        Stop(signal.SIGINT).leave()
    for number in (signal.SIGTERM, 0):
        with pytest.raises(SystemExit) as ended:
            Stop(number).leave()
        assert ended.value.code == 143


def test_other_threads_install_no_handlers() -> None:
    """Outside the main thread, where Python forbids handlers, the context does nothing."""
    seen: list[bool] = []

    def work() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with note_signals() as stop:
            seen.append(stop.signal == 0 and signal.getsignal(signal.SIGTERM) == before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
