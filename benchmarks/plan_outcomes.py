"""What the plan says before a run beside what the run then takes: time, memory, and all of the command.

    python benchmarks/plan_outcomes.py --work FOLDER --medtext FILE [--only TEXT]

Whole runs of medical_diagnosis_gpu.py, one after another, over the sample cases and over MedText: the small Falcon and
random models of other shapes, made here. The first run of each corpus builds its index as well. Prints a table in
Markdown, row by row, and writes `plan_outcomes.json` in FOLDER. About 20 minutes on two cores.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FALCON = ROOT / "models" / "tiny-falcon"
MEASURED = {"evaluation.cases": 24}
ALONE = {"training.retrieval_share": 0}
# (name, base, MedText or the sample cases, what is set)
RUNS = [
    ("default, index built", "falcon", False, MEASURED),
    ("default", "falcon", False, MEASURED),
    ("two retrieved cases, 24 cases a step, 0.6 epochs", "falcon", False,
     {"answering.k": 2, "training.batch_size": 24, "training.num_train_epochs": 0.6}),
    ("four cases at once, 0.3 epochs", "falcon", False,
     {"training.per_device_train_batch_size": 4, "training.num_train_epochs": 0.3}),
    ("everything computed again, 0.3 epochs", "falcon", False,
     {"training.activation_checkpointing": "on", "training.num_train_epochs": 0.3}),
    ("weights not quantised, no dropout, 0.3 epochs", "falcon", False,
     {"model.quantization": "none", "adapter.dropout": 0, "training.num_train_epochs": 0.3}),
    ("1,024 tokens at once, 0.3 epochs", "falcon", False,
     {"training.tokens_per_micro_batch": 1024, "training.num_train_epochs": 0.3}),
    ("r 64, dropout 0.1, half the prompts with retrieved cases, 0.3 epochs", "falcon", False,
     {"adapter.r": 64, "adapter.dropout": 0.1, "training.retrieval_share": 0.5, "training.num_train_epochs": 0.3}),
    ("float32, 0.15 epochs", "falcon", False, {"model.dtype": "float32", "training.num_train_epochs": 0.15}),
    ("MedText, r 8, 0.3 epochs, index built", "falcon", True, {"adapter.r": 8, "training.num_train_epochs": 0.3}),
    ("MedText, no retrieval, 1.2 epochs, measured", "falcon", True,
     MEASURED | ALONE | {"training.num_train_epochs": 1.2}),
    ("MedText, no retrieval, r 64, 32 cases a step, 0.5 epochs", "falcon", True,
     ALONE | {"adapter.r": 64, "training.batch_size": 32, "training.num_train_epochs": 0.5}),
    ("MedText, no retrieval, float32, 0.3 epochs", "falcon", True,
     ALONE | {"model.dtype": "float32", "training.num_train_epochs": 0.3}),
    ("Llama, 2 layers, 0.3 epochs", "llama-2", False, {"training.num_train_epochs": 0.3}),
    ("Llama, 6 layers, 0.15 epochs, measured", "llama-6", False, MEASURED | {"training.num_train_epochs": 0.15}),
    ("Llama, 6 layers: MedText, no retrieval, 0.5 epochs", "llama-6", True,
     ALONE | {"training.num_train_epochs": 0.5}),
    ("GPT-2, 6 layers: MedText, no retrieval, 0.7 epochs", "gpt2", True, ALONE | {"training.num_train_epochs": 0.7}),
    ("GPT-2, 6 layers, one retrieved case, 0.2 epochs", "gpt2", False,
     {"answering.k": 1, "training.num_train_epochs": 0.2}),
    ("Falcon with 65,024 words, 2 layers of 256: MedText, no retrieval, 0.3 epochs", "wide", True,
     ALONE | {"training.num_train_epochs": 0.3}),
]  # fmt: skip


def make_bases(work: Path) -> dict[str, Path]:
    """Random models behind the small Falcon's tokenizer."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, FalconConfig, GPT2Config, LlamaConfig

    tokenizer = AutoTokenizer.from_pretrained(FALCON)
    ends = {"bos_token_id": tokenizer.eos_token_id, "eos_token_id": tokenizer.eos_token_id}
    llama = {"vocab_size": 8192, "hidden_size": 384, "intermediate_size": 1024, "num_attention_heads": 6}
    configs = {
        "llama-2": LlamaConfig(num_hidden_layers=2, **llama, **ends),
        "llama-6": LlamaConfig(num_hidden_layers=6, **llama, **ends),
        "gpt2": GPT2Config(vocab_size=8192, n_embd=384, n_layer=6, n_head=6, **ends),
        "wide": FalconConfig(
            vocab_size=65024, hidden_size=256, num_hidden_layers=2, num_attention_heads=4, multi_query=True,
            parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False, **ends,
        ),
    }  # fmt: skip
    folders = {"falcon": FALCON}
    for name, config in configs.items():
        folders[name] = work / name
        if not (folders[name] / "model.safetensors").is_file():
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(config).save_pretrained(folders[name])
            tokenizer.save_pretrained(folders[name])
    return folders


def outcome(base: Path, cases: str, settings: dict, work: Path) -> dict:
    """What run.json and the end of the log say."""
    shutil.rmtree(work / "adapter", ignore_errors=True)
    flags = {
        "profile": "tiny", "model.base": base, "data.cases": cases, "training.output": work / "adapter",
        "index.folder": work / f"index-{Path(cases).stem}", "logs.folder": work / "logs", "evaluation.cases": 0,
    } | settings  # fmt: skip
    arguments = [str(text) for key, value in flags.items() for text in (f"--{key}", value)]
    done = subprocess.run(
        [sys.executable, ROOT / "medical_diagnosis_gpu.py", *arguments], capture_output=True, text=True
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{settings}: {done.stderr}")
    run = json.loads((work / "adapter" / "run.json").read_text(encoding="utf-8"))
    whole = re.search(r"all of it took ([\d:]+) \(predicted ([\d:]+)\)", done.stdout)
    return {
        "seconds": (run["plan"]["predicted_seconds"], run["seconds"]),
        "bytes": (run["plan"]["predicted_peak_bytes"], run["peak_memory_bytes"]),
        "all seconds": (_seconds(whole[2]), _seconds(whole[1])),
    }


def _seconds(clock: str) -> int:
    total = 0
    for part in clock.split(":"):
        total = 60 * total + int(part)
    return total


def row(name: str, found: dict) -> str:
    """`name` and each prediction with the outcome and how far off it was."""
    from langlearn.trainlog import clock

    columns = []
    for key, written in (("seconds", clock), ("bytes", lambda n: f"{n / 2**30:.2f} GiB"), ("all seconds", clock)):
        predicted, taken = found[key]
        columns.append(f"{written(predicted)} | {written(taken)} | {100 * (taken / predicted - 1):+.0f} %")
    return f"| {name} | {' | '.join(columns)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--medtext", required=True)
    parser.add_argument("--only", default="", help="runs whose name holds this text")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    bases, table = make_bases(options.work), {}
    print("| run | training predicted | taken | | memory predicted | taken | | all predicted | taken | |")
    print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for name, base, on_medtext, settings in RUNS:
        if options.only in name:
            cases = options.medtext if on_medtext else str(ROOT / "data" / "sample_cases.csv")
            table[name] = outcome(bases[base], cases, settings, options.work)
            print(row(name, table[name]), flush=True)
    (options.work / "plan_outcomes.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
