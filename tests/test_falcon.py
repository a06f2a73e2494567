"""The four traps of Falcon: each fix against the stock implementation, on real small Falcons."""

import bitsandbytes as bnb
import pytest
import torch
import torch.nn.functional as F
from transformers import FalconConfig, FalconForCausalLM

from langlearn import falcon

ARCHITECTURES = {
    "multi-query": dict(multi_query=True, new_decoder_architecture=False, parallel_attn=True),
    "grouped": dict(new_decoder_architecture=True, num_kv_heads=2),
    "multi-head": dict(multi_query=False, new_decoder_architecture=False, parallel_attn=True),
    "sequential": dict(multi_query=True, new_decoder_architecture=False, parallel_attn=False),
}


def falcons(architecture: str) -> tuple[FalconForCausalLM, FalconForCausalLM]:
    """(stock on SDPA, ours) with the same weights."""
    common = dict(vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, alibi=False, bias=False)
    torch.manual_seed(0)
    stock = FalconForCausalLM(
        FalconConfig(**common, **ARCHITECTURES[architecture], attn_implementation="sdpa")
    )
    with falcon.quantisable():
        ours = FalconForCausalLM(
            FalconConfig(**common, **ARCHITECTURES[architecture], attn_implementation=falcon.FUSED)
        )
    ours.load_state_dict(stock.state_dict())
    return stock.eval(), ours.eval()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_logits_equal_the_stock_implementation(architecture):
    stock, ours = falcons(architecture)
    ids = torch.randint(97, (3, 40))
    torch.testing.assert_close(ours(ids).logits, stock(ids).logits, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradients_equal_the_stock_implementation(architecture):
    stock, ours = falcons(architecture)
    ids = torch.randint(97, (2, 33))
    for model in (stock, ours):
        model(ids, labels=ids).loss.backward()
    theirs = dict(stock.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_left_padded_generation_equals_the_stock_implementation(architecture):
    stock, ours = falcons(architecture)
    ids = torch.randint(1, 97, (2, 12))
    mask = torch.ones_like(ids)
    mask[0, :5] = 0
    settings = dict(input_ids=ids, attention_mask=mask, max_new_tokens=10, do_sample=False, pad_token_id=0)
    assert ours.generate(**settings).tolist() == stock.generate(**settings).tolist()


def test_a_prompt_continued_from_a_cached_prefix_reads_all_of_it():
    stock, ours = falcons("multi-query")
    ids = torch.randint(97, (1, 20))
    whole = stock(ids).logits[:, 12:]
    cache = ours(ids[:, :12], use_cache=True).past_key_values
    torch.testing.assert_close(ours(ids[:, 12:], past_key_values=cache).logits, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("architecture", ["multi-query", "grouped"])
def test_a_packed_example_gets_the_logits_it_gets_alone(architecture):
    stock, ours = falcons(architecture)
    examples = [torch.randint(97, (1, n)) for n in (7, 1, 19)]
    with falcon.packed([7, 1, 19]):
        together = ours(
            torch.cat(examples, dim=1), position_ids=torch.cat([torch.arange(n) for n in (7, 1, 19)])[None]
        ).logits
    alone = torch.cat([stock(e).logits for e in examples], dim=1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_an_example_never_sees_its_neighbour_in_a_packed_batch():
    _, ours = falcons("multi-query")
    first, changed, second = (torch.randint(97, (1, n)) for n in (9, 9, 11))
    positions = torch.cat([torch.arange(9), torch.arange(11)])[None]
    with falcon.packed([9, 11]):
        one = ours(torch.cat([first, second], dim=1), position_ids=positions).logits[:, 9:]
        other = ours(torch.cat([changed, second], dim=1), position_ids=positions).logits[:, 9:]
    assert torch.equal(one, other)


def test_no_mask_is_built_for_an_unpadded_batch(monkeypatch):
    _, ours = falcons("multi-query")
    seen = []
    real = F.scaled_dot_product_attention

    def watch(*args, **kwargs):
        seen.append((kwargs.get("attn_mask"), kwargs.get("is_causal")))
        return real(*args, **kwargs)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watch)
    ours(torch.randint(97, (2, 16)))
    assert seen == [(None, True)] * 2


def test_heads_are_split_and_turned_as_stock_falcon_does_forward_and_backward():
    _, ours = falcons("multi-query")
    attention, heads = ours.transformer.h[0].self_attention, ours.config.num_attention_heads
    fused = torch.randn(30, ours.config.hidden_size // heads * (heads + 2), requires_grad=True)
    cos, sin = ours.transformer.rotary_emb(fused, torch.cat([torch.arange(10), torch.arange(20)])[None])
    q, k, v = (x.transpose(1, 2) for x in attention._split_heads(fused[None]))
    q, k = falcon.apply_rotary_pos_emb(q, k, cos, sin)
    expected = q[0].transpose(0, 1), k[0, 0], v[0, 0]
    found = falcon.Turned.apply(fused, cos[0], sin[0], heads)
    towards = [torch.randn_like(each) for each in expected]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)
    [ours_], [theirs] = (torch.autograd.grad(outputs, fused, towards) for outputs in (found, expected))
    torch.testing.assert_close(ours_, theirs)


@pytest.mark.parametrize("kind", ["multi-query", "multi-head", "grouped"])
def test_packed_rows_in_bfloat16_give_the_logits_of_each_example_alone(kind):
    stock, ours = falcons(kind)
    lengths = [9, 17, 3]
    ids = torch.randint(97, (1, sum(lengths)))
    positions = torch.cat([torch.arange(n) for n in lengths])[None]
    with torch.no_grad(), falcon.packed(lengths):
        packed = ours.bfloat16()(ids, position_ids=positions, use_cache=False).logits[0].float()
    alone = torch.cat([stock(part).logits[0] for part in ids.split(lengths, dim=1)])
    assert (packed - alone).norm() < 0.03 * alone.norm()


def test_the_fused_kernel_is_reached():
    _, ours = falcons("multi-query")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        ours(torch.randint(97, (2, 64)))
    kernels = {event.key for event in profile.key_averages()}
    assert any("scaled_dot_product_flash_attention" in kernel for kernel in kernels)
    assert not any("scaled_dot_product_attention_math" in kernel for kernel in kernels)


def test_alibi_keeps_the_stock_attention():
    config = FalconConfig(vocab_size=97, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, alibi=True)
    assert falcon.attention_for(config) == "sdpa"
    config._attn_implementation = falcon.FUSED
    with pytest.raises(ValueError, match="alibi"):
        FalconForCausalLM(config)(torch.randint(97, (1, 5)))


def test_every_linear_layer_becomes_4_bit_and_stock_loading_quantises_none(tiny_falcon):
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    settings = dict(quantization_config=BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4"))

    def found(model):
        return sum(isinstance(m, bnb.nn.Linear4bit) for m in model.modules())

    assert found(AutoModelForCausalLM.from_pretrained(tiny_falcon, **settings)) == 0
    with falcon.quantisable():
        model = AutoModelForCausalLM.from_pretrained(tiny_falcon, **settings)
    assert found(model) == falcon.LINEARS_PER_LAYER * model.config.num_hidden_layers
