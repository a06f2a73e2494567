"""Weights that never change, re-ordered once for a CPU: the same products, loss and gradients."""

import gc

import pytest
import torch
from adapters import give_a_voice
from torch import nn
from transformers import PhiConfig, PhiForCausalLM

from langlearn import config, examples, hardware, memory, model, objective, reordered

CPU = torch.device("cpu")
CLOSE = {torch.float32: 1e-5, torch.bfloat16: 0.01}
pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture(autouse=True)
def worthwhile(monkeypatch):
    """In float32 as well, whichever library is faster here."""
    monkeypatch.setattr(reordered, "onednn_is_faster", lambda: True)


@pytest.fixture(params=list(CLOSE), ids=str)
def dtype(request):
    if not reordered.suits(CPU, request.param):
        pytest.skip("this CPU cannot multiply bfloat16 with oneDNN")
    return request.param


def near(found: torch.Tensor, right: torch.Tensor, dtype: torch.dtype) -> bool:
    return (found - right).float().norm() <= CLOSE[dtype] * right.float().norm()


@pytest.mark.parametrize("rows", [1, 7, 128, 1100])
@pytest.mark.parametrize("sizes", [(40, 72), (33, 8)])
def test_products_are_those_of_the_weight(sizes, rows, dtype):
    weight = torch.randn(*sizes, dtype=dtype)  # (out, in)
    x, gradient = (torch.randn(rows, n, dtype=dtype) for n in reversed(sizes))
    kept = reordered.Reordered(weight)
    found = kept.there(x, (1, rows, len(weight)))
    assert found.shape == (1, rows, len(weight)) and not found._is_view()
    assert near(found[0], x @ weight.T, dtype)
    assert near(kept.back(gradient), gradient @ weight, dtype)


def tuned(folder, dtype, quantization="nf4", unpacked=True, targets=None):
    """The small Falcon with an adapter that says something."""
    base = model.load_base(config.Model(base=str(folder), quantization=quantization), CPU, dtype)
    adapter = config.Adapter(r=4, alpha=8, dropout=0.0, target_modules=targets)
    made = model.add_adapter(model.unpack(base, dtype) if unpacked else base, adapter, seed=0).train()
    torch.manual_seed(1)
    give_a_voice(made, std=0.3)
    return made


def step(made, batch) -> list[torch.Tensor]:
    """Loss and gradients."""
    with objective.packed(batch):
        loss = objective.answer_loss(made, batch)
        loss.backward()
    return [loss.detach(), *(p.grad for p in made.parameters() if p.requires_grad)]


def copied(made, dtype) -> list[nn.Module]:
    return [module for module in made.modules() if reordered.of(module, dtype)]


def test_a_training_step_is_the_same_and_takes_the_copies(tiny_falcon, dtype, monkeypatch):
    rows = [examples.Example(tuple(range(5 + n, 45 + 2 * n)), 12) for n in range(3)]
    [batch] = examples.micro_batches(rows, 1000, packed=True, pad_id=0)
    right = step(tuned(tiny_falcon, dtype), batch)
    made, products = tuned(tiny_falcon, dtype), []
    reordered.reorder(made)
    real = reordered.onednn_linear
    monkeypatch.setattr(reordered, "onednn_linear", lambda x, blocks: (products.append(len(x)), real(x, blocks))[1])
    found = step(made, batch)
    layers = made.config.num_hidden_layers
    # Backward two of the first layer read the embeddings and need no product; the head has one each way.
    assert len(products) == 4 * layers + 4 * layers - 2 + 2
    close = {torch.float32: 1e-4, torch.bfloat16: 0.01}[dtype]
    assert all((mine - right).norm() <= close * right.norm() for mine, right in zip(found, right, strict=True))


def test_nothing_is_copied_where_it_would_not_be_faster(tiny_falcon, monkeypatch):
    assert not reordered.suits(torch.device("cuda"), torch.bfloat16)
    assert not reordered.suits(CPU, torch.float16)
    monkeypatch.setattr(reordered, "onednn_is_faster", lambda: False)
    assert not reordered.suits(CPU, torch.float32)
    made = tuned(tiny_falcon, torch.float32)
    reordered.reorder(made)
    assert not copied(made, torch.float32)


@pytest.mark.parametrize(
    "how, layers",
    [({}, 8), ({"targets": ["dense"]}, 2), ({"unpacked": False}, 0), ({"quantization": "none", "unpacked": False}, 8)],
    ids=["all", "one kind", "in 4-bit", "never quantised"],
)
def test_what_is_adapted_has_copies_and_the_head_and_nothing_else(tiny_falcon, dtype, how, layers):
    made = tuned(tiny_falcon, dtype, **how)
    reordered.reorder(made)
    found = copied(made, dtype)
    assert len(found) == layers + 1 and made.get_base_model().get_output_embeddings() in found
    other = {torch.float32: torch.bfloat16, torch.bfloat16: torch.float32}[dtype]
    assert not copied(made, other), "they are of one dtype"


def test_a_head_that_the_loss_does_not_multiply_with_itself_has_no_copies(dtype):
    small = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2, vocab_size=99)
    made = model.add_adapter(PhiForCausalLM(PhiConfig(**small)).to(dtype), config.Adapter(r=2), seed=0)
    reordered.reorder(made)
    assert copied(made, dtype) and made.get_base_model().lm_head not in copied(made, dtype)


def test_copies_end_with_their_model(tiny_falcon, dtype):
    gc.collect()
    before = len(reordered._known)
    made = tuned(tiny_falcon, dtype)
    reordered.reorder(made)
    assert len(reordered._known) == before + 4 * made.config.num_hidden_layers + 1
    del made
    gc.collect()
    assert len(reordered._known) == before


@pytest.mark.parametrize("targets", [None, ["dense"]])
def test_the_plan_counts_the_copies(situation, tiny_falcon, dtype, targets):
    made, model_config, lesson, _ = situation()
    made.model.dtype, made.adapter.target_modules = str(dtype).removeprefix("torch."), targets
    plan = hardware.plan(made, hardware.describe(), model_config, lesson.lengths, lesson.answers)
    assert plan.unpacked and plan.reordered
    real = tuned(tiny_falcon, dtype, targets=targets)
    reordered.reorder(real)
    copies = 2 * sum(module.weight.nbytes for module in copied(real, dtype))
    alone = memory.weights_bytes(memory.shape_of(model_config), "none", dtype.itemsize)
    assert plan.memory.weights == alone + copies
