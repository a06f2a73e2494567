"""How long the whole command takes: arithmetic, and what is measured for it on real small parts."""

import re
import time
from dataclasses import replace
from statistics import fmean

import numpy as np
import pytest
import torch
from tiny_embedder import save_embedder

from langlearn import answer_pace, cases, falcon, index, launch, pace, stand_in, whole
from langlearn.embedding import Embedder
from langlearn.errors import UserError
from langlearn.search.remembered import remembered

pytestmark = pytest.mark.usefixtures("plain_environment")
ALONE = launch.alone(torch.device("cpu"))
NOTHING = np.empty((0, 16), np.uint8), np.empty((0, 32), np.float32)
EMBEDDING = whole.Embedding(texts=30, seconds=7.0, per_token=1e-3)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory):
    return str(save_embedder(tmp_path_factory.mktemp("embedder") / "one"))


@pytest.fixture
def asked(situation, embedder, tmp_path):
    """(config, corpus, train, held out, lesson, pace) of a run that is planned."""

    def make(**settings):
        made, _, lesson, plan = situation(**settings)
        made.index.folder, made.index.embedder = str(tmp_path / "index"), embedder
        corpus = cases.read(made.data)
        train, held_out = cases.split(corpus, made.data.train_share, made.data.seed)
        work = pace.Work.of(lesson.lengths, made.training, 1)
        return made, corpus, train, held_out, lesson, pace.Pace(0.01, 3.0, 1e-4, 0.02, 7, (2,), None, work)

    return make


def predicted(asked, **settings):
    made, _, _, held_out, lesson, known = asked(**settings)
    return made, whole.predicted(known, made, lesson, len(held_out), EMBEDDING), lesson


# Arithmetic -----------------------------------------------------------------------------------------------------------


def test_all_of_it_is_the_sum_of_its_parts(asked):
    _, found, _ = predicted(asked, num_train_epochs=2.0)
    found = replace(found, so_far=11.0)
    assert found.evaluations == 3 * 3.0 and found.answers > 0 and found.measuring > 0
    parts = found.so_far + found.steps + found.evaluations + found.answers + found.measuring + found.embedding.seconds
    assert found.total == pytest.approx(parts)
    what, value, why = found.row(cases=3)
    assert (what, value) == ("all of it", pace.clock(found.total))
    for part in ("so far 0:11", "30 texts to embed, once, 0:07", "measuring 3 held-out cases"):
        assert part in why
    assert "embed" not in replace(found, embedding=whole.Embedding(0, 0.0, 1e-3)).row(3)[2]


def test_what_is_not_asked_takes_no_time(asked):
    made, known = asked()[0], asked()[-1]
    *_, held_out, lesson, _ = asked(diagnostic_questions=[])
    made.training.diagnostic_questions, made.evaluation.cases = [], 0
    found = whole.predicted(known, made, lesson, len(held_out), EMBEDDING)
    assert found.answers == found.measuring == 0 and "measuring" not in found.row(0)[2]


def test_answers_take_as_long_as_their_batches_and_are_as_long_as_they_may_be(asked):
    made, found, lesson = predicted(asked)
    made.training.diagnostic_questions *= 11  # 33: three batches
    short = [lesson.curriculum.encoder.example(case).prompt_length for case in lesson.curriculum.cases]
    again = whole.predicted(asked()[-1], made, lesson, 3, EMBEDDING)
    written = made.answering.max_new_tokens * 0.02
    assert again.answers == pytest.approx(2 * (3 * written + 33 * sum(short) / len(short) * 1e-4))
    made.answering.max_new_tokens *= 2
    longer = whole.predicted(asked()[-1], made, lesson, 3, EMBEDDING)
    assert longer.answers - again.answers == pytest.approx(2 * 3 * written)
    assert longer.measuring - again.measuring == pytest.approx(4 * written)


def test_of_an_interrupted_run_only_what_is_left_counts(asked, situation):
    made, _, _, held_out, lesson, known = asked()  # two epochs of six steps
    of_all = whole.predicted(known, made, lesson, len(held_out), EMBEDDING)
    left = whole.predicted(known, made, lesson, len(held_out), EMBEDDING, done=7)
    assert left.steps == pytest.approx(known.seconds() - known.seconds(7)) and 0 < left.steps < of_all.steps / 2
    assert of_all.evaluations == 3 * 3.0 and left.evaluations == 3.0  # before, and after the first epoch: are done
    assert left.answers == of_all.answers / 2 and left.measuring == of_all.measuring
    plan = whole.told(replace(situation()[-1], pace=known), made, lesson, len(held_out), EMBEDDING, 0.0, done=7)
    text = " ".join(plan.table().split())
    assert f"resumes at step 7 an interrupted run goes on: {pace.clock(left.steps)} of training are left" in text
    assert plan.whole.steps == left.steps


def test_without_retrieval_two_columns_are_measured(asked):
    made, four, lesson = predicted(asked)
    made.answering.k, known, held_out = 0, asked()[-1], len(lesson.held_out)
    two = whole.predicted(known, made, lesson, held_out, EMBEDDING)
    answer = fmean(e.supervised for e in map(lesson.curriculum.encoder.example, lesson.curriculum.cases))
    long = fmean(e.prompt_length for e in lesson.held_out)
    column = made.answering.max_new_tokens * 0.02 + held_out * ((2 * long + answer) * 1e-4 + answer * 1e-3)
    assert two.measuring > 0 and four.measuring - two.measuring == pytest.approx(2 * column)


