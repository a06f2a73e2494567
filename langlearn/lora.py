"""The training step of a linear layer with a LoRA adapter on it, as one function: x Wᵀ + s (x Aᵀ) Bᵀ.

PEFT writes it as two layers, whose outputs are scaled, added and differentiated apart: four passes over activations
that are as wide as the layer, forward and backward each. Here the narrow products are added into the wide ones by the
matrix kernel itself. The values are the same up to the order of rounding.

    y  = x Wᵀ + (d Aᵀ)(s B)ᵀ        d: x with some places zero (dropout, whose scale is part of s)
    ∂x = g W + (g s B) A            the second with the same places zero
    ∂A = (g s B)ᵀ d                 ∂B = s ((d Aᵀ)ᵀ g)ᵀ

Where memory is short (memory.FRUGAL) d is not kept for ∂A but made again from x, which layers with the
same input share, and from the seed of its places; and Falcon's GELU is part of the layer after it, so
that its result is not kept either.
"""

import math
import threading
from functools import partial

import bitsandbytes as bnb
import torch
import torch.nn.functional as F
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers.activations import GELUActivation
from transformers.models.falcon.modeling_falcon import FalconMLP
from transformers.pytorch_utils import Conv1D

from langlearn import reordered
from langlearn.memory import FRUGAL

LINEARS = (nn.Linear, bnb.nn.Linear4bit, Conv1D)


class _Draws(threading.local):
    generator: torch.Generator | None = None


_draws = _Draws()


def draw_from(generator: torch.Generator) -> None:
    """From now on this thread draws from here what is dropped, not from torch's generator, which all threads share."""
    _draws.generator = generator


def fuse(tuned: nn.Module, frugal: bool | None = None) -> None:
    """Let the adapted linear layers of `tuned` (a PeftModel) train this way. Base and activations keep their dtype, the
    adapter is rounded to it: no autocast, which on CUDA would compute and keep layer norms in float32. PEFT's own
    code runs where a layer is of another kind than LINEARS or its adapter is more than two matrices and a dropout.
    `frugal`: whether memory is short, None as on the device that it is on."""
    if frugal is None:
        frugal = next(tuned.parameters()).device.type in FRUGAL
    for module in tuned.modules():
        if isinstance(module, LoraLayer) and _is_plain(module):
            module.forward = partial(_forward, module, module.forward, frugal)
        if isinstance(module, FalconMLP) and _ends_plain(module) and frugal:
            module.forward = partial(_mlp, module, module.forward)


def _is_plain(layer: LoraLayer) -> bool:
    variants = any(getattr(layer, "lora_variant", {}).values())
    biased = any(each.bias is not None for each in layer.lora_B.values())
    return type(layer.get_base_layer()) in LINEARS and not variants and not biased


def _ends_plain(mlp: FalconMLP) -> bool:
    last, act = mlp.dense_4h_to_h, mlp.act
    return isinstance(last, LoraLayer) and _is_plain(last) and type(act) is GELUActivation and act.act is F.gelu


def _adapts(layer: LoraLayer) -> bool:
    """Whether one adapter is at work beside the base's weights."""
    return len(layer.active_adapters) == 1 and not layer.merged and not layer.disable_adapters


def _forward(layer: LoraLayer, plain, frugal: bool, x: torch.Tensor, *args, **kwargs) -> torch.Tensor:
    if not _adapts(layer) or args or kwargs:
        return plain(x, *args, **kwargs)
    if torch.is_grad_enabled():
        return _adapted(layer, x, frugal)
    # The base's own product: for a single token it need not unpack 4-bit weights.
    [name] = layer.active_adapters
    a, b = layer.lora_A[name].weight, layer.lora_B[name].weight * layer.scaling[name]
    return layer.get_base_layer()(x) + x @ a.to(x.dtype).T @ b.to(x.dtype).T


def _mlp(mlp: FalconMLP, plain, x: torch.Tensor) -> torch.Tensor:
    if not torch.is_grad_enabled() or not _adapts(mlp.dense_4h_to_h):
        return plain(x)
    return _adapted(mlp.dense_4h_to_h, mlp.dense_h_to_4h(x), frugal=True, gelu=True)


def _adapted(layer: LoraLayer, x: torch.Tensor, frugal: bool, gelu: bool = False) -> torch.Tensor:
    [name] = layer.active_adapters
    dropout = layer.lora_dropout[name]
    share = dropout.p if isinstance(dropout, nn.Dropout) and dropout.training else 0.0
    return _Adapted.apply(
        x, layer.lora_A[name].weight, layer.lora_B[name].weight, layer.get_base_layer(),
        layer.scaling[name], share, frugal, gelu,
    )  # fmt: skip


