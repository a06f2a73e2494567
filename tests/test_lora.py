"""An adapted layer's training step in one function: what PEFT computes in many."""

import pytest
import torch
from adapters import give_a_voice
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import layer as lora_layer
from torch import nn
from transformers import FalconConfig, FalconForCausalLM, GPT2Config, GPT2LMHeadModel

from langlearn import falcon, kept, lora, model
from langlearn.config import Adapter, Model


@pytest.fixture
def adapted(tiny_falcon, monkeypatch):
    """adapted(quantization, fused, dropout): the small Falcon with an adapter that says something, about to train."""

    def make(quantization="none", fused=True, dropout=0.0, recomputed=0, dtype=torch.float32):
        with monkeypatch.context() as patch:
            if not fused:
                patch.setattr(lora, "fuse", lambda tuned, frugal: None)
            base = model.load_base(Model(base=str(tiny_falcon), quantization=quantization), "cpu", dtype, recomputed)
            tuned = model.add_adapter(base, Adapter(r=4, alpha=8, dropout=dropout), seed=0)
        give_a_voice(tuned, std=0.3)
        return tuned.train()

    return make


def gradients(tuned, seed=0, autocast=False) -> dict[str, torch.Tensor]:
    """Of a loss, which stands there as "loss"."""
    ids = torch.arange(5, 45).view(2, 20)
    torch.manual_seed(seed)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = tuned(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return {"loss": loss.detach()} | {name: p.grad for name, p in tuned.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("quantization", ["none", "nf4"])
@pytest.mark.parametrize("dtype, near", [(torch.float32, 1e-5), (torch.bfloat16, 0.05)])
def test_loss_and_gradients_are_those_of_peft(adapted, quantization, dtype, near):
    ours = gradients(adapted(quantization, dtype=dtype))
    theirs = gradients(adapted(quantization, fused=False, dtype=dtype), autocast=dtype == torch.bfloat16)
    assert len(ours) == 1 + 2 * 2 * 4 and ours.keys() == theirs.keys()
    for name, expected in theirs.items():
        assert (ours[name] - expected).norm() <= near * expected.norm(), name
        assert ours[name].dtype == torch.float32


def test_nothing_is_copied_backward_where_falcon_adds_in_place(adapted):
    nodes, seen = [adapted()(input_ids=torch.arange(5, 45).view(2, 20), use_cache=False).logits.grad_fn], set()
    while nodes:
        if (node := nodes.pop()) is not None and node not in seen:
            seen.add(node)
            nodes += [following for following, _ in node.next_functions]
    names = [node.name() for node in seen]
    assert names.count("_AdaptedBackward") == 8
    assert not any("CopySlices" in name for name in names)


def test_what_is_dropped_is_dropped_forward_and_backward(adapted):
    layer = next(m for m in adapted(dropout=0.3).modules() if isinstance(m, lora.LoraLayer))
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    x = torch.randn(50, layer.in_features, requires_grad=True)
    torch.manual_seed(5)
    found = layer(x)
    torch.manual_seed(5)
    left = lora.without(lora.dropped_places(x, 0.3, lora._drawn_seed()), torch.ones_like(x))
    expected = x @ layer.get_base_layer().weight.T + 2 / 0.7 * (x * left) @ a.T @ b.T
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4)
    towards = torch.randn_like(found)
    for ours, theirs in zip(
        torch.autograd.grad(found, (x, a, b), towards), torch.autograd.grad(expected, (x, a, b), towards), strict=True
    ):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_each_place_is_dropped_with_the_probability_asked_for(share):
    torch.manual_seed(0)
    x = torch.ones(200, 500)
    rounds = torch.stack([lora.without(lora.dropped_places(x, share, seed), x.clone()) for seed in range(20)])
    assert 1 - rounds.mean().item() == pytest.approx(share, abs=0.002)
    together = (1 - rounds[:, :, 1:]) * (1 - rounds[:, :, :-1])  # neighbours are independent
    assert together.mean().item() == pytest.approx(share**2, abs=0.004)


@pytest.mark.parametrize("recomputed", [0, 1, 2])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_where_memory_is_short_the_same_is_computed_from_less(adapted, monkeypatch, quantization, dropout, recomputed):
    plenty, kept_of_plenty = counted(adapted(quantization, dropout=dropout, recomputed=recomputed))
    monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
    frugal, kept_of_frugal = counted(adapted(quantization, dropout=dropout, recomputed=recomputed))
    for name, expected in plenty.items():
        assert torch.allclose(frugal[name], expected, rtol=1e-4, atol=1e-6), name
    assert recomputed == 2 or kept_of_frugal < (0.77 if dropout else 0.9) * kept_of_plenty


def counted(tuned) -> tuple[dict, int]:
    """(gradients, distinct bytes kept for the backward pass)."""
    with kept.saved() as storages:
        found = gradients(tuned)
    return found, sum(storage.nbytes() for storage in storages.values())


@pytest.mark.parametrize("activation", ["gelu_new", "relu"])
def test_a_gelu_of_another_kind_stays_where_it_is(activation, monkeypatch):
    monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
    torch.manual_seed(0)
    with falcon.quantisable():
        base = FalconForCausalLM(FalconConfig(
            vocab_size=100, hidden_size=64, num_hidden_layers=1, num_attention_heads=4, activation=activation
        ))  # fmt: skip
    tuned = model.add_adapter(base, Adapter(r=2, dropout=0.0), seed=0).train()
    give_a_voice(tuned, std=0.3)
    ours = gradients(tuned)
    for layer in tuned.modules():
        if isinstance(layer, lora.LoraLayer):
            del layer.forward
    tuned.zero_grad()
    for name, expected in gradients(tuned).items():
        assert torch.allclose(ours[name], expected, rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("recomputed", [1, 2])
def test_layers_that_are_computed_again_drop_the_same_places(adapted, recomputed):
    tuned = adapted(dropout=0.2, recomputed=recomputed)
    assert [layer.gradient_checkpointing for layer in tuned.base_model.model.transformer.h] == [True, recomputed == 2]
    once, again = gradients(adapted(dropout=0.2)), gradients(tuned)
    for name, expected in once.items():
        assert torch.allclose(again[name], expected, rtol=1e-4, atol=1e-6), name
    other = gradients(adapted(dropout=0.2), seed=1)
    assert not torch.equal(other["loss"], once["loss"])


def test_the_adapter_can_be_switched_off_and_merged(adapted):
    tuned, ids = adapted(), torch.arange(5, 25)[None]
    base = adapted(fused=False)
    with tuned.disable_adapter(), base.disable_adapter():
        plain = tuned(input_ids=ids).logits
        assert torch.allclose(plain, base(input_ids=ids).logits, atol=1e-5)
    with_adapter = tuned(input_ids=ids).logits
    assert not torch.allclose(plain, with_adapter, atol=1e-2)
    tuned.merge_adapter()
    assert torch.allclose(tuned(input_ids=ids).logits, with_adapter, atol=1e-4)


def test_layers_that_hold_their_weights_transposed_train_alike():
    torch.manual_seed(0)
    gpt2 = GPT2LMHeadModel(GPT2Config(n_embd=64, n_layer=1, n_head=4, vocab_size=100))
    tuned = model.add_adapter(gpt2, Adapter(r=2, dropout=0.0), seed=0).train()
    give_a_voice(tuned, std=0.3)
    layers = [m for m in tuned.modules() if isinstance(m, lora.LoraLayer)]
    ours = gradients(tuned)
    for layer in layers:
        del layer.forward
    tuned.zero_grad()
    assert layers and set(map(type, layers)) == {lora_layer.Linear}
    for name, expected in gradients(tuned).items():
        assert torch.allclose(ours[name], expected, rtol=1e-4, atol=1e-6), name


def test_layers_of_another_kind_train_as_peft_does():
    tuned = get_peft_model(nn.Sequential(nn.Embedding(6, 5)), LoraConfig(r=2, target_modules=["0"]))
    lora.fuse(tuned)
    assert "forward" not in vars(tuned.base_model.model[0])


@pytest.mark.parametrize("quantization", ["none", "nf4"])
def test_answers_are_those_of_the_trained_layer(adapted, quantization):
    tuned, ids = adapted(quantization, dtype=torch.bfloat16).eval(), torch.arange(5, 25)[None]
    with_gradients = tuned(input_ids=ids, use_cache=False).logits
    with torch.no_grad():
        found = tuned(input_ids=ids).logits
    assert found.dtype == torch.bfloat16
    assert (found - with_gradients).norm() < 0.02 * with_gradients.norm()


def test_a_bias_of_the_layer_is_kept():
    torch.manual_seed(0)
    tuned = get_peft_model(nn.Sequential(nn.Linear(6, 5)), LoraConfig(r=2, target_modules=["0"]))
    layer, x = tuned.base_model.model[0], torch.randn(3, 6)
    before = layer(x)
    lora.fuse(tuned)
    assert "forward" in vars(layer) and torch.allclose(layer(x), before, atol=1e-6)
