"""One answer beside its reference: what it says, whether it ends, what bears it out, whether it declines."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from langlearn import evidence
from langlearn.answering import case_text
from langlearn.cases import REFUSALS, Case
from langlearn.conditions import Synonyms, names_condition
from langlearn.measuring import measures
from langlearn.measuring.measures import Measure
from langlearn.search.known_vectors import KnownVectors

_CITATION = re.compile(r"\s*\[[\d\s,;–-]+\]")


@dataclass(frozen=True)
class Question:
    """What is asked, and what retrieval brings for it. `case` is None where there is no reference answer."""

    text: str
    case: Case | None
    prompt: str
    """As the model gets it."""
    context: tuple[Case, ...]
    """Retrieved training cases that fit the window, best first."""
    below: int
    """How many of them stand in the prompt: all, or none where it is asked without retrieval."""
    room: int
    """Tokens that the model has left below the longest prompt; the reference answer is cut to them in every column."""
    enough: bool
    """Whether the best of them is similar enough to answer from."""
    own_harm: bool
    """Whether no machine answers this: the one who asks thinks of harming themselves."""

    @property
    def in_scope(self) -> bool:
        return self.case is not None and self.case.labels.get("condition") not in REFUSALS

    @property
    def condition(self) -> str | None:
        """The diagnosis that a good answer names."""
        return self.case.labels.get("condition") if self.in_scope else None

    @property
    def brought(self) -> bool:
        """Whether retrieval brought a case of the same condition."""
        return self.condition in {found.labels.get("condition") for found in self.context} - {None}


@dataclass(frozen=True)
class Reply:
    """An answer as run_query.py would show it: citations checked, or "no similar case" (abstained)."""

    text: str
    stopped: bool = True
    abstained: bool = False
    removed: int = 0
    """Citations of cases that were never retrieved, taken out of the text."""


@dataclass(frozen=True)
class Mark:
    """What one column made of one question. None where a thing does not apply."""

    question: Question
    loss: float | None
    """Summed over the `tokens` of the reference answer."""
    tokens: int
    abstained: bool
    refused: bool
    stopped: bool | None
    rouge_l: float | None
    similarity: float | None
    condition: bool | None
    sentences: int
    supported: int
    citations: int
    holding: int
    right_case: int | None

    def as_dict(self) -> dict:
        """For machines: numbers, and no text."""
        names = (f.name for f in fields(self) if f.name != "question")
        return {name: round(v, 4) if isinstance(v := getattr(self, name), float) else v for name in names}


class Judge:
    """Marks answers; what it needs of the training cases is embedded once, by `encode_training` where it is given."""

    def __init__(
        self, embedder, train: Sequence[Case], synonyms: Synonyms,
        encode_training: Callable[[list[str]], np.ndarray] | None = None,
    ):  # fmt: skip
        from rouge_score.rouge_scorer import RougeScorer  # slow to import

        self.known, self.synonyms = KnownVectors(embedder), synonyms
        self.rouge = RougeScorer(["rougeL"], use_stemmer=True)
        declines = [case.labels.get("condition") in REFUSALS for case in train]
        self.declines = np.array(declines, dtype=bool)
        encode = encode_training or self.known.of_documents
        self.completions = encode([case.completion for case in train]) if any(declines) else None

    def marks(
        self, questions: Sequence[Question], replies: Sequence[Reply], losses: Sequence[tuple[float, int] | None]
    ) -> list[Mark]:
        """One for each question; `losses` are (sum, tokens) of the reference answer."""
        bare = [_CITATION.sub("", reply.text).strip() for reply in replies]
        vectors = self.known.of_documents(bare)
        references = self.known.of_documents([q.case.completion if q.case else "" for q in questions])
        similarities = (vectors * references).sum(axis=1)
        columns = (questions, replies, losses, bare, similarities.tolist(), self._declining(vectors))
        return [self._mark(*each) for each in zip(*columns, strict=True)]

    def _mark(self, question, reply, loss, bare, similarity, declines) -> Mark:
        case, condition = question.case, question.condition
        texts = [case_text(found) for found in question.context]
        sentences = evidence.support(reply.text, texts) if texts and bare and not reply.abstained else []
        cited = [(number, each.sentence) for each in sentences for number in each.cited]
        right = [question.context[number - 1].labels.get("condition") == condition for number, _ in cited]
        return Mark(
            question=question,
            loss=loss[0] if loss else None,
            tokens=loss[1] if loss else 0,
            abstained=reply.abstained,
            refused=reply.abstained or not bare or declines,
            stopped=None if reply.abstained or case is None else reply.stopped,
            rouge_l=self.rouge.score(case.completion, bare)["rougeL"].fmeasure if case else None,
            similarity=similarity if case else None,
            condition=names_condition(bare, condition, self.synonyms) if condition else None,
            sentences=len(sentences),
            supported=sum(each.supported for each in sentences),
            citations=len(cited) + reply.removed,
            holding=sum(evidence.support(sentence, [texts[number - 1]])[0].supported for number, sentence in cited),
            right_case=sum(right) if condition else None,
        )

    def _declining(self, vectors: np.ndarray) -> list[bool]:
        """Whether the training completion most like each answer is a refusal; never where none is."""
        if self.completions is None:
            return [False] * len(vectors)
        return self.declines[(vectors @ self.completions.T).argmax(axis=1)].tolist()


def summary(marks: Sequence[Mark]) -> dict[str, Measure]:
    """One column: each metric of `results.METRICS` over the questions it applies to."""
    asked = [m for m in marks if m.question.case is not None]
    loss = measures.ratio([m.loss for m in asked], [m.tokens for m in asked])
    named = [m for m in asked if m.condition is not None]
    cited = [m for m in marks if m.question.in_scope]
    labelled = [m for m in cited if m.right_case is not None]
    return {
        "loss": loss,
        "perplexity": measures.exponential(loss),
        "rouge_l": measures.mean([m.rouge_l for m in asked]),
        "similarity": measures.mean([m.similarity for m in asked]),
        "condition": measures.share([m.condition for m in named]),
        "condition_retrieved": measures.share([m.condition for m in named if m.question.brought]),
        "stopped": measures.share([m.stopped for m in asked if m.stopped is not None]),
        "supported": measures.ratio([m.supported for m in cited], [m.sentences for m in cited]),
        "citations": measures.ratio([m.holding for m in cited], [m.citations for m in cited]),
        "cited_condition": measures.ratio([m.right_case for m in labelled], [m.citations for m in labelled]),
        "false_answers": measures.share([not m.refused for m in marks if not m.question.in_scope]),
        "false_refusals": measures.share([m.refused for m in cited]),
    }


def changes(before: Sequence[Mark], after: Sequence[Mark]) -> dict[str, Measure]:
    """The second column minus the first, each case against itself."""
    pairs = [(a, b) for a, b in zip(before, after, strict=True) if a.question.case is not None]
    named = [(a, b) for a, b in pairs if a.condition is not None]
    found = {
        "loss": measures.ratio([b.loss - a.loss for a, b in pairs], [a.tokens for a, _ in pairs]),
        "rouge_l": measures.mean([b.rouge_l - a.rouge_l for a, b in pairs]),
        "similarity": measures.mean([b.similarity - a.similarity for a, b in pairs]),
        "condition": measures.mean([float(b.condition) - float(a.condition) for a, b in named]),
    }
    return {name: measure for name, measure in found.items() if measure.n}
