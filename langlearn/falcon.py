"""What Falcon needs on today's transformers, and nothing else does.

1. Falcon's linear layers are `FalconLinear`, a subclass that bitsandbytes skips, so "4-bit" loading
   quantises nothing. `quantisable()` swaps them for plain `nn.Linear` while the model is built.
2. Stock attention lets packed examples read each other. Inside `packed(lengths)` every example attends
   to itself alone, because attention is run on one example at a time: no mask that could be wrong.
3. Stock attention misses every fused kernel (one key/value head meets all query heads, under a mask that
   is always built). `FusedFalconAttention` expands keys and values without copying and asks for
   `is_causal`; a mask is built only where padding or a cache makes it necessary.

A packed batch holds whole examples end to end in one row, with no padding at all:

    tokens        a0 a1 a2 b0 b1 c0 c1 c2 c3      input_ids     (1, 9)
    position_ids   0  1  2  0  1  0  1  2  3      position_ids  (1, 9)
    lengths        3        2     4               packed([3, 2, 4])
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.models.falcon import modeling_falcon
from transformers.models.falcon.modeling_falcon import FalconAttention, apply_rotary_pos_emb

# cuDNN's attention, which torch would take first on a Hopper GPU, prepares a plan for each length that it meets, tens
# of milliseconds each; flash attention has none. This holds for the whole process.
torch.backends.cuda.enable_cudnn_sdp(False)

FUSED = "falcon_fused"
SCORED = ("cpu", torch.bfloat16)  # where packed rows keep the scores of all heads, from one product
MOST_SCORED = 2048  # tokens of an example; the scores of longer ones take more memory than all else
BLOCK = 128  # positions whose scores are computed at once, with the keys up to the last of them and no others
LINEARS_PER_LAYER = 4
LINEAR_NAMES = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")


class _Packing:
    lengths: list[int] | None = None


_shared, _own = _Packing(), threading.local()


def _packing() -> _Packing:
    """What `packed` says: in a thread that computes rows of its own, see `on_its_own`, or else in the whole process,
    since on CUDA the backward pass runs in threads of torch's."""
    return getattr(_own, "packing", _shared)


def on_its_own() -> None:
    """From now on this thread packs rows of its own while others pack theirs. For CPUs: there a thread's
    backward pass runs in that thread."""
    _own.packing = _Packing()


@contextmanager
def packed(lengths: list[int] | None):
    """Within, row 0 of every forward and backward holds examples of these `lengths`, end to end.

    The backward pass belongs inside too: activation checkpointing runs attention again there.
    `None` leaves attention as it is, so that callers need no second path.
    """
    packing = _packing()
    before, packing.lengths = packing.lengths, lengths
    try:
        yield
    finally:
        packing.lengths = before


@contextmanager
def quantisable():
    """Within, Falcon is built from plain `nn.Linear`, which bitsandbytes quantises and counts."""
    stock = modeling_falcon.FalconLinear
    modeling_falcon.FalconLinear = nn.Linear
    try:
        yield
    finally:
        modeling_falcon.FalconLinear = stock


class FusedFalconAttention(FalconAttention):
    """`FalconAttention` on a fused kernel; same weights, same results.

    query: (batch, heads, length, head_dim); key and value: (batch, kv_heads, length, head_dim), expanded
    to `heads` with stride 0. Not for alibi models, whose bias is a mask by nature: see `attention_for`.
    """

    def forward(
        self,
        hidden_states,
        alibi,
        attention_mask,
        position_ids=None,
        layer_past=None,
        use_cache=False,
        output_attentions=False,
        position_embeddings=None,
        **kwargs,
    ):
        if alibi is not None or output_attentions:
            raise ValueError("alibi and output_attentions need the stock attention: attn_implementation='sdpa'")
        batch, length, _ = hidden_states.shape
        fused, (cos, sin) = self.query_key_value(hidden_states), position_embeddings
        lengths = _packing().lengths
        if lengths is not None and batch == 1 and self.multi_query and not self.new_decoder_architecture:
            query, key, value = _Turned.apply(fused[0], cos[0], sin[0], self.num_heads)
            if (fused.device.type, fused.dtype) == SCORED and max(lengths) <= MOST_SCORED:
                return self.dense(_Attended.apply(query, key, value, lengths)[None]), None
            query, key, value = query.transpose(0, 1)[None], key[None, None], value[None, None]
        else:
            query, key, value = (x.transpose(1, 2) for x in self._split_heads(fused))
            query, key = apply_rotary_pos_emb(query, key, cos, sin)
        if layer_past is not None:
            key, value = layer_past.update(key, value, self.layer_idx)

        if lengths is not None:
            parts = zip(*(x.split(lengths, dim=2) for x in (query, key, value)), strict=True)
            output = torch.cat([causal_attention(*part) for part in parts], dim=2)
        elif attention_mask is None and length > 1:
            output = causal_attention(query, key, value)
        else:
            key, value = (x.expand(-1, self.num_heads, -1, -1) for x in (key, value))
            output = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        return self.dense(output.transpose(1, 2).reshape(batch, length, -1)), None


