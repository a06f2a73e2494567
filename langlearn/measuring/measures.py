"""Numbers with their number of observations and a 95 % interval, so that nobody reads noise as news.

Means and ratios get a percentile bootstrap over cases (Efron & Tibshirani 1993, §13); yes/no shares Wilson's interval
(1927), which does not collapse where all answers are the same.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000
FEWEST = 8  # resampling fewer cases says more about chance than about the model
_Z = 1.959963984540054  # the normal's 97.5 % point


@dataclass(frozen=True)
class Measure:
    """value: None where there is nothing to measure (n = 0). low, high: the 95 % interval."""

    value: float | None
    n: int
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict:
        return {"value": self.value, "n": self.n, "low": self.low, "high": self.high}


NOTHING = Measure(None, 0)


def share(yes: Sequence[bool]) -> Measure:
    """The share of True."""
    n = len(yes)
    if n == 0:
        return NOTHING
    p = sum(map(bool, yes)) / n
    middle, half = p + _Z**2 / (2 * n), _Z * math.sqrt(p * (1 - p) / n + _Z**2 / (4 * n * n))
    scale = 1 + _Z**2 / n
    low, high = (middle - half) / scale, (middle + half) / scale
    return Measure(p, n, 0.0 if p == 0 else low, 1.0 if p == 1 else high)


def mean(values: Sequence[float]) -> Measure:
    return ratio(values, [1] * len(values))


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Measure:
    """sum of numerators / sum of denominators; the interval resamples the pairs, of one case each."""
    above, below = np.asarray(numerators, dtype=np.float64), np.asarray(denominators, dtype=np.float64)
    counted = below > 0
    above, below = above[counted], below[counted]
    if len(above) == 0:
        return NOTHING
    value = float(above.sum() / below.sum())
    if len(above) < FEWEST:
        return Measure(value, len(above))
    drawn = np.random.default_rng(0).integers(0, len(above), (RESAMPLES, len(above)))
    resampled = above[drawn].sum(axis=1) / below[drawn].sum(axis=1)
    low, high = np.quantile(resampled, (0.025, 0.975))
    return Measure(value, len(above), float(low), float(high))


def exponential(measure: Measure) -> Measure:
    """Perplexity from a loss in nats: the exponential is monotonic, so the interval's ends go with it."""
    raised = (None if each is None else math.exp(each) for each in (measure.value, measure.low, measure.high))
    value, low, high = raised
    return Measure(value, measure.n, low, high)
