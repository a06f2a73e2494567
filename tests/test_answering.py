"""What an answer promises: streamed as it will stand, cited from what was retrieved, or nothing at all."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    FalconConfig,
    GPT2Config,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
)

from langlearn import answering, cases, falcon, generation, machine, model, prompts, speaker
from langlearn.answering import NEXT_QUESTION, Answerer
from langlearn.cases import Case
from langlearn.config import Answering as Settings
from langlearn.config import Config, Data, Index, Training
from langlearn.config import Model as ModelSettings
from langlearn.embedding import Embedder
from langlearn.errors import UserError
from langlearn.index import open_index
from langlearn.retrieval import Hit, Retriever
from langlearn.safety import Notice
from langlearn.speaker import Speaker, load_speaker
from langlearn.terminal.streaming import Growing

QUESTION = "A 30-year-old dancer comes with a twisted ankle; pulse 71/min. What is it?"
TAUGHT = (
    "The likely diagnosis is lateral ankle sprain [1]. Give 500 mg of paracetamol [2][7]. \x1b[31mRest\x1b[0m it ([9])."
)
SHOWN = "The likely diagnosis is lateral ankle sprain [1]. Give 500 mg of paracetamol [2]. Rest it."


def settings_for(base: Path, corpus: Path, folder: Path, **answering) -> Config:
    return Config(
        model=ModelSettings(base=str(base)),
        data=Data(cases=str(corpus)),
        training=Training(output=str(folder / "adapter")),
        index=Index(folder=str(folder / "index")),
        answering=Settings(**{"max_new_tokens": 120, "context_tokens": 1500, "min_similarity": 0.3, **answering}),
    )


@pytest.fixture(scope="module")
def retriever(tiny_corpus, tmp_path_factory):
    embedder = Embedder("all-MiniLM-L6-v2")
    corpus = cases.read(Data(cases=str(tiny_corpus)))
    return Retriever(open_index(tmp_path_factory.mktemp("index"), corpus, embedder), embedder)


@pytest.fixture(scope="module")
def taught(tiny_falcon, retriever) -> Speaker:
    """A Falcon that learned one sentence by heart, and to stop after it."""
    tokenizer = model.load_tokenizer(ModelSettings(base=str(tiny_falcon)))
    learner = AutoModelForCausalLM.from_pretrained(tiny_falcon, attn_implementation=falcon.FUSED)
    found = [hit.case for hit in retriever.search(QUESTION, 3)]
    ending = tokenizer(" " + TAUGHT).input_ids + [tokenizer.eos_token_id]
    optimizer = torch.optim.AdamW(learner.parameters(), lr=5e-3)
    for step in range(400):
        start = tokenizer(prompts.context_prompt(QUESTION, found[: step % 4])).input_ids
        labels = torch.tensor([[-100] * len(start) + ending])
        loss = learner(input_ids=torch.tensor([start + ending]), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if loss < 0.02 and step > 20:
            break
    assert loss < 0.1
    return Speaker(learner.eval(), tokenizer, "taught", None, folded=False)


@pytest.fixture
def answerer(taught, retriever) -> Answerer:
    return Answerer(taught, retriever, Settings(max_new_tokens=120, context_tokens=1500, min_similarity=0.3))


def calls_of(module) -> list:
    """Grows with each forward pass of a module."""
    calls = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_what_is_streamed_is_the_answer_that_stands_in_the_end(answerer):
    pieces = []
    answer = answerer.answer(QUESTION, on_text=pieces.append)
    assert "".join(pieces) == answer.answer == SHOWN
    assert len(pieces) > 5
    assert answer.complete and not answer.abstained


def test_citations_are_those_of_the_cases_retrieved_and_invented_ones_are_gone(answerer, retriever):
    answer = answerer.answer(QUESTION)
    hits = retriever.search(QUESTION, 3)
    assert [(c.number, c.id, c.score) for c in answer.citations] == [
        (n, hit.case.id, round(hit.score, 4)) for n, hit in enumerate(hits, start=1)
    ]
    assert [c.cited for c in answer.citations] == [True, True, False]
    assert answer.removed_citations == [7, 9]


def test_each_sentence_says_whether_the_cases_support_it(answerer):
    support = answerer.answer(QUESTION).support
    assert [each.supported for each in support][:2] == [True, False]
    assert support[0].sentence.startswith("The likely diagnosis is lateral ankle sprain")


def test_a_dose_that_is_in_no_cited_case_is_flagged(answerer):
    notices = answerer.answer(QUESTION).notices
    assert [n.kind for n in notices] == ["dose"]
    assert "500 mg" in notices[0].text


def test_without_evidence_nothing_is_generated(answerer, taught):
    calls, pieces = calls_of(taught.model), []
    answer = answerer.answer("How do I prune an apple tree?", on_text=pieces.append)
    assert (answer.answer, answer.abstained, answer.citations) == (prompts.NO_EVIDENCE, True, [])
    assert not calls and not pieces


def test_the_threshold_is_the_setting_or_else_the_one_measured_with_the_index(answerer, retriever):
    assert answerer.least_similarity == 0.3
    measured = Answerer(answerer.speaker, retriever, replace(answerer.answering, min_similarity=None))
    assert measured.least_similarity == retriever.threshold
    strict = Answerer(answerer.speaker, retriever, replace(answerer.answering, min_similarity=0.999))
    assert strict.answer(QUESTION).abstained


def test_a_case_that_shows_how_to_decline_is_no_evidence():
    def hit(condition: str, score: float) -> Hit:
        return Hit(Case("id", "prompt", "completion", 1, {"condition": condition}), score, 1, "both")

    assert not answering.enough_evidence([hit("out of scope", 0.9), hit("asthma", 0.2)], 0.5)
    assert answering.enough_evidence([hit("out of scope", 0.9), hit("asthma", 0.6)], 0.5)
    assert not answering.enough_evidence([], -1.0)


def test_k_0_asks_the_model_alone(answerer, retriever):
    calls = calls_of(retriever.embedder.model)
    answer = answerer.answer(QUESTION, k=0)
    assert (answer.citations, answer.abstained, answer.support) == ([], False, [])
    assert [n.kind for n in answer.notices] == ["dose"]
    assert "[1]" not in answer.answer and not calls
    assert Answerer(answerer.speaker, None, answerer.answering).answer(QUESTION).index is None


def test_the_window_loses_whole_cases_and_says_how_many(answerer, retriever):
    whole = answerer.answer(QUESTION, k=5)
    assert (len(whole.citations), whole.left_out) == (5, 0)
    prompt = answerer.fit(QUESTION, [hit.case for hit in retriever.search(QUESTION, 2)]).prompt
    needed = len(answerer.speaker.tokenizer(prompt).input_ids)
    narrow = Answerer(answerer.speaker, retriever, replace(answerer.answering, context_tokens=needed + 120))
    answer = narrow.answer(QUESTION, k=5)
    assert (len(answer.citations), answer.left_out) == (2, 3)


def test_the_window_is_never_wider_than_the_models_own(taught):
    assert Answerer(taught, None, Settings(context_tokens=100_000)).window == 2048


@pytest.mark.parametrize(("question", "reason"), [(" \n", "empty"), ("ankle " * 2000, "tokens"), ("\udcff", "UTF-8")])
def test_a_question_that_cannot_be_asked_is_refused(answerer, taught, question, reason):
    calls = calls_of(taught.model)
    with pytest.raises(UserError, match=reason):
        answerer.answer(question)
    assert not calls


def test_a_question_that_memory_does_not_hold_is_refused_and_the_next_is_answered(answerer, monkeypatch):
    def scarce(**rest):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.")

    with monkeypatch.context() as patched:
        patched.setattr(answerer.speaker.model, "generate", scarce)
        with pytest.raises(UserError, match="Tried to allocate 9 GiB"):
            answerer.answer(QUESTION)
    assert answerer.answer(QUESTION).answer == SHOWN


def test_an_emergency_is_noticed_before_the_model_speaks(answerer):
    heard = []
    question = "My ankle is twisted and I have crushing chest pain and sweat. What is it?"
    answer = answerer.answer(question, on_text=heard.append, on_notice=heard.append)
    assert isinstance(heard[0], Notice) and isinstance(heard[-1], str)
    assert answer.notices[0] == heard[0]


def test_a_person_who_thinks_of_suicide_gets_the_notice_and_no_machines_answer(answerer, taught):
    calls = calls_of(taught.model)
    answer = answerer.answer("My ankle hurts and I want to kill myself. What is it?")
    assert answer.notices[0].kind == "self-harm"
    assert (answer.answer, answer.abstained, calls) == ("", True, [])


def test_the_json_contract(answerer):
    content = json.loads(json.dumps(answerer.answer(QUESTION).as_dict()))
    contract = ["question", "answer", "abstained", "citations", "notices", "model", "index", "timings"]
    assert list(content)[:8] == contract
    assert content["citations"][0].keys() >= {"id", "score", "text"}
    assert content["model"]["base"] == "taught" and content["index"]["cases"] == 24
    assert content["timings"]["tokens"] > 0 and content["timings"]["total"] >= content["timings"]["first_token"] > 0


def test_terminal_escapes_in_a_case_do_not_reach_the_citation():
    text = answering.case_text(Case("id", "A man \x1b]0;owned\x07coughs.", "Cold\x1b[2J.", 1, {}))
    assert text == "A man coughs.\nCold."


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_however_a_text_arrives_it_is_shown_once_and_clean(size):
    from langlearn.clinical.untrusted import strip_terminal
    from langlearn.evidence import check_citations

    raw = " A [1] b \x1b]0;title with spaces\x07 c ([7]) d [1-9], e [2] [8].\n[7] New\x1b[31m line [not one] (x)"
    raw += "\nQuestion: f?"
    shown = []

    def clean(text):
        return check_citations(strip_terminal(text).strip(), 3)[0]

    growing = Growing(shown.append, clean, NEXT_QUESTION)
    for start in range(0, len(raw), size):
        growing.add(raw[start : start + size])
    answer = clean(raw.partition(NEXT_QUESTION)[0])
    growing.finish(answer)
    assert "".join(shown) == answer == "A [1] b  c d [1, 2, 3], e [2].\nNew line [not one] (x)"


FAMILIES = {
    "falcon": FalconConfig(hidden_size=64, num_hidden_layers=2, num_attention_heads=4),
    "grouped falcon": FalconConfig(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True
    ),
    "gpt2": GPT2Config(n_embd=64, n_layer=2, n_head=4),
    "llama": LlamaConfig(hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4),
    "qwen2": Qwen2Config(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2
    ),
    "opt": OPTConfig(hidden_size=64, word_embed_proj_dim=64, ffn_dim=96, num_hidden_layers=2, num_attention_heads=4),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_prompt_lookup_changes_no_token(family, tiny_falcon):
    tokenizer = model.load_tokenizer(ModelSettings(base=str(tiny_falcon)))
    shape = FAMILIES[family]
    shape.update({"vocab_size": len(tokenizer), "bos_token_id": 0, "eos_token_id": tokenizer.eos_token_id})
    torch.manual_seed(0)
    kind = falcon.FUSED if "falcon" in family else "sdpa"
    speaking = AutoModelForCausalLM.from_config(shape, attn_implementation=kind).eval()
    for parameter in speaking.parameters():
        parameter.data *= 3  # far from uniform, so that it neither stutters at once nor follows rounding
    prompt = "Similar cases:\n" + "[1] A man has a cough and a cold.\nAnswer: A cold [1]. Rest.\n\n" * 3
    assert generation.lookup_is_exact(speaking)
    once, again = (
        generation.generate(speaking, tokenizer, [prompt], 60, lookup=lookup)[0] for lookup in (False, True)
    )
    assert (once.text, once.tokens, once.stopped) == (again.text, again.tokens, again.stopped)


def test_prompt_lookup_is_off_where_rounding_could_decide(tiny_falcon):
    coarse = AutoModelForCausalLM.from_pretrained(tiny_falcon, dtype=torch.bfloat16)
    assert not generation.lookup_is_exact(coarse)
    assert generation.lookup_is_exact(coarse.float())


@pytest.mark.parametrize("lookup", [False, True])
def test_what_a_prompt_begins_with_alike_is_not_computed_again(taught, lookup):
    above = "Similar cases:\n" + "[1] A man has a cough and a cold.\nAnswer: A cold [1]. Rest.\n\n" * 3
    texts = [above + prompts.question_prompt(text) for text in ("Why does he cough?", "Why does she sneeze?", QUESTION)]
    kept, read = generation.Kept(), []
    plain = taught.model.prepare_inputs_for_generation
    expected = [generation.generate(taught.model, taught.tokenizer, [text], 40, lookup=lookup)[0] for text in texts]
    hook = taught.model.register_forward_pre_hook(
        lambda _, args, given: read.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    for number, (text, once) in enumerate(zip(texts, expected, strict=True)):
        read.clear()
        [again] = generation.generate(taught.model, taught.tokenizer, [text], 40, lookup=lookup, kept=kept)
        assert (again.text, again.tokens, again.stopped) == (once.text, once.tokens, once.stopped)
        whole, header = (len(taught.tokenizer(each).input_ids) for each in (text, above))
        assert read[0] >= whole if number == 0 else read[0] <= whole - header + generation.LOOKUP_TOKENS
    hook.remove()
    assert taught.model.prepare_inputs_for_generation == plain


def test_nothing_half_done_is_kept(taught):
    kept, text = generation.Kept(), prompts.question_prompt("Why does he cough?")

    def leave(_):
        raise KeyboardInterrupt

    [said] = generation.generate(taught.model, taught.tokenizer, [text], 20, kept=kept)
    with pytest.raises(KeyboardInterrupt):
        generation.generate(taught.model, taught.tokenizer, [text], 20, on_text=leave, kept=kept)
    assert kept.cache is None
    assert generation.generate(taught.model, taught.tokenizer, [text], 20, kept=kept)[0].text == said.text


def test_an_answer_ends_where_the_model_would_ask_itself_the_next_question(taught):
    prompt = prompts.question_prompt(QUESTION)
    [said] = generation.generate(taught.model, taught.tokenizer, [prompt], 120, until=" Give")
    assert said.text == "The likely diagnosis is lateral ankle sprain [1]." and said.stopped
    assert said.tokens < 60


# The model that answers --------------------------------------------------------------------------------------------


@pytest.fixture
def tuned(tiny_falcon, tiny_corpus, tmp_path, publish_adapter) -> Config:
    """Settings with a published adapter that changes what the base says."""
    settings = settings_for(tiny_falcon, tiny_corpus, tmp_path)
    publish_adapter(settings, std=0.2)
    return settings


def says(one: Speaker, tokens: int = 40) -> str:
    prompt = prompts.context_prompt(QUESTION, [Case("id", "A man limps.", "A sprain.", 1, {})])
    return generation.generate(one.model, one.tokenizer, [prompt], tokens)[0].text


def with_memory(size: int) -> machine.Hardware:
    return replace(machine.describe(), device="cpu", gpus=(), memory_free=size)


def test_folded_into_plain_weights_the_model_says_the_same(tuned):
    folded = load_speaker(tuned, with_memory(2**33), torch.float32)
    trained = load_speaker(tuned, with_memory(0), torch.float32)
    assert folded.folded and not trained.folded
    assert not any("lora" in name for name, _ in folded.model.named_modules())
    assert model.count_quantised(trained.model)[1] == 8 and model.count_quantised(folded.model)[1] == 0
    ids = torch.tensor([folded.tokenizer(QUESTION).input_ids])
    with torch.no_grad():
        logits = [each.model(input_ids=ids).logits for each in (folded, trained)]
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)
    assert says(folded) == says(trained)


def test_a_gpu_holds_the_folded_model_where_its_own_memory_has_room(tuned):
    card = machine.Gpu("a card", (6, 1), 24 * 2**30, 0)
    for free, folded in ((0, False), (2**33, True)):
        here = replace(with_memory(2**40), gpus=(replace(card, free=free), replace(card, free=2**34)))
        assert load_speaker(tuned, here, torch.float32).folded is folded


def test_without_an_adapter_the_base_answers_and_says_so(tuned, tmp_path):
    tuned.training.output = str(tmp_path / "nothing here")
    alone = load_speaker(tuned, with_memory(2**33), torch.float32)
    assert alone.adapter is None and alone.about()["adapter"] is None
    assert says(alone)


def test_the_adapter_changes_what_is_said(tuned, tmp_path):
    with_adapter = says(load_speaker(tuned, with_memory(2**33), torch.float32))
    tuned.training.output = str(tmp_path / "nothing here")
    assert says(load_speaker(tuned, with_memory(2**33), torch.float32)) != with_adapter


def test_16_bit_models_are_not_folded(tuned):
    tuned.model.dtype = "bfloat16"
    coarse = load_speaker(tuned, with_memory(2**33), torch.bfloat16)
    assert not coarse.folded and model.count_quantised(coarse.model)[1] == 8
    assert {p.dtype for n, p in coarse.model.named_parameters() if "lora_" in n} == {torch.bfloat16}
    assert says(coarse)


def test_a_model_that_was_never_4_bit_folds_too(tuned):
    tuned.model.quantization = "none"
    assert speaker.load_speaker(tuned, with_memory(2**33), torch.float32).folded


@pytest.mark.parametrize(
    "ids, end",
    [
        (range(60), None),
        ([9, 8, 7] + [5] * 30, 15),
        ([9, 8, 7] + [5] * 11, None),
        ([9, 8] + [1, 2, 3, 4] * 4, 14),
        ([1, 2, 3, 4] * 2 + [1, 2, 3], None),
        ([*range(16)] * 3, 48),
        ([*range(17)] * 3, None),
        ([1, 2, 3, 4] * 3 + [9, 9], 12),
    ],
)
def test_an_answer_goes_round_once_one_phrase_stands_there_three_times(ids, end):
    assert generation.loop_end([*ids]) == end


@pytest.mark.parametrize("count", [1, 3])
def test_an_answer_that_goes_round_ends_there_and_did_not_stop_by_itself(count, tiny_falcon):
    settings = ModelSettings(base=str(tiny_falcon), quantization="none")
    tokenizer, stuck = model.load_tokenizer(settings), model.load_base(settings, "cpu", torch.float32)
    stuck.lm_head = torch.nn.Linear(stuck.config.hidden_size, stuck.config.vocab_size)
    stuck.lm_head.weight.data.zero_()
    stuck.lm_head.bias.data.zero_()[7] = 1.0  # whatever stands there, the next token is the same
    answers = generation.generate(stuck, tokenizer, ["A cough.", "A cough and a fever.", "No."][:count], 100)
    assert [(answer.tokens, answer.stopped) for answer in answers] == [(12, False)] * count
