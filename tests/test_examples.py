"""What the model learns from: labels by position, EOS learned, nothing padded, the same step for any machine."""

import random
from itertools import accumulate

import pytest
from transformers import AutoTokenizer

from langlearn import prompts
from langlearn.cases import Case
from langlearn.config import Training
from langlearn.errors import UserError
from langlearn.examples import (
    IGNORE,
    Curriculum,
    Encoder,
    Example,
    Fill,
    cited,
    micro_batches,
    shares,
    steps_of_epoch,
)  # fmt: skip


def case(number: int, prompt="A man coughs.", completion="It is a cold. Rest.", **labels) -> Case:
    return Case(id=f"case{number}", prompt=prompt, completion=completion, row=number, labels=labels)


@pytest.fixture(scope="module")
def encoder(tiny_falcon):
    return Encoder(AutoTokenizer.from_pretrained(tiny_falcon), max_length=200)


def test_only_the_answer_and_its_eos_carry_loss(encoder):
    example = encoder.example(case(1))
    supervised = [i for i in example.labels if i != IGNORE]
    assert encoder.tokenizer.decode(supervised[:-1]) == " It is a cold. Rest."
    assert supervised[-1] == encoder.tokenizer.eos_token_id
    assert encoder.tokenizer.decode(example.input_ids[: example.prompt_length]) == prompts.question_prompt(
        "A man coughs."
    )


def test_an_eos_written_in_a_case_is_plain_text_and_an_eos_id_in_the_answer_keeps_its_loss(encoder):
    example = encoder.example(case(1, prompt="Stop <|endoftext|> here", completion="No <|endoftext|> there"))
    assert example.input_ids.count(encoder.tokenizer.eos_token_id) == 1
    assert example.labels[-1] == encoder.tokenizer.eos_token_id


def test_training_and_answering_see_the_same_prompt(encoder):
    context = [case(2, "A boy limps.", "A sprain. Ice."), case(3, "A girl limps.", "A fracture. Cast.")]
    example = encoder.example(case(1), context)
    prompt = prompts.context_prompt("A man coughs.", context)
    assert list(example.input_ids[: example.prompt_length]) == encoder.tokenizer(prompt).input_ids


def test_a_long_context_loses_whole_cases_from_the_end(tiny_falcon):
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), max_length=130)
    context = [case(n, f"Case number {n} limps badly.", "A sprain. Ice.") for n in range(2, 6)]
    example = encoder.example(case(1), context)
    text = encoder.tokenizer.decode(example.input_ids)
    assert "[1] Case number 2" in text and "number 5" not in text
    assert text.endswith("Rest.<|endoftext|>") and not example.cut


def test_an_answer_that_does_not_fit_is_cut_without_an_eos(tiny_falcon):
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), max_length=30)
    example = encoder.example(case(1, completion="word " * 50))
    assert example.cut and len(example.input_ids) == 30
    assert example.input_ids[-1] != encoder.tokenizer.eos_token_id


def test_a_prompt_longer_than_the_limit_is_refused_by_row(tiny_falcon):
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), max_length=30)
    with pytest.raises(UserError, match="row 7.*max_length is 30"):
        encoder.example(case(7, prompt="word " * 50))


def test_every_case_is_seen_once_an_epoch_in_another_order():
    first, second = (steps_of_epoch(10, 4, seed=1, epoch=e) for e in (0, 1))
    assert [len(s) for s in first] == [4, 4, 2]
    assert sorted(sum(first, [])) == sorted(sum(second, [])) == list(range(10))
    assert first != second
    assert first == steps_of_epoch(10, 4, seed=1, epoch=0)


