"""The fine-tuned model as one plain transformers folder, for engines that know nothing of adapters: vLLM, llama.cpp.

    4-bit base + adapter ──┬── logits of some texts ────────────────────┐
                           └── merged, written beside ── plain model ───┴── alike? renamed into place : nothing kept
"""

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from langlearn import assets, cases, merging, prompts
from langlearn import model as models
from langlearn.cases import Case
from langlearn.config import Config
from langlearn.errors import UserError
from langlearn.files.model_files import tokenizer_files, weight_files
from langlearn.machine import GIB, Hardware, give_back_freed_memory
from langlearn.measuring import likeness, reopen
from langlearn.measuring.likeness import Difference
from langlearn.record import write_json

NAME = "merged"
TRIAL_CASES = 5


def export(config: Config, hardware: Hardware, progress: Callable | None = None) -> tuple[Path, Difference]:
    """(`training.output`/merged, how far it is from the adapter on its base). `progress(what, done, total)`.

    Written beside, loaded by plain transformers, compared, and only then renamed into place; what stood there before
    stays until then. One model is in memory at a time. Raises UserError where no run was finished, disk or memory is
    too small, or the two differ by more than rounding; then nothing is left behind.
    """
    progress, output = progress or (lambda *_: None), Path(config.training.output)
    run, target, beside = reopen.finished_run(output), output / NAME, output / f"{NAME}.partial"
    base = assets.model_folder(config.model.base, config.model.revision, weights=True)
    shutil.rmtree(beside, ignore_errors=True)
    device = place_for(sum(file.stat().st_size for file in weight_files(base)), output, hardware)
    texts = trial_texts(config)
    try:
        beside.mkdir()
        tuned = models.load_base(config.model, hardware.device, torch.float32)
        tuned = models.load_adapter(tuned, config.model, output)
        ask = partial(progress, "asking the adapter")
        expected = likeness.logits(tuned, models.load_tokenizer(config.model), texts, ask)
        merging.write_weights(tuned, base, beside, partial(progress, "merging"))
        del tuned
        give_back_freed_memory()
        write_the_rest(config, base, beside)
        found = prove(beside, texts, expected, device, partial(progress, "asking the merged model"))
        give_back_freed_memory()
        if not found.small:
            raise UserError(f"the merged model does not answer as its adapter does: {found};\n"
                            "nothing was kept; run_query.py still answers with the adapter on its base")  # fmt: skip
        (beside / "README.md").write_text(model_card(run, config.model.quantization, found, base), encoding="utf-8")
        previous = output / f"{NAME}.previous"
        shutil.rmtree(previous, ignore_errors=True)
        if target.exists():
            os.replace(target, previous)
        os.replace(beside, target)
        shutil.rmtree(previous, ignore_errors=True)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return target, found


def place_for(size: int, output: Path, hardware: Hardware) -> str:
    """The device that holds `size` bytes of weights while they are proven. Raises UserError where none does."""
    free = shutil.disk_usage(output).free
    if free < size + GIB // 8:
        raise UserError(f"the merged model takes {size / GIB:.2f} GiB, where {output} is {free / GIB:.2f} are free:\n"
                        "make room, or move that folder and name it with --training.output")  # fmt: skip
    needed = 1.1 * size + (2 * GIB if size > GIB else 0)  # the rest: a layer in float32, activations, logits
    if hardware.gpus and needed < hardware.gpus[0].free:
        return "cuda"
    if needed > hardware.memory_free:
        raise UserError(f"the merged model takes {needed / GIB:.1f} GiB of memory while it is proven, "
                        f"{hardware.memory_free / GIB:.1f} GiB are free:\n"
                        "close other programs, or export on a machine with more")  # fmt: skip
    return "cpu"


