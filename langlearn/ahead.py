"""What the next step needs is made while this one is computed, so that no device waits for a tokenizer."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """`take(n)` is `make(n)`, for n from anywhere below `end` upwards one by one: a thread has made it meanwhile.
    What `make` raises is raised by `take`. Use as a context; afterwards the thread is gone."""

    def __init__(self, make: Callable[[int], T], end: int):
        self.make, self.end = make, end
        self.pool = ThreadPoolExecutor(1, "ahead")
        self.made: dict[int, Future[T]] = {}

    def __enter__(self) -> "Ahead[T]":
        return self

    def __exit__(self, *_) -> None:
        self.pool.shutdown(cancel_futures=True)

    def take(self, number: int) -> T:
        taken = self.made.pop(number, None) or self.pool.submit(self.make, number)
        if number + 1 < self.end:
            self.made[number + 1] = self.pool.submit(self.make, number + 1)
        return taken.result()
