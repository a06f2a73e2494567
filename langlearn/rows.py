"""Attention over one row that holds whole examples end to end, each of which reads itself alone: multi-query Falcon's.

    fused (length, (heads + 2) d)  →  query (length, heads, d), key and value (length, d), the first two turned
                                   →  of each example softmax(q kᵀ / √d) v, each position on itself and before
                                   →  (length, heads x d)

Where something is asked at some places of the row only, as of the last layer when a model is trained, the result is
that of these places. Three ways with the same result: on a CPU in bfloat16 one product of all heads with the one key;
on a GPU whose flash attention takes rows as they are, one kernel for all examples; anywhere else a fused kernel for
each.
"""

import inspect
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch.nn.attention.varlen import varlen_attn

from langlearn.errors import first_line

# cuDNN's attention, which torch would take first on a Hopper GPU, prepares a plan for each length that it meets, tens
# of milliseconds each; flash attention has none. This holds for the whole process.
torch.backends.cuda.enable_cudnn_sdp(False)

SCORED = ("cpu", torch.bfloat16)  # where the scores of all heads are computed, and kept, by one product
MOST_SCORED = 2048  # tokens of an example; the scores of longer ones take more memory than all else
BLOCK = 128  # positions whose scores are computed at once, with the keys up to the last of them and no others
TRIED_ON = (3, 70, 200)  # tokens of the examples with which a GPU's kernel for rows is tried
CLOSE = 0.03  # of the norm: what rounding to 16 bits may change
# Older torch takes one key head for all without being told.
ONE_KEY = {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}
TAKEN = ""
_refusals: dict[tuple, str] = {}
Block = tuple[int, int, int]
"""(first position of its example, start, end) of a block of positions, all counted from the start of the row"""


class Row:
    """How many tokens the examples of a row have, and at which places of the row something is asked of the last layer:
    `asked` (places,), None for all of them. `answered`: whether that layer gave these places alone."""

    def __init__(self, lengths: list[int], asked: torch.Tensor | None = None):
        self.lengths, self.asked, self.answered = lengths, asked, False
        self._ends: torch.Tensor | None = None

    def ends(self, device: torch.device) -> torch.Tensor:
        """(examples + 1,) int32: 0, and where each example ends; copied to the device once."""
        if self._ends is None:
            counts = torch.tensor([0, *self.lengths], dtype=torch.int32)
            self._ends = counts.cumsum(0, dtype=torch.int32).to(device)
        return self._ends


def attended(query, key, value, row: Row, asked: torch.Tensor | None = None) -> torch.Tensor:
    """(length, heads, d), (length, d) and (length, d) → (length, heads x d), or of the places `asked` alone."""
    length, heads, size = query.shape
    if sum(row.lengths) != length:
        raise ValueError(f"a row of {length} tokens holds no examples of {row.lengths}")
    if (query.device.type, query.dtype) == SCORED and max(row.lengths) <= MOST_SCORED:
        output = Scored.apply(query, key, value, _blocks(row.lengths, asked))
    elif _refusals.get((query.device, query.dtype, heads, size)) == TAKEN:
        output = _in_one_kernel(query, key, value, row)
    else:
        output = _each_alone(query, key, value, row)
    return output if asked is None else output.index_select(0, asked)


def _each_alone(query, key, value, row: Row) -> torch.Tensor:
    parts = zip(*(x.split(row.lengths) for x in (query, key, value)), strict=True)
    done = [causal_attention(q.transpose(0, 1)[None], k[None, None], v[None, None])[0] for q, k, v in parts]
    return torch.cat([each.transpose(0, 1) for each in done]).flatten(1)


def causal_attention(query, key, value):
    """softmax(q kᵀ / √d) v, each position on itself and before. query: (batch, heads, length, head_dim); key and
    value: the same, or with one head for all.
    They are expanded without a copy, and `is_causal` selects a fused kernel."""
    return F.scaled_dot_product_attention(query, key.expand_as(query), value.expand_as(query), is_causal=True)


def _in_one_kernel(query, key, value, row: Row) -> torch.Tensor:
    ends, longest = row.ends(query.device), max(row.lengths)
    one_key, causal = (query, key[:, None], value[:, None]), {"window_size": (-1, 0), **ONE_KEY}
    return varlen_attn(*one_key, ends, ends, longest, longest, **causal).flatten(1)


