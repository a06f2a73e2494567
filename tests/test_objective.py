"""The loss: the stock model's own number, however it is chunked, packed or padded."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PhiConfig,
    PhiForCausalLM,
)

from langlearn import falcon, objective, rows
from langlearn.cases import Case
from langlearn.examples import Encoder, Fill, micro_batches


@pytest.fixture(scope="module")
def examples(tiny_falcon):
    encoder = Encoder(AutoTokenizer.from_pretrained(tiny_falcon), max_length=200)
    return [encoder.example(Case(str(n), "cough " * n, "rest " * (9 - n), n, {})) for n in range(1, 9)]


def stock_loss(model, examples) -> float:
    """Each example alone, through the model's own loss."""
    total = 0.0
    for e in examples:
        ids, labels = torch.tensor([e.input_ids]), torch.tensor([e.labels])
        total += model(ids, labels=labels).loss.item() * e.supervised
    return total


def fused(folder):
    with falcon.quantisable():
        return AutoModelForCausalLM.from_pretrained(folder, attn_implementation=falcon.FUSED)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("chunk", [5, 1024])
def test_falcon_loss_equals_the_stock_loss(tiny_falcon, examples, packed, chunk, monkeypatch):
    monkeypatch.setitem(objective.CHUNK, "cpu", chunk)
    model, total = fused(tiny_falcon), 0.0
    for batch in micro_batches(examples, 150, packed, pad_id=0):
        with objective.packed(batch):
            total += objective.answer_loss(model, batch).item()
    assert total == pytest.approx(stock_loss(AutoModelForCausalLM.from_pretrained(tiny_falcon), examples), rel=1e-5)


def test_the_gradient_does_not_depend_on_the_micro_batches(tiny_falcon, examples):
    gradients = []
    for budget, fill in ((60, Fill()), (10_000, Fill(16, 64))):
        model = fused(tiny_falcon)
        for batch in micro_batches(examples, budget, True, pad_id=0, fill=fill):
            with objective.packed(batch):
                objective.answer_loss(model, batch).backward()
        gradients.append(model.transformer.h[0].mlp.dense_h_to_4h.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-4, atol=1e-6)


class Halved(LlamaForCausalLM):
    """Does something to its logits that its config does not tell."""

    def forward(self, input_ids=None, labels=None, **rest):
        found = super().forward(input_ids, **rest)
        found.logits = found.logits / 2
        found.loss = None if labels is None else self.loss_function(found.logits, labels, self.config.vocab_size)
        return found


SMALL = dict(vocab_size=500, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
             max_position_embeddings=256, initializer_range=0.3)  # fmt: skip
OTHERS = {  # (model, whether its logits are computed in chunks)
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=500, n_embd=32, n_layer=2, n_head=2, n_positions=256), True),
    "llama": (LlamaForCausalLM, LlamaConfig(**SMALL), True),
    "logits squeezed": (
        Gemma2ForCausalLM,
        Gemma2Config(**SMALL, num_key_value_heads=1, head_dim=16, final_logit_softcapping=2.0),
        False,
    ),
    "head with a bias": (PhiForCausalLM, PhiConfig(**SMALL), False),
    "logits halved in code": (Halved, LlamaConfig(**SMALL), False),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_models_in_padded_batches_equal_their_stock_loss(kind, examples, monkeypatch):
    made, shape, in_chunks = OTHERS[kind]
    torch.manual_seed(0)
    model, whole = made(shape).eval(), []
    if getattr(model.lm_head, "bias", None) is not None:
        torch.nn.init.normal_(model.lm_head.bias)
    real = objective._cross_entropy
    monkeypatch.setattr(objective, "_cross_entropy", lambda *given: whole.append(given) or real(*given))
    total = sum(objective.answer_loss(model, b).item() for b in micro_batches(examples, 150, False, pad_id=0))
    assert total == pytest.approx(stock_loss(model, examples), rel=1e-5)
    assert not whole if in_chunks else whole
    assert not model.training


