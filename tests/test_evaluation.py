"""What the four columns promise: fair questions, right losses, honest marks."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from adapters import give_a_voice

from langlearn import assets, cases, config, evaluation, model, prompts
from langlearn.answering import Answerer
from langlearn.cases import Case
from langlearn.embedding import Embedder
from langlearn.generation import Generated
from langlearn.index import open_index
from langlearn.measuring import judging, measures, results
from langlearn.measuring.judging import Judge, Question, Reply
from langlearn.measuring.measures import Measure
from langlearn.measuring.results import BASE, BASE_RETRIEVAL, TUNED, TUNED_RETRIEVAL, Evaluation
from langlearn.retrieval import Retriever
from langlearn.speaker import Speaker


def settings_for(base, corpus, index) -> config.Config:
    settings = config.Config()
    settings.model.base, settings.model.quantization, settings.model.dtype = str(base), "none", "float32"
    settings.data.cases, settings.data.train_share = str(corpus), 0.6
    settings.index.folder = str(index)
    settings.answering.max_new_tokens = 8
    return settings


@pytest.fixture(scope="module")
def embedder():
    return Embedder("all-MiniLM-L6-v2")


@pytest.fixture(scope="module")
def bench(tiny_falcon, tiny_corpus, embedder, tmp_path_factory):
    """(settings, corpus, train, held out, retriever over the whole corpus, tuned model, tokenizer)"""
    return make_bench(tiny_falcon, tiny_corpus, embedder, tmp_path_factory.mktemp("index"))


def make_bench(base, csv, embedder, index):
    settings = settings_for(base, csv, index)
    corpus = cases.read(settings.data)
    train, held_out = cases.split(corpus, settings.data.train_share, settings.data.seed)
    retriever = Retriever(open_index(index, corpus, embedder), embedder)
    return settings, corpus, train, held_out, retriever, tuned_model(settings), model.load_tokenizer(settings.model)


def tuned_model(settings):
    """The base with an adapter that changes what it says: a fresh one is zero."""
    tuned = model.add_adapter(model.load_base(settings.model, "cpu", torch.float32), settings.adapter, seed=0)
    give_a_voice(tuned, std=0.05)
    return tuned.eval()


@pytest.fixture(scope="module")
def found(bench) -> Evaluation:
    settings, _, train, held_out, retriever, tuned, tokenizer = bench
    synonyms = {"streptococcal pharyngitis": ["streptococcal pharyngitis", "strep throat"]}
    return evaluation.evaluate(tuned, tokenizer, retriever, held_out, train, synonyms, settings)


def answerer_of(bench) -> Answerer:
    settings, *_, retriever, tuned, tokenizer = bench
    speaker = Speaker(tuned, tokenizer, settings.model.base, Path("adapter"), folded=False)
    return Answerer(speaker, retriever, settings.answering)


def plain_loss(settings, tokenizer, prompt: str, completion: str) -> float:
    """Mean loss of the answer, the textbook way, on a base model that never had an adapter."""
    base = model.load_base(settings.model, "cpu", torch.float32)
    start = tokenizer(prompt, add_special_tokens=False).input_ids
    ending = tokenizer(prompts.answer_text(completion), add_special_tokens=False).input_ids + [tokenizer.eos_token_id]
    with torch.no_grad():
        logits = base(input_ids=torch.tensor([start + ending])).logits[0, len(start) - 1 : -1]
    return F.cross_entropy(logits, torch.tensor(ending)).item()


def test_no_held_out_case_is_ever_evidence(bench, found):
    train, held_out = bench[2], bench[3]
    trained = {case.id for case in train}
    assert len(found.cases) == len(held_out) and {each["id"] for each in found.cases} == {c.id for c in held_out}
    for each in found.cases:
        assert len(each["retrieved"]) == 3
        assert set(each["retrieved"]) <= trained


def test_the_base_column_is_the_model_as_it_came(bench, found):
    settings, _, _, held_out, _, _, tokenizer = bench
    for case, each in list(zip(held_out, found.cases, strict=True))[:3]:
        expected = plain_loss(settings, tokenizer, prompts.question_prompt(case.prompt), case.completion)
        base = each["columns"][BASE]
        assert base["loss"] / base["tokens"] == pytest.approx(expected, abs=1e-3)
        assert abs(each["columns"][TUNED]["loss"] - base["loss"]) > 0.1


def test_a_column_with_retrieval_is_asked_below_the_cases_it_names(bench, found):
    settings, corpus, _, held_out, _, _, tokenizer = bench
    by_id = {case.id: case for case in corpus.cases}
    case, each = held_out[0], found.cases[0]
    prompt = prompts.context_prompt(case.prompt, [by_id[i] for i in each["retrieved"]])
    base = each["columns"][BASE_RETRIEVAL]
    expected = plain_loss(settings, tokenizer, prompt, case.completion)
    assert base["loss"] / base["tokens"] == pytest.approx(expected, abs=1e-3)


def test_every_column_is_measured_on_the_same_reference_tokens(found):
    for each in found.cases:
        assert len({column["tokens"] for column in each["columns"].values()}) == 1


def test_the_loss_is_a_mean_over_tokens_and_perplexity_its_exponential(found):
    for name, column in found.columns.items():
        rows = [each["columns"][name] for each in found.cases]
        mean = sum(r["loss"] for r in rows) / sum(r["tokens"] for r in rows)
        assert column["loss"].value == pytest.approx(mean, abs=1e-4)
        assert column["perplexity"].value == pytest.approx(math.exp(mean), rel=1e-3)


def test_an_effect_compares_each_case_with_itself(found):
    column, effect = found.columns, found.effects["fine-tuning"]["loss"]
    assert effect.value == pytest.approx(column[TUNED]["loss"].value - column[BASE]["loss"].value, abs=1e-6)
    # The cases differ more from each other than with and without the adapter.
    apart = column[TUNED]["loss"].high - column[TUNED]["loss"].low
    assert effect.low < effect.value < effect.high
    assert effect.n == column[BASE]["loss"].n and apart > 0


def test_off_topic_questions_get_no_answer_where_retrieval_finds_nothing_similar(bench, found):
    answerer = answerer_of(bench)
    questions, _ = evaluation.ask(answerer, [], hidden=set())
    assert len(questions) == len(evaluation.OFF_TOPIC) and not any(q.enough for q in questions)
    [reply, *_] = evaluation.answers(answerer, questions, lambda *_: None)
    assert reply.abstained and reply.text == prompts.NO_EVIDENCE
    assert found.columns[TUNED_RETRIEVAL]["false_answers"] == measures.share([False] * len(questions))
    assert found.columns[TUNED]["false_answers"].value > 0.5  # nothing makes the bare model decline


def test_retrieval_is_ranked_by_condition_over_the_training_cases(bench, found):
    assert set(found.retrieval) == {"BM25", "dense", "hybrid"}
    for row in found.retrieval.values():
        assert row["recall@10"].n == len(bench[3])
    assert found.retrieval["dense"]["MRR"].value > 0.9  # the complaints of this corpus have little in common


def test_a_reranker_is_measured_beside_the_modes(bench, tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, BertConfig

    _, _, train, held_out, retriever, *_ = bench
    tokenizer = AutoTokenizer.from_pretrained(assets.embedder_folder("all-MiniLM-L6-v2"))
    torch.manual_seed(3)
    shape = BertConfig(vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                       intermediate_size=32, num_labels=1, initializer_range=0.5)  # fmt: skip
    AutoModelForSequenceClassification.from_config(shape).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    questions, _ = evaluation.ask(answerer_of(bench), held_out, {case.id for case in held_out})
    asked = [q for q in questions if q.condition]
    found = evaluation.ranking(retriever, asked, train, {case.id for case in held_out}, str(tmp_path))
    assert set(found) == {"BM25", "dense", "hybrid", "re-ranked"}
    assert found["re-ranked"]["MRR"].value < found["hybrid"]["MRR"].value  # one that never learned anything


def test_a_limit_measures_the_first_cases_only_and_still_hides_all_held_out_ones(bench):
    settings, _, train, held_out, retriever, tuned, tokenizer = bench
    few = evaluation.evaluate(tuned, tokenizer, retriever, held_out, train, {}, settings, limit=2)
    assert few.about["evaluated"] == 2 and few.about["held_out"] == len(held_out)
    hidden = {case.id for case in held_out}
    assert not any(hidden & set(each["retrieved"]) for each in few.cases)


def test_what_is_written_down_holds_no_text_of_any_case(bench, found):
    written = json.dumps(found.as_dict())
    for case in bench[1].cases:
        assert case.prompt[:25] not in written and case.completion[:25] not in written


def test_an_evaluation_survives_json(found):
    assert Evaluation.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_a_corpus_without_labels_and_a_model_that_is_no_falcon_are_measured_too(tiny_falcon, embedder, tmp_path, bench):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = bench[-1]
    base, csv = tmp_path / "gpt2", tmp_path / "plain.csv"
    torch.manual_seed(0)
    eos = tokenizer.eos_token_id
    shape = GPT2Config(vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=1024, eos_token_id=eos)
    GPT2LMHeadModel(shape).save_pretrained(base)
    tokenizer.save_pretrained(base)
    rows = [f'"{c.prompt}","{c.completion}"' for c in bench[1].cases]
    csv.write_text("\n".join(["Prompt,Completion", *rows]), encoding="utf-8")
    settings, _, train, held_out, retriever, tuned, tokenizer = make_bench(base, csv, embedder, tmp_path / "index")
    found = evaluation.evaluate(tuned, tokenizer, retriever, held_out, train, {}, settings, limit=3)
    expected = plain_loss(settings, tokenizer, prompts.question_prompt(held_out[0].prompt), held_out[0].completion)
    first = found.cases[0]["columns"][BASE]
    assert first["loss"] / first["tokens"] == pytest.approx(expected, abs=1e-3)
    assert found.columns[TUNED_RETRIEVAL]["rouge_l"].n == 3
    assert found.columns[TUNED_RETRIEVAL]["condition"].n == 0 and found.retrieval == {}
    assert any("'condition'" in note for note in found.notes)


def test_without_retrieval_in_the_config_there_are_two_columns(bench):
    settings, _, train, held_out, retriever, tuned, tokenizer = bench
    settings.answering.k = 0
    try:
        found = evaluation.evaluate(tuned, tokenizer, retriever, held_out, train, {}, settings, limit=1)
    finally:
        settings.answering.k = 3
    assert list(found.columns) == [BASE, TUNED] and list(found.effects) == ["fine-tuning"]


# Marks --------------------------------------------------------------------------------------------------------------

SPRAIN = Case("a" * 12, "A runner twisted her ankle.", "Lateral ankle sprain. Rest, ice and compression.", 2,
              {"condition": "lateral ankle sprain"})  # fmt: skip
THROAT = Case("b" * 12, "A nurse has a sore throat.", "Streptococcal pharyngitis. Penicillin for ten days.", 3,
              {"condition": "streptococcal pharyngitis"})  # fmt: skip
REFUSAL = Case("c" * 12, "Tell me a joke.", "I am sorry, jokes are outside what I can help with.", 4,
               {"condition": "out of scope"})  # fmt: skip


def mark(embedder, answer: str, case: Case | None = SPRAIN, **reply) -> judging.Mark:
    text, found = case.prompt if case else "Who won?", (THROAT, SPRAIN)
    question = Question(text, case, "", found, 2, 100, enough=True, own_harm=False)
    synonyms = {"lateral ankle sprain": ["lateral ankle sprain", "rolled ankle"]}
    judge = Judge(embedder, [SPRAIN, THROAT, REFUSAL], synonyms)
    [made] = judge.marks([question], [Reply(answer, **reply)], [(1.0, 10)] if case else [None])
    return made


def test_the_reference_answer_gets_full_marks_and_its_citations_do_not_lower_them(embedder):
    made = mark(embedder, "Lateral ankle sprain [2]. Rest, ice and compression [2].")
    assert made.rouge_l == 1.0 and made.similarity == pytest.approx(1.0, abs=1e-5) and made.condition
    assert (made.sentences, made.supported) == (2, 2)
    assert (made.citations, made.holding, made.right_case) == (2, 2, 2)
    assert not made.refused


def test_a_synonym_names_the_condition_and_another_condition_does_not(embedder):
    assert mark(embedder, "A rolled ankle.").condition
    assert not mark(embedder, "Streptococcal pharyngitis.").condition


def test_a_citation_that_does_not_bear_out_its_sentence_does_not_hold(embedder):
    made = mark(embedder, "Lateral ankle sprain [1].")
    assert (made.citations, made.holding, made.right_case) == (1, 0, 0)


def test_an_invented_citation_counts_against_the_answer(embedder):
    question = Question("?", SPRAIN, "", (THROAT, SPRAIN), 2, 100, enough=True, own_harm=False)
    made = evaluation.reply(question, Generated("Lateral ankle sprain [2][7].", 5, True, 0.1, 0.1))
    assert made.removed == 1 and "[7]" not in made.text and "[2]" in made.text
    marked = mark(embedder, made.text, removed=made.removed)
    assert (marked.citations, marked.holding) == (2, 1)


def test_an_unsupported_sentence_is_not_counted_as_supported(embedder):
    made = mark(embedder, "Give 500 mg of amiodarone at once.")
    assert (made.sentences, made.supported) == (1, 0)


def test_an_answer_that_reads_like_the_corpus_refusals_counts_as_a_refusal(embedder):
    assert mark(embedder, "Sorry, telling jokes is outside what I can help with.", case=None).refused
    assert mark(embedder, "", case=None).refused
    assert not mark(embedder, "Lateral ankle sprain. Rest and ice.", case=None).refused


def test_an_abstention_is_neither_stopped_nor_cited_but_refused(embedder):
    made = mark(embedder, prompts.NO_EVIDENCE, abstained=True)
    assert made.refused and made.stopped is None and made.sentences == made.citations == 0 and not made.condition


def test_an_answer_cut_where_the_model_asks_itself_on_did_not_stop_by_itself():
    question = Question("?", SPRAIN, "", (), 0, 100, enough=True, own_harm=False)
    cut = evaluation.reply(question, Generated("A sprain.\nQuestion: And now?\nAnswer: No.", 9, True, 0.1, 0.1))
    assert cut.text == "A sprain." and not cut.stopped
    assert evaluation.reply(question, Generated("A sprain.", 3, True, 0.1, 0.1)).stopped


# Numbers ------------------------------------------------------------------------------------------------------------


def test_a_share_has_an_interval_even_where_all_agree():
    all_yes = measures.share([True] * 10)
    assert all_yes.value == 1 and all_yes.high == 1 and all_yes.low == pytest.approx(0.722, abs=1e-3)  # Wilson 1927
    half = measures.share([True, False] * 50)
    assert (half.low, half.high) == (pytest.approx(0.4038, abs=1e-3), pytest.approx(0.5962, abs=1e-3))
    assert measures.share([]) == measures.NOTHING


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says():
    chance = np.random.default_rng(3)
    samples = chance.normal(1.0, 2.0, (150, 40))
    inside = [m.low <= 1.0 <= m.high for m in map(measures.mean, samples)]
    assert 0.87 < sum(inside) / len(inside) < 0.99


def test_a_ratio_weighs_by_its_denominators_and_passes_over_empty_ones():
    assert measures.ratio([1, 30, 5], [1, 10, 0]) == Measure(31 / 11, 2)


def test_too_few_cases_give_no_interval_and_no_verdict():
    few = measures.mean([0.5] * 3)
    assert few.low is None and results.verdict(results.METRICS["rouge_l"], few) == "unclear"


@pytest.mark.parametrize(
    ("metric", "low", "high", "says"),
    [("loss", -0.3, -0.1, "better"), ("loss", 0.1, 0.2, "worse"), ("rouge_l", 0.1, 0.2, "better"),
     ("rouge_l", -0.1, 0.2, "unclear"), ("condition", -0.2, -0.1, "worse")],
)  # fmt: skip
def test_a_change_is_called_better_only_beyond_its_interval(metric, low, high, says):
    assert results.verdict(results.METRICS[metric], Measure((low + high) / 2, 20, low, high)) == says
