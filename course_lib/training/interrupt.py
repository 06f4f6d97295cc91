"""Ctrl-C at a moment that does no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hold_signals() -> Iterator[list[int]]:
    """Collect SIGINT (Ctrl-C, a notebook's stop button) and SIGTERM in a list, for the caller to act upon.

    An update that is interrupted leaves a model that is half old, half new. A second signal goes through
    at once. Outside the main thread Python delivers no signals, and nothing is held.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: way for number, way in before.items() if way not in (None, signal.SIG_IGN)}

    def restore() -> None:
        for number, way in before.items():
            signal.signal(number, way)

    def hold(number: int, frame: Any) -> None:
        received.append(number)
        restore()

    for number in before:
        signal.signal(number, hold)
    try:
        yield received
    finally:
        restore()
