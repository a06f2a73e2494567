"""What takes seconds to open is opened while a person already types: libraries, index and model, in the background."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


Progress = Callable[[str, int, int | None], None]
"""progress(what, done, total)"""


class Opening(Generic[T]):
    """`open(progress)` in the background. `result()` waits for it, and raises what it raised."""

    def __init__(self, open: Callable[[Progress], T]):
        self._future: Future[T] = Future()
        self._watch: Callable[[], None] = lambda: None
        self.status = "loading"
        """What it is doing at the moment."""
        # A daemon, for leaving at once must not wait until a model is loaded.
        Thread(target=self._run, args=(open,), daemon=True).start()

    def _run(self, open: Callable[[Progress], T]) -> None:
        try:
            self._future.set_result(open(self._progress))
        except BaseException as error:
            self._future.set_exception(error)
        self._watch()

    def _progress(self, what: str, done: int, total: int | None) -> None:
        self.status = f"{what} {done:,}/{total:,}" if total and done < total else "loading"
        self._watch()

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def failed(self) -> bool:
        return self.done and self._future.exception() is not None

    def result(self) -> T:
        return self._future.result()

    def watch(self, look: Callable[[], None]) -> None:
        """`look()` whenever something changes, called from the background."""
        self._watch = look

    def leave(self) -> None:
        """To be called before the program ends: a library that is still loading in a thread may crash on the way out.
        Nothing is lost by leaving at once, for everything on disk is written atomically."""
        if not self.done:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)
