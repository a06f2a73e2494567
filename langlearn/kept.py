"""What the layers of a model keep for their backward pass, counted on the layers themselves.

Those of Falcon-7B's kind are counted from their shapes, see memory.py. What the code of other models keeps nobody knows
beforehand: so one layer and two, of the real widths, compute a few tokens forward. Their weights are never filled in,
for only sizes count; Linux takes no memory for what is never written.
"""

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from langlearn import config, falcon, model
from langlearn.errors import UserError

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
        kinds = getattr(model_config, "layer_types", None) or [None]
        shares = {kind: number / len(kinds) for kind, number in Counter(kinds).items()}
        found = [(share, *_of_kind(model_config, kind, adapter, wide, frugal)) for kind, share in shares.items()]
        _known[key] = tuple(sum(each[0] * each[n] for each in found) for n in (1, 2, 3))
    layer, grown, rest = _known[key]
    return round(layer + grown * length), round(rest)


def _of_kind(model_config, kind: str | None, adapter: config.Adapter, dtype, frugal: bool) -> tuple[float, ...]:
    """(bytes of a token that a layer of this kind keeps, bytes more for each token of its example, as where attention
    keeps its scores, bytes of a token around the layers)."""
    (one, _), (two, grown) = (_of_layers(model_config, kind, n, adapter, dtype, frugal) for n in (1, 2))
    return two - one, grown / 2, 2 * one - two


def _of_layers(model_config, kind: str | None, count: int, adapter: config.Adapter, dtype, frugal: bool):
    """(bytes of a token, bytes more for each token of its example) of a model with so many layers. What does not grow
    with the tokens does not count."""
    cut = copy.deepcopy(model_config)
    cut.num_hidden_layers = count
    if kind:
        cut.layer_types = [kind] * count
    for name in ("attn_pdrop", "attention_dropout"):
        if frugal and getattr(cut, name, None):
            setattr(cut, name, 0.0)  # a GPU's fused kernels keep nothing for it, a CPU keeps all scores
    cut._attn_implementation = falcon.attention_for(cut)
    with torch.random.fork_rng(devices=[]), falcon.quantisable():
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(cut, dtype=dtype)
        base = model.frozen(empty.to_empty(device="cpu"))
        try:
            tuned = model.add_adapter(base, adapter, seed=0, frugal=frugal).train()
        except UserError:  # layers of this kind have none of the linears that are asked for
            tuned = model.add_adapter(base, replace(adapter, target_modules=None), seed=0, frugal=frugal).train()
        few, more, most = (_kept(tuned, tokens) for tokens in TOKENS)
    slope, steeper = (more - few) / (TOKENS[1] - TOKENS[0]), (most - more) / (TOKENS[2] - TOKENS[1])
    square = (steeper - slope) / (TOKENS[2] - TOKENS[0])
    return slope - square * (TOKENS[0] + TOKENS[1]), square


def _kept(tuned: nn.Module, tokens: int) -> float:
    """Bytes of what is kept of each of ROWS examples."""
    ids, packs = torch.zeros(ROWS, tokens, dtype=torch.long), falcon.packs(tuned.config)
    given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    given["attention_mask"][0, -1] = 0  # without padding there would be no mask
    if packs:
        given = {"input_ids": ids.view(1, -1), "position_ids": torch.arange(tokens).repeat(1, ROWS)}
    inner = tuned.get_base_model().base_model  # without the LM head
    with falcon.packed([tokens] * ROWS if packs else None), saved() as storages:
        inner(**given, use_cache=False)
    return bytes_beside(tuned, storages) / ROWS


@contextmanager
def saved() -> Iterator[dict[int, torch.UntypedStorage]]:
    """By address the storages, once each, that a forward pass within keeps for its backward pass."""
    storages = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield storages


def bytes_beside(tuned: nn.Module, storages: dict[int, torch.UntypedStorage]) -> int:
    """Of those that are not the model's own."""
    own = {p.untyped_storage().data_ptr() for p in [*tuned.parameters(), *tuned.buffers()]}
    return sum(storage.nbytes() for address, storage in storages.items() if address not in own)
