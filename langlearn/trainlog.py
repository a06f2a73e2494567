"""logs/train.log for people (`tail -f`), logs/metrics.jsonl for machines; a progress bar where a terminal watches."""

import json
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn


def clock(seconds: float) -> str:
    """75.3 → 1:15; 3725 → 1:02:05."""
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class TrainLog:
    """Appends to the log files of the main rank; silent on the others.

    A step line:
    `2026-01-31 12:00:00 step 12/190 epoch 0.52 loss 2.346 grad 1.23 lr 1.9e-04 4321 tok/s 0.9 GiB left 2:31`
    """

    def __init__(self, folder: Path, enabled: bool = True):
        self.enabled = enabled
        self.bar = self.task = None
        if enabled:
            folder.mkdir(parents=True, exist_ok=True)
            self.text = (folder / "train.log").open("a", encoding="utf-8", buffering=1)
            self.metrics = (folder / "metrics.jsonl").open("a", encoding="utf-8", buffering=1)
            self.console = Console(file=sys.stdout)

    def __enter__(self) -> "TrainLog":
        return self

    def __exit__(self, *how) -> None:
        """However training ends, the terminal gets its cursor back."""
        self.pause_bar()

    def say(self, message: str) -> None:
        """One or more plain lines, on the screen and in the log."""
        if self.enabled:
            print(message, flush=True)  # above whatever bar stands there, which only knows of what is printed
            stamp = time.strftime("%Y-%m-%d %H:%M:%S")
            self.text.writelines(f"{stamp} {line}\n" for line in message.splitlines())

    def record(self, kind: str, **values) -> None:
        """One JSON line for machines."""
        if self.enabled:
            self.metrics.write(json.dumps({"time": round(time.time(), 3), "kind": kind, **values}) + "\n")

    def step(self, **m) -> None:
        """step, steps, epoch, loss, grad_norm, learning_rate, tokens_per_second, peak_memory_bytes, seconds_left."""
        if not self.enabled:
            return
        self.record("step", **m)
        line = (
            f"step {m['step']}/{m['steps']} epoch {m['epoch']:.2f} loss {m['loss']:.4f} grad {m['grad_norm']:.3f} "
            f"lr {m['learning_rate']:.2e} {m['tokens_per_second']:.0f} tok/s {m['peak_memory_bytes'] / 2**30:.2f} GiB "
            f"left {clock(m['seconds_left'])}"
        )
        self.text.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}\n")
        if not self.console.is_terminal:
            # A screen that is a file or a pipe gets a tenth of the lines; train.log has them all.
            if m["step"] % max(1, m["steps"] // 10) == 0:
                print(line, flush=True)
            return
        if self.bar is None:
            self.bar = Progress(
                BarColumn(20), TextColumn("{task.description}"), console=self.console, transient=True,
                redirect_stderr=sys.stderr.isatty(),  # else what goes to a file comes to the screen instead
            )  # fmt: skip
            self.task = self.bar.add_task("", total=m["steps"])
            self.bar.start()
        short = (
            f"{m['step']}/{m['steps']} loss {m['loss']:.3f} {m['tokens_per_second']:.0f} tok/s "
            f"left {clock(m['seconds_left'])}"
        )
        self.bar.update(self.task, completed=m["step"], description=short)

    def pause_bar(self) -> None:
        """Take the bar away, so that what follows is not painted over."""
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
