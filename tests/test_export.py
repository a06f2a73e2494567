"""`run_query.py --export merged`: a plain model that says what the adapter says, or nothing at all."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import bitsandbytes as bnb
import peft.tuners.lora.bnb as lora_bnb
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import run_query
from langlearn import export, generation, machine, merging, model, prompts
from langlearn.config import Config, Data, Training
from langlearn.config import Model as ModelSettings
from langlearn.errors import UserError
from langlearn.measuring import likeness
from langlearn.measuring.likeness import Difference
from langlearn.speaker import load_speaker

ROOT = Path(__file__).parent.parent
QUESTIONS = [prompts.question_prompt(text) for text in ("A dancer twisted her ankle: a sprain?", "Why does he cough?")]
# What anybody types who has transformers and has never heard of this project.
PLAIN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype="float32")
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
answers = []
for prompt in sys.argv[2:]:
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    new = model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1]:]
    answers.append(tokenizer.decode(new, skip_special_tokens=True).strip())
attention = model.config._attn_implementation
print(json.dumps({"answers": answers, "ours": "langlearn" in sys.modules, "attention": attention}))
"""


@pytest.fixture(scope="module")
def base(tiny_falcon, tmp_path_factory) -> Path:
    """The small Falcon in bfloat16, far from uniform, with a config that names code of its own as Falcon-7B's does."""
    folder = tmp_path_factory.mktemp("base")
    falcon = AutoModelForCausalLM.from_pretrained(tiny_falcon)
    for parameter in falcon.parameters():
        parameter.data *= 3
    falcon.to(torch.bfloat16).save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_falcon).save_pretrained(folder)
    path = folder / "config.json"
    described = json.loads(path.read_text()) | {"auto_map": {"AutoConfig": "configuration_falcon.FalconConfig"}}
    path.write_text(json.dumps(described))
    (folder / "LICENSE").write_text("Do as you like, and pass this on.")
    return folder


@pytest.fixture
def trained(tiny_corpus, tmp_path, publish_adapter):
    """trained(base): settings with a published adapter that changes what the base says."""

    def train(base: Path) -> Config:
        settings = Config(
            model=ModelSettings(base=str(base)),
            data=Data(cases=str(tiny_corpus)),
            training=Training(output=str(tmp_path / "adapter")),
        )
        publish_adapter(settings, std=0.05)
        return settings

    return train


@pytest.fixture
def settings(base, trained) -> Config:
    return trained(base)


def flags(settings: Config) -> list[str]:
    return [
        "--profile", "tiny", "--model.base", settings.model.base, "--data.cases", settings.data.cases,
        "--training.output", settings.training.output,
    ]  # fmt: skip


def here(**changes) -> machine.Hardware:
    return replace(machine.describe(), device="cpu", gpus=(), **changes)


def names_in(settings: Config) -> set[str]:
    return {path.name for path in Path(settings.training.output).iterdir()}


def test_plain_transformers_opens_it_without_our_code_and_gives_the_adapters_answers(settings, base):
    folder, found = export.export(settings, here())
    assert found.small and found.divergence < 1e-4 and found.positions > 500
    done = subprocess.run([sys.executable, "-I", "-c", PLAIN, folder, *QUESTIONS], capture_output=True, cwd=folder)
    said = json.loads(done.stdout.decode().splitlines()[-1])
    assert not said["ours"] and said["attention"] == "sdpa"
    speaker = load_speaker(settings, here(memory_free=0), torch.float32)  # the adapter is still whole
    assert model.count_quantised(speaker.model) == (8, 8)
    adapters = [generation.generate(speaker.model, speaker.tokenizer, [text], 16)[0].text for text in QUESTIONS]
    assert said["answers"] == adapters
    with speaker.model.disable_adapter():
        assert generation.generate(speaker.model, speaker.tokenizer, QUESTIONS[:1], 16)[0].text != adapters[0]


def test_what_is_merged_is_the_unpacked_4_bit_weight_and_the_rest_is_the_bases_byte_for_byte(settings, base):
    folder, _ = export.export(settings, here())
    before, after = load_file(base / "model.safetensors"), load_file(folder / "model.safetensors")
    tuned = model.load_base(settings.model, "cpu", torch.float32)
    tuned = model.load_adapter(tuned, settings.model, Path(settings.training.output)).get_base_model()
    assert before.keys() == after.keys() and {t.dtype for t in after.values()} == {torch.bfloat16}
    adapted = 0
    for name, tensor in after.items():
        layer = tuned.get_submodule(name.removesuffix(".weight").removesuffix(".bias"))
        if not hasattr(layer, "lora_A"):
            assert torch.equal(tensor, before[name])
            continue
        adapted += 1
        weight = bnb.functional.dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        delta = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
        assert torch.equal(tensor, (weight + delta).to(torch.bfloat16))
    assert adapted == 8


