"""What an index learns about its corpus when it is built: how to fuse, and when to say that nothing is similar.

Questions are drawn from the corpus itself, and a case is never its own evidence:

    labelled            a case's prompt looks for the other cases of its label (two presentations of one condition)
    unlabelled          a case's prompt looks for its own completion among all completions, prompts out of sight
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from langlearn.cases import REFUSALS, Case
from langlearn.clinical.english import sentences
from langlearn.search.candidates import Candidates
from langlearn.search.fusion import Fit, fit, unfitted
from langlearn.search.thresholds import OUT_OF_SCOPE, Threshold, calibrate

MOST_QUESTIONS = 500
SHORT_QUESTIONS = 100


@dataclass(frozen=True)
class Drawn:
    """Questions drawn from a corpus, and what must be embedded for them."""

    cases: list[int]
    """Numbers of the cases whose prompts ask."""
    label: str | None
    """The label whose other cases are relevant; None: the case's own completion is."""
    completions: list[str]
    """Of these cases, where they must be embedded apart because the index holds them with their prompts."""
    prompts: list[str]
    """Of these cases."""
    short: list[str]
    """First sentences of the first of the prompts."""
    outside: list[str]
    """Out of scope."""

    @property
    def questions(self) -> list[str]:
        return [*self.prompts, *self.short, *self.outside]


def draw(cases: Sequence[Case], completions_only: bool) -> Drawn:
    """At most MOST_QUESTIONS, the same for the same corpus, and nearly the same after a small change to it."""
    label = None if completions_only else grouping_label(cases)
    groups = _groups(cases, label) if label else {}
    able = [
        number
        for number, case in enumerate(cases)
        if case.prompt and not is_refusal(case) and (not label or len(groups.get(case.labels.get(label), ())) > 1)
    ]
    chosen = sorted(able, key=lambda number: hashlib.sha256(cases[number].id.encode()).digest())[:MOST_QUESTIONS]
    prompts = [cases[number].prompt for number in chosen]
    return Drawn(
        chosen,
        label,
        [] if label or completions_only else [cases[number].completion for number in chosen],
        prompts,
        [sentences(prompt)[0] for prompt in prompts[:SHORT_QUESTIONS]],
        [*OUT_OF_SCOPE, *(case.prompt for case in cases if case.prompt and _condition(case) == REFUSALS[0])],
    )


def is_refusal(case: Case) -> bool:
    """Whether the case shows how to decline: evidence for declining, never for a diagnosis."""
    return _condition(case) in REFUSALS


def grouping_label(cases: Sequence[Case]) -> str | None:
    """The label that says which cases are alike: the finest that half of the cases share with another.

    A label with a group above a twentieth of the corpus (and above ten cases) is too coarse: two cases of one
    specialty are not two of a kind.
    """
    clinical = [case for case in cases if not is_refusal(case)]
    best, most = None, 0
    for label in sorted({name for case in clinical for name in case.labels}):
        groups = [group for group in _groups(clinical, label).values() if len(group) > 1]
        fine = groups and max(map(len, groups)) <= max(10, len(clinical) / 20)
        if fine and sum(map(len, groups)) >= len(clinical) / 2 and len(groups) > most:
            best, most = label, len(groups)
    return best


def fit_fusion(
    cases: Sequence[Case], served: Candidates, of_completions: Candidates | None, drawn: Drawn, vectors: np.ndarray
) -> Fit:
    """The fusion for `served`. `vectors`: (questions, dimension) of `drawn.questions`.

    `of_completions` holds the drawn cases' completions in their order; None where `served` holds nothing else.
    """
    prompts, vectors = drawn.prompts, vectors[: len(drawn.prompts)]
    if not prompts:
        return unfitted("none: the corpus has no prompts")
    if drawn.label:
        groups = _groups(cases, drawn.label)
        pools = served.pools(prompts, vectors, [{number} for number in drawn.cases])
        relevant = [groups[cases[number].labels[drawn.label]] - {number} for number in drawn.cases]
        return fit(pools, relevant, f"prompt to other cases of its {drawn.label}")
    pools = (of_completions or served).pools(prompts, vectors, [()] * len(prompts))
    own = range(len(prompts)) if of_completions else drawn.cases
    return fit(pools, [{number} for number in own], "prompt to its own completion")


def fit_threshold(cases: Sequence[Case], served: Candidates, drawn: Drawn, vectors: np.ndarray) -> Threshold:
    """The threshold for `served`, from the best similarity to a case that is no refusal and not the question's own."""
    refusals = {number for number, case in enumerate(cases) if is_refusal(case)}
    own = [*drawn.cases, *drawn.cases[: len(drawn.short)]]
    hidden = [refusals | {number} for number in own] + [refusals] * len(drawn.outside)
    best = [float(pool.dense.max(initial=-1.0)) for pool in served.pools(drawn.questions, vectors, hidden, depth=10)]
    return calibrate(best[: len(own)], best[len(own) :])


def _condition(case: Case) -> str | None:
    return case.labels.get("condition")


def _groups(cases: Sequence[Case], label: str) -> dict[str, set[int]]:
    groups = defaultdict(set)
    for number, case in enumerate(cases):
        if label in case.labels:
            groups[case.labels[label]].add(number)
    return groups
