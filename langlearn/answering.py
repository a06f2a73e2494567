"""Question → notices → cases → prompt within the window → streamed answer, checked against the cases.

    emergency notices                     from tables, before the model speaks
    k similar cases                       none of them close enough: "no similar case found", nothing is generated
    whole cases that fit the window       the question always does
    generated, until it stops             terminal escapes stripped, citations of cases that are not there removed
    each sentence, each dose              looked up in the cases, without asking another model
"""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

from langlearn import errors, evidence, generation, prompts, safety
from langlearn.cases import REFUSALS, Case
from langlearn.clinical.untrusted import strip_terminal
from langlearn.config import Answering
from langlearn.errors import UserError
from langlearn.evidence import Fitted, SentenceSupport
from langlearn.model import positions
from langlearn.retrieval import Hit, Retriever
from langlearn.safety import Notice
from langlearn.speaker import Speaker
from langlearn.terminal.streaming import Growing

NEXT_QUESTION = "\nQuestion:"  # where a model that never learned to stop goes on, talking to itself
NO_TEXT = re.compile("[\0\ud800-\udfff]")  # UTF-16 read as UTF-8; bytes that are not UTF-8


@dataclass(frozen=True)
class Citation:
    """A case that the model had before it, under the number that the answer cites it by."""

    number: int
    id: str
    score: float
    """Cosine similarity with the question, -1 to 1."""
    text: str
    cited: bool


@dataclass(frozen=True)
class Answer:
    """Everything there is to say to a question. `abstained`: nothing was generated."""

    question: str
    answer: str
    abstained: bool
    model: dict
    index: dict | None
    citations: list[Citation] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    support: list[SentenceSupport] = field(default_factory=list)
    removed_citations: list[int] = field(default_factory=list)
    left_out: int = 0
    """Cases that were retrieved and did not fit the window."""
    complete: bool = True
    """The answer ended by itself, not at answering.max_new_tokens."""
    timings: dict[str, float] = field(default_factory=dict)
    """Seconds: retrieval, first_token (from the question on), total; tokens and tokens_per_second of the answer."""

    def as_dict(self) -> dict:
        """What `--json` prints."""
        first = ("question", "answer", "abstained", "citations", "notices", "model", "index", "timings")
        content = asdict(self)
        return {name: content[name] for name in (*first, *(name for name in content if name not in first))}


