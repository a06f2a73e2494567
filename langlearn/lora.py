"""The training step of a linear layer with a LoRA adapter on it, as one function: x Wᵀ + s (x Aᵀ) Bᵀ.

PEFT writes it as two layers, whose outputs are scaled, added and differentiated apart: four passes over activations that
are as wide as the layer, forward and backward each. Here the narrow products are added into the wide ones by the
matrix kernel itself. The values are the same up to the order of rounding.

    y  = x Wᵀ + (d Aᵀ)(s B)ᵀ        d: x with some places zero (dropout, whose scale is part of s)
    ∂x = g W + (g s B) A            the second with the same places zero
    ∂A = (g s B)ᵀ d                 ∂B = s ((d Aᵀ)ᵀ g)ᵀ
"""

import math
import threading
from functools import partial

import bitsandbytes as bnb
import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers.pytorch_utils import Conv1D

LINEARS = (nn.Linear, bnb.nn.Linear4bit, Conv1D)


class _Draws(threading.local):
    generator: torch.Generator | None = None


_draws = _Draws()


def draw_from(generator: torch.Generator) -> None:
    """From now on this thread draws what is dropped from here, not from torch's generator, which all threads share."""
    _draws.generator = generator


def fuse(tuned: nn.Module) -> None:
    """Let the adapted linear layers of `tuned` (a PeftModel) train this way. Base and activations keep their dtype, the
    adapter is rounded to it: no autocast, which on CUDA would compute and keep layer norms in float32. PEFT's own code runs
    where a layer is of another kind than LINEARS or its adapter is more than two matrices and a dropout."""
    for layer in tuned.modules():
        if isinstance(layer, LoraLayer) and _is_plain(layer):
            layer.forward = partial(_forward, layer, layer.forward)


def _is_plain(layer: LoraLayer) -> bool:
    variants = any(getattr(layer, "lora_variant", {}).values())
    biased = any(each.bias is not None for each in layer.lora_B.values())
    return type(layer.get_base_layer()) in LINEARS and not variants and not biased


def _forward(layer: LoraLayer, plain, x: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    if len(layer.active_adapters) != 1 or layer.merged or layer.disable_adapters or args or kwargs:
        return plain(x, *args, **kwargs)
    [name] = layer.active_adapters
    base, a, b, scaling = layer.get_base_layer(), layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
    if not torch.is_grad_enabled():  # the base's own product: for a single token it need not unpack 4-bit weights
        return base(x) + x @ a.to(x.dtype).T @ (b * scaling).to(x.dtype).T
    dropout = layer.lora_dropout[name]
    share = dropout.p if isinstance(dropout, nn.Dropout) and dropout.training else 0.0
    rows = _Adapted.apply(x.reshape(-1, x.shape[-1]), a, b, base, scaling, share)
    return rows.view(*x.shape[:-1], -1)


class _Adapted(torch.autograd.Function):
    """x (rows, in) → (rows, out) in its dtype; gradients of x and of A (rank, in) and B (out, rank)."""

    @staticmethod
    def forward(ctx, x, a, b, base, scaling: float, dropout: float):
        scaling /= 1 - dropout
        a, b = a.to(x.dtype), (b * scaling).to(x.dtype)
        gone = dropped_places(x, dropout) if dropout else None
        kept = x if gone is None else without(gone, x.clone())
        narrow = kept @ a.T
        y = (x @ _weight(base, x.dtype).T).addmm_(narrow, b.T)
        if base.bias is not None:
            y += base.bias
        ctx.save_for_backward(kept, narrow, a, b, gone)
        ctx.base, ctx.scaling = base, scaling
        return y

    @staticmethod
    def backward(ctx, gradient):
        kept, narrow, a, b, gone = ctx.saved_tensors
        inner, of_x = gradient @ b, None
        # The narrow one first and copied: on a CPU a fifth faster than turning the wide one.
        of_a = (inner.T.contiguous() @ kept).float()
        of_b = ((narrow.T.contiguous() @ gradient).float() * ctx.scaling).T.contiguous()
        if ctx.needs_input_grad[0]:
            of_x = gradient @ _weight(ctx.base, gradient.dtype)
            if gone is None:
                of_x.addmm_(inner, a)
            else:
                of_x += without(gone, inner @ a)
        return of_x, of_a, of_b, None, None, None


def dropped_places(x: torch.Tensor, share: float) -> torch.Tensor:
    """Flat indices into `x`, drawn with repetition, so many that each place is among them with this probability: a tenth of
    the time of a draw for every place."""
    count = round(math.log1p(-share) / math.log1p(-1 / x.numel()))
    return torch.randint(x.numel(), (count,), device=x.device, generator=_draws.generator)


def without(places: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`x` with these places set to zero, in place."""
    x.view(-1).index_fill_(0, places, 0)
    return x


def _weight(base: nn.Module, dtype: torch.dtype) -> torch.Tensor:
    """(out, in); of a 4-bit layer unpacked, to be forgotten after use."""
    weight = base.weight
    if isinstance(base, bnb.nn.Linear4bit):
        weight = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
    return (weight.T if isinstance(base, Conv1D) else weight).to(dtype)