class _Adapted(torch.autograd.Function):
    """x (…, in) → (…, out) in its dtype, of GELU(x) with `gelu`; gradients of x and of A (rank, in) and B (out, rank).
    What comes out is no view, for Falcon adds to it in place: of a view that would be copied backward."""

    @staticmethod
    def forward(ctx, x, a, b, base, scaling: float, dropout: float, frugal: bool, gelu: bool):
        shape, x = (*x.shape[:-1], len(b)), x.reshape(-1, x.shape[-1])
        scaling /= 1 - dropout
        a, b = a.to(x.dtype), (b * scaling).to(x.dtype)
        seed = _drawn_seed() if dropout else None
        active = F.gelu(x) if gelu else x
        kept, gone = _dropped(active, dropout, seed)
        narrow = kept @ a.T
        y = _product(active, base, shape)
        rows = y.view(-1, len(b)).addmm_(narrow, b.T)
        if base.bias is not None:
            rows += base.bias
        ctx.save_for_backward(*((x, None) if frugal else (kept, gone)), narrow, a, b)
        ctx.base, ctx.scaling, ctx.dropout, ctx.seed = base, scaling, dropout, seed
        ctx.frugal, ctx.gelu = frugal, gelu
        return y

    @staticmethod
    def backward(ctx, gradient):
        kept, gone, narrow, a, b = ctx.saved_tensors
        shape, gradient = gradient.shape[:-1], gradient.reshape(-1, len(b))
        x, inner = kept, gradient @ b
        if ctx.frugal:
            kept, gone = _dropped(F.gelu(x) if ctx.gelu else x, ctx.dropout, ctx.seed)
        # The narrow one first and copied: on a CPU a fifth faster than turning the wide one.
        of_a = (inner.T.contiguous() @ kept).float()
        of_b = ((narrow.T.contiguous() @ gradient).float() * ctx.scaling).T.contiguous()
        del kept
        of_x = None
        if ctx.needs_input_grad[0]:
            of_x = _product_back(gradient, ctx.base)
            if gone is None:
                of_x.addmm_(inner, a)
            else:
                of_x += without(gone, inner @ a)
            if ctx.gelu:
                of_x = torch.ops.aten.gelu_backward(of_x, x)
            of_x = of_x.view(*shape, -1)
        return of_x, of_a, of_b, None, None, None, None, None


def _drawn_seed() -> int:
    return int(torch.randint(2**62, (), generator=_draws.generator).item())


def _dropped(x: torch.Tensor, share: float, seed: int | None) -> tuple[torch.Tensor, torch.Tensor | None]:
    """(x with places zero, which these are); x itself and None where nothing is dropped."""
    if not share:
        return x, None
    gone = dropped_places(x, share, seed)
    return without(gone, x.clone()), gone


def dropped_places(x: torch.Tensor, share: float, seed: int) -> torch.Tensor:
    """Flat indices into `x`, drawn with repetition, so many that each place is among them with this probability: a
    tenth of the time of a draw for every place. The same for the same seed."""
    count = round(math.log1p(-share) / math.log1p(-1 / x.numel()))
    generator = torch.Generator(x.device).manual_seed(seed)
    return torch.randint(x.numel(), (count,), device=x.device, generator=generator)


def without(places: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """`x` with these places set to zero, in place."""
    x.view(-1).index_fill_(0, places, 0)
    return x


def _product(x: torch.Tensor, base: nn.Module, shape: tuple[int, ...]) -> torch.Tensor:
    """x Wᵀ of (rows, in), in this `shape` (…, out); no view."""
    if kept := reordered.of(base, x.dtype):
        return kept.there(x, shape)
    y = x.new_empty(shape)
    torch.mm(x, _weight(base, x.dtype).T, out=y.view(-1, shape[-1]))
    return y


def _product_back(gradient: torch.Tensor, base: nn.Module) -> torch.Tensor:
    """g W of (rows, out): (rows, in)."""
    kept = reordered.of(base, gradient.dtype)
    return kept.back(gradient) if kept else gradient @ _weight(base, gradient.dtype)


def _weight(base: nn.Module, dtype: torch.dtype) -> torch.Tensor:
    """(out, in); of a 4-bit layer unpacked, to be forgotten after use."""
    weight = base.weight
    if isinstance(base, bnb.nn.Linear4bit):
        weight = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
    return (weight.T if isinstance(base, Conv1D) else weight).to(dtype)