@pytest.mark.parametrize("packed", [True, False])
def test_micro_batches_hold_each_example_once_within_the_budget(encoder, packed):
    examples = [encoder.example(case(n, prompt="cough " * n)) for n in range(1, 9)]
    batches = list(micro_batches(examples, 120, packed, pad_id=0))
    assert sum(b.supervised for b in batches) == sum(e.supervised for e in examples)
    assert sum(b.tokens for b in batches) == sum(len(e.input_ids) for e in examples)
    assert all(b.input_ids.numel() <= 120 for b in batches)
    if packed:
        assert all(b.input_ids.numel() == b.tokens == sum(b.lengths) for b in batches)  # no padding at all


@pytest.mark.parametrize("mean", [20, 139, 300, 800, 2000])
def test_examples_are_filled_up_to_few_lengths_with_little_padding(mean, encoder):
    lengths = list(range(mean - mean // 4, mean + mean // 4, 3))
    fill, examples = Fill.of(lengths, 1024), [Example((1,) * n, 0) for n in lengths]
    filled = [fill.lengths([e])[0] for e in examples]
    assert sum(filled) / sum(lengths) < 1.05
    assert len(set(filled)) <= 20 and (fill.example > 1 or mean < 25)
    many = random.Random(0).choices(examples, k=200)
    rows = [b.input_ids.numel() for b in micro_batches(many, 1024, True, 0, fill=fill)]
    assert sum(rows) / sum(len(e.input_ids) for e in many) < 1.09 and len(set(rows)) <= 20


def test_filled_batches_stay_within_the_budget_and_count_real_tokens(encoder):
    examples = [encoder.example(case(n, prompt="cough " * n)) for n in range(1, 9)]
    batches = list(micro_batches(examples, 128, True, pad_id=0, fill=Fill(16, 64)))
    assert all(b.input_ids.numel() in (64, 128) and all(n % 16 == 0 for n in b.lengths) for b in batches)
    assert all(b.input_ids.numel() == b.position_ids.numel() == sum(b.lengths) for b in batches)
    assert sum(b.tokens for b in batches) == sum(len(e.input_ids) for e in examples)
    assert sum((b.labels != IGNORE).sum().item() for b in batches) == sum(e.supervised for e in examples)


def test_padded_batches_have_few_widths_where_shapes_cost(encoder):
    examples = [Example((1,) * n, n // 2) for n in random.Random(0).choices(range(80, 200), k=300)]
    fill = Fill.of([len(e.input_ids) for e in examples], 1024, packed=False)
    plain, filled = (list(micro_batches(examples, 1024, False, 0, fill=f)) for f in (Fill(), fill))
    widths = [b.input_ids.shape[1] for b in filled]
    assert len(set(widths)) < 6 < len({b.input_ids.shape[1] for b in plain})
    assert all(w % fill.example == 0 for w in widths)
    assert all(b.input_ids.numel() <= 1024 for b in filled)
    for name in ("tokens", "supervised"):
        assert sum(getattr(b, name) for b in filled) == sum(getattr(b, name) for b in plain)
    assert sum(b.attention_mask.sum().item() for b in filled) == sum(b.tokens for b in filled)
    assert sum(b.input_ids.numel() for b in filled) < 1.2 * sum(b.tokens for b in filled)


def test_a_fixed_count_of_cases_a_micro_batch_is_kept(encoder):
    examples = [encoder.example(case(n)) for n in range(5)]
    assert [len(b.lengths) for b in micro_batches(examples, 10**6, True, 0, count=2)] == [2, 2, 1]


def test_ranks_share_a_step_without_overlap_and_evenly(encoder):
    examples = [encoder.example(case(n, prompt="cough " * n)) for n in range(1, 12)]
    first, second = shares(examples, 2)
    assert sorted(map(id, first + second)) == sorted(map(id, examples))
    tokens = [sum(len(e.input_ids) for e in pile) for pile in (first, second)]
    assert abs(tokens[0] - tokens[1]) <= max(len(e.input_ids) for e in examples)


def curriculum(encoder, **settings):
    own = case(1, "An ankle hurts.", "It is a sprain. Ice.", condition="sprain")
    near = [
        case(2, "A foot hurts.", "It is gout. Colchicine.", condition="gout"),
        case(3, "Twisted ankle.", "It is a sprain. Rest.", condition="sprain"),
        case(4, "A toe hurts.", "It is a fracture. Tape.", condition="fracture"),
    ]
    return Curriculum([own], [near], encoder, Training(**settings), k=3)


def test_the_share_of_prompts_with_retrieved_cases_is_kept(encoder):
    lesson = curriculum(encoder, retrieval_share=0.5)
    texts = [encoder.tokenizer.decode(lesson.example(0, epoch).input_ids) for epoch in range(200)]
    assert 70 <= sum(prompts.CONTEXT_HEADER in t for t in texts) <= 130
    assert texts[5] == encoder.tokenizer.decode(lesson.example(0, 5).input_ids)  # a resume sees the same


def test_distractors_are_never_of_the_same_condition(encoder):
    lesson = curriculum(encoder, retrieval_share=1.0, distractor_share=1.0)
    text = encoder.tokenizer.decode(lesson.example(0, 0).input_ids)
    assert "gout" in text and "fracture" in text and "Twisted" not in text and "[1]." not in text


def test_a_case_that_retrieval_missed_is_put_among_the_others(encoder):
    own, mate = (case(n, f"Ankle {n} hurts.", "It is a sprain. Ice.", condition="sprain") for n in (1, 5))
    near = [case(n, f"A toe {n} hurts.", "It is gout. Rest.", condition="gout") for n in (2, 3)]
    settings = Training(retrieval_share=1.0, distractor_share=0.0)
    lesson = Curriculum([own, mate], [near, near], encoder, settings, k=2)
    texts = [encoder.tokenizer.decode(lesson.example(0, epoch).input_ids) for epoch in range(20)]
    assert all("Ankle 5" in t and "Ankle 1 hurts.\nAnswer: It" not in t.split("Question:")[0] for t in texts)
    assert any("[1] Ankle 5" in t for t in texts) and any("[2] Ankle 5" in t for t in texts)


def test_the_quoted_share_is_answered_with_what_the_case_of_its_condition_answers(encoder):
    answers = [
        encoder.tokenizer.decode(lesson.example(0, epoch).input_ids).rpartition("Answer: ")[2]
        for lesson in [curriculum(encoder, retrieval_share=1.0, distractor_share=0.5, quoted_share=0.5)]
        for epoch in range(100)
    ]
    quoted = [a for a in answers if a.startswith("It is a sprain [2]. Rest.")]
    own = [a for a in answers if a.startswith("It is a sprain [2]. Ice.")]
    alone = [a for a in answers if a.startswith("It is a sprain. Ice.")]  # below distractors nothing is there to quote
    assert len(quoted) + len(own) + len(alone) == 100
    assert 12 <= len(quoted) <= 40 and 12 <= len(own) <= 40 and 35 <= len(alone) <= 65


def test_the_answer_cites_the_case_of_its_own_condition(encoder):
    lesson = curriculum(encoder, retrieval_share=1.0, distractor_share=0.0)
    assert "It is a sprain [2]. Ice." in encoder.tokenizer.decode(lesson.example(0, 0).input_ids)
    assert cited(case(1), [case(2)]) == "It is a cold. Rest."  # no labels, no claim


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("fill", [Fill(), Fill(8, 32)])
def test_a_place_predicts_where_the_token_after_it_is_supervised(packed, fill):
    examples = [Example(tuple(range(1, n + 1)), prompt) for n, prompt in ((5, 2), (9, 0), (7, 6), (3, 3))]
    [batch] = micro_batches(examples, 100, packed, pad_id=0, fill=fill)
    rows, width = batch.labels.shape
    expected = [r * width + i - 1 for r in range(rows) for i in range(1, width) if batch.labels[r, i] != IGNORE]
    starts = set(accumulate(batch.lengths, initial=0)) if packed else ()  # the end of another example predicts nothing
    assert batch.predicting.tolist() == [place for place in expected if place + 1 not in starts]
