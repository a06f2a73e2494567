"""What the layers of a model keep for their backward pass, counted on the layers themselves.

Falcon's are counted from their shapes, see memory.py. What the code of other models keeps nobody knows beforehand: so
one layer and two, of the real widths, compute a few tokens forward. Their weights are never filled in, for only sizes
count; Linux takes no memory for what is never written.
"""

import copy

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from langlearn import config, falcon, model

TOKENS, ROWS = (16, 32, 64), 2  # of one row alone some tensors are views that are copied of several
_known: dict[tuple, tuple[float, float, float]] = {}


def by_token(
    model_config, adapter: config.Adapter, dtype: torch.dtype, frugal: bool, length: int
) -> tuple[int, int]:
    """(bytes that each layer keeps of a token, bytes kept of it before and after the layers), in examples of this
    length. `model_config` is transformers'; `frugal`: as where memory is shorter than time, see memory.FRUGAL."""
    wide = torch.bfloat16 if dtype.itemsize == 2 else dtype
    key = (model_config.to_json_string(), repr(adapter), wide, frugal)
    if key not in _known:
        (one, _), (two, grown) = (_of_layers(model_config, count, adapter, wide, frugal) for count in (1, 2))
        _known[key] = two - one, grown / 2, 2 * one - two
    layer, grown, rest = _known[key]
    return round(layer + grown * length), round(rest)


def _of_layers(model_config, count: int, adapter: config.Adapter, dtype, frugal: bool) -> tuple[float, float]:
    """(bytes of a token, bytes more for each token of its example, as where attention keeps its scores) of a model with
    so many layers. What does not grow with the tokens does not count."""
    cut = copy.deepcopy(model_config)
    cut.num_hidden_layers = count
    cut._attn_implementation = falcon.attention_for(cut)
    with torch.random.fork_rng(devices=[]), falcon.quantisable():
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(cut, dtype=dtype)
        tuned = model.add_adapter(model.frozen(empty.to_empty(device="cpu")), adapter, seed=0, frugal=frugal).train()
        few, more, most = (_kept(tuned, tokens) for tokens in TOKENS)
    slope, steeper = (more - few) / (TOKENS[1] - TOKENS[0]), (most - more) / (TOKENS[2] - TOKENS[1])
    square = (steeper - slope) / (TOKENS[2] - TOKENS[0])
    return slope - square * (TOKENS[0] + TOKENS[1]), square


def _kept(tuned: nn.Module, tokens: int) -> float:
    """Bytes of all tensors, once each, that are kept of each of ROWS examples; the model's own do not count."""
    own, kept = {p.untyped_storage().data_ptr() for p in [*tuned.parameters(), *tuned.buffers()]}, {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    ids, packs = torch.zeros(ROWS, tokens, dtype=torch.long), tuned.config._attn_implementation == falcon.FUSED
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if packs:
        given = {"input_ids": ids.view(1, -1), "position_ids": torch.arange(tokens).repeat(1, ROWS)}
    inner = tuned.get_base_model().base_model  # without the LM head
    with falcon.packed([tokens] * ROWS if packs else None):
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            inner(**given, use_cache=False)
    return sum(storage.nbytes() for storage in kept.values()) / ROWS
