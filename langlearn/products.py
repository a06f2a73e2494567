"""Linear layers in float32 on a CPU, where no gradient is wanted, by whichever library is faster on this one.

torch computes them with MKL, which is as good as any on Intel's processors. On AMD's it takes twice as long as oneDNN,
which torch brings along as well. Both round alike, in another order.
"""

import statistics
import time
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F
from torch import nn

CLEARLY = 1.25  # times as fast: below that, nothing is changed
TRIALS, ROWS, WIDTH = 9, 64, 512
# Rows are filled up, from so many on, to a multiple: oneDNN keeps code, 0.2 MB of it, for every number of rows.
STEPS = ((1024, 256), (256, 64))


class OneDnnLinear(nn.Linear):
    """As `nn.Linear`, whose weights it has; with gradients it is one."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() or input.dtype != torch.float32 or not input.numel():
            return super().forward(input)
        rows = input.numel() // input.shape[-1]
        missing = -rows % next((step for few, step in STEPS if rows > few), 1)
        if not missing:
            return onednn_linear(input, self.weight, self.bias)
        filled = F.pad(input.reshape(rows, -1), (0, 0, 0, missing))
        return onednn_linear(filled, self.weight, self.bias)[:rows].view(*input.shape[:-1], -1)


def hasten(model: nn.Module) -> nn.Module:
    """`model` itself, with those of its layers exchanged in place that become faster."""
    for module in model.modules():
        if type(module) is nn.Linear and _suits(module.weight) and onednn_is_faster():
            module.__class__ = OneDnnLinear
    return model


@cache
def onednn_is_faster() -> bool:
    """Tried once, in some milliseconds."""
    if not torch.backends.mkldnn.is_available():
        return False
    x, weight = torch.ones(ROWS, WIDTH), torch.ones(WIDTH, WIDTH)
    try:
        with torch.no_grad():
            pairs = [(_seconds(F.linear, x, weight), _seconds(onednn_linear, x, weight)) for _ in range(TRIALS)]
    except (AttributeError, RuntimeError):  # another torch, without this function of it
        return False
    usual, other = (statistics.median(each) for each in zip(*pairs))
    return usual > CLEARLY * other


def _suits(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32 and weight.is_contiguous()


def onednn_linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x Wᵀ + b of x (…, in); the weight (out, in), or as oneDNN re-ordered it."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def _seconds(product: Callable, x: torch.Tensor, weight: torch.Tensor) -> float:
    began = time.perf_counter()
    product(x, weight)
    return time.perf_counter() - began
