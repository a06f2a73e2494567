"""A labelled corpus, case by case: does a case's prompt find the other cases of its condition?

    python benchmarks/retrieval_cases.py --work FOLDER [--cases data/sample_cases.csv]

Each prompt is asked with its own case hidden; right are the other cases with its label. The hybrid is cross-fitted: the
conditions are dealt into five folds, and each is ranked with the fusion that the other four chose.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from langlearn import cases  # noqa: E402
from langlearn.terminal import quiet  # noqa: E402

quiet.libraries()

from langlearn.config import Data  # noqa: E402
from langlearn.embedding import Embedder  # noqa: E402
from langlearn.index import open_index  # noqa: E402
from langlearn.search.calibration import grouping_label, is_refusal  # noqa: E402
from langlearn.search.candidates import Pool  # noqa: E402
from langlearn.search.fusion import Fusion, fit, order, reciprocal_rank  # noqa: E402
from langlearn.search.retrieval_metrics import METRICS, difference, interval, per_question  # noqa: E402

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cases", default=Data().cases)
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    given = parser.parse_args()

    corpus = cases.read(Data(cases=given.cases))
    embedder = Embedder(given.embedder)
    index = open_index(given.work, corpus, embedder)
    label = grouping_label(corpus.cases)
    groups = defaultdict(set)
    for number, case in enumerate(corpus.cases):
        if not is_refusal(case):
            groups[case.labels.get(label)].add(number)
    groups = {name: group for name, group in groups.items() if name and len(group) > 1}

    asked = [number for group in groups.values() for number in sorted(group)]
    folds = np.array([turn % FOLDS for turn, group in enumerate(groups.values()) for _ in group])
    relevant = [groups[corpus.cases[number].labels[label]] - {number} for number in asked]
    prompts = [corpus.cases[number].prompt for number in asked]
    pools = index.candidates.pools(prompts, embedder.encode_questions(prompts), [{number} for number in asked])

    rankings = {
        "BM25": [ranked(pool, Fusion(0.0).scores) for pool in pools],
        "dense": [ranked(pool, Fusion(1.0).scores) for pool in pools],
        "equal-weight RRF": [ranked(pool, reciprocal_rank) for pool in pools],
        "hybrid, cross-fitted": cross_fitted(pools, relevant, folds),
    }
    show(rankings, relevant, f"{len(asked)} prompts, other cases of their {label}")


def cross_fitted(pools: list[Pool], relevant: list[set[int]], folds: np.ndarray) -> list[list[int]]:
    rankings: list[list[int]] = [[] for _ in pools]
    for fold in range(FOLDS):
        others = np.flatnonzero(folds != fold)
        fitted = fit([pools[i] for i in others], [relevant[i] for i in others], "other folds").fusion()
        for i in np.flatnonzero(folds == fold):
            rankings[i] = ranked(pools[i], fitted.scores)
    return rankings


def ranked(pool: Pool, score) -> list[int]:
    return pool.cases[order(score(pool))[:10]].tolist()


def show(rankings: dict[str, list[list[int]]], relevant: list[set[int]], title: str) -> None:
    console = Console(width=120)
    scores = {name: per_question(ranking, relevant) for name, ranking in rankings.items()}
    table = Table("ranking", *METRICS, title=title)
    for name, values in scores.items():
        table.add_row(
            name, *(f"{values[metric].mean():.3f}" for metric in METRICS[:-1]), str(interval(values[METRICS[-1]]))
        )
    console.print(table)
    ours = scores["hybrid, cross-fitted"]["nDCG@10"]
    for name in list(rankings)[:-1]:
        console.print(f"hybrid - {name}: {difference(ours, scores[name]['nDCG@10'])}")


if __name__ == "__main__":
    main()
