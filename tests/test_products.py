"""Float32 layers without gradients: the same values, whichever library computes them."""

import copy

import pytest
import torch
from tiny_embedder import save_embedder
from torch import nn

from langlearn import answer_pace, products
from langlearn.config import Config
from langlearn.embedding import Embedder
from langlearn.machine import describe
from langlearn.measuring import reopen
from langlearn.speaker import load_speaker

needs_onednn = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch has no oneDNN")


@pytest.fixture
def faster(monkeypatch):
    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)


def layers(dtype=torch.float32) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.Linear(40, 8, bias=False)).to(dtype)


def kinds(model) -> set[type]:
    return {type(module) for module in model.modules() if isinstance(module, nn.Linear)}


@needs_onednn
@pytest.mark.parametrize("shape", [(), (1,), (3, 7), (0,), (2, 160), (3, 171), (1, 600), (5, 300)])
def test_the_values_are_the_same(faster, shape):
    plain, x = layers(), torch.randn(*shape, 24)
    fast = products.hasten(copy.deepcopy(plain))
    assert kinds(fast) == {products.OneDnnLinear} and fast.state_dict().keys() == plain.state_dict().keys()
    with torch.no_grad():
        torch.testing.assert_close(fast(x), plain(x), atol=1e-6, rtol=1e-5)
        assert fast(x).shape == plain(x).shape


@needs_onednn
def test_many_rows_come_in_few_numbers(faster, monkeypatch):
    seen, real = set(), products.onednn_linear

    def counted(x, *rest):
        seen.add(x.numel() // x.shape[-1])
        return real(x, *rest)

    monkeypatch.setattr(products, "onednn_linear", counted)
    model = products.hasten(layers())
    with torch.no_grad():
        for rows in (1, 11, 256, *range(257, 513, 17), 1024, *range(1025, 2049, 99)):
            assert model(torch.randn(rows, 24)).shape == (rows, 8)
    assert seen == {1, 11, 256, 320, 384, 448, 512, 1024, 1280, 1536, 1792, 2048}


@needs_onednn
def test_with_gradients_they_are_ordinary_layers(faster):
    plain, x = layers(), torch.randn(5, 24)
    fast = products.hasten(copy.deepcopy(plain))
    for model in (plain, fast):
        model(x).square().sum().backward()
    for mine, other in zip(fast.parameters(), plain.parameters(), strict=True):
        assert torch.equal(mine.grad, other.grad)


def test_other_layers_stay_what_they_are(faster, monkeypatch):
    assert kinds(products.hasten(layers(torch.bfloat16))) == {nn.Linear}
    monkeypatch.setattr(products, "onednn_is_faster", lambda: False)
    assert kinds(products.hasten(layers())) == {nn.Linear}


def test_where_torch_has_no_such_function_nothing_is_exchanged(monkeypatch):
    assert products.onednn_is_faster.__wrapped__() in (True, False)

    def missing(*_):
        raise AttributeError("_linear_pointwise")

    monkeypatch.setattr(products, "onednn_linear", missing)
    assert products.onednn_is_faster.__wrapped__() is False


@pytest.mark.parametrize(("usual", "other", "faster"), [(1.0, 0.5, True), (1.0, 0.9, False), (0.5, 1.0, False)])
def test_only_what_is_clearly_faster_is_taken(monkeypatch, usual, other, faster):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    monkeypatch.setattr(products, "_seconds", lambda product, *_: other if product is products.onednn_linear else usual)
    assert products.onednn_is_faster.__wrapped__() is faster


def test_what_answers_and_what_embeds_is_hastened(faster, tiny_falcon, tiny_corpus, publish_adapter, tmp_path):
    settings = Config(profile="tiny")
    settings.model.base, settings.data.cases = str(tiny_falcon), str(tiny_corpus)
    settings.training.output = str(tmp_path / "adapter")
    machine = describe()
    assert products.OneDnnLinear in kinds(load_speaker(settings, machine, torch.float32).model), "the base alone"
    publish_adapter(settings, 0.01)
    assert products.OneDnnLinear in kinds(load_speaker(settings, machine, torch.float32).model)
    assert products.OneDnnLinear in kinds(reopen.load_tuned(settings, machine, torch.float32))
    assert kinds(Embedder(str(save_embedder(tmp_path / "embedder")), "cpu").model) == {products.OneDnnLinear}
    assert kinds(answer_pace.as_it_answers(layers_with_dtype(), torch.float32)) == {products.OneDnnLinear}


def layers_with_dtype() -> nn.Module:
    model = layers(torch.bfloat16)
    model.dtype = torch.bfloat16
    return model
