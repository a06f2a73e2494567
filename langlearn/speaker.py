"""The model that answers: the base with its adapter, as fast as this machine's memory allows.

    as trained    4-bit weights, unpacked again for every token; two small products more in each adapted layer
    folded        W + BA in plain float32: the same greedy answers sooner, for eight times the memory of 4-bit weights

Folding happens in float32 only. In 16 bits the sum would be rounded, and answers would differ from those of the run.
"""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from langlearn import model as models
from langlearn.config import Config
from langlearn.generation import Kept
from langlearn.machine import Hardware
from langlearn.products import hasten

FOLDABLE_SHARE = 0.5  # of free memory: the rest is for activations, the index, and other programs


@dataclass(frozen=True)
class Speaker:
    """`adapter` is the folder it came from; None: the base answers alone."""

    model: torch.nn.Module
    tokenizer: object
    base: str
    adapter: Path | None
    folded: bool
    kept: Kept = field(default_factory=Kept)

    def about(self) -> dict:
        """What `--json` says of the model."""
        adapter = str(self.adapter) if self.adapter else None
        dtype = str(self.model.dtype).removeprefix("torch.")
        return {"base": self.base, "adapter": adapter, "dtype": dtype, "folded": self.folded}


def load_speaker(config: Config, hardware: Hardware, dtype: torch.dtype) -> Speaker:
    """The base of `config.model` with the adapter in `config.training.output`, if one was trained.

    `dtype` is what this machine trains in. Raises UserError where base or adapter are missing, damaged or not a pair.
    """
    tokenizer = models.load_tokenizer(config.model)
    base, folded = base_that_answers(config, hardware, dtype)
    folder = Path(config.training.output)
    try:
        model = models.load_adapter(base, config.model, folder)
    except FileNotFoundError:
        return Speaker(hasten(base), tokenizer, config.model.base, None, folded)
    if folded:
        model = model.merge_and_unload()
    else:
        in_dtype(model, base.dtype)
    return Speaker(hasten(model.eval()), tokenizer, config.model.base, folder, folded)


def base_that_answers(config: Config, hardware: Hardware, dtype: torch.dtype) -> tuple[torch.nn.Module, bool]:
    """(base, whether memory holds it in plain float32): then 4-bit weights are unpacked, to the very same values."""
    dtype = dtype_of_answers(config, hardware.device, dtype)
    base = models.load_base(config.model, hardware.device, dtype)
    free = min((gpu.free for gpu in hardware.gpus), default=hardware.memory_free)
    wide = dtype == torch.float32 and 4 * base.num_parameters() < FOLDABLE_SHARE * free
    if wide and config.model.quantization == "nf4":
        base = models.unpack(base, dtype)
    return base, wide


def dtype_of_answers(config: Config, device: str, dtype: torch.dtype) -> torch.dtype:
    """Of a base that trains in `dtype`: a CPU answers in float32, unless another was asked for."""
    return torch.float32 if device == "cpu" and config.model.dtype == "auto" else dtype


def in_dtype(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """The adapter's float32 matrices in the dtype of the base, so that nothing is converted for each token."""
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = parameter.data.to(dtype)
