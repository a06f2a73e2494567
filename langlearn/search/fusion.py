"""One ranking out of two: a weighted sum of what a case's meaning and its words score, fitted to the corpus.

    score = weight x dense + (1 - weight) x BM25       each put on a common scale within the question's candidates
    dense = best piece, the case's beginning, or both: what a long case is about is said where it begins

Fusing ranks with equal weights loses to the better part wherever one part is much better (Bruch et al. 2023, "An
Analysis of Fusion Functions for Hybrid Retrieval"); which part that is depends on the corpus, so it is measured there.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from langlearn.search.candidates import Pool
from langlearn.search.retrieval_metrics import ndcg

Mode = Literal["hybrid", "dense", "bm25"]
Ranking = Callable[[Pool], np.ndarray]
"""The scores of a pool's candidates."""
FOLDS = 5
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(21))
OPENINGS = (0.0, 0.5, 1.0)
FEWEST_QUESTIONS = 20


def _by_range(scores: np.ndarray) -> np.ndarray:
    low, high = scores.min(), scores.max()
    return (scores - low) / (high - low) if high > low else np.zeros_like(scores)


def _by_best(scores: np.ndarray) -> np.ndarray:
    return scores / scores.max() if scores.max() > 0 else np.zeros_like(scores)


def _by_spread(scores: np.ndarray) -> np.ndarray:
    spread = scores.std()
    return (scores - scores.mean()) / spread if spread > 0 else np.zeros_like(scores)


SCALES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "range": _by_range,  # worst candidate 0, best 1
    "best": _by_best,  # nothing 0, best 1
    "spread": _by_spread,  # in standard deviations from the candidates' mean
}
"""How the scores of one question's candidates are made comparable."""


@dataclass(frozen=True)
class Fusion:
    """How two scores become one. Weight 1 is dense alone, 0 is BM25 alone."""

    weight: float = 0.5
    scale: str = "range"
    opening: float = 0.0
    """Share of the case's beginning in the dense score."""

    def scores(self, pool: Pool) -> np.ndarray:
        """(candidates,) fused scores, higher is better; comparable within one question only."""
        dense = (1 - self.opening) * pool.dense + self.opening * pool.opening
        if not len(pool.cases) or self.weight in (0.0, 1.0):
            return dense if self.weight == 1.0 else pool.lexical
        scale = SCALES[self.scale]
        return self.weight * scale(dense) + (1 - self.weight) * scale(pool.lexical)


@dataclass(frozen=True)
class Fit:
    """What was chosen and what it scored, for the manifest."""

    mode: Mode
    """What `auto` means for this corpus."""
    weight: float
    """Of the dense part in hybrid mode."""
    scale: str
    opening: float
    """Share of a case's beginning in the dense score, in hybrid mode."""
    dense_opening: float
    """The same in dense mode."""
    questions: int
    drawn: str
    """Where the questions came from."""
    ndcg: dict[str, float] | None
    """nDCG@10 of dense, bm25, rrf and hybrid. What is fitted is cross-fitted:
    no question took part in its own choice."""

    def fusion(self, mode: str = "auto") -> Fusion:
        mode = self.mode if mode == "auto" else mode
        if mode == "hybrid":
            return Fusion(self.weight, self.scale, self.opening)
        return Fusion(1.0, opening=self.dense_opening) if mode == "dense" else Fusion(0.0)

    def as_dict(self) -> dict:
        return asdict(self)


def unfitted(drawn: str) -> Fit:
    """Where no question could be drawn: equal weights, and that said."""
    return Fit("hybrid", 0.5, "range", 0.0, 0.0, 0, drawn, None)


def order(scores: np.ndarray) -> np.ndarray:
    """Places of the candidates, best first; ties keep the candidates' order."""
    return np.argsort(-scores, kind="stable")


def fit(pools: Sequence[Pool], relevant: Sequence[Collection[int]], drawn: str, seed: int = 0) -> Fit:
    """Choose weight and scale by nDCG@10 over questions with known relevant cases, and hybrid or one part alone.

    Cross-fitted: each fifth of the questions is scored with what the other four chose. Where that does not reach the
    better part alone, that part is the mode.
    """
    if len(pools) < FEWEST_QUESTIONS:
        return unfitted(f"{drawn}: too few questions ({len(pools)})")
    any_split = any((pool.dense > pool.opening).any() for pool in pools)
    openings = OPENINGS if any_split else OPENINGS[:1]
    dense = [Fusion(1.0, opening=opening) for opening in openings]
    hybrid = [Fusion(w, scale, opening) for scale in SCALES for w in WEIGHTS[1:-1] for opening in openings]
    options = {"dense": dense, "bm25": [Fusion(0.0)], "hybrid": [*hybrid, *dense, Fusion(0.0)]}
    tables = {mode: _table(pools, relevant, [option.scores for option in each]) for mode, each in options.items()}
    folds = np.random.default_rng(seed).permutation(len(pools)) % FOLDS
    scores = {mode: _cross_fitted(table, folds) for mode, table in tables.items()}
    scores["rrf"] = float(_table(pools, relevant, [reciprocal_rank]).mean())
    best: Mode = max(options, key=scores.get)
    chosen = options["hybrid"][int(tables["hybrid"].mean(axis=0).argmax())]
    alone = dense[int(tables["dense"].mean(axis=0).argmax())]
    rounded = {name: round(score, 4) for name, score in scores.items()}
    return Fit(best, chosen.weight, chosen.scale, chosen.opening, alone.opening, len(pools), drawn, rounded)


def _cross_fitted(table: np.ndarray, folds: np.ndarray) -> float:
    """Mean over questions of (questions, options), each with the option that is best on the other folds."""
    scores = [table[folds == fold, table[folds != fold].mean(axis=0).argmax()] for fold in range(FOLDS)]
    return float(np.concatenate(scores).mean())


def reciprocal_rank(pool: Pool, k: int = 60) -> np.ndarray:
    """Equal-weight reciprocal rank fusion, the usual way, to compare with. Cormack et al. 2009."""
    return sum(1 / (k + 1 + np.argsort(order(part))) for part in (pool.dense, pool.lexical))


def _table(pools: Sequence[Pool], relevant: Sequence[Collection[int]], rankings: Sequence[Ranking]) -> np.ndarray:
    """nDCG@10 of each question by each ranking: (questions, rankings)."""
    rows = []
    for pool, wanted in zip(pools, relevant):
        scores = np.stack([ranking(pool) for ranking in rankings])
        first = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        rows.append(ndcg(np.isin(pool.cases, list(wanted))[first], len(wanted)))
    return np.array(rows)