def test_the_folder_holds_what_engines_and_readers_ask_for(settings, base):
    folder, found = export.export(settings, here())
    described = json.loads((folder / "config.json").read_text())
    assert described["architectures"] == ["FalconForCausalLM"] and described["dtype"] == "bfloat16"
    assert "auto_map" not in described and "quantization_config" not in described
    assert described["num_kv_heads"] == 1  # llama.cpp splits query_key_value by it
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == 0
    for name in ("tokenizer.json", "tokenizer_config.json", "LICENSE"):
        assert (folder / name).read_bytes() == (base / name).read_bytes()
    card = (folder / "README.md").read_text(encoding="utf-8")
    run = json.loads((folder.parent / "run.json").read_text())
    for text in (str(base), run["files"]["adapter_model.safetensors"], str(found), "Question: …\nAnswer:", "licence"):
        assert text in card
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1


def nothing(layer, base, right):
    """The adapter is forgotten."""
    return right(layer) - layer.get_delta_weight("default")


def twice(layer, base, right):
    return right(layer) + layer.get_delta_weight("default")


def finer(layer, base, right):
    """Merged into the base's stored weights, which the adapter never saw."""
    unpacked = nothing(layer, base, right)
    stored = (t.float() for t in load_file(base / "model.safetensors").values() if t.shape == unpacked.shape)
    return twice(layer, base, lambda _: min(stored, key=lambda tensor: (tensor - unpacked).norm().item()))


@pytest.mark.parametrize("broken", [nothing, twice, finer])
def test_a_merge_that_says_something_else_is_refused_and_leaves_what_was_there(settings, base, monkeypatch, broken):
    folder, _ = export.export(settings, here())
    (folder / "mark").touch()
    before, right = names_in(settings), merging.merged_weight
    monkeypatch.setattr(merging, "merged_weight", lambda layer: broken(layer, base, right))
    with pytest.raises(UserError, match=r"mean KL \d.*\n.*run_query.py"):
        export.export(settings, here())
    assert names_in(settings) == before and (folder / "mark").exists()
    monkeypatch.undo()
    export.export(settings, here())
    assert names_in(settings) == before and not (folder / "mark").exists()


def test_a_delta_lost_in_one_layer_is_noticed(settings, monkeypatch):
    before, right = names_in(settings), lora_bnb.Linear4bit.get_delta_weight
    lost = []

    def forgetful(layer, adapter):
        lost.append(layer)
        return right(layer, adapter) * (len(lost) != 5)

    monkeypatch.setattr(lora_bnb.Linear4bit, "get_delta_weight", forgetful)
    with pytest.raises(UserError, match="does not answer as its adapter does"):
        export.export(settings, here())
    assert names_in(settings) == before and len(lost) == 8


def test_ctrl_c_leaves_nothing(settings, monkeypatch):
    before = names_in(settings)

    def interrupted(*_):
        assert "merged.partial" in names_in(settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "prove", interrupted)
    with pytest.raises(KeyboardInterrupt):
        export.export(settings, here())
    assert names_in(settings) == before


def test_without_a_run_it_says_how_to_get_one_and_leaves_nothing(settings, tmp_path):
    arguments = [*flags(settings), "--training.output", str(tmp_path / "nothing"), "--export", "merged"]
    with pytest.raises(UserError, match="train one with medical_diagnosis_gpu.py"):
        run_query.main(arguments)
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["--query", "x"], "--export and --query are both given"),
        (["--query", ""], "--export and --query are both given"),
        (["--batch", "/no/such/file"], "--export and --batch are both given"),
        (["--json"], "--export and --json are both given"),
        (["--rebuild"], "--export and --rebuild are both given"),
        (["--export", "gguf"], "--export is 'gguf': it must be one of merged or null"),
    ],
)
def test_what_cannot_be_meant_is_refused(more, reason):
    with pytest.raises(UserError, match=reason):
        run_query.main(["--export", "merged", *more])


def test_a_full_disk_and_little_memory_are_named_before_anything_is_loaded(settings, monkeypatch):
    before = names_in(settings)
    monkeypatch.setattr(model, "load_base", None)
    with pytest.raises(UserError, match="GiB of memory while it is proven, 0.0 GiB are free"):
        export.export(settings, here(memory_free=1000))
    usage = export.shutil.disk_usage("/")
    monkeypatch.setattr(export.shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match="0.00 are free:\nmake room"):
        export.export(settings, here())
    assert names_in(settings) == before


def test_a_gpu_that_holds_the_model_proves_it_and_a_smaller_one_leaves_it_to_the_cpu(tmp_path):
    for free, device in ((2**40, "cuda"), (2**33, "cpu")):
        gpus = (machine.Gpu("a", (8, 6), 2**40, free),)
        assert export.place_for(10 * 2**30, tmp_path, replace(here(memory_free=2**40), gpus=gpus)) == device


def test_the_script_says_where_it_is_how_near_and_what_to_type_next(settings, capsys):
    run_query.main([*flags(settings), "--export", "merged"])
    out = capsys.readouterr().out
    folder = Path(settings.training.output) / "merged"
    assert f"merged model: {folder}\n" in out and "mean KL" in out
    assert f"\nvllm serve {folder}\n" in out and f"convert_hf_to_gguf.py {folder} --outfile {folder}.gguf" in out


