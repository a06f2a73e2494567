"""The predicted memory against what a real step takes: real NF4 layers, a real adapter, torch's own account."""

from dataclasses import replace

import pytest
import torch

from langlearn import config, kept, lora, memory, model, objective, rows
from langlearn.examples import Batch

DEVICE = torch.device("cpu")


def falcon_config(**changes):
    from transformers import FalconConfig

    shape = dict(
        vocab_size=256, hidden_size=128, num_hidden_layers=4, num_attention_heads=2, multi_query=True,
        parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False, max_position_embeddings=512,
    )  # fmt: skip
    return FalconConfig(**(shape | changes))


def falcon_7b():
    return falcon_config(vocab_size=65024, hidden_size=4544, num_hidden_layers=32, num_attention_heads=71)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Folders of random Falcons by vocabulary size."""
    from transformers import FalconForCausalLM

    made = {}
    for vocabulary in (256, 8192):
        made[vocabulary] = str(tmp_path_factory.mktemp(f"falcon-{vocabulary}"))
        FalconForCausalLM(falcon_config(vocab_size=vocabulary)).save_pretrained(made[vocabulary])
    return made


def tuned(base, dtype, dropout=0.05, recomputed=0):
    loaded = model.load_base(config.Model(base=base), DEVICE, dtype, recomputed)
    return model.add_adapter(loaded, config.Adapter(dropout=dropout), seed=0).train()


def step_for(dtype, dropout=0.05, recomputed=0, scored_length=128):
    return memory.Step("cpu", dtype, "nf4", "adamw", 16, dropout, None, recomputed, 1, (scored_length, scored_length))


def batch_of(tokens, length=128, answers=1.0):
    count = tokens // length
    ids = torch.randint(0, 256, (1, tokens))
    positions = torch.arange(length).repeat(count)[None]
    predicting = torch.arange(tokens).view(count, length)[:, -round(answers * length) :].flatten() - 1
    predicting = predicting[predicting >= 0]
    return Batch(ids, ids.clone(), positions, None, [length] * count, predicting, tokens=tokens, asked=predicting)


def peak_of_step(made, batch, dtype) -> int:
    """Bytes that one forward and backward pass had allocated at most, above what stood before."""

    def step():
        with objective.packed(batch):
            loss = objective.answer_loss(made, batch)
            loss.backward()

    step()  # gradients exist from here on
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        step()
    now = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            now += event.nbytes()
            peak = max(peak, now)
    return peak


def test_falcon_7b_has_the_adapter_and_weights_that_are_known_of_it():
    shape = memory.shape_of(falcon_7b())
    assert memory.adapter_parameters(shape, 4) == 8_159_232
    assert shape.linear_parameters + shape.other == 6_921_720_704
    assert memory.weights_bytes(shape, "none", 2) == 2 * 6_921_720_704
    assert 3.6 < memory.weights_bytes(shape, "nf4", 2) / memory.GIB < 3.9


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_predicted_weights_are_what_a_4_bit_model_holds(bases, dtype):
    loaded = model.load_base(config.Model(base=bases[256]), DEVICE, dtype)
    held = sum(p.numel() * p.element_size() for p in loaded.parameters())
    for module in loaded.modules():
        state = getattr(getattr(module, "weight", None), "quant_state", None)
        if state is not None:
            held += state.absmax.numel() * state.absmax.element_size() + 4 * state.state2.absmax.numel()
    predicted = memory.weights_bytes(memory.shape_of(loaded.config), "nf4", dtype.itemsize)
    assert predicted == pytest.approx(held, rel=0.01)


def test_predicted_adapter_is_what_peft_adds(bases):
    for targets in (None, ["dense", "query_key_value"]):
        loaded = model.load_base(config.Model(base=bases[256]), DEVICE, torch.float32)
        made = model.add_adapter(loaded, config.Adapter(r=3, target_modules=targets), seed=0)
        trainable = sum(p.numel() for p in made.parameters() if p.requires_grad)
        shape = memory.shape_of(falcon_config())
        assert memory.adapter_parameters(shape, 3, tuple(targets) if targets else None) == trainable


@pytest.mark.parametrize(
    ("dtype", "dropout", "recomputed", "length", "scored"),
    [(torch.bfloat16, 0.05, 0, 128, True), (torch.bfloat16, 0.05, 4, 128, True), (torch.bfloat16, 0.0, 0, 512, True),
     (torch.bfloat16, 0.05, 1, 128, True), (torch.bfloat16, 0.05, 0, 128, False), (torch.bfloat16, 0.05, 2, 512, False),
     (torch.float32, 0.05, 0, 128, False), (torch.float32, 0.05, 3, 128, False), (torch.float32, 0.0, 0, 512, False)],
)  # fmt: skip
def test_predicted_activations_are_within_15_percent_of_a_real_step(
    bases, monkeypatch, dtype, dropout, recomputed, length, scored
):
    if not scored:  # as on CUDA
        monkeypatch.setattr(rows, "SCORED", None)
        monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
        monkeypatch.setattr(memory, "FRUGAL", ("cpu",))
    tokens = 2048
    measured = peak_of_step(tuned(bases[256], dtype, dropout, recomputed), batch_of(tokens, length), dtype)
    step = step_for(dtype, dropout, recomputed, rows.scores_kept(length) if scored else 0)
    peak = memory.peak(memory.shape_of(falcon_config()), step, tokens)
    assert peak.activations + max(peak.logits, peak.working_set) == pytest.approx(measured, rel=0.15)


def test_predicted_logits_are_within_15_percent_of_a_step_that_they_fill(bases, monkeypatch):
    monkeypatch.setitem(memory.CHUNK, "cpu", memory.CHUNK["cuda"])
    tokens, dtype = 1536, torch.bfloat16
    measured = peak_of_step(tuned(bases[8192], dtype, recomputed=4), batch_of(tokens), dtype)
    shape = memory.shape_of(falcon_config(vocab_size=8192))
    peak = memory.peak(shape, step_for(dtype, recomputed=4), tokens)
    assert peak.logits > 4 * peak.activations
    assert peak.activations + peak.logits == pytest.approx(measured, rel=0.15)
    assert memory.peak(shape, step_for(dtype), 64 * tokens).logits == peak.logits, "logits come in chunks"
    assert memory.peak(shape, replace(step_for(dtype), workers=2), 64 * tokens).logits == 2 * peak.logits


def test_memory_grows_with_tokens_and_recomputation_saves_most_of_it():
    shape = memory.shape_of(falcon_7b())
    kept = memory.Step("cuda", torch.bfloat16, "nf4", "paged_adamw_8bit", 16, 0.05, None, 0, 1)
    again = memory.Step("cuda", torch.bfloat16, "nf4", "paged_adamw_8bit", 16, 0.05, None, 32, 1)
    assert memory.peak(shape, kept, 4096).activations == 2 * memory.peak(shape, kept, 2048).activations
    assert 8 * memory.peak(shape, again, 4096).activations < memory.peak(shape, kept, 4096).activations
    assert memory.peak(shape, kept, 1024).weights == memory.peak(shape, kept, 4096).weights
    assert memory.peak(shape, kept, 1024).allocated == memory.peak(shape, kept, 1024).total - memory.CUDA_CONTEXT


def test_the_layers_of_other_models_are_counted_too():
    from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, OPTConfig, Qwen2Config

    small = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, vocab_size=100)
    for other in (
        LlamaConfig(**small, intermediate_size=96),
        Qwen2Config(**small, intermediate_size=96, num_key_value_heads=2),
        OPTConfig(**small, ffn_dim=128, word_embed_proj_dim=64),
        GPT2Config(n_embd=64, n_layer=2, n_head=4, vocab_size=100),
    ):
        shape, real = memory.shape_of(other), AutoModelForCausalLM.from_config(other)
        assert shape.linear_parameters + shape.other == sum(p.numel() for p in real.parameters())
        matrices = [p.numel() for n, p in real.named_parameters() if p.ndim == 2 and (".0." in n or ".1." in n)]
        assert shape.linear_parameters == sum(matrices)
        assert shape.norms == 4
        made = model.add_adapter(real, config.Adapter(r=2), seed=0)
        assert memory.adapter_parameters(shape, 2) == sum(p.numel() for p in made.parameters() if p.requires_grad)


def kept_for_backward(made, batch) -> int:
    """Bytes of all tensors, once each, that the layers keep; what is kept of the model itself does not count."""
    layers = made.get_base_model().transformer
    with objective.packed(batch), kept.saved() as storages:
        hidden = layers(input_ids=batch.input_ids, position_ids=batch.position_ids, use_cache=False)[0]
    assert hidden.requires_grad
    return kept.bytes_beside(made, storages)


@pytest.mark.parametrize("targets", [None, ["query_key_value", "dense_h_to_4h"]])  # the first layer's gradient is whole
@pytest.mark.parametrize("frugal, dropout", [(False, 0.0), (False, 0.05), (True, 0.0), (True, 0.05)])
def test_each_tensor_that_the_layers_keep_is_counted_once(bases, monkeypatch, targets, frugal, dropout):
    monkeypatch.setattr(rows, "SCORED", None)
    if frugal:
        monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
        monkeypatch.setattr(memory, "FRUGAL", ("cpu",))
    loaded = model.load_base(config.Model(base=bases[256]), DEVICE, torch.bfloat16)
    made = model.add_adapter(loaded, config.Adapter(r=16, dropout=dropout, target_modules=targets), seed=0).train()
    tokens = 1024
    step = replace(step_for(torch.bfloat16, dropout, scored_length=0), targets=tuple(targets) if targets else None)
    counted = memory.peak(memory.shape_of(falcon_config()), step, tokens).activations
    assert counted == pytest.approx(kept_for_backward(made, batch_of(tokens)), rel=0.05)


@pytest.mark.parametrize("answers", [0.25, 0.6])
@pytest.mark.parametrize("dropout", [0.0, 0.05])
@pytest.mark.parametrize("kind", ["scored", "fused", "frugal"])
def test_of_the_last_layer_what_predicts_no_answer_is_not_counted(bases, monkeypatch, kind, dropout, answers):
    if kind != "scored":
        monkeypatch.setattr(rows, "SCORED", None)
    if kind == "frugal":
        monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
        monkeypatch.setattr(memory, "FRUGAL", ("cpu",))
    loaded = model.load_base(config.Model(base=bases[256]), DEVICE, torch.bfloat16)
    made = model.add_adapter(loaded, config.Adapter(r=16, dropout=dropout), seed=0).train()
    length = 512
    scored = [rows.scores_kept(length, share) if kind == "scored" else 0 for share in (1.0, answers)]
    whole = step_for(torch.bfloat16, dropout, scored_length=scored[0])
    steps = (whole, replace(whole, scored=tuple(scored), answers=answers))
    whole, counted = (memory.peak(memory.shape_of(falcon_config()), step, 4 * length).activations for step in steps)
    batch = batch_of(4 * length, length, answers)
    saved = kept_for_backward(made, replace(batch, asked=None)) - kept_for_backward(made, batch)
    assert whole - counted == pytest.approx(saved, rel=0.1)


@pytest.mark.parametrize("recomputed", range(5))
def test_where_few_predict_an_answer_memory_is_right_however_many_layers_are_computed_again(
    bases, monkeypatch, recomputed
):
    monkeypatch.setattr(rows, "SCORED", None)
    monkeypatch.setattr(lora, "FRUGAL", ("cpu",))
    monkeypatch.setattr(memory, "FRUGAL", ("cpu",))
    tokens, length, answers = 2048, 128, 0.25
    batch = batch_of(tokens, length, answers)
    measured = peak_of_step(tuned(bases[256], torch.bfloat16, 0.05, recomputed), batch, torch.bfloat16)
    step = replace(step_for(torch.bfloat16, 0.05, recomputed, 0), answers=answers)
    peak = memory.peak(memory.shape_of(falcon_config()), step, tokens)
    assert peak.activations + max(peak.logits, peak.working_set) == pytest.approx(measured, rel=0.15)
