"""Where "no similar case found" begins: the similarity that tells questions this corpus
can answer from those it cannot.

In scope are the corpus' own prompts, each looking for other cases, once whole and once by its first sentence (people
ask short questions). Out of scope are the questions below and the prompts that the corpus itself labels so.
The list is about daily life, so that it serves a corpus of another domain as well; the few that such a corpus does
answer move the balance little.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

OUT_OF_SCOPE = (
    "What is the capital of Australia?",
    "Which river flows through Vienna and Budapest?",
    "How high is Mount Kilimanjaro?",
    "What is the national bird of India?",
    "Which countries border Switzerland?",
    "In which year did the Berlin Wall fall?",
    "Who painted the ceiling of the Sistine Chapel?",
    "Who wrote The Count of Monte Cristo?",
    "Explain the causes of the First World War.",
    "How long do I boil an egg so that the yolk stays soft?",
    "How do I stop a sourdough loaf from going flat?",
    "What can I use instead of buttermilk in pancakes?",
    "Which wine goes with grilled salmon?",
    "How do I make a link open in a new tab in HTML?",
    "Write a Python function that reverses a linked list.",
    "What does a segmentation fault mean in C?",
    "How do I undo my last git commit?",
    "How can I speed up a slow SQL query?",
    "My laptop does not connect to the wireless network.",
    "How do I pair my headphones with my phone?",
    "Who won the men's final at Wimbledon in 1980?",
    "How does the offside rule work in football?",
    "Which chess opening suits a beginner?",
    "How many players are in a volleyball team?",
    "Should I pay off my mortgage early or invest in shares?",
    "What is the difference between a bond and a share?",
    "How do I claim travel expenses on my tax return?",
    "What will the exchange rate of the euro be next month?",
    "Good morning, how are you today?",
    "Tell me a joke about a penguin.",
    "What do you think of the weather?",
    "Write a birthday poem for my grandmother.",
    "Suggest a name for our new kitten.",
    "What should I watch on television tonight?",
    "Which album should I hear first by the Rolling Stones?",
    "How do I tune a guitar by ear?",
    "What is the derivative of x squared times sine x?",
    "Solve 4x - 9 = 23 for x.",
    "How far away is the nearest star after the Sun?",
    "Why is the sky blue?",
    "How do I replace the chain on my bicycle?",
    "Which oil does a four-stroke lawn mower need?",
    "When should I prune an apple tree?",
    "How do I get candle wax out of a tablecloth?",
    "What colour should I paint a north-facing room?",
    "Find me a cheap flight from Lisbon to Oslo in May.",
    "Do I need a visa to visit Japan for two weeks?",
    "Translate 'see you tomorrow at the station' into Italian.",
    "How do I write a covering letter for a job in a bank?",
    "How do I ask my landlord to repair the boiler?",
)
FOLDS = 5


@dataclass(frozen=True)
class Threshold:
    """Below `value` a question's best hit is no evidence. The rates are cross-fitted:
    on questions that did not choose."""

    value: float
    false_answer: float
    """Share of out-of-scope questions that reach the threshold."""
    false_refusal: float
    """Share of in-scope questions that stay below it."""
    in_scope: int
    out_of_scope: int

    def as_dict(self) -> dict:
        return asdict(self)


def calibrate(in_scope: Sequence[float], out_of_scope: Sequence[float], seed: int = 0) -> Threshold:
    """The threshold with the smallest sum of both error rates, from the best similarity that each question found."""
    inside, outside = np.asarray(in_scope, dtype=float), np.asarray(out_of_scope, dtype=float)
    chance = np.random.default_rng(seed)
    inside_folds = chance.permutation(len(inside)) % FOLDS
    outside_folds = chance.permutation(len(outside)) % FOLDS
    answered, refused = [], []
    for fold in range(FOLDS):
        value = _best(inside[inside_folds != fold], outside[outside_folds != fold])
        answered += list(outside[outside_folds == fold] >= value)
        refused += list(inside[inside_folds == fold] < value)
    value = _best(inside, outside)
    rates = (round(float(np.mean(each)), 4) if each else 0.0 for each in (answered, refused))
    return Threshold(round(value, 4), *rates, len(inside), len(outside))


def _best(inside: np.ndarray, outside: np.ndarray) -> float:
    """Halfway across the widest gap between neighbouring similarities that keeps the errors smallest."""
    values = np.unique(np.concatenate([inside, outside]))
    if not len(inside) or not len(outside) or len(values) < 2:
        return float(outside.max()) + 0.01 if len(outside) else 0.0
    cuts = (values[:-1] + values[1:]) / 2
    errors = [np.mean(outside >= cut) + np.mean(inside < cut) for cut in cuts]
    gaps = np.where(np.isclose(errors, min(errors)), values[1:] - values[:-1], -1)
    return float(cuts[gaps.argmax()])
