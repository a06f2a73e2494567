"""The base model in 4-bit with an adapter on it: every claim counted or compared where it is made."""

import json
import warnings
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.pytorch_utils import Conv1D

from langlearn import assets, config, falcon, lora
from langlearn.errors import UserError, first_line
from langlearn.files.model_files import weight_files
from langlearn.machine import files_not_counted
from langlearn.reordered import reorder


def load_config(model: config.Model):
    """The base's transformers config; refuses one that would run code from the model's folder."""
    folder = assets.model_folder(model.base, model.revision)
    assets.refuse_remote_code(folder)
    return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def positions(base_config) -> int | None:
    """How many tokens a base of this transformers config reads at once; None where it does not say."""
    return getattr(base_config, "max_position_embeddings", None)


def load_tokenizer(model: config.Model):
    """The base's tokenizer. Pads are only ever masked by position, so EOS serves where there is no pad token."""
    folder = assets.model_folder(model.base, model.revision, tokenizer=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_base(model: config.Model, device: str | torch.device, dtype: torch.dtype, recomputed: int = 0):
    """The causal language model, frozen, on `device`; with `quantization: nf4` its blocks are 4-bit, and counted.

    Raises UserError where the weights are missing, damaged, or fewer layers are 4-bit than the model has.
    """
    folder = assets.model_folder(model.base, model.revision, weights=True)
    shortages = _shortages(device)
    try:
        with falcon.quantisable(), files_not_counted():
            loaded, report = AutoModelForCausalLM.from_pretrained(
                folder,
                **as_trained(load_config(model), model.quantization, device, dtype),
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                output_loading_info=True,
            )
            _away_from_files(loaded)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        if _shortages(device) > shortages:  # while a weight was made 4-bit; transformers calls that one damaged
            raise torch.OutOfMemoryError(f"CUDA out of memory: {model.base} was being loaded") from error
        why = first_line(error)
        raise UserError(f"base model {folder} cannot be loaded: {why}\nrun load_tokenizer.py to check it") from error
    missing = [name for name in report["missing_keys"] if "lm_head" not in name]
    if missing or report["mismatched_keys"]:
        wrong = (missing or [str(m[0]) for m in report["mismatched_keys"]])[0]
        raise UserError(f"base model {folder}: {wrong} is missing or of another shape\nfetch the model again")
    expected, found = count_quantised(loaded)
    if model.quantization == "nf4" and found != expected:
        raise UserError(f"only {found} of {expected} linear layers of {model.base} are 4-bit: this would not be QLoRA")
    return frozen(loaded, recomputed)


def _away_from_files(loaded: nn.Module) -> None:
    """On a CPU weights that are as their file has them are parts of its map, which would stay for the whole run."""
    for weight in loaded.parameters():
        if weight.device.type == "cpu" and weight.is_floating_point():
            weight.data = weight.data.clone()


def _shortages(device: str | torch.device) -> int:
    """How often a GPU's memory has run out so far in this process."""
    on_gpu = torch.device(device).type == "cuda"
    return torch.cuda.memory_stats(device).get("num_ooms", 0) if on_gpu else 0


def as_trained(base_config, quantization: str, device: str | torch.device, dtype: torch.dtype) -> dict:
    """Arguments of `from_pretrained` for a base of this transformers config; to be called in `falcon.quantisable()`."""
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    return {
        "config": base_config,
        "dtype": dtype,
        "device_map": {"": device},
        "quantization_config": nf4 if quantization == "nf4" else None,
        "attn_implementation": falcon.attention_for(base_config),
    }


def frozen(base, recomputed: int = 0):
    """The base as an adapter is put on it: nothing of it changes. `recomputed`: so many of the first layers are
    computed again backward. When it is their turn the others' activations are gone, so that nothing adds up."""
    keep_weights_as_loaded(base)
    base.requires_grad_(False)
    base.config.use_cache = False
    base.eval()
    falcon.choose_kernel(base)
    falcon.give_what_is_asked(base)
    base.get_output_embeddings().register_forward_pre_hook(_rows_end_to_end)
    if recomputed:
        recompute(base, recomputed)
    return base


def _rows_end_to_end(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """What a head reads, as one matrix: for the last tokens of several prompts, where they lie, torch would copy the
    weight once for each."""
    return tuple(each.contiguous() for each in inputs)


def recompute(base, count: int) -> None:
    """Have this many of the first layers computed again backward."""
    base.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    for layer in _layers(base)[count:]:
        layer.gradient_checkpointing = False


def recomputed(model) -> int:
    """How many layers are computed again backward."""
    return sum(layer.gradient_checkpointing for layer in _layers(model))


def recompute_all(tuned: PeftModel) -> bool:
    """Have every layer computed again backward; whether that changes anything."""
    layers = _layers(tuned)
    changes = recomputed(tuned) < len(layers)
    if changes:
        recompute(tuned.get_base_model(), len(layers))
    return changes


def _layers(model) -> list[GradientCheckpointingLayer]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def keep_weights_as_loaded(model) -> None:
    """Forbid bitsandbytes to repack 4-bit weights for CPU inference on the first evaluation.

    Repacked layers keep no gradient for what is below them, even after `train()`: fine-tuning would go on, adapting the
    top of the model with a plausible loss and a wrong gradient. The repacking also rounds the scales to bfloat16.
    """
    import bitsandbytes as bnb

    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def count_quantised(model) -> tuple[int, int]:
    """(linear layers that ought to be 4-bit, layers that are): for Falcon 4 x layers, else all but the LM head."""
    import bitsandbytes as bnb

    head = model.get_output_embeddings()
    linears = [m for m in model.modules() if isinstance(m, (nn.Linear, Conv1D)) and m is not head]
    found = sum(isinstance(m, bnb.nn.Linear4bit) for m in linears)
    is_falcon = model.config.model_type == "falcon"
    expected = falcon.LINEARS_PER_LAYER * model.config.num_hidden_layers if is_falcon else len(linears)
    return expected, found


def target_modules(model) -> list[str]:
    """The linear layers inside the transformer blocks, by last name: the LM head is tied and never adapted."""
    if model.config.model_type == "falcon":
        return list(falcon.LINEAR_NAMES)
    head = model.get_output_embeddings()
    named = model.named_modules()
    return sorted({n.rpartition(".")[2] for n, m in named if isinstance(m, (nn.Linear, Conv1D)) and m is not head})


def add_adapter(
    model, adapter: config.Adapter, seed: int, frugal: bool | None = None, reordered: bool = False
) -> PeftModel:
    """A fresh LoRA adapter (Hu et al. 2022) in float32 over the frozen base; `frugal`: see `lora.fuse`; `reordered`:
    whether what is multiplied with has copies, see reordered.py."""
    torch.manual_seed(seed)
    wanted = adapter.target_modules or target_modules(model)
    try:
        tuned = get_peft_model(
            model,
            LoraConfig(
                r=adapter.r, lora_alpha=adapter.alpha, lora_dropout=adapter.dropout, target_modules=wanted,
                bias="none", task_type="CAUSAL_LM", fan_in_fan_out=_has_conv1d(model),
            ),
            autocast_adapter_dtype=True,
        )  # fmt: skip
    except ValueError as error:
        has = ", ".join(target_modules(model))
        raise UserError(f"adapter.target_modules {wanted}: not in this model, which has {has}") from error
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    lora.fuse(tuned, frugal)
    if reordered:
        reorder(tuned)
    return tuned


def unpack(model, dtype: torch.dtype):
    """The 4-bit weights unpacked once, to the very values that every step would compute again; still frozen."""
    unpacked = model.dequantize(dtype)
    unpacked.requires_grad_(False)
    return unpacked


def _has_conv1d(model) -> bool:
    return any(isinstance(m, Conv1D) for m in model.modules())


def bytes_of_weights(model: config.Model) -> int:
    """Of the base's files."""
    folder = assets.model_folder(model.base, model.revision, weights=True)
    return sum(file.stat().st_size for file in weight_files(folder))


def base_identity(model: config.Model) -> dict:
    """What an adapter is tied to: the base's name, revision and the hash of its weights."""
    folder = assets.model_folder(model.base, model.revision)
    return {"base": model.base, "revision": model.revision, "sha256": assets.folder_hash(folder)}


def load_adapter(model, model_config: config.Model, folder: Path) -> PeftModel:
    """The adapter of a finished run on its own base. Raises UserError if run.json, base or a byte does not match."""
    run = read_run(folder)
    mine = base_identity(model_config)
    if run["base_model"]["sha256"] != mine["sha256"]:
        raise UserError(
            f"the adapter in {folder} was trained on {run['base_model']['base']}, not on {mine['base']} as it is now\n"
            "set model.base to that base, or fine-tune again with medical_diagnosis_gpu.py"
        )
    for name, digest in run["files"].items():
        if not (folder / name).is_file() or assets.file_hash(folder / name) != digest:
            raise UserError(
                f"{folder / name} is missing or changed since the run that wrote it\n"
                "restore it, or fine-tune again with medical_diagnosis_gpu.py"
            )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tuned = PeftModel.from_pretrained(model, str(folder), is_trainable=False, local_files_only=True)
    tuned.eval()
    return tuned


def read_run(folder: Path) -> dict:
    """run.json of a whole run. Raises UserError where it is unreadable; FileNotFoundError where there is none."""
    path = Path(folder) / "run.json"
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        run["base_model"]["sha256"], run["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged ({error}): fine-tune again with medical_diagnosis_gpu.py") from error
    return run