class _Turned(torch.autograd.Function):
    """One row's queries, key and value, the first two turned by their positions (Su et al. 2021): fused
    (length, (heads + 2) d), cos and sin (length, d) → (length, heads, d), (length, d), (length, d). Backward all is
    written into one tensor; slices of it would each be filled up with zeros and added."""

    @staticmethod
    def forward(ctx, fused, cos, sin, heads: int):
        each = fused.view(len(fused), heads + 2, -1)
        cos, sin = cos.to(fused.dtype), sin.to(fused.dtype)
        ctx.save_for_backward(cos, sin)
        query, key = torch.empty_like(each[:, :-2]), torch.empty_like(each[:, -2])
        _turn(each[:, :-2], cos[:, None], sin[:, None], query)
        _turn(each[:, -2], cos, sin, key)
        return query, key, each[:, -1].clone()

    @staticmethod
    def backward(ctx, of_query, of_key, of_value):
        cos, sin = ctx.saved_tensors
        length, heads, size = of_query.shape
        each = of_query.new_empty(length, heads + 2, size)
        _turn(of_query, cos[:, None], -sin[:, None], each[:, :-2])
        _turn(of_key, cos, -sin, each[:, -2])
        each[:, -1] = of_value
        return each.view(length, -1), None, None, None


def _turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, out: torch.Tensor) -> None:
    half = x.shape[-1] // 2
    torch.mul(x, cos, out=out)
    out[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1)
    out[..., half:].addcmul_(x[..., :half], sin[..., half:])


class _Attended(torch.autograd.Function):
    """softmax(q kᵀ / √d) v of each of the examples end to end, each position on itself and before: (length, heads, d),
    (length, d) and (length, d) → (length, heads x d). One product of a block of positions, all heads, with the one
    key: on a CPU in bfloat16 faster than torch's fused kernel, which misses the matrix unit."""

    @staticmethod
    def forward(ctx, query, key, value, lengths: list[int]):
        _, heads, size = query.shape
        key, out, kept = key * size**-0.5, torch.empty_like(query), []
        for first, start, end in _blocks(lengths):
            rows, keys = (end - start) * heads, end - first
            scores = query[start:end].reshape(rows, size) @ key[first:end].T
            scores.view(end - start, heads, keys)[..., start - first :] += _later(end - start)[:, None]
            kept.append(scores.softmax(dim=-1))
            torch.mm(kept[-1], value[first:end], out=out[start:end].view(rows, size))
        ctx.save_for_backward(query, key, value, *kept)
        ctx.lengths = lengths
        return out.flatten(1)

    @staticmethod
    def backward(ctx, gradient):
        query, key, value, *kept = ctx.saved_tensors
        _, heads, size = query.shape
        of_query, of_key, of_value = torch.empty_like(query), torch.zeros_like(key), torch.zeros_like(value)
        for (first, start, end), shares in zip(_blocks(ctx.lengths), kept, strict=True):
            rows = (end - start) * heads
            towards = gradient[start:end].reshape(rows, size)
            of_value[first:end].addmm_(shares.T, towards)
            scores = torch._softmax_backward_data(towards @ value[first:end].T, shares, -1, shares.dtype)
            torch.mm(scores, key[first:end], out=of_query[start:end].view(rows, size))
            of_key[first:end].addmm_(scores.T, query[start:end].reshape(rows, size))
        return of_query, of_key.mul_(size**-0.5), of_value, None


def _blocks(lengths: list[int]) -> Iterator[tuple[int, int, int]]:
    """(first position of its example, start, end) of each block of positions, all counted from the start of
    the row. Only the last of an example has a size of its own, half to one and a half blocks: so the
    kernels of the others serve all."""
    first = 0
    for length in lengths:
        full = max(1, round(length / BLOCK)) - 1
        for number in range(full):
            yield first, first + number * BLOCK, first + (number + 1) * BLOCK
        yield first, first + full * BLOCK, first + length
        first += length


def scores_kept(length: int) -> int:
    """For how many keys a position of an example of this length keeps its scores for the backward pass, on average."""
    return round(sum((end - start) * end for _, start, end in _blocks([length])) / length)


def causal_attention(query, key, value):
    """softmax(q kᵀ / √d) v, each position on itself and before. query: (batch, heads, length, head_dim); key and
    value: the same, or with one head for all.
    They are expanded without a copy, and `is_causal` selects a fused kernel."""
    return F.scaled_dot_product_attention(query, key.expand_as(query), value.expand_as(query), is_causal=True)


@lru_cache(maxsize=64)
def _later(length: int) -> torch.Tensor:
    """(length, length) bfloat16, to be added to scores: minus infinity for what comes later. Filling with a mask
    instead takes six times as long on a CPU."""
    return torch.full((length, length), float("-inf"), dtype=torch.bfloat16).triu(1)


def attention_for(config) -> str:
    """The `attn_implementation` for this model's config: fused for Falcon with rotary positions, else stock SDPA."""
    return FUSED if config.model_type == "falcon" and not config.alibi else "sdpa"


def packs(config) -> bool:
    """Whether examples of this model can stand end to end in one row, see `packed`."""
    return attention_for(config) == FUSED


def _mask_only_where_needed(*args, allow_is_causal_skip=True, **kwargs):
    """Falcon forbids skipping the mask so that alibi can be added to it; without alibi there is no such need.
    Inside `packed` the causal pattern is per example, and the mask would be wrong as well as useless."""
    if _packing().lengths is not None:
        return None
    return sdpa_mask(*args, allow_is_causal_skip=True, **kwargs)


AttentionInterface.register(FUSED, sdpa_attention_forward)
AttentionMaskInterface.register(FUSED, _mask_only_where_needed)
modeling_falcon.FALCON_ATTENTION_CLASSES[FUSED] = FusedFalconAttention
