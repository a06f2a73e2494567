"""Did fine-tuning help, did retrieval? The same held-out cases answered four ways, and each answer measured.

    held-out case ─┬─ its prompt alone ───────────────────┬─ base  ─┐
                   └─ below retrieved training cases, as  ┴─ tuned ─┴─ answer, and loss of the reference answer
                      run_query.py asks it

Only training cases are ever retrieved: no held-out case is evidence, least of all for itself.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from langlearn import answering, evidence, falcon, generation, hardware, model, objective, prompts, safety
from langlearn.answering import Answerer
from langlearn.cases import Case, Corpus
from langlearn.clinical.untrusted import strip_terminal
from langlearn.conditions import Synonyms
from langlearn.config import Config
from langlearn.errors import UserError
from langlearn.examples import Encoder, Example, Fill, micro_batches
from langlearn.generation import Generated
from langlearn.measuring import judging, measures, reopen
from langlearn.measuring.judging import Judge, Mark, Question, Reply
from langlearn.measuring.measures import Measure
from langlearn.measuring.results import BASE, BASE_RETRIEVAL, COLUMNS, EFFECTS, TUNED, TUNED_RETRIEVAL, Evaluation
from langlearn.retrieval import Retriever, open_retriever
from langlearn.search import retrieval_metrics
from langlearn.speaker import Speaker

# Asked beside the refusals that the corpus holds out. None of them took part in choosing the threshold.
OFF_TOPIC = (
    "What is the capital of Canada?",
    "Who composed The Magic Flute?",
    "How do I centre a box on a web page with CSS?",
    "In which century was the printing press invented?",
    "Give me a recipe for tomato soup.",
    "How many moons does Saturn have?",
    "Write a limerick about a cat.",
    "Which train is the fastest from Paris to Lyon?",
    "How do I change the strings of a violin?",
    "Who won the first football world cup?",
    "Explain how a bill becomes law.",
    "What is 17 times 23?",
)
Progress = Callable[[str, int, int], None]
"""progress(what, done, total)"""
ROW = 64  # tokens: to a multiple rows are filled up, so that they have few lengths
MODES = {"BM25": "bm25", "dense": "dense", "hybrid": "hybrid"}


def evaluate(
    tuned, tokenizer, retriever: Retriever, held_out: Sequence[Case], train: Sequence[Case], synonyms: Synonyms,
    config: Config, progress: Progress | None = None, limit: int | None = None,
) -> Evaluation:  # fmt: skip
    """The four columns over the first `limit` held-out cases, and how retrieval ranks the training cases for them.

    `tuned` is a PeftModel: the base is the same model with its adapter switched off. With `answering.k` 0 there are two
    columns.
    """
    began, progress = time.monotonic(), progress or (lambda *_: None)
    speaker = Speaker(tuned, tokenizer, config.model.base, Path(config.training.output), folded=False)
    answerer = Answerer(speaker, retriever, config.answering)
    hidden = {case.id for case in retriever.index.cases} - {case.id for case in train}
    questions, notes = ask(answerer, list(held_out)[:limit], hidden)
    judge = Judge(
        retriever.embedder, train, synonyms, lambda texts: retriever.remembered(texts, "documents", progress)
    )
    marks: dict[str, list[Mark]] = {}
    for column in COLUMNS if config.answering.k else (BASE, TUNED):
        asked = questions if column in (BASE_RETRIEVAL, TUNED_RETRIEVAL) else [alone(answerer, q) for q in questions]
        said = partial(progress, column)
        with tuned.disable_adapter() if column in (BASE, BASE_RETRIEVAL) else nullcontext():
            losses = reference_losses(answerer, asked, said)
            replies = answers(answerer, asked, said)
        marks[column] = judge.marks(asked, replies, losses)
    labelled = [q for q in questions if q.condition]
    brought = sum(q.brought for q in labelled)
    if labelled:
        notes.append(f"Retrieval brought a case of the right condition for {brought} of {len(labelled)} questions.")
    else:
        notes.append("No conditions and no rankings: they need a column 'condition'.")
    about = {
        "held_out": len(held_out),
        "evaluated": sum(q.case is not None for q in questions),
        "out_of_scope": sum(not q.in_scope for q in questions),
        "k": config.answering.k,
        "mode": config.answering.mode,
        "least_similarity": answerer.least_similarity,
        "max_new_tokens": config.answering.max_new_tokens,
        "seconds": round(time.monotonic() - began, 1),
    }
    return Evaluation(
        columns={column: judging.summary(row) for column, row in marks.items()},
        effects={e: judging.changes(marks[a], marks[b]) for e, (a, b) in EFFECTS.items() if a in marks and b in marks},
        retrieval=ranking(retriever, labelled, train, hidden, config.index.reranker),
        about=about,
        notes=notes,
        cases=case_by_case(marks),
    )


def evaluate_run(
    config: Config, corpus: Corpus, progress: Progress | None = None, limit: int | None = None
) -> tuple[dict, Evaluation]:
    """(run.json, evaluation) of the finished run in `training.output`, on the cases that it held out.

    The adapter is loaded from there, as whoever uses it will. Raises UserError where there is no finished run.
    """
    run = reopen.finished_run(Path(config.training.output))
    train, held_out = reopen.split_of(run, config.data, corpus)
    machine = hardware.describe()
    tokenizer = model.load_tokenizer(config.model)
    tuned = reopen.load_tuned(config, machine, hardware.choose_dtype(config.model.dtype, machine)[0])
    retriever = open_retriever(config.index, config.answering.mode, corpus, progress)
    synonyms = reopen.synonyms_of(corpus)
    return run, evaluate(tuned, tokenizer, retriever, held_out, train, synonyms, config, progress, limit)


def ask(answerer: Answerer, held_out: Sequence[Case], hidden: set[str]) -> tuple[list[Question], list[str]]:
    """The held-out cases and the off-topic questions, below what retrieval brings for each; and what to say of them."""
    texts = [*(case.prompt for case in held_out), *OFF_TOPIC]
    found = answerer.retriever.search_many(texts, answerer.answering.k, [hidden] * len(texts))
    encoder, longest = encoder_of(answerer)
    questions, left_out = [], 0
    for text, case, hits in zip(texts, [*held_out, *[None] * len(OFF_TOPIC)], found, strict=True):
        try:
            fitted = answerer.fit(text, [hit.case for hit in hits])
        except UserError:
            left_out += 1
            continue
        questions.append(
            Question(
                text,
                case,
                prompt=fitted.prompt,
                context=tuple(fitted.cases),
                below=len(fitted.cases),
                room=longest - len(encoder.ids(fitted.prompt)),
                enough=answering.enough_evidence(hits, answerer.least_similarity),
                own_harm=safety.speaks_of_own_harm(text, safety.emergency_notices(text)),
            )
        )
    return questions, [f"{left_out} held-out cases outgrow the window and are left out."] if left_out else []


def alone(answerer: Answerer, question: Question) -> Question:
    """The question as it is asked without retrieval, which is no reason to abstain."""
    return replace(question, prompt=answerer.fit(question.text, []).prompt, below=0, enough=True)


@torch.no_grad()
def reference_losses(answerer: Answerer, questions: Sequence[Question], progress) -> list[tuple[float, int] | None]:
    """(nats, tokens) of each reference answer as its question is asked; None where there is no reference.

    The reference is the case's own completion in every column, so that the columns compare.
    """
    tuned, tokenizer = answerer.speaker.model, answerer.speaker.tokenizer
    encoder, _ = encoder_of(answerer)
    device = next(tuned.parameters()).device
    losses: list[tuple[float, int] | None] = []
    for done, question in enumerate(questions, start=1):
        if question.case is None:
            losses.append(None)
            continue
        prompt = encoder.ids(question.prompt)
        reference = encoder.ids(prompts.answer_text(question.case.completion)) + (tokenizer.eos_token_id,)
        reference = reference[: question.room]
        # One example at a time: its loss is then its own, and resampling has cases to draw from.
        example = Example(prompt + reference, len(prompt))
        packs, fill = falcon.packs(tuned.config), Fill(row=ROW)
        [batch] = micro_batches([example], len(example.input_ids), packs, pad_id=0, count=1, fill=fill)
        batch = batch.to(device)
        with objective.packed(batch):
            losses.append((objective.answer_loss(tuned, batch).item(), len(reference)))
        progress(done, len(questions))
    return losses


def answers(answerer: Answerer, questions: Sequence[Question], progress) -> list[Reply]:
    """What run_query.py would show for each, computed in batches. Greedy: the numbers are the same each time."""
    asked = [q for q in questions if q.enough and not q.own_harm]
    texts = [q.prompt for q in asked]
    finished = 0

    def count(more: int) -> None:
        nonlocal finished
        finished += more
        progress(finished, len(texts))

    generated = generation.generate_many(
        answerer.speaker.model, answerer.speaker.tokenizer, texts, answerer.answering.max_new_tokens, progress=count
    )
    said = {id(q): g for q, g in zip(asked, generated, strict=True)}
    return [reply(question, said.get(id(question))) for question in questions]


def reply(question: Question, said: Generated | None) -> Reply:
    if said is None:
        return Reply("" if question.own_harm else prompts.NO_EVIDENCE, abstained=True)
    text, _, rest = said.text.partition(answering.NEXT_QUESTION)
    clean, _, removed = evidence.check_citations(strip_terminal(text).strip(), question.below)
    # An answer that had to be cut off where the model asks itself the next question did not stop by itself.
    return Reply(clean, stopped=said.stopped and not rest, removed=len(removed))


def ranking(
    retriever: Retriever, questions: Sequence[Question], train: Sequence[Case], hidden: set[str], reranker: str | None
) -> dict[str, dict[str, Measure]]:
    """Each mode's metrics over the questions for whose condition there is a training case: those are relevant."""
    relevant = [{c.id for c in train if c.labels.get("condition") == q.condition} for q in questions]
    pairs = [(q, wanted) for q, wanted in zip(questions, relevant, strict=True) if wanted]
    if not pairs:
        return {}
    texts, wanted = [q.text for q, _ in pairs], [w for _, w in pairs]
    index, embedder = retriever.index, retriever.embedder
    searched = {name: Retriever(index, embedder, mode) for name, mode in MODES.items()}
    if reranker:
        searched["re-ranked"] = Retriever(index, embedder, "hybrid", reranker)
    found = {}
    for name, each in searched.items():
        hits = each.search_many(texts, 10, [hidden] * len(texts))
        scores = retrieval_metrics.per_question([[hit.case.id for hit in row] for row in hits], wanted)
        found[name] = {metric: measures.mean(values.tolist()) for metric, values in scores.items()}
    return found


def case_by_case(marks: dict[str, list[Mark]]) -> list[dict]:
    """For each held-out case its id, its row and what each column made of it; no text."""
    table = []
    for row in zip(*marks.values(), strict=True):
        question = row[0].question
        if question.case is not None:
            columns = {name: mark.as_dict() for name, mark in zip(marks, row, strict=True)}
            found = [case.id for case in question.context]
            table.append({"id": question.case.id, "row": question.case.row, "retrieved": found, "columns": columns})
    return table


def encoder_of(answerer: Answerer) -> tuple[Encoder, int]:
    """(the encoder that training has, how many tokens the model can read at once)."""
    limit = model.positions(answerer.speaker.model.config) or answerer.window
    return Encoder(answerer.speaker.tokenizer, limit), limit
