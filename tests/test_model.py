"""The base and its adapter: counted, tied to each other, and with the right gradient."""

import json
import shutil

import bitsandbytes as bnb
import pytest
import torch
from adapters import give_a_voice
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from langlearn import generation, model, objective, record
from langlearn.cases import Case
from langlearn.config import Adapter, Config, Model, Training
from langlearn.errors import UserError
from langlearn.examples import Encoder, micro_batches


def loaded(folder, **settings):
    return model.load_base(Model(base=str(folder), **settings), "cpu", torch.float32)


def one_batch(folder, packed=True):
    encoder = Encoder(AutoTokenizer.from_pretrained(folder), 256)
    examples = [encoder.example(Case(str(n), "He coughs. " * n, "Rest at home.", n, {})) for n in (1, 2, 3)]
    return next(micro_batches(examples, 4096, packed, pad_id=0))


def adapter_gradients(tuned, batch) -> dict[str, torch.Tensor]:
    tuned.zero_grad()
    tuned.train()
    with objective.packed(batch):
        objective.answer_loss(tuned, batch).backward()
    return {n: p.grad.clone() for n, p in tuned.named_parameters() if p.requires_grad}


def test_the_4_bit_layers_are_counted(tiny_falcon):
    assert model.count_quantised(loaded(tiny_falcon)) == (8, 8)
    assert model.count_quantised(loaded(tiny_falcon, quantization="none")) == (8, 0)


def test_a_model_that_is_not_4_bit_is_refused(tiny_falcon, monkeypatch):
    monkeypatch.setattr(model.falcon, "quantisable", torch.no_grad)  # the fix taken away
    with pytest.raises(UserError, match="only 0 of 8"):
        loaded(tiny_falcon)


def test_the_gradient_is_the_same_before_and_after_an_evaluation(tiny_falcon):
    batch = one_batch(tiny_falcon)
    tuned = model.add_adapter(loaded(tiny_falcon), Adapter(dropout=0.0), seed=0)
    give_a_voice(tuned, std=0.1)
    before = adapter_gradients(tuned, batch)
    tuned.eval()
    with torch.no_grad():
        generation.generate(tuned, model.load_tokenizer(Model(base=str(tiny_falcon))), ["Question: x\nAnswer:"], 4)
    after = adapter_gradients(tuned, batch)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_gradient_reaches_the_first_layer_as_through_the_unpacked_weights(tiny_falcon):
    batch = one_batch(tiny_falcon)
    quantised = model.add_adapter(loaded(tiny_falcon), Adapter(dropout=0.0), seed=0)
    exact = model.add_adapter(loaded(tiny_falcon, quantization="none"), Adapter(dropout=0.0), seed=0)
    states = dict(quantised.named_modules())
    for name, module in exact.named_modules():
        if name.endswith("base_layer"):
            weight = states[name].weight
            module.weight.data = bnb.functional.dequantize_4bit(weight.data, weight.quant_state).float()
    for tuned in (quantised, exact):
        give_a_voice(tuned, std=0.1)
    mine, theirs = adapter_gradients(quantised, batch), adapter_gradients(exact, batch)
    for name in mine:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-3, atol=1e-4)


def test_adapters_are_float32_and_the_head_is_left_alone(tiny_falcon):
    tuned = model.add_adapter(loaded(tiny_falcon), Adapter(r=4), seed=0)
    trainable = {n: p for n, p in tuned.named_parameters() if p.requires_grad}
    assert len(trainable) == 2 * 8 and all(p.dtype == torch.float32 for p in trainable.values())
    assert not any("lm_head" in n or "word_embeddings" in n for n in trainable)


def test_an_unknown_target_module_is_the_users_to_mend(tiny_falcon):
    with pytest.raises(UserError, match="q_proj.*query_key_value"):
        model.add_adapter(loaded(tiny_falcon), Adapter(target_modules=["q_proj"]), seed=0)


SMALL = dict(vocab_size=400, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=256)
OTHERS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(vocab_size=400, n_embd=64, n_layer=2, n_head=4, n_positions=256)),
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**SMALL, intermediate_size=128)),
    "qwen": lambda: Qwen2ForCausalLM(Qwen2Config(**SMALL, intermediate_size=128, num_key_value_heads=2)),
    "opt": lambda: OPTForCausalLM(OPTConfig(**SMALL, ffn_dim=128, word_embed_proj_dim=64)),
}