class Answerer:
    """Answers one question at a time. Without a retriever, or with k = 0, from the model alone."""

    def __init__(self, speaker: Speaker, retriever: Retriever | None, answering: Answering):
        self.speaker, self.retriever, self.answering = speaker, retriever, answering
        limit = positions(speaker.model.config) or answering.context_tokens
        self.window = min(answering.context_tokens, limit)
        """Tokens of prompt and answer together."""

    @property
    def room(self) -> int:
        """Tokens that a prompt may have."""
        return self.window - self.answering.max_new_tokens

    def fit(self, question: str, cases: Sequence[Case]) -> Fitted[Case]:
        """The prompt. Raises UserError where the question is empty or outgrows the window by itself."""
        return evidence.fit_cases(question, cases, self.speaker.tokenizer, self.window, self.answering.max_new_tokens)

    def answer(
        self,
        question: str,
        k: int | None = None,
        on_text: Callable[[str], None] | None = None,
        on_notice: Callable[[Notice], None] | None = None,
    ) -> Answer:
        """`on_notice` gets each emergency before anything else happens, `on_text` the answer as it grows."""
        began = time.perf_counter()
        question = readable(question)
        notices = safety.emergency_notices(question)
        for notice in notices if on_notice else ():
            on_notice(notice)
        if safety.speaks_of_own_harm(question, notices):
            return self._unanswered(question, "", notices, {"total": time.perf_counter() - began})
        self.fit(question, [])

        hits = self._retrieve(question, self.answering.k if k is None else k)
        timings = {"retrieval": time.perf_counter() - began}
        if hits is not None and not enough_evidence(hits, self.least_similarity):
            timings["total"] = time.perf_counter() - began
            return self._unanswered(question, prompts.NO_EVIDENCE, notices, timings)
        return self._answered(question, hits or [], notices, timings, began, on_text)

    @property
    def least_similarity(self) -> float:
        asked = self.answering.min_similarity
        return self.retriever.threshold if asked is None else asked

    def _retrieve(self, question: str, k: int) -> list[Hit] | None:
        """None where nothing was looked for: that is no reason to abstain."""
        return self.retriever.search(question, k) if self.retriever and k else None

    def _answered(self, question, hits: list[Hit], notices, timings, began, on_text) -> Answer:
        fitted = self.fit(question, [hit.case for hit in hits])
        hit_of = {hit.case.id: hit for hit in hits}
        count = len(fitted.cases)

        def clean(text: str) -> str:
            return evidence.check_citations(strip_terminal(text).strip(), count)[0]

        growing = Growing(on_text or (lambda _: None), clean, NEXT_QUESTION)
        before_prompt = time.perf_counter()
        with errors.told():
            [said] = generation.generate(
                self.speaker.model, self.speaker.tokenizer, [fitted.prompt],
                self.answering.max_new_tokens, self.answering.temperature,
                on_text=growing.add, until=NEXT_QUESTION, kept=self.speaker.kept,
            )  # fmt: skip
        answer, used, removed = evidence.check_citations(strip_terminal(said.text).strip(), count)
        growing.finish(answer)
        citations = [
            Citation(number, case.id, round(hit_of[case.id].score, 4), case_text(case), number in used)
            for number, case in enumerate(fitted.cases, start=1)
        ]
        texts = [c.text for c in citations]
        doses = safety.unsupported_doses(answer, [c.text for c in citations if c.cited] or texts)
        support = evidence.support(answer, texts) if texts else []
        timings |= {
            "first_token": before_prompt - began + said.seconds_to_first,
            "total": time.perf_counter() - began,
            "tokens": said.tokens,
            "tokens_per_second": said.tokens / said.seconds,
        }
        return Answer(
            question=question, answer=answer, abstained=False, citations=citations,
            notices=[*notices, *dose_notices(doses)], model=self.speaker.about(), index=self._index(),
            support=support, removed_citations=removed, left_out=fitted.left_out, complete=said.stopped,
            timings=_rounded(timings),
        )  # fmt: skip

    def _unanswered(self, question: str, text: str, notices: list[Notice], timings: dict[str, float]) -> Answer:
        return Answer(question, text, True, self.speaker.about(), self._index(), [], notices, timings=_rounded(timings))

    def _index(self) -> dict | None:
        if self.retriever is None:
            return None
        manifest = self.retriever.index.manifest
        return {
            "folder": str(self.retriever.index.folder),
            "cases": manifest["counts"]["cases"],
            "corpus_sha256": manifest["corpus"]["sha256"],
            "embedder": manifest["embedder"]["id"],
            "least_similarity": self.least_similarity,
        }


def readable(question: str) -> str:
    """Without white space around it. Raises UserError where it holds bytes that are no text."""
    if NO_TEXT.search(question):
        raise UserError("the question is not UTF-8 text: type it again, or save its file as UTF-8")
    return question.strip()


def enough_evidence(hits: Sequence[Hit], least: float) -> bool:
    """Whether any hit is as similar as that. A case that shows how to decline is no evidence for an answer."""
    return any(hit.score >= least for hit in hits if hit.case.labels.get("condition") not in REFUSALS)


def dose_notices(doses: Sequence[str]) -> list[Notice]:
    if not doses:
        return []
    listed = ", ".join(doses)
    return [Notice("dose", f"No cited case gives this for the same drug: {listed}. Do not rely on it.")]


def case_text(case: Case) -> str:
    return strip_terminal(f"{case.prompt}\n{case.completion}")


def _rounded(timings: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in timings.items()}
