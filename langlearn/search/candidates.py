"""The cases that might answer a question: the first by meaning and the first by words, each with both scores.

    question ─┬─ nearest pieces → their cases, scored by the best piece ─┐
              └─ BM25 over whole cases ─────────────────────────────────┴─ union → Pool
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from langlearn.search.lexical import Lexical
from langlearn.search.vector_search import VectorSearch

DEPTH = 100
"""Cases taken from each of the two rankings."""


@dataclass(frozen=True)
class Pool:
    """Candidates of one question, four arrays of one length."""

    cases: np.ndarray
    """Numbers of the cases, int64."""
    dense: np.ndarray
    """Cosine similarity of each case's best piece, float32."""
    opening: np.ndarray
    """Cosine similarity of each case's beginning, as much as the embedder reads of it, float32."""
    lexical: np.ndarray
    """BM25 score of each case, float32."""


class Candidates:
    """Pools over pieces of cases. `owner`: (pieces,) the case of each piece, in ascending order; cases count from 0."""

    def __init__(self, search: VectorSearch, owner: np.ndarray, lexical: Lexical):
        self.search = search
        self.owner = owner
        self.lexical = lexical
        self._starts = np.searchsorted(owner, np.arange(lexical.count + 1))

    def pools(
        self, questions: Sequence[str], vectors: np.ndarray, exclude: Sequence[Collection[int]], depth: int = DEPTH
    ) -> list[Pool]:
        """One pool for each question; `exclude` holds the numbers of cases that it must not see."""
        if not len(questions) or not self.lexical.count:
            return [Pool(np.zeros(0, np.int64), *np.zeros((3, 0), np.float32)) for _ in questions]
        pieces = self.search.search(vectors, 4 * depth)[1]
        pools = []
        for question, vector, near, hidden in zip(questions, vectors, pieces, exclude):
            hidden = np.fromiter(hidden, dtype=np.int64)
            bm25 = self.lexical.scores(question)
            found = np.union1d(self._nearest(vector, near, hidden, depth), _first(bm25, hidden, depth))
            pools.append(Pool(found, *self._similarities(vector, found), bm25[found].astype(np.float32)))
        return pools

    def _nearest(self, vector: np.ndarray, pieces: np.ndarray, hidden: np.ndarray, depth: int) -> np.ndarray:
        """The first `depth` cases that are not hidden, from these pieces or, where they are too few, from more."""
        while True:
            cases = self.owner[pieces[pieces >= 0]]
            _, first = np.unique(cases, return_index=True)
            cases = cases[np.sort(first)]
            cases = cases[~np.isin(cases, hidden)]
            if len(cases) >= depth or len(pieces) >= len(self.owner):
                return cases[:depth]
            more = self.search.search(vector[None], 2 * len(pieces))[1][0]
            if len(more) <= len(pieces):
                return cases[:depth]
            pieces = more

    def _similarities(self, vector: np.ndarray, cases: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Cosine similarity of each case's best and of its first piece (its beginning), from the vectors themselves."""
        both = np.full((2, len(cases)), -1.0, dtype=np.float32)
        for i, case in enumerate(cases):
            similarities = self.search.vectors[self._starts[case] : self._starts[case + 1]] @ vector
            if len(similarities):
                both[:, i] = similarities.max(), similarities[0]
        return both[0], both[1]


def _first(scores: np.ndarray, hidden: np.ndarray, depth: int) -> np.ndarray:
    """Numbers of the best cases that share a word with the question and are not hidden."""
    allowed = scores.copy()
    allowed[hidden] = 0
    best = np.argpartition(-allowed, depth - 1)[:depth] if len(allowed) > depth else np.arange(len(allowed))
    return best[allowed[best] > 0]
