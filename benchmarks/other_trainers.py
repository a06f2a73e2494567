"""litgpt and LLaMA-Factory as compare_training.py runs them: under a python of their own, without langlearn.

Each way yields (real tokens, seconds, loss) a step, and at last None, for no held-out loss is measured. It ends the
turn where the comparison would not be fair.
"""

import csv
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

RANK, ALPHA, RATE = 8, 32, 1e-3  # of every way


def synchronize() -> None:
    """Have all that was asked of a GPU done, so that the clock counts it."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def watcher(steps: list, tokens, seconds: float):
    """A callback for transformers' Trainer: appends (real tokens, seconds, loss) of each step, and stops in time."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_step_begin(self, args, state, control, **kwargs):
            self.clock = time.perf_counter()

        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "loss" in logs:
                steps.append((tokens(state), self.took, float(logs["loss"])))

        def on_step_end(self, args, state, control, **kwargs):
            synchronize()
            self.took = time.perf_counter() - self.clock
            control.should_training_stop = sum(s[1] for s in steps) > seconds

    return Watch()


def check_adapted(names, base: str) -> None:
    """Ends the turn unless the saved adapter holds all four linears of every layer, as in every other way."""
    expected = 4 * json.loads(Path(base, "config.json").read_text())["num_hidden_layers"]
    found = sum("lora_A" in name for name in names)
    if found != expected:
        sys.exit(f"{found} of {expected} linear layers were adapted: the comparison would not be fair")


def litgpt(base: str, data: str, seconds: float):
    """Its own command; only its learning rate, which would rise and fall, is held. Read from its own log."""
    import torch
    from litgpt.__main__ import main as command
    from litgpt.finetune import lora

    with tempfile.TemporaryDirectory() as folder:
        checkpoint, out = litgpt_checkpoint(Path(base), Path(folder)), Path(folder, "out")
        lora.get_lr_scheduler = lambda optimizer, **_: torch.optim.lr_scheduler.ConstantLR(optimizer, factor=1.0)
        optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": RATE, "fused": True}}
        options = {
            "out_dir": out, "precision": "bf16-true", "seed": 0, "optimizer": json.dumps(optimizer),
            "lora_r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0, "lora_query": True, "lora_key": True,
            "lora_value": True, "lora_projection": True, "lora_mlp": True,
            "data": "JSON", "data.json_path": data, "data.mask_prompt": True, "data.seed": 0, "data.num_workers": 0,
            "data.prompt_style": json.dumps({"class_path": "litgpt.prompts.Default"}),
            "train.global_batch_size": 8, "train.micro_batch_size": 8, "train.epochs": 1, "train.max_time": seconds,
            "train.max_seq_length": 1024, "train.save_interval": "null",
            "eval.interval": 10**9, "eval.max_new_tokens": 1, "eval.final_validation": False,
        }  # fmt: skip
        sys.argv = ["litgpt", "finetune_lora", str(checkpoint), *(f"--{k}={v}" for k, v in options.items())]
        command()
        check_adapted(torch.load(out / "final" / "lit_model.pth.lora")["model"], base)
        with open(out / "logs" / "csv" / "version_0" / "metrics.csv", newline="") as file:
            logged = [row for row in csv.DictReader(file) if row["loss"]]
    before = 0
    for row in logged:
        tokens = int(row["tokens"])  # since the start
        yield tokens - before, float(row["iter_time"]), float(row["loss"])
        before = tokens
    yield None


def litgpt_checkpoint(base: Path, folder: Path) -> Path:
    """The base converted by litgpt, which knows Falcons by name only: this one is a falcon-7b in other numbers. A head
    tied to the embeddings is written out, or litgpt would train under a random one. The logits are compared at the end:
    a speed of another model would say nothing."""
    import torch
    from litgpt.config import Config, name_to_config
    from litgpt.model import GPT
    from litgpt.scripts.convert_hf_checkpoint import convert_hf_checkpoint
    from safetensors.torch import load_file, save_file
    from transformers import AutoModelForCausalLM

    shape = json.loads((base / "config.json").read_text())
    if not (shape["multi_query"] and shape["parallel_attn"]) or shape["alibi"] or shape["new_decoder_architecture"]:
        sys.exit(f"{base} is no Falcon of falcon-7b's architecture: litgpt has no name for it")
    name = "falcon-7b-in-other-numbers"  # "falcon" and "7b" in it tell litgpt what the weights are called
    name_to_config[name] = name_to_config["falcon-7b"] | {
        "name": name, "hf_config": {}, "n_layer": shape["num_hidden_layers"], "n_head": shape["num_attention_heads"],
        "n_embd": shape["hidden_size"], "intermediate_size": shape["ffn_hidden_size"],
        "vocab_size": shape["vocab_size"], "padded_vocab_size": shape["vocab_size"],
        "block_size": shape["max_position_embeddings"], "norm_eps": shape["layer_norm_epsilon"],
    }  # fmt: skip
    checkpoint = folder / name
    checkpoint.mkdir()
    weights = {key: value for file in base.glob("*.safetensors") for key, value in load_file(file).items()}
    weights.setdefault("lm_head.weight", weights["transformer.word_embeddings.weight"].clone())
    save_file(weights, checkpoint / "model.safetensors")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / file, checkpoint)
    convert_hf_checkpoint(checkpoint, model_name=name)

    ids = torch.randint(shape["vocab_size"], (2, 200), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stock = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
        converted = GPT(Config.from_file(checkpoint / "model_config.yaml")).eval()
        converted.load_state_dict(torch.load(checkpoint / "lit_model.pth"))
        difference = (converted(ids) - stock(ids).logits).abs().max().item()
    if not difference < 1e-3:
        sys.exit(f"litgpt's conversion of {base} is another model: its logits differ by {difference:.2g}")
    return checkpoint


def llamafactory(base: str, data: str, seconds: float):
    """Its `run_exp`; transformers' Trainer, which it is built on, counts the real tokens."""
    from llamafactory.data.template import register_template
    from llamafactory.train.tuner import run_exp
    from safetensors.torch import load_file

    register_template("plain")  # the prompt as it is, the answer, EOS; the ready one that adds nothing leaves EOS out
    steps = []

    def tokens(state) -> int:
        return state.num_input_tokens_seen - sum(step[0] for step in steps)

    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "stage": "sft", "do_train": True, "model_name_or_path": base, "cache_dir": folder, "seed": 0,
            "finetuning_type": "lora", "lora_rank": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.0,
            "lora_target": "query_key_value,dense,dense_h_to_4h,dense_4h_to_h",
            "dataset": "cases", "dataset_dir": data, "template": "plain", "cutoff_len": 1024,
            "per_device_train_batch_size": 8, "num_train_epochs": 1.0, "train_sampling_strategy": "group_by_length",
            "learning_rate": RATE, "lr_scheduler_type": "constant", "bf16": True, "use_cpu": True,
            "flash_attn": "sdpa", "disable_gradient_checkpointing": True,
            "include_num_input_tokens_seen": "non_padding", "logging_steps": 1, "save_strategy": "no",
            "report_to": "none", "disable_tqdm": True, "output_dir": f"{folder}/out",
        }  # fmt: skip
        run_exp(settings, callbacks=[watcher(steps, tokens, seconds)])
        check_adapted(load_file(f"{folder}/out/adapter_model.safetensors"), base)
    yield from steps
    yield None
