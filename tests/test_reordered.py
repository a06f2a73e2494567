"""Weights that never change, re-ordered once for a CPU: the same products, loss and gradients."""

import gc

import pytest
import torch
from adapters import give_a_voice
from torch import nn
from transformers.pytorch_utils import Conv1D

from langlearn import config, examples, hardware, lora, memory, model, objective, reordered

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
@pytest.mark.parametrize("layer", [nn.Linear(40, 72, bias=False), nn.Linear(33, 8), Conv1D(72, 40)], ids=str)
def test_products_are_those_of_the_weight(layer, rows, dtype):
    layer = reordered.reorder(nn.Sequential(layer).to(dtype).requires_grad_(False))[0]
    weight = layer.weight.T if isinstance(layer, Conv1D) else layer.weight  # (out, in)
    x, gradient = (torch.randn(rows, n, dtype=dtype) for n in reversed(weight.shape))
    kept = reordered.of(layer, dtype)
    found = kept.there(x, (1, rows, len(weight)))
    assert found.shape == (1, rows, len(weight)) and not found._is_view()
    assert near(found[0], x @ weight.T, dtype)
    assert near(kept.back(gradient), gradient @ weight, dtype)
    assert reordered.of(layer, torch.float16) is None, "they are of one dtype"


def unpacked(folder, dtype):
    return model.unpack(model.load_base(config.Model(base=str(folder)), CPU, dtype), dtype)


def step(base, batch) -> list[torch.Tensor]:
    """Loss and gradients of an adapter that says something."""
    tuned = model.add_adapter(base, config.Adapter(r=4, alpha=8, dropout=0.0), seed=0).train()
    torch.manual_seed(1)
    give_a_voice(tuned, std=0.3)
    with objective.packed(batch):
        loss = objective.answer_loss(tuned, batch)
        loss.backward()
    return [loss.detach(), *(p.grad for p in tuned.parameters() if p.requires_grad)]


def test_a_training_step_is_the_same_and_takes_the_copies(tiny_falcon, dtype, monkeypatch):
    rows = [examples.Example(tuple(range(5 + n, 45 + 2 * n)), 12) for n in range(3)]
    [batch] = examples.micro_batches(rows, 1000, packed=True, pad_id=0)
    right = step(unpacked(tiny_falcon, dtype), batch)
    base, products = reordered.reorder(unpacked(tiny_falcon, dtype)), []
    real = reordered._product
    monkeypatch.setattr(reordered, "_product", lambda x, blocks: (products.append(len(x)), real(x, blocks))[1])
    found = step(base, batch)
    layers = base.config.num_hidden_layers
    # Backward two of the first layer read the embeddings and need no product; the head has one each way.
    assert len(products) == 4 * layers + 4 * layers - 2 + 2
    assert all(near(mine, expected, torch.bfloat16) for mine, expected in zip(found, right, strict=True))


def test_nothing_is_copied_where_it_would_not_be_faster(tiny_falcon, monkeypatch):
    assert not reordered.suits(torch.device("cuda"), torch.bfloat16)
    assert not reordered.suits(CPU, torch.float16)
    monkeypatch.setattr(reordered, "onednn_is_faster", lambda: False)
    assert not reordered.suits(CPU, torch.float32)
    base = reordered.reorder(unpacked(tiny_falcon, torch.float32))
    assert not any(reordered.of(module, torch.float32) for module in base.modules())


def test_layers_in_4_bit_have_no_copies(tiny_falcon, dtype):
    base = reordered.reorder(model.load_base(config.Model(base=str(tiny_falcon)), CPU, dtype))
    kept = [module for module in base.modules() if reordered.of(module, dtype)]
    assert kept == [base.get_output_embeddings()]


def test_copies_end_with_their_model(tiny_falcon, dtype):
    gc.collect()
    before = len(reordered._known)
    base = reordered.reorder(unpacked(tiny_falcon, dtype))
    assert len(reordered._known) == before + 4 * base.config.num_hidden_layers + 1
    del base
    gc.collect()
    assert len(reordered._known) == before


def test_the_plan_counts_the_copies(situation, tiny_falcon, dtype):
    made, model_config, lesson, _ = situation()
    made.model.dtype = str(dtype).removeprefix("torch.")
    machine = hardware.describe()
    plan = hardware.plan(made, machine, model_config, lesson.lengths)
    base = unpacked(tiny_falcon, dtype)
    copied = sum(m.weight.nbytes for m in base.modules() if isinstance(m, nn.Linear))
    alone = memory.weights_bytes(memory.shape_of(model_config), "none", dtype.itemsize)
    assert plan.unpacked
    assert plan.memory.weights == alone + reordered.COPIES * copied
