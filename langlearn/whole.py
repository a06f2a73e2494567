"""How long the whole command takes: the steps that pace.py predicts, and all that stands around them.

    so far       imports, the corpus, the plan itself; in a run the index as well: measured
    to embed     what neither the index nor what is kept beside it has: a sample measured
    evaluations  measured
    answers      to the diagnostic questions before and after training: prompts read, tokens written, as many as may be
    measuring    the same for the held-out cases in each column at the end, and their losses

Left out are the weights as they are read from disk, and what searching the index takes.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from langlearn import generation
from langlearn.cases import REFUSALS, Case, Corpus
from langlearn.config import Config
from langlearn.machine import give_back_freed_memory, own_device
from langlearn.pace import Pace
from langlearn.trainlog import clock

SAMPLE, PLACES = 8, (0.2, 0.5, 0.8)  # so many texts of these lengths are embedded to see how fast that goes
TYPICAL = 100  # cases whose length stands for all


@dataclass(frozen=True)
class Embedding:
    """`texts` are still to be embedded, in so many `seconds`; `per_token`: what a token takes."""

    texts: int
    seconds: float
    per_token: float


@dataclass(frozen=True)
class Whole:
    """Seconds."""

    so_far: float
    steps: float
    evaluations: float
    answers: float
    measuring: float
    embedding: Embedding

    @property
    def total(self) -> float:
        around = self.so_far + self.evaluations + self.answers + self.measuring + self.embedding.seconds
        return self.steps + around

    def row(self, cases: int) -> tuple[str, str, str]:
        """(what, value, why) for the plan; `cases` are measured at the end."""
        parts = [("so far", self.so_far)]
        if self.embedding.texts:
            parts.append((f"{self.embedding.texts:,} texts to embed, once,", self.embedding.seconds))
        parts += [("evaluations", self.evaluations), ("diagnostic answers", self.answers)]
        if cases:
            parts.append((f"measuring {cases} held-out cases", self.measuring))
        told = ", ".join(f"{name} {clock(seconds)}" for name, seconds in parts)
        left_out = "answers as long as they may be, without reading weights"
        return "all of it", clock(self.total), f"with what is around training: {told}; {left_out}"


def told(plan, config: Config, lesson, held_out: int, embedding: Embedding | None, began: float, done: int = 0):
    """`plan` with how long all of it takes, where its pace and that of the embedder are known. `held_out` counts the
    cases that are; `began`: of the command, `time.monotonic()`; `done`: steps that an interrupted run took."""
    if plan.pace is not None and done:
        left = f"an interrupted run goes on: {clock(_steps_after(done, plan.pace))} of training are left"
        plan = replace(plan, reasons=(*plan.reasons, ("resumes", f"at step {done:,}", left)))
    if embedding is None or plan.pace is None or math.isnan(plan.pace.writing):
        return plan
    found = predicted(plan.pace, config, lesson, held_out, embedding, done)
    found = replace(found, so_far=time.monotonic() - began)
    row = found.row(min(config.evaluation.cases, held_out))
    return replace(plan, whole=found, reasons=(*plan.reasons, row))


def _steps_after(done: int, pace: Pace) -> float:
    return pace.seconds() - pace.seconds(done)


def predicted(pace: Pace, config: Config, lesson, held_out: int, embedding: Embedding, done: int = 0) -> Whole:
    """All but what is done by now; `held_out` counts the cases that are, `done` the steps."""
    from langlearn.evaluation import OFF_TOPIC  # slow to import

    settings, curriculum = config.answering, lesson.curriculum
    alone = [curriculum.encoder.example(case) for case in curriculum.cases[:TYPICAL]]
    short, answer = fmean(e.prompt_length for e in alone), fmean(e.supervised for e in alone)
    long = fmean(e.prompt_length for e in lesson.held_out)
    if not config.retrieves:  # these stand alone as well
        long = min(settings.context_tokens - settings.max_new_tokens, short + settings.k * (short + answer))

    def written(count: int, length: float) -> float:
        batches = math.ceil(count / generation.AT_ONCE)
        return batches * settings.max_new_tokens * pace.writing + count * length * pace.reading

    asked, cases = len(config.training.diagnostic_questions), min(config.evaluation.cases, held_out)
    columns = [(cases + len(OFF_TOPIC), short)] * 2
    if settings.k:  # off-topic questions find no case, and are declined
        columns += [(cases, long)] * 2
    measuring = sum(written(count, length) + cases * (length + answer) * pace.reading for count, length in columns)
    measuring += len(columns) * cases * answer * embedding.per_token
    return Whole(
        so_far=0.0,
        steps=_steps_after(done, pace),
        evaluations=pace.evaluations(done) * pace.evaluation,
        answers=(1 if done else 2) * written(asked, short),
        measuring=measuring if cases else 0.0,
        embedding=embedding,
    )


def to_embed(config: Config, corpus: Corpus, train: Sequence[Case], held_out: Sequence[Case]) -> Embedding | None:
    """What this command has still to embed: for the index, to look up what prompts hold, and to judge answers. None
    where that cannot be told, which ends no run. Before `pace.timed`, after which a GPU's peak is the run's own."""
    try:
        return _to_embed(config, corpus, train, held_out)
    except Exception:  # no room beside other programs, an index or an embedder that is damaged: only a prediction
        return None
    finally:
        give_back_freed_memory()  # the embedder


def _to_embed(config: Config, corpus: Corpus, train: Sequence[Case], held_out: Sequence[Case]) -> Embedding:
    from langlearn import index  # slow to import
    from langlearn.embedding import Embedder

    settings, questions, documents = config.index, [], []
    if config.retrieves:
        questions = [case.prompt for case in (*train, *held_out)]
    if not config.embeds:
        return Embedding(0, 0.0, 0.0)
    if config.evaluation.cases and any(case.labels.get("condition") in REFUSALS for case in train):
        documents = [case.completion for case in train]
    embedder = Embedder(settings.embedder, device=str(own_device()), batch_size=settings.batch_size)
    texts = index.unknown(Path(settings.folder), corpus, embedder, settings.fields, questions, documents)
    per_token = _seconds_per_token(embedder, sorted(texts or [case.completion for case in train], key=len))
    return Embedding(len(texts), per_token * _tokens(embedder, texts), per_token)


def _seconds_per_token(embedder, by_length: Sequence[str]) -> float:
    """Of texts in this order, from some of them: as all will be, they are embedded beside others of their length."""
    embedder.encode(by_length[-1:])
    tokens, began = 0, time.perf_counter()
    for place in PLACES:
        start = int(place * len(by_length))
        some = by_length[start : start + SAMPLE]
        embedder.encode(some)
        tokens += _tokens(embedder, some)
    return (time.perf_counter() - began) / tokens


def _tokens(embedder, texts: Sequence[str]) -> int:
    """As many as the embedder reads."""
    return sum(min(count, embedder.max_tokens) for count in embedder.count_tokens(texts))