def test_where_nothing_was_measured_nothing_is_told(asked, situation):
    made, _, _, held_out, lesson, known = asked()
    plan = situation()[-1]
    for unknown in (None, replace(known, writing=float("nan"))):
        without = replace(plan, pace=unknown)
        assert whole.told(without, made, lesson, len(held_out), EMBEDDING, 0.0) is without
    plan = replace(plan, pace=known)
    assert whole.told(plan, made, lesson, len(held_out), None, 0.0) is plan
    assert whole.told(plan, made, lesson, len(held_out), EMBEDDING, 0.0).whole.total > 0


def test_where_no_index_is_opened_no_embedder_is_either(asked, monkeypatch):
    made, corpus, train, held_out, *_ = asked(retrieval_share=0.0)
    assert whole.to_embed(made, corpus, train, held_out).texts > 0, "what is measured at the end opens one"
    made.evaluation.cases, made.index.embedder = 0, "no/such/embedder"
    assert whole.to_embed(made, corpus, train, held_out) == whole.Embedding(0, 0.0, 0.0)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no room"), UserError("damaged")])
def test_an_embedder_that_cannot_be_timed_ends_nothing(asked, monkeypatch, error):
    def fails(*_, **named):
        raise error

    made, corpus, train, held_out, *_ = asked()
    assert whole.to_embed(made, corpus, train, held_out).texts > 0
    monkeypatch.setattr(Embedder, "_at_once", fails)
    assert whole.to_embed(made, corpus, train, held_out) is None


# Measured -------------------------------------------------------------------------------------------------------------


def test_a_plan_tells_it_in_80_columns(asked, situation):
    made, corpus, train, held_out, lesson, known = asked()
    to_embed, plan = whole.to_embed(made, corpus, train, held_out), replace(situation()[-1], pace=known)
    plan = whole.told(plan, made, lesson, len(held_out), to_embed, time.monotonic() - 100)
    text = plan.table()
    assert max(map(len, text.splitlines())) <= 80 and "\nall of it " in text
    assert 100 <= plan.whole.so_far < 150 and plan.whole.embedding.texts > 24 and plan.whole.embedding.seconds > 0
    assert re.search(r"so far 1:[45]\d", " ".join(text.split()))


def test_only_what_is_not_known_is_still_to_be_embedded(asked):
    made, corpus, train, held_out, *_ = asked()
    before = whole.to_embed(made, corpus, train, held_out)
    embedder = Embedder(made.index.embedder, "cpu")
    opened = index.open_index(made.index.folder, corpus, embedder)
    assert before.texts == opened.embedded > 0  # all prompts are among the questions that it is fitted on
    after = whole.to_embed(made, corpus, train, held_out)
    assert (after.texts, after.seconds) == (0, 0.0) and after.per_token > 0
    refusal = replace(train[0], labels={"condition": "out of scope"})
    assert whole.to_embed(made, corpus, [refusal, *train[1:]], held_out).texts == len({c.completion for c in train})
    remembered([c.completion for c in train], opened.folder, "documents", embedder, NOTHING)
    assert whole.to_embed(made, corpus, [refusal, *train[1:]], held_out).texts == 0


def test_reading_and_writing_are_timed_on_a_batch_of_answers(situation, monkeypatch):
    made, model_config, lesson, plan = situation()
    stand_ins = stand_in.StandIns(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE.device)
    model, seen = stand_ins.runs[0].model, []
    real = falcon.FusedFalconAttention.forward

    def forward(self, hidden_states, *rest, **named):
        seen.append((*hidden_states.shape[:2], hidden_states.dtype))
        return real(self, hidden_states, *rest, **named)

    monkeypatch.setattr(falcon.FusedFalconAttention, "forward", forward)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    reading, writing = stand_ins.answer(lesson.held_out)
    assert reading > 0 and writing > 0
    width = max(e.prompt_length for e in lesson.held_out)
    sizes = [(16, width)] + [(16, 1)] * answer_pace.STEPS
    assert [each[:2] for each in seen[::2]] == sizes  # of two layers
    assert {dtype for *_, dtype in seen} == {torch.float32}
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {p.dtype for n, p in model.named_parameters() if "lora" not in n} == {plan.dtype}


@pytest.mark.parametrize(
    ("quantization", "unpacked", "asked_for", "answers_in"),
    [
        ("nf4", True, "auto", torch.float32),
        ("none", False, "auto", torch.float32),
        ("nf4", True, "bfloat16", torch.bfloat16),
        ("none", False, "bfloat16", torch.bfloat16),
        ("nf4", False, "auto", torch.bfloat16),
    ],
)
def test_answers_are_timed_in_the_dtype_they_come_in(
    situation, monkeypatch, quantization, unpacked, asked_for, answers_in
):
    made, model_config, lesson, plan = situation()
    made.model.quantization, made.model.dtype = quantization, asked_for
    plan = replace(plan, dtype=torch.bfloat16, unpacked=unpacked)
    stand_ins = stand_in.StandIns(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE.device)
    seen = []
    monkeypatch.setattr(stand_in.answer_pace, "of_a_batch", lambda model, _: seen.append(model.dtype) or (1.0, 1.0))
    stand_ins.answer(lesson.held_out)
    assert seen == [answers_in]


def test_long_prompts_are_read_in_part(situation, monkeypatch):
    made, model_config, lesson, plan = situation()
    monkeypatch.setattr(answer_pace, "LONGEST", 12)
    stand_ins = stand_in.StandIns(plan, made, model_config, lesson.curriculum, lesson.lengths, ALONE.device)
    widths = []
    monkeypatch.setattr(
        type(stand_ins.runs[0].model), "generate", lambda self, input_ids, stopping_criteria, **rest: (
            widths.append(input_ids.shape), [stopping_criteria[0](input_ids, None) for _ in range(3)]
        ),
    )  # fmt: skip
    stand_ins.answer(lesson.held_out)
    assert widths == [(16, 12)]