def trial_texts(config: Config) -> list[str]:
    """The diagnostic questions and, where the corpus is at hand, five of its cases below two others, with answers."""
    texts = [prompts.question_prompt(question) for question in prompts.DIAGNOSTIC_QUESTIONS]
    try:
        found = cases.read(config.data).cases
    except UserError:
        return texts
    for number in range(0, len(found), -(-len(found) // TRIAL_CASES)):
        case, above = found[number], (found[number - 1], found[number - 2])
        texts.append(prompts.context_prompt(case.prompt, above) + prompts.answer_text(case.completion))
    return texts


def write_the_rest(config: Config, base: Path, folder: Path) -> None:
    """Tokenizer and settings as the base has them, byte for byte where engines know them, and its licence."""
    tokenizer = assets.model_folder(config.model.base, config.model.revision, tokenizer=True)
    for file in (*tokenizer_files(tokenizer), *base.glob("LICENSE*"), *base.glob("NOTICE*")):
        shutil.copyfile(file, folder / file.name)
    described = json.loads((base / "config.json").read_text(encoding="utf-8"))
    described.pop("auto_map", None)  # code that comes with a model is not needed, and engines would ask to run it
    grouped = described.get("new_decoder_architecture") or not described.get("multi_query")
    if described["model_type"] == "falcon" and not grouped:
        described["num_kv_heads"] = 1  # transformers saves the number of query heads, and llama.cpp believes it
    write_json(folder / "config.json", described)
    for file in weight_files(folder):  # written for their owner alone, and a server may be somebody else
        shutil.copymode(folder / "config.json", file)
    if (base / "generation_config.json").is_file():
        shutil.copyfile(base / "generation_config.json", folder / "generation_config.json")
    else:
        GenerationConfig.from_model_config(models.load_config(config.model)).save_pretrained(folder)


def prove(folder: Path, texts: list[str], expected: list[torch.Tensor], device: str, progress: Callable) -> Difference:
    """How far the folder, opened as any program opens it, is from the `expected` logits of each text."""
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    plain = AutoModelForCausalLM.from_pretrained(folder, device_map={"": device}, local_files_only=True)
    return likeness.difference(expected, likeness.logits(likeness.in_float32(plain.eval()), tokenizer, texts, progress))


def next_steps(folder: str | Path, base: Path) -> str:
    """What a user types to serve it: vLLM, and the converter of llama.cpp. That knows a tokenizer by what it makes of
    a test text, and refuses one that was trained together with its model, as models/tiny-falcon's was."""
    if (base / "pretraining.json").is_file():
        return (
            f"vllm serve {folder}\n# llama.cpp converts models with a published tokenizer only; this base has its own"
        )
    return (
        f"vllm serve {folder}\n"
        f"python llama.cpp/convert_hf_to_gguf.py {folder} --outfile {folder}.gguf --outtype auto"
    )


def model_card(run: dict, quantization: str, found: Difference, folder: Path) -> str:
    """`folder` holds the base."""
    base = run["base_model"]["base"]
    weights = "The base's weights as 4 bits hold them (NF4)" if quantization == "nf4" else "The base's weights"
    template = prompts.context_prompt("…", [Case("", "…", "…", 1, {})])
    return f"""---
base_model: {base}
library_name: transformers
pipeline_tag: text-generation
tags: [qlora, merged, medical]
---

# {base}, fine-tuned and merged

{weights} plus a LoRA adapter, rounded once: a model of its own, which loads without an
adapter, without quantisation and without code of lang-learn.

| | |
|---|---|
| base | {base}, sha256 {run["base_model"]["sha256"]} |
| adapter | sha256 {run["files"]["adapter_model.safetensors"]}, {run["steps"]} steps |
| corpus | {run["split"]["train"]} cases of `{Path(run["data"]["file"]).name}` ({run["split"]["held_out"]} held out) |

Compared with the adapter on its base before it was put here: {found}.

```
{next_steps(NAME, folder)}
```

Prompts follow the training template, with or without cases above the question. Answer greedily (temperature 0), and
add no special tokens:

```
{template} …
```

**Licence.** These weights are a modification of {base}: its licence holds for them, and is to be passed on with them,
and so do the terms of the corpus.

{prompts.DISCLAIMER}
"""
