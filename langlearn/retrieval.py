"""A question's most similar cases, each once, best first.

    candidates of both kinds -> fused -> re-ranked, if asked for -> near copies collapsed -> k hits
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from langlearn import assets, config
from langlearn.cases import Case, Corpus
from langlearn.embedding import Embedder
from langlearn.index import Index, Progress, open_index
from langlearn.machine import own_device
from langlearn.search.candidates import DEPTH, Pool
from langlearn.search.fusion import order
from langlearn.search.lexical import words
from langlearn.search.remembered import Kind, remembered

Mode = Literal["auto", "hybrid", "dense", "bm25"]
_RERANKED = 50
_NEAR_COPY = 0.7


@dataclass(frozen=True)
class Hit:
    """One case that was found."""

    case: Case
    score: float
    """Cosine similarity of the question and the case's best piece, -1 to 1, whatever the mode."""
    rank: int
    """From 1."""
    found_by: str
    """Which ranking had the case among its first k: dense, bm25 or both (also where only their sum brought it up)."""


class Retriever:
    """Searches an index. `mode` auto is what measured best on this corpus when the index was built.

    `reranker`: a cross-encoder, by folder or cached hub id,
    that reads question and case together and re-orders the first 50.
    """

    def __init__(self, index: Index, embedder: Embedder, mode: Mode = "auto", reranker: str | None = None):
        self.index = index
        self.embedder = embedder
        self.fusion = index.fit.fusion(mode)
        self.threshold: float = index.manifest["threshold"]["value"]
        """Hits that all stay below this similarity are no evidence: "no similar case found"."""
        self._numbers = {case.id: number for number, case in enumerate(index.cases)}
        self._reranker = CrossEncoder(reranker) if reranker else None

    def search(self, question: str, k: int, exclude: Collection[str] = ()) -> list[Hit]:
        """At most k hits, none of which has an id in `exclude`."""
        return self.search_many([question], k, [exclude])[0]

    def search_many(
        self, questions: Sequence[str], k: int, exclude: Sequence[Collection[str]] | None = None,
        vectors: np.ndarray | None = None,
    ) -> list[list[Hit]]:  # fmt: skip
        """`search` for each question, embedded together; `exclude` holds ids for each, `vectors` is (questions,
        dimension) where they are embedded already."""
        if k < 1 or not questions:
            return [[] for _ in questions]
        hidden = [{self._numbers[i] for i in ids if i in self._numbers} for ids in exclude or [()] * len(questions)]
        vectors = self.embedder.encode_questions(questions) if vectors is None else vectors
        pools = self.index.candidates.pools(questions, vectors, hidden, max(DEPTH, 2 * k))
        return [self._hits(question, pool, k) for question, pool in zip(questions, pools)]

    def remembered(self, texts: Sequence[str], kind: Kind, progress: Progress | None = None) -> np.ndarray:
        """Vectors of what every run needs again, see remembered.py: (len(texts), dimension) float32."""
        return remembered(texts, self.index.folder, kind, self.embedder, self.index.stored, progress)

    def _hits(self, question: str, pool: Pool, k: int) -> list[Hit]:
        ranked = order(self.fusion.scores(pool))
        if self.fusion.weight == 0:
            ranked = ranked[pool.lexical[ranked] > 0]
        if self._reranker and len(ranked):
            first = ranked[:_RERANKED]
            scores = self._reranker.scores(question, [self.index.cases[number] for number in pool.cases[first]])
            ranked = np.concatenate([first[order(scores)], ranked[_RERANKED:]])
        kept = self._without_copies(pool, ranked, k)
        by_dense = set(order(pool.dense)[:k])
        by_words = {place for place in order(pool.lexical)[:k] if pool.lexical[place] > 0}
        return [
            Hit(
                self.index.cases[pool.cases[place]],
                float(pool.dense[place]),
                rank,
                "both" if (place in by_dense) == (place in by_words) else "dense" if place in by_dense else "bm25",
            )
            for rank, place in enumerate(kept, start=1)
        ]

    def _without_copies(self, pool: Pool, ranked: np.ndarray, k: int) -> list[int]:
        """The first k places whose case is no near copy of one before it."""
        kept: list[int] = []
        seen: list[set[tuple[str, ...]]] = []
        for place in ranked:
            phrases = _phrases(self.index.cases[pool.cases[place]])
            if not any(_overlap(phrases, other) >= _NEAR_COPY for other in seen):
                kept.append(place)
                seen.append(phrases)
            if len(kept) == k:
                break
        return kept


def open_retriever(
    settings: config.Index, mode: Mode, corpus: Corpus, progress: Progress | None = None, rebuild: bool = False
) -> Retriever:
    """A retriever over the corpus as the settings say, its index made current first; see `open_index`."""
    embedder = Embedder(settings.embedder, device=str(own_device()), batch_size=settings.batch_size)
    folder = Path(settings.folder)
    index = open_index(folder, corpus, embedder, progress, fields=settings.fields, rebuild=rebuild)
    return Retriever(index, embedder, mode, settings.reranker)


class CrossEncoder:
    """A sentence-transformers cross-encoder; as with the embedder: safetensors only, no remote code, no network."""

    def __init__(self, ref: str):
        folder = assets.model_folder(ref)
        assets.refuse_remote_code(folder)
        from sentence_transformers import CrossEncoder as Model  # slow to import

        self._model = Model(
            str(folder),
            device=str(own_device()),
            trust_remote_code=False,
            local_files_only=True,
            model_kwargs={"use_safetensors": True},
        )

    def scores(self, question: str, cases: Sequence[Case]) -> np.ndarray:
        """(cases,) float; higher is better."""
        pairs = [(question, f"{case.prompt}\n{case.completion}".strip()) for case in cases]
        return np.asarray(self._model.predict(pairs, show_progress_bar=False), dtype=np.float32)


def _phrases(case: Case) -> set[tuple[str, ...]]:
    """Every two neighbouring words, of prompt and completion apart."""
    found = set()
    for text in (case.prompt, case.completion):
        own = words(text)
        found |= {tuple(own[i : i + 2]) for i in range(max(1, len(own) - 1))}
    return found


def _overlap(a: set, b: set) -> float:
    return len(a & b) / len(a | b)
