"""What Falcon needs on today's transformers, and nothing else does.

1. Falcon's linear layers are `FalconLinear`, a subclass that bitsandbytes skips, so "4-bit" loading
   quantises nothing. `quantisable()` swaps them for plain `nn.Linear` while the model is built.
2. Stock attention lets packed examples read each other. Inside `packed(lengths)` every example attends
   to itself alone: see rows.py.
3. Stock attention misses every fused kernel (one key/value head meets all query heads, under a mask that
   is always built). `FusedFalconAttention` expands keys and values without copying and asks for
   `is_causal`; a mask is built only where padding or a cache makes it necessary.
4. A loss on the answers asks the last layer for some places only, and stock Falcon computes them all. After
   `give_what_is_asked()` it computes keys and values where nothing is asked, and nothing after attention.

A packed batch holds whole examples end to end in one row, with no padding at all:

    tokens        a0 a1 a2 b0 b1 c0 c1 c2 c3      input_ids     (1, 9)
    position_ids   0  1  2  0  1  0  1  2  3      position_ids  (1, 9)
    lengths        3        2     4               packed([3, 2, 4])
"""

import threading
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.models.falcon import modeling_falcon
from transformers.models.falcon.modeling_falcon import FalconAttention, FalconDecoderLayer, apply_rotary_pos_emb

from langlearn.rows import Row, Turned, attended, causal_attention, try_kernel

FUSED = "falcon_fused"
LINEARS_PER_LAYER = 4
LINEAR_NAMES = ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")


class _Packing:
    row: Row | None = None


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
def packed(lengths: list[int] | None, asked: torch.Tensor | None = None):
    """Within, row 0 of every forward and backward holds examples of these `lengths`, end to end.

    The backward pass belongs inside too: activation checkpointing runs attention again there.
    `None` leaves attention as it is, so that callers need no second path.
    `asked` (places,), on the model's device: only their states are wanted, of a model that can `give_what_is_asked`.
    """
    packing = _packing()
    before, packing.row = packing.row, None if lengths is None else Row(lengths, asked)
    try:
        yield
    finally:
        packing.row = before


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
    to `heads` with stride 0; a multi-query model's packed rows go through rows.py. Not for alibi models, whose
    bias is a mask by nature: see `attention_for`.
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
        asked=None,
        **kwargs,
    ):
        if alibi is not None or output_attentions:
            raise ValueError("alibi and output_attentions need the stock attention: attn_implementation='sdpa'")
        batch, length, _ = hidden_states.shape
        fused, (cos, sin) = self.query_key_value(hidden_states), position_embeddings
        row = _packing().row
        if row is not None and batch == 1 and one_key(self.config):
            query, key, value = Turned.apply(fused[0], cos[0], sin[0], self.num_heads)
            return self.dense(attended(query, key, value, row, asked)[None]), None
        query, key, value = (x.transpose(1, 2) for x in self._split_heads(fused))
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        if layer_past is not None:
            key, value = layer_past.update(key, value, self.layer_idx)

        if row is not None:
            parts = zip(*(x.split(row.lengths, dim=2) for x in (query, key, value)), strict=True)
            output = torch.cat([causal_attention(*part) for part in parts], dim=2)
        elif attention_mask is None and length > 1:
            output = causal_attention(query, key, value)
        else:
            key, value = (x.expand(-1, self.num_heads, -1, -1) for x in (key, value))
            output = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        return self.dense(output.transpose(1, 2).reshape(batch, length, -1)), None


class LastLayer(FalconDecoderLayer):
    """The last layer of a multi-query Falcon: (1, length, width) → (1, places, width). Where nothing is asked, see
    `packed`, it computes key and value, which others attend to, and nothing after attention; attention itself is left
    out there as far as blocks go, see rows.py. A training step asks for what predicts an answer: of MedText's cases
    six places in ten, below retrieved cases two."""

    def forward(self, hidden_states, *args, **kwargs):
        row = _packing().row
        if row is None or row.asked is None:
            return super().forward(hidden_states, *args, **kwargs)
        states = self.input_layernorm(hidden_states)
        attention, _ = self.self_attention(states, *args, asked=row.asked, **kwargs)
        output = self.mlp(states.index_select(1, row.asked))
        output += attention
        row.answered = True
        return output + hidden_states.index_select(1, row.asked), None


def give_what_is_asked(model) -> None:
    """Have the last layer of `model`, if it is a multi-query Falcon's, compute what is asked for and no more. It is
    another class, not another function, because transformers wraps `forward` of a class to compute it again."""
    if answers_alone(model.config):
        last = model.base_model.h[-1]
        if isinstance(last.self_attention, FusedFalconAttention):
            last.__class__ = LastLayer


def answers_alone(config) -> bool:
    """Whether such a model's last layer can be a `LastLayer`."""
    return one_key(config) and config.parallel_attn and not config.hidden_dropout


def gave_what_was_asked() -> bool:
    """Whether the forward pass just done gave the states of the places that `packed` names, not of all."""
    row = _packing().row
    if row is None:
        return False
    answered, row.answered = row.answered, False
    return answered


def attention_for(config) -> str:
    """The `attn_implementation` for this model's config: fused for Falcon with rotary positions, else stock SDPA."""
    return FUSED if config.model_type == "falcon" and not config.alibi else "sdpa"


def packs(config) -> bool:
    """Whether examples of this model can stand end to end in one row, see `packed`."""
    return attention_for(config) == FUSED


def one_key(config) -> bool:
    """Whether all query heads of such a model meet one key/value head; then its rows go through rows.py."""
    return packs(config) and config.multi_query and not config.new_decoder_architecture


def choose_kernel(model) -> str:
    """On a GPU, have rows of packed examples attend in one kernel, if it has one that does it right. Returns for people
    what was chosen and why, "" where there is nothing to choose."""
    weight, config = model.get_input_embeddings().weight, model.config
    if not weight.is_cuda or not one_key(config):
        return ""
    refusal = try_kernel(weight.device, weight.dtype, config.num_attention_heads, config.head_dim)
    return f"each example by itself, torch's kernel for rows does not serve: {refusal}" if refusal else "whole rows"


def _mask_only_where_needed(*args, allow_is_causal_skip=True, **kwargs):
    """Falcon forbids skipping the mask so that alibi can be added to it; without alibi there is no such need.
    Inside `packed` the causal pattern is per example, and the mask would be wrong as well as useless."""
    if _packing().row is not None:
        return None
    return sdpa_mask(*args, allow_is_causal_skip=True, **kwargs)


AttentionInterface.register(FUSED, sdpa_attention_forward)
AttentionMaskInterface.register(FUSED, _mask_only_where_needed)
modeling_falcon.FALCON_ATTENTION_CLASSES[FUSED] = FusedFalconAttention
