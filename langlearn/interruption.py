"""Ctrl-C during a run: the step is finished and saved first."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

TOGETHER = 0.5  # seconds: `timeout` and other supervisors tell a process, and its group again


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and SIGTERM ask for a stop at the next step's end; a second one stops at once. Gives a function that says
    whether they did."""
    asked = []

    def ask(number, frame):
        if not asked:
            asked.append(time.monotonic())
            os.write(2, b"\nstopping when this step is done and saved; once more stops at once\n")
        elif time.monotonic() - asked[0] > TOGETHER:
            raise KeyboardInterrupt

    before = {s: signal.signal(s, ask) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