@pytest.mark.parametrize("family", OTHERS)
def test_other_models_quantise_train_and_answer_through_the_same_code(family, tiny_falcon, tmp_path):
    torch.manual_seed(0)
    OTHERS[family]().save_pretrained(tmp_path)
    AutoTokenizer.from_pretrained(tiny_falcon).save_pretrained(tmp_path)
    tokenizer = model.load_tokenizer(Model(base=str(tmp_path)))
    base = loaded(tmp_path)
    expected, found = model.count_quantised(base)
    assert expected == found > 0
    tuned = model.add_adapter(base, Adapter(r=4, dropout=0.0), seed=0)
    optimizer = torch.optim.AdamW([p for p in tuned.parameters() if p.requires_grad], lr=1e-2)
    batch, losses = one_batch(tmp_path, packed=False), []
    for _ in range(8):
        loss = objective.answer_loss(tuned, batch) / batch.supervised
        losses.append(loss.item())
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert losses[-1] < losses[0] - 0.1
    tuned.eval()
    assert (
        generation.generate(tuned, tokenizer, ["Question: x\nAnswer:", "Question: longer\nAnswer:"], 4)[1].tokens <= 4
    )


@pytest.fixture
def published(tiny_falcon, tmp_path, publish_adapter):
    publish_adapter(
        Config(model=Model(base=str(tiny_falcon)), training=Training(output=str(tmp_path / "adapter"))), 0.05
    )
    return tmp_path / "adapter"


def test_loaded_weights_do_not_change_with_their_file(tiny_falcon, tmp_path):
    folder = shutil.copytree(tiny_falcon, tmp_path / "base")
    base, file = loaded(folder, quantization="none"), folder / "model.safetensors"
    with file.open("r+b") as opened:
        opened.write(bytes(file.stat().st_size))
    for weight, right in zip(base.parameters(), loaded(tiny_falcon, quantization="none").parameters(), strict=True):
        assert torch.equal(weight, right)


class Products(TorchDispatchMode):
    """Notes the sizes that are multiplied with."""

    def __init__(self):
        super().__init__()
        self.with_sizes = []

    def __torch_dispatch__(self, called, types, args=(), kwargs=None):
        if called.name() in ("aten::mm", "aten::bmm"):
            self.with_sizes.append(tuple(args[1].shape))
        return called(*args, **(kwargs or {}))


def test_several_answers_at_once_are_multiplied_with_one_head(tiny_falcon):
    base, tokenizer = loaded(tiny_falcon), model.load_tokenizer(Model(base=str(tiny_falcon)))
    with Products() as products:
        generation.generate(base, tokenizer, ["He coughs.", "A runner comes with wheeze."], 3)
    heads = [sizes for sizes in products.with_sizes if sizes[-1] == base.config.vocab_size]
    assert len(heads) >= 3 and set(heads) == {tuple(reversed(base.lm_head.weight.shape))}


def test_a_published_adapter_loads_on_its_base(published, tiny_falcon):
    assert model.load_adapter(loaded(tiny_falcon), Model(base=str(tiny_falcon)), published)


def test_no_path_of_this_machine_and_no_base_weights_are_published(published):
    assert json.loads((published / "adapter_config.json").read_text())["peft_version"]
    assert sum(f.stat().st_size for f in published.iterdir() if f.suffix == ".safetensors") < 100_000


@pytest.mark.parametrize("name", ["adapter_model.safetensors", "adapter_config.json", "tokenizer.json"])
def test_an_adapter_changed_by_one_byte_is_refused_by_name(published, tiny_falcon, name):
    content = bytearray((published / name).read_bytes())
    content[len(content) // 2] ^= 1
    (published / name).write_bytes(content)
    with pytest.raises(UserError, match=name):
        model.load_adapter(loaded(tiny_falcon), Model(base=str(tiny_falcon)), published)


def test_a_damaged_run_json_is_refused_by_name(published, tiny_falcon):
    (published / "run.json").write_text((published / "run.json").read_text()[:-20])
    with pytest.raises(UserError, match="run.json"):
        model.load_adapter(loaded(tiny_falcon), Model(base=str(tiny_falcon)), published)


def test_an_adapter_of_another_base_is_refused(published, tiny_falcon, tmp_path):
    from transformers import AutoModelForCausalLM

    other = AutoModelForCausalLM.from_pretrained(tiny_falcon)
    with torch.no_grad():
        other.transformer.ln_f.bias += 1
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(tiny_falcon).save_pretrained(tmp_path / "other")
    with pytest.raises(UserError, match="was trained on"):
        model.load_adapter(loaded(tmp_path / "other"), Model(base=str(tmp_path / "other")), published)


def test_publishing_keeps_the_run_before(published, tiny_falcon):
    run = json.loads((published / "run.json").read_text())
    tuned = model.add_adapter(loaded(tiny_falcon), Adapter(r=2), seed=0)
    record.publish(published, tuned, AutoTokenizer.from_pretrained(tiny_falcon), dict(run, steps=2))
    assert json.loads((published / "run.json").read_text())["steps"] == 2
    assert json.loads((published.with_name("adapter.previous") / "run.json").read_text())["steps"] == run["steps"]


def test_weights_that_are_cut_short_are_told_as_such(tiny_falcon, tmp_path):
    folder = shutil.copytree(tiny_falcon, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(UserError, match="cannot be loaded.*\n.*load_tokenizer.py"):
        model.load_base(Model(base=str(folder)), "cpu", torch.float32)
