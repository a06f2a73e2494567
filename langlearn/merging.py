"""An adapter merged into the weights of its base: W + BA in float32, rounded once to the dtype of the base's files.

W is what the adapter was trained on: the weights as their 4 bits say, not the finer ones that the base's files hold.
Those differ by an error that the adapter never saw. Four runs of the built-in model, float32 arithmetic, 3,600 to 4,200
positions each, against the 4-bit base with the adapter on it:

    merged into         mean KL (nats)      largest difference of a logit   same greedy token   held-out loss (2 runs)
    NF4, dequantised    0.000008-0.000012   0.05-0.06                       99.5-99.9 %         3.321, 4.434
    the base's files    0.016-0.021         1.7-2.5                         88-91 %             3.323, 4.443
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from pathlib import Path

import bitsandbytes as bnb
import torch
from huggingface_hub import split_state_dict_into_shards_factory
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import safe_open
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from langlearn.errors import UserError
from langlearn.files.model_files import WEIGHTS_INDEX, weight_files
from langlearn.record import write_json

SHARD_BYTES = 4 * 10**9


def write_weights(tuned: PeftModel, base: Path, folder: Path, progress: Callable[[int, int], None]) -> None:
    """Into `folder` the tensors of `base`'s files by their own names, in their own dtype; those with an adapter merged.

    Whatever reads the base reads this. Memory holds the merged tensors of one shard: the others are mapped, not read.
    Raises UserError where the base's files have no weight by the name of an adapted layer.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(safe_open(file, framework="pt")) for file in weight_files(base)]
        stored = {name: file.get_tensor(name) for file in files for name in file.keys()}
        adapted = dict(adapted_layers(tuned, stored))
        split = split_state_dict_into_shards_factory(
            stored, get_storage_size=lambda tensor: tensor.nbytes, filename_pattern="model{suffix}.safetensors",
            max_shard_size=SHARD_BYTES,
        )  # fmt: skip
        done = 0
        for file, names in split.filename_to_tensors.items():
            shard = {}
            for name in names:
                merged = merged_weight(adapted[name]).to(stored[name].dtype) if name in adapted else stored[name]
                shard[name], done = merged, done + 1
                progress(done, len(stored))
            save_file(shard, folder / file, metadata={"format": "pt"})
    if split.is_sharded:
        write_json(folder / WEIGHTS_INDEX, {"metadata": split.metadata, "weight_map": split.tensor_to_filename})


def adapted_layers(tuned: PeftModel, stored: Collection[str]) -> Iterator[tuple[str, LoraLayer]]:
    """(name of its weight in the base's files, layer); files such as GPT-2's name it from inside the transformer."""
    plain = tuned.get_base_model()
    for path, layer in plain.named_modules():
        if isinstance(layer, LoraLayer):
            names = (f"{path}.weight", f"{path}.weight".removeprefix(f"{plain.base_model_prefix}."))
            name = next((name for name in names if name in stored), None)
            if name is None:
                raise UserError(f"the base's files hold no {names[0]}: a model of this kind cannot be merged\n"
                                "serve the base with the adapter beside it (vLLM: --enable-lora)")  # fmt: skip
            yield name, layer


def merged_weight(layer: LoraLayer) -> torch.Tensor:
    """W + BA of one layer: float32, on the CPU, (out, in), for GPT-2's Conv1D (in, out) as in its files."""
    base = layer.get_base_layer()
    weight = base.weight.data
    if isinstance(base, bnb.nn.Linear4bit):
        weight = bnb.functional.dequantize_4bit(weight, base.weight.quant_state)
    merged = weight.float() + sum(layer.get_delta_weight(name) for name in layer.active_adapters)
    transposed = issubclass(getattr(base, "source_cls", object), Conv1D)  # bitsandbytes holds Conv1D as (out, in)
    return (merged.T if transposed else merged).contiguous().cpu()
