"""MedQuAD, question to answer: does the fitted fusion find more than its better part, and do long answers gain?

    python benchmarks/retrieval_medquad.py --medquad medquad.jsonl.gz --work FOLDER [--answers 2000]

1,000 questions (seed 0) over all distinct answers, of which only the text is indexed. Right is any
answer that the set gives to that very question. The fusion is fitted by open_index on 500 other
questions; none of the 1,000 is among them.

    whole    each answer as one vector, cut off at the embedder's window: what a plain embedder does
    pieces   what langlearn.index does

--work keeps the vectors, so that a second run embeds nothing.
--answers takes a random part of the answers, to try things.
"""

import argparse
import gzip
import hashlib
import json
import random
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import Progress  # noqa: E402
from rich.table import Table  # noqa: E402

from langlearn.terminal import quiet  # noqa: E402

quiet.libraries()

from langlearn.cases import Case, Corpus  # noqa: E402
from langlearn.embedding import Embedder  # noqa: E402
from langlearn.files.hashes import file_hash  # noqa: E402
from langlearn.index import Index, open_index  # noqa: E402
from langlearn.search.candidates import Candidates, Pool  # noqa: E402
from langlearn.search.fusion import Fusion, order, reciprocal_rank  # noqa: E402
from langlearn.search.retrieval_metrics import METRICS, difference, interval, per_question  # noqa: E402
from langlearn.search.vector_search import VectorSearch  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--medquad", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--answers", type=int)
    parser.add_argument("--questions", type=int, default=1000)
    parser.add_argument("--embedder", default="all-MiniLM-L6-v2")
    given = parser.parse_args()

    answers, relevant = read(given.medquad, given.answers)
    questions = random.Random(0).sample(sorted(relevant), given.questions)
    wanted = [relevant[question] for question in questions]
    cases = as_cases(answers, relevant, set(questions))
    embedder = Embedder(given.embedder)

    with Progress() as bar:
        task = bar.add_task("embedding")
        corpus = Corpus(cases, given.medquad, file_hash(given.medquad), [], 0)
        index = open_index(
            given.work / f"index-{len(answers)}", corpus, embedder,
            lambda what, done, total: bar.update(task, description=what, completed=done, total=total),
            fields="completion",
        )  # fmt: skip
        vectors = cached(given.work / "questions.npy", questions, embedder)

    nobody: list[tuple] = [()] * len(questions)
    pieces = index.candidates.pools(questions, vectors, nobody)
    # The first piece of a long answer is the whole of it, of which the embedder reads the beginning.
    whole = np.array(index.vectors[np.searchsorted(index.owner, np.arange(len(answers)))])
    plain = Candidates(VectorSearch(whole), np.arange(len(answers)), index.candidates.lexical)
    plain = plain.pools(questions, vectors, nobody)
    rankings = {
        "BM25": ranked(pieces, Fusion(0.0).scores),
        "dense, whole answers": ranked(plain, Fusion(1.0).scores),
        "equal-weight RRF, whole answers": ranked(plain, reciprocal_rank),
        "dense, best piece alone": ranked(pieces, Fusion(1.0).scores),
        "dense, pieces as fitted": ranked(pieces, index.fit.fusion("dense").scores),
        "equal-weight RRF, pieces": ranked(pieces, reciprocal_rank),
        "hybrid as fitted (mode auto)": ranked(pieces, index.fit.fusion().scores),
    }
    long = {owner for owner in np.flatnonzero(np.bincount(index.owner) > 1).tolist()}
    is_long = np.array([bool(right & long) for right in wanted])
    show(rankings, wanted, is_long, index)


def read(path: Path, most: int | None) -> tuple[list[str], dict[str, set[int]]]:
    """(distinct answers, the numbers of the answers of each question)."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    answers = list(dict.fromkeys(row["answer"].strip() for row in rows))
    if most:
        answers = random.Random(1).sample(answers, most)
    number = {answer: i for i, answer in enumerate(answers)}
    relevant = defaultdict(set)
    for row in rows:
        if row["answer"].strip() in number:
            relevant[row["question"].strip()].add(number[row["answer"].strip()])
    return answers, dict(relevant)


def as_cases(answers: list[str], relevant: dict[str, set[int]], asked: set[str]) -> list[Case]:
    """One case an answer, with a question that is not asked here, or none: the fit must not see what is asked."""
    other = {number: question for question, numbers in relevant.items() if question not in asked for number in numbers}
    prompts = [other.get(number, "") for number in range(len(answers))]
    ids = [hashlib.sha256(f"{prompt}\0{answer}".encode()).hexdigest()[:12] for prompt, answer in zip(prompts, answers)]
    return [Case(i, prompt, answer, row, {}) for row, (i, prompt, answer) in enumerate(zip(ids, prompts, answers))]


def cached(path: Path, questions: list[str], embedder: Embedder) -> np.ndarray:
    path = path.with_name(f"questions-{hashlib.sha256(json.dumps(questions).encode()).hexdigest()[:8]}.npy")
    if not path.exists():
        np.save(path, embedder.encode_questions(questions))
    return np.load(path)


def ranked(pools: list[Pool], score) -> list[list[int]]:
    return [pool.cases[order(score(pool))[:10]].tolist() for pool in pools]


def show(rankings: dict[str, list[list[int]]], wanted: list[set[int]], is_long: np.ndarray, index: Index) -> None:
    console = Console(width=120)
    scores = {name: per_question(ranking, wanted) for name, ranking in rankings.items()}
    table = Table(
        "ranking", *METRICS, f"nDCG@10 of {is_long.sum()} with long answers", title=str(index.manifest["counts"])
    )
    for name, values in scores.items():
        cells = [f"{values[metric].mean():.3f}" for metric in METRICS[:-1]]
        table.add_row(name, *cells, str(interval(values["nDCG@10"])), str(interval(values["nDCG@10"][is_long])))
    console.print(table)
    console.print("fit:", index.manifest["fusion"])
    ours = scores["hybrid as fitted (mode auto)"]["nDCG@10"]
    for name in list(rankings)[:-1]:
        theirs = scores[name]["nDCG@10"]
        console.print(
            f"hybrid - {name}: {difference(ours, theirs)}; long answers {difference(ours[is_long], theirs[is_long])}"
        )


if __name__ == "__main__":
    main()
