"""How good a ranking is, question by question, and how sure one can be of the mean.

    recall@k   share of the relevant that is among the first k, out of the most that k places can hold
    MRR        1 / rank of the first relevant one, 0 below rank 10
    nDCG@10    each relevant one counts 1 / log2(1 + rank), against the best order there is (Järvelin & Kekäläinen 2002)
"""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

METRICS = ("recall@1", "recall@5", "recall@10", "MRR", "nDCG@10")
_DISCOUNT = 1 / np.log2(np.arange(2, 12))


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.3f} ({self.low:.3f}-{self.high:.3f})"


def ndcg(hits: np.ndarray, relevant: int) -> np.ndarray:
    """nDCG@10 of rankings (..., at most 10) bool, true where a relevant one stands, of which there are `relevant`."""
    return hits @ _DISCOUNT[: hits.shape[-1]] / _DISCOUNT[: min(relevant, 10)].sum()


def per_question(
    rankings: Sequence[Sequence[Hashable]], relevant: Sequence[Collection[Hashable]]
) -> dict[str, np.ndarray]:
    """Each metric as one value a question: (questions,) float64. Raises ValueError where nothing is relevant."""
    if not all(relevant):
        raise ValueError("a question without a relevant case cannot be scored")
    table = [_of_one(list(ranking)[:10], set(wanted)) for ranking, wanted in zip(rankings, relevant)]
    return {name: np.array([row[i] for row in table], dtype=float) for i, name in enumerate(METRICS)}


def interval(values: np.ndarray, seed: int = 0, rounds: int = 2000) -> Interval:
    """Mean of `values` (n,) with the interval that 95 % of resampled means fall into. Efron 1979."""
    values = np.asarray(values, dtype=float)
    chance = np.random.default_rng(seed)
    means = [values[chance.integers(0, len(values), len(values))].mean() for _ in range(rounds)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def difference(ours: np.ndarray, theirs: np.ndarray, seed: int = 0) -> Interval:
    """Mean of ours - theirs over the same questions; an interval above 0 says that ours is better."""
    return interval(np.asarray(ours, dtype=float) - np.asarray(theirs, dtype=float), seed)


def _of_one(ranking: list, wanted: set) -> list[float]:
    hits = np.array([found in wanted for found in ranking], dtype=bool)
    recalls = [hits[:k].sum() / min(k, len(wanted)) for k in (1, 5, 10)]
    return [*recalls, 1 / (hits.argmax() + 1) if hits.any() else 0.0, ndcg(hits, len(wanted))]
