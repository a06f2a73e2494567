"""What tests of run_query.py share: questions, and a terminal with it in."""

import contextlib
import os
import re
import select
import signal
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ANKLE = "A dancer comes with a twisted ankle; pulse 71/min. What is it?"
APPLE = "How do I prune an apple tree?"


class Terminal:
    """A real terminal with run_query.py in it; its standard output may be a file."""

    def __init__(self, arguments: list[str], out: Path | None = None):
        pty = pytest.importorskip("pty", reason="a pseudo terminal needs POSIX")
        self.modes = pytest.importorskip("termios")
        self.process, self.screen = pty.fork()
        if self.process == 0:
            os.chdir(ROOT)
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it, and what they start
            if out:
                os.dup2(os.open(out, os.O_WRONLY | os.O_CREAT), 1)
            os.execv(sys.executable, [sys.executable, "run_query.py", *arguments])
        self.unread = ""

    def type(self, keys: str) -> None:
        os.write(self.screen, keys.encode())

    def read_until(self, pattern: str, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.unread)) and time.monotonic() < end:
            if select.select([self.screen], [], [], 1)[0]:
                piece = os.read(self.screen, 65536).decode(errors="replace")
                if "\x1b[6n" in piece:
                    self.type("\x1b[1;1R")  # where is the cursor? In the first row.
                self.unread += piece
        assert found, f"no {pattern!r} in {self.unread[-5000:]!r}, {self.modes.tcgetattr(self.screen)}"
        self.unread = self.unread[found.end() :]

    def exit_code(self) -> int:
        end = time.monotonic() + 120
        with contextlib.suppress(OSError):  # nobody writes there any more
            while time.monotonic() < end:
                if select.select([self.screen], [], [], 1)[0] and not os.read(self.screen, 65536):
                    break
            else:
                os.kill(self.process, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
