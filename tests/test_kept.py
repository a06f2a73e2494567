"""What the layers of other models keep for the backward pass: the count against a real forward pass."""

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    GPT2Config,
    Lfm2Config,
    LlamaConfig,
    OPTConfig,
    Qwen2Config,
)

from langlearn import config, falcon, hardware, kept, memory, model, rows
from langlearn.errors import UserError
from langlearn.machine import GIB

SMALL = dict(hidden_size=128, num_hidden_layers=3, num_attention_heads=2, vocab_size=200)
FAMILIES = {
    "llama": LlamaConfig(**SMALL, intermediate_size=384),
    "qwen2": Qwen2Config(**SMALL, intermediate_size=384, num_key_value_heads=1),
    "gpt2": GPT2Config(n_embd=128, n_layer=3, n_head=2, vocab_size=200, attn_pdrop=0, resid_pdrop=0, embd_pdrop=0),
    "lfm2, two kinds of layers": Lfm2Config(
        **SMALL, intermediate_size=384, num_key_value_heads=1, layer_types=["conv", "conv", "full_attention"]
    ),
    "opt": OPTConfig(**SMALL, ffn_dim=512, word_embed_proj_dim=128, dropout=0.0),
    "falcon, several keys": FalconConfig(**SMALL, new_decoder_architecture=True, num_kv_heads=1, alibi=False),
    "falcon, alibi": FalconConfig(**SMALL, alibi=True, bias=False),
    "falcon, another activation": FalconConfig(**SMALL, alibi=False, bias=False, activation="gelu_new"),
}
ROWS, LENGTH = 4, 96


def really_kept(shape, adapter: config.Adapter, frugal: bool) -> int:
    """Bytes of all tensors, once each, that a forward pass without the head keeps, weights left out."""
    shape._attn_implementation = falcon.attention_for(shape)
    packs = falcon.packs(shape)
    with falcon.quantisable():
        base = model.frozen(AutoModelForCausalLM.from_config(shape, dtype=torch.bfloat16))
    tuned = model.add_adapter(base, adapter, seed=0, frugal=frugal).train()
    ids, places = torch.randint(1, 200, (ROWS, LENGTH)), torch.arange(LENGTH).repeat(1, ROWS)
    mask = torch.ones_like(ids)
    mask[1:, -5:] = 0  # padding
    given = dict(input_ids=ids.view(1, -1), position_ids=places) if packs else dict(input_ids=ids, attention_mask=mask)
    with falcon.packed([LENGTH] * ROWS if packs else None), kept.saved() as storages:
        tuned.get_base_model().base_model(**given, use_cache=False)
    return kept.bytes_beside(tuned, storages)


@pytest.mark.parametrize("frugal, dropout", [(False, 0.0), (False, 0.05), (True, 0.05)])
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_counted_is_what_is_kept(family, frugal, dropout, monkeypatch):
    monkeypatch.setattr(rows, "SCORED", None)
    shape, adapter = FAMILIES[family], config.Adapter(r=4, dropout=dropout)
    layer, around = kept.by_token(shape, adapter, torch.bfloat16, frugal, LENGTH)
    counted = ROWS * LENGTH * (3 * layer + around)
    assert counted == pytest.approx(really_kept(shape, adapter, frugal), rel=0.03)


def test_where_a_gpu_keeps_nothing_for_dropped_scores_nothing_is_counted():
    none, some = (GPT2Config(n_embd=128, n_layer=3, n_head=2, vocab_size=200, attn_pdrop=p) for p in (0.0, 0.1))
    counts = [
        kept.by_token(shape, config.Adapter(r=4), torch.bfloat16, frugal, 500)[0]
        for frugal in (True, False) for shape in (none, some)
    ]  # fmt: skip
    assert counts[0] == counts[1] and counts[3] > 1.5 * counts[2]


def test_layers_without_the_linears_that_are_asked_for_do_not_refuse_the_others():
    adapter = config.Adapter(r=4, target_modules=["q_proj", "v_proj"])
    assert kept.by_token(FAMILIES["lfm2, two kinds of layers"], adapter, torch.bfloat16, True, LENGTH)[0] > 0


def test_a_model_that_cannot_be_trained_is_the_users_to_mend():
    shape = BloomConfig(hidden_size=64, n_layer=2, n_head=2, vocab_size=100)
    with pytest.raises(UserError, match="scaled_dot_product_attention"):
        hardware.plan(config.Config(), a_gpu(), shape, [LENGTH] * 40)


def a_gpu() -> hardware.Hardware:
    gpu = hardware.Gpu("a card", (8, 6), 12 * GIB, 12 * GIB)
    return hardware.Hardware("cuda", (gpu,), 2, 8 * GIB, 8 * GIB, None, "2.13.0", ())


def test_a_count_leaves_no_trace():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    kept.by_token(FAMILIES["llama"], config.Adapter(r=3), torch.float32, False, LENGTH)
    assert torch.equal(torch.rand(3), expected) and FAMILIES["llama"].num_hidden_layers == 3


def test_the_plan_of_another_model_holds_the_count():
    settings, shape = config.Config(), FAMILIES["gpt2"]
    settings.training.activation_checkpointing = "off"
    made = hardware.plan(settings, a_gpu(), shape, [LENGTH] * 40)
    layer, around = kept.by_token(shape, settings.adapter, torch.bfloat16, True, LENGTH)
    assert made.memory.activations == LENGTH * settings.training.batch_size * (3 * layer + around)
    assert not memory.shape_of(shape).like_falcon_7b and memory.shape_of(FalconConfig(alibi=False)).like_falcon_7b
