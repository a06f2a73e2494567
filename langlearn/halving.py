"""Work in batches that become smaller where memory runs out."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from langlearn.machine import give_back_freed_memory

T = TypeVar("T")
R = TypeVar("R")


def in_batches(items: Sequence[T], size: int, compute: Callable[[Sequence[T]], R]) -> Iterator[tuple[Sequence[T], R]]:
    """(batch, compute(batch)) for all `items`, at most `size` at once. Where memory runs out a batch is halved and
    computed again, and so are all after it. Raises torch.OutOfMemoryError where a single item is too much."""
    start = 0
    while start < len(items):
        batch = items[start : start + size]
        try:
            made = compute(batch)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            size = len(batch) // 2
        else:
            yield batch, made
            start += len(batch)
            continue
        give_back_freed_memory()  # here the error, which held what was computed, is gone