def try_kernel(device: torch.device, dtype: torch.dtype, heads: int, size: int) -> str:
    """TAKEN where this GPU has the kernel for whole rows, and it gives what each example alone gives, forward and
    backward: `attended` takes it from now on. Else why not. Not to be called within a layer: what is tried would be
    computed again."""
    kind = device, dtype, heads, size
    if kind not in _refusals:
        draw, length = torch.Generator(device).manual_seed(0), sum(TRIED_ON)
        shapes = ((length, heads, size), (length, size), (length, size), (length, heads * size))
        *inputs, towards = (torch.randn(shape, generator=draw, device=device, dtype=dtype) for shape in shapes)
        right = _both_ways(_each_alone, inputs, towards)
        try:
            found = _both_ways(_in_one_kernel, inputs, towards)
            _refusals[kind] = TAKEN if all(map(_close, found, right)) else "it gives other results"
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # an older GPU, float32, a torch that is built without it
            _refusals[kind] = first_line(error)
    return _refusals[kind]


def _close(found: torch.Tensor, right: torch.Tensor) -> bool:
    return bool((found - right).float().norm() <= CLOSE * right.float().norm())


def _both_ways(way, inputs, towards) -> list[torch.Tensor]:
    with torch.enable_grad():
        inputs = [each.detach().requires_grad_() for each in inputs]
        output = way(*inputs, Row(list(TRIED_ON)))
        return [output.detach(), *torch.autograd.grad(output, inputs, towards)]


class Turned(torch.autograd.Function):
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


class Scored(torch.autograd.Function):
    """softmax(q kᵀ / √d) v of each of the examples end to end, each position on itself and before: (length, heads, d),
    (length, d) and (length, d) → (length, heads x d), zero outside the `blocks`. One product of a block of positions,
    all heads, with the one key: on a CPU in bfloat16 faster than torch's fused kernel, which misses the matrix unit."""

    @staticmethod
    def forward(ctx, query, key, value, blocks: list[Block]):
        _, heads, size = query.shape
        key, out, kept = key * size**-0.5, torch.zeros_like(query), []
        for first, start, end in blocks:
            rows, keys = (end - start) * heads, end - first
            scores = query[start:end].reshape(rows, size) @ key[first:end].T
            scores.view(end - start, heads, keys)[..., start - first :] += _later(end - start)[:, None]
            kept.append(scores.softmax(dim=-1))
            torch.mm(kept[-1], value[first:end], out=out[start:end].view(rows, size))
        ctx.save_for_backward(query, key, value, *kept)
        ctx.blocks = blocks
        return out.flatten(1)

    @staticmethod
    def backward(ctx, gradient):
        query, key, value, *kept = ctx.saved_tensors
        _, heads, size = query.shape
        of_query, of_key, of_value = (torch.zeros_like(x) for x in (query, key, value))
        for (first, start, end), shares in zip(ctx.blocks, kept, strict=True):
            rows = (end - start) * heads
            towards = gradient[start:end].reshape(rows, size)
            of_value[first:end].addmm_(shares.T, towards)
            scores = torch._softmax_backward_data(towards @ value[first:end].T, shares, -1, shares.dtype)
            torch.mm(scores, key[first:end], out=of_query[start:end].view(rows, size))
            of_key[first:end].addmm_(scores.T, query[start:end].reshape(rows, size))
        return of_query, of_key.mul_(size**-0.5), of_value, None


def _blocks(lengths: list[int], asked: torch.Tensor | None = None) -> list[Block]:
    """All blocks of these examples, or those with a place that is asked for. Only the last of an example has a size of
    its own, half to one and a half blocks: so the kernels of the others serve all."""
    blocks, first = [], 0
    for length in lengths:
        full = max(1, round(length / BLOCK)) - 1
        blocks += [(first, first + number * BLOCK, first + (number + 1) * BLOCK) for number in range(full)]
        blocks.append((first, first + full * BLOCK, first + length))
        first += length
    if asked is None:
        return blocks
    ends = torch.tensor([end for _, _, end in blocks])
    return [blocks[i] for i in torch.searchsorted(ends, asked, right=True).unique().tolist()]


def scores_kept(length: int, answers: float = 1.0) -> int:
    """For how many keys a position of an example of this length keeps its scores for the backward pass, on average;
    where only what predicts its answer, so large a share at its end, is asked for: from the token before it on."""
    blocks = [(end - start) * end for _, start, end in _blocks([length]) if end >= (1 - answers) * length]
    return round(sum(blocks) / length)


@lru_cache(maxsize=64)
def _later(length: int) -> torch.Tensor:
    """(length, length) bfloat16, to be added to scores: minus infinity for what comes later. Filling with a mask
    instead takes six times as long on a CPU."""
    return torch.full((length, length), float("-inf"), dtype=torch.bfloat16).triu(1)
