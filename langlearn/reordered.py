"""Products of a training step on a CPU with weights that never change, kept as oneDNN reads them.

It brings a weight into blocks before it multiplies, in every product anew. A frozen one can be brought there once, for
the forward and for the backward pass: two copies beside the weight, the same values up to the order of rounding.

    there   (rows, in)  → x Wᵀ (rows, out)
    back    (rows, out) → g W (rows, in)

In bfloat16 torch's products are oneDNN's; in float32 MKL's, which is slower on some processors, see products.py.
"""

from weakref import WeakKeyDictionary

import torch
from peft.tuners.lora import LoraLayer
from torch import nn

from langlearn.memory import has_plain_head
from langlearn.products import onednn_is_faster, onednn_linear

TYPICAL = 1024  # rows for which the blocks are chosen
_known: WeakKeyDictionary[nn.Module, "Reordered"] = WeakKeyDictionary()


class Reordered:
    """`weight` (out, in), which must not change afterwards."""

    def __init__(self, weight: torch.Tensor):
        self.dtype = weight.dtype
        self._there, self._back = (
            torch.ops.mkldnn._reorder_linear_weight(each.contiguous(), TYPICAL) for each in (weight, weight.T)
        )

    def there(self, x: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
        """x Wᵀ of (rows, in), in this `shape` (…, out); no view, as a view of the rows would be."""
        rows = onednn_linear(x, self._there)
        return rows.new_empty(0).set_(rows.untyped_storage(), 0, shape)

    def back(self, gradient: torch.Tensor) -> torch.Tensor:
        """g W of (rows, out): (rows, in)."""
        return onednn_linear(gradient, self._back)


def reorder(tuned: nn.Module) -> None:
    """From now on the adapted layers of `tuned` (a PeftModel on a frozen base) and its head, where the loss multiplies
    with it itself, have such copies."""
    bare = tuned.get_base_model()
    layers = [module.get_base_layer() for module in tuned.modules() if isinstance(module, LoraLayer)]
    for layer in [*layers, *([bare.get_output_embeddings()] if has_plain_head(bare) else [])]:
        if type(layer) is nn.Linear and suits(layer.weight.device, layer.weight.dtype):
            _known[layer] = Reordered(layer.weight.detach())


def of(layer: nn.Module, dtype: torch.dtype) -> Reordered | None:
    """The copies of this layer's weight, if there are any, for products in `dtype`."""
    found = _known.get(layer)
    return found if found is not None and found.dtype == dtype else None


def suits(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether weights of this kind are worth their copies."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    if dtype == torch.bfloat16:
        return torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return dtype == torch.float32 and onednn_is_faster()
