"""finetuned_falcon/: adapter, tokenizer, model card and, last, run.json; published whole or not at all."""

import json
import os
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from langlearn import assets, prompts
from langlearn.errors import UserError

PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "accelerate", "tokenizers", "safetensors",
            "sentence-transformers", "faiss-cpu", "faiss-gpu")  # fmt: skip


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            continue
    return found


def refuse_other_content(folder: Path) -> None:
    """Raises UserError where `publish` would put aside, and the run after that delete, what no run wrote."""
    remedy = "choose a folder of its own for training.output"
    if folder.resolve() == Path.cwd() or folder.resolve() in Path.cwd().parents:
        raise UserError(f"training.output is '{folder}', which everything else is in: {remedy}")
    if folder.exists() and not folder.is_dir():
        raise UserError(f"training.output {folder} is a file: {remedy}")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "run.json").is_file():
        raise UserError(f"training.output {folder} holds files that no run has written: {remedy}")


def publish(folder: Path, tuned, tokenizer, run: dict) -> Path | None:
    """Write `folder` beside and rename it into place; an earlier run is kept as `folder.previous`, which is returned.

    `run` gets "files": the sha256 of everything else, which `model.load_adapter` compares.
    """
    beside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    for adapter in tuned.peft_config.values():
        adapter.base_model_name_or_path = run["base_model"]["base"]  # a name, not a path on this machine
    tuned.save_pretrained(beside, safe_serialization=True, save_embedding_layers=False)
    tokenizer.save_pretrained(beside)
    (beside / "README.md").write_text(model_card(run), encoding="utf-8")
    run["files"] = {p.name: assets.file_hash(p) for p in sorted(beside.iterdir()) if p.is_file()}
    write_json(beside / "run.json", run)
    previous = folder.with_name(folder.name + ".previous") if folder.exists() else None
    if previous:
        shutil.rmtree(previous, ignore_errors=True)
        os.replace(folder, previous)
    os.replace(beside, folder)
    return previous


def write_json(path: Path, content: dict) -> None:
    """Atomically: a reader sees the old file or the new one."""
    beside = path.with_name(path.name + ".partial")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


def model_card(run: dict) -> str:
    base, split, last = run["base_model"]["base"], run["split"], run["evaluation"]
    return f"""---
base_model: {base}
library_name: peft
tags: [qlora, lora, medical]
---

# A LoRA adapter for {base}

Fine-tuned with lang-learn on {split["train"]} cases of `{Path(run["data"]["file"]).name}` \
({split["held_out"]} held out).

| | before | after |
|---|---|---|
| loss on held-out answers (nats a token) | {last["before"]:.4f} | {last["after"]:.4f} |

{run["epochs"]:.2f} epochs, {run["steps"]} steps, {run["tokens"]:,} tokens in {run["seconds"]:.0f} s; final loss
{run["final"]["loss"]:.4f}, gradient norm {run["final"]["grad_norm"]:.3f}. \
Everything else about the run is in `run.json`.

Load it with `PeftModel.from_pretrained(base, folder)`. Prompts follow the training template:

```
{prompts.question_prompt("…")} …
```

{prompts.DISCLAIMER}
"""