def test_a_trial_that_memory_did_not_hold_is_made_again(examples, monkeypatch):
    model = Halved(LlamaConfig(**SMALL)).train()
    [batch] = micro_batches(examples, 10_000, False, pad_id=0)
    with monkeypatch.context() as patched, pytest.raises(torch.OutOfMemoryError):
        patched.setattr(model.model, "forward", lambda *_, **__: never())
        objective.answer_loss(model, batch)
    assert model.training and model.model.training
    assert objective.answer_loss(model, batch).item() == pytest.approx(stock_loss(model, examples), rel=1e-5)


def never():
    raise torch.OutOfMemoryError("no room")


def test_checkpointed_attention_is_recomputed_inside_the_packing(tiny_falcon, examples):
    gradients = []
    for checkpointing in (False, True):
        model = fused(tiny_falcon)
        model.train()
        if checkpointing:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        for batch in micro_batches(examples, 10_000, True, pad_id=0):
            with objective.packed(batch):
                objective.answer_loss(model, batch).backward()
        gradients.append(model.transformer.h[0].self_attention.query_key_value.weight.grad)
    torch.testing.assert_close(gradients[0], gradients[1])


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 0.02)], ids=["fused", "scored"]
)
@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
def test_the_last_layer_computes_what_predicts_an_answer_to_the_same_loss_and_gradients(
    tiny_falcon, examples, dtype, tolerance, again, monkeypatch
):
    monkeypatch.setattr(rows, "BLOCK", 16)
    [batch] = micro_batches(examples[2:6], 10_000, True, pad_id=0, fill=Fill(16, 64))
    found, widths = [], []
    for short in (False, True):
        model = fused(tiny_falcon).to(dtype).train()
        if short:
            falcon.give_what_is_asked(model)
        if again:
            model.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
        model.transformer.h[-1].mlp.register_forward_pre_hook(lambda _, given: widths.append(given[0].shape[1]))
        with objective.packed(batch):
            loss = objective.answer_loss(model, batch)
            loss.backward()
        found.append([loss, *(p.grad for p in model.parameters())])
    computed, asked = batch.input_ids.numel(), -(-batch.supervised // 64) * 64
    assert asked < computed and widths == [computed] * (1 + again) + [asked] * (1 + again)
    for full, short in zip(*found, strict=True):
        assert (full - short).float().norm() <= tolerance * full.float().norm()


def test_whoever_asks_for_nothing_gets_the_states_of_all_places(tiny_falcon, examples):
    full, short = fused(tiny_falcon), fused(tiny_falcon)
    falcon.give_what_is_asked(short)
    [batch] = micro_batches(examples, 10_000, True, pad_id=0)
    given = {"position_ids": batch.position_ids, "use_cache": False}
    with falcon.packed(batch.lengths), torch.no_grad():
        assert torch.equal(short(batch.input_ids, **given).logits, full(batch.input_ids, **given).logits)


def test_in_float16_the_sum_of_large_hidden_states_does_not_reach_the_loss(tiny_falcon, examples):
    model = fused(tiny_falcon).half()
    with torch.no_grad():
        model.transformer.ln_f.bias += 40
    [batch] = micro_batches(examples, 10_000, True, pad_id=0)
    assert 40 * batch.supervised * model.config.hidden_size > torch.finfo(torch.float16).max
    with objective.packed(batch):
        assert objective.answer_loss(model, batch).isfinite()


def test_a_token_that_was_held_impossible_has_a_loss_that_is_a_number():
    hidden, head = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[300.0, 0.0], [-300.0, 1.0]])
    loss = objective._HeadLoss.apply(hidden, head, torch.tensor([1]), None)
    loss.backward()
    assert 87 < loss.item() < 88
    assert hidden.grad.tolist() == [[600.0, -1.0]]