def test_a_large_model_comes_in_shards_of_limited_size(settings, monkeypatch):
    whole = load_file(export.export(settings, here())[0] / "model.safetensors")
    monkeypatch.setattr(merging, "SHARD_BYTES", 60_000)
    folder, found = export.export(settings, here())
    shards = sorted(folder.glob("model-*-of-*.safetensors"))
    assert found.small and len(shards) > 2 and not (folder / "model.safetensors").exists()
    assert all(shard.stat().st_size < 64_000 for shard in shards)
    together = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    assert together.keys() == whole.keys() and all(torch.equal(together[name], whole[name]) for name in whole)


def test_without_its_corpus_the_diagnostic_questions_are_proof_enough(settings):
    settings.data.cases = "/no/such/file.csv"
    _, found = export.export(settings, here())
    assert found.small and 20 < found.positions < 300


SMALL = dict(vocab_size=400, bos_token_id=0, eos_token_id=0)
OTHERS = {
    "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**SMALL, n_embd=64, n_layer=2, n_head=4, n_positions=1024)),
    "llama": lambda: LlamaForCausalLM(
        LlamaConfig(**SMALL, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
                    num_key_value_heads=2, rope_parameters={"rope_type": "default", "rope_theta": 50000.0})),
}  # fmt: skip


@pytest.mark.parametrize("family", OTHERS)
def test_other_models_merge_through_the_same_code(family, tiny_falcon, tmp_path, trained):
    torch.manual_seed(0)
    base = tmp_path / "base"
    OTHERS[family]().to(torch.bfloat16).save_pretrained(base)
    AutoTokenizer.from_pretrained(tiny_falcon).save_pretrained(base)
    (base / "generation_config.json").unlink()
    if family == "gpt2":  # the hub's GPT-2 names its weights from inside the transformer
        inside = {n.removeprefix("transformer."): t for n, t in load_file(base / "model.safetensors").items()}
        save_file(inside, base / "model.safetensors", metadata={"format": "pt"})
    folder, found = export.export(trained(base), here())
    assert found.small and found.divergence < 1e-4
    assert json.loads((folder / "generation_config.json").read_text())["eos_token_id"] == 0
    with safe_open(base / "model.safetensors", "pt") as before, safe_open(folder / "model.safetensors", "pt") as after:
        assert set(before.keys()) == set(after.keys())


def test_a_weight_that_the_files_call_otherwise_is_named(settings, base, tmp_path):
    tuned = model.load_base(settings.model, "cpu", torch.float32)
    tuned = model.load_adapter(tuned, settings.model, Path(settings.training.output))
    renamed = {name.replace("mlp", "ffn"): tensor for name, tensor in load_file(base / "model.safetensors").items()}
    save_file(renamed, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"hold no transformer.h.0.mlp.dense_h_to_4h.weight"):
        merging.write_weights(tuned, tmp_path, tmp_path, lambda *_: None)


# Likeness ---------------------------------------------------------------------------------------------------------


def test_a_16_bit_model_computes_in_float32_and_stays_as_it_was(base):
    narrow = AutoModelForCausalLM.from_pretrained(base)
    wide = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    ids = torch.tensor([[5, 9, 200, 31, 77]])
    with torch.no_grad():
        assert not torch.equal(narrow(ids).logits.float(), wide(ids).logits)
        assert torch.equal(likeness.in_float32(narrow)(ids).logits, wide(ids).logits)
    assert {p.dtype for p in narrow.parameters()} == {torch.bfloat16}


def test_the_difference_of_known_logits():
    one, other = torch.tensor([[0.0, 0.0], [1.0, 0.0]]), torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    found = likeness.difference([one], [other])
    p = torch.tensor([1.0, 0.0]).softmax(0)
    assert found.divergence == pytest.approx((p[0] - p[1]).item() / 2)  # the odds differ by 2 nats in one of two rows
    assert (found.largest, found.agreement, found.positions) == (1.0, 0.5, 2)
    assert likeness.difference([one], [one]) == Difference(0.0, 0.0, 1.0, 2)


@pytest.mark.parametrize("which", range(3))
def test_no_limit_may_be_broken_and_what_is_not_a_number_is_not_small(which):
    good, bad = [1e-5, 0.1, 0.99], [2e-3, 0.6, 0.9]
    assert Difference(*good, positions=100).small
    for value in (bad[which], float("nan")):
        assert not Difference(*(value if n == which else v for n, v in enumerate(good)), positions=100).small
    broken = likeness.difference([torch.zeros(2, 2)], [torch.tensor([[0.0, float("nan")], [0.0, 0.0]])])
    assert not broken.small


def test_a_converter_that_would_refuse_the_tokenizer_is_not_offered(tmp_path):
    assert "convert_hf_to_gguf.py" in export.next_steps("out", tmp_path)
    (tmp_path / "pretraining.json").write_text("{}")
    assert "convert_hf_to_gguf.py" not in export.next_steps("out", tmp_path)
    assert (ROOT / "models" / "tiny-falcon" / "pretraining.json").is_file()
