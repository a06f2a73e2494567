"""Search one million synthetic vectors: how fast, and how close to exact.

    python benchmarks/retrieval_million.py [--vectors 1000000] [--questions 500]

The vectors come in clusters, as texts do: fifty about each of 20,000 directions, and the questions about the same ones.
Questions are asked one at a time, as a person asks. Everything goes through langlearn.search.vector_search, whose
choices of structure and number of candidates are what is measured; nothing is tuned here.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import faiss  # noqa: E402
import numpy as np  # noqa: E402

from langlearn.search.vector_search import VectorSearch, recall_at_10, train  # noqa: E402

DIMENSION = 384


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=500)
    given = parser.parse_args()

    centres = _unit(np.random.default_rng(0).standard_normal((given.vectors // 50, DIMENSION), dtype=np.float32))
    vectors = _scattered(centres, given.vectors, seed=1)
    questions = _scattered(centres, given.questions, seed=2)

    start = time.perf_counter()
    plan, arrays = train(vectors)
    built = time.perf_counter() - start
    start = time.perf_counter()
    search = VectorSearch(vectors, plan, arrays)
    loaded = time.perf_counter() - start

    truth = faiss.knn(questions, vectors, 10, faiss.METRIC_INNER_PRODUCT)[1]
    exact = _milliseconds(lambda q: faiss.knn(q, vectors, 10, faiss.METRIC_INNER_PRODUCT), questions[:20])
    ours = _milliseconds(lambda q: search.search(q, 10), questions)
    recall = recall_at_10(search.search(questions, 10)[1], truth)

    print(
        f"{given.vectors:,} vectors of {DIMENSION} numbers, {faiss.omp_get_max_threads()} of {os.cpu_count()} threads"
    )
    print(f"plan: {plan}")
    print(f"trained and measured in {built:.0f} s, loaded in {loaded:.0f} s")
    print("| search | p50 ms | p95 ms | recall@10 |\n|---|---|---|---|")
    print(f"| exact | {_at(exact, 50):.2f} | {_at(exact, 95):.2f} | 1.000 |")
    print(f"| {plan['kind']} | {_at(ours, 50):.2f} | {_at(ours, 95):.2f} | {recall:.3f} |")


def _scattered(centres: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Unit vectors whose cosine to their centre is about 0.7, as between two texts on one subject."""
    chance = np.random.default_rng(seed)
    vectors = np.empty((count, DIMENSION), dtype=np.float32)
    for start in range(0, count, 50_000):
        own = centres[chance.integers(0, len(centres), min(50_000, count - start))]
        noise = chance.standard_normal(own.shape, dtype=np.float32) / np.sqrt(DIMENSION)
        vectors[start : start + len(own)] = _unit(own + noise)
    return vectors


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _milliseconds(search, questions: np.ndarray) -> list[float]:
    search(questions[:1])
    times = []
    for question in questions:
        start = time.perf_counter()
        search(question[None])
        times.append(1000 * (time.perf_counter() - start))
    return times


def _at(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]


if __name__ == "__main__":
    main()
