"""How much memory a fine-tuning step takes, from the shapes of a model alone: no weight is loaded.

Counted, not measured, term by term as autograd keeps them for a QLoRA step (Dettmers et al. 2023, §3); layers
unlike Falcon-7B's, whose code decides what they keep, are counted by kept.py:

    weights      4-bit linears, everything else in the compute dtype; on a CPU copies as its products read them
    adapter      float32 LoRA matrices and the best so far; for each worker gradients, their sum, copies to compute with
    optimizer    its state for the adapter
    activations  what the forward pass keeps for the backward pass
    peak of      the logits of a chunk of supervised tokens, or one layer's working set: never both at once
    overhead     what is there before the model is: the CUDA context, or Python and its libraries
"""

import math
import re
from dataclasses import asdict, dataclass

import torch
from torch import nn

from langlearn.falcon import one_key, packs
from langlearn.machine import CUDA_CONTEXT, GIB

NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)  # a 4-bit value, its block's 8-bit scale, the 32-bit scale of 256 scales
CHUNK = {"cpu": 128, "cuda": 512}  # supervised tokens whose logits exist at once; on a CPU they stay in its cache
SOFTMAXES = 4  # of a chunk, one after another
LOGIT_BYTES = 12  # elsewhere: float32 log-softmax, its gradient and the gradient of the logits
COPIES = 2  # of re-ordered weights: for the forward and for the backward pass
FRUGAL = ("cuda",)  # where memory is shorter than time: see lora._Adapted
OPTIMIZER_BYTES = {"paged_adamw_8bit": 2 + 8 / 256, "adamw": 8.0}
NCCL_BUFFERS = int(0.25 * GIB)
# What a process holds on a CPU, measured with the pinned versions:
PYTHON_LIBRARIES = int(0.55 * GIB)
EMBEDDER = int(0.17 * GIB)  # and its libraries
CPU_KERNELS = {2: int(0.2 * GIB), 4: int(0.1 * GIB)}  # by bytes of a number: what oneDNN keeps, and gaps
PADDED_GAPS = 0.3  # of the activations: what a padded batch freed fits the next one, of another shape, badly


@dataclass(frozen=True)
class Linear:
    """A linear layer of a transformer block: its last name, its sizes, and how many the whole model has."""

    name: str
    inputs: int
    outputs: int
    count: int


@dataclass(frozen=True)
class Shape:
    """What of a model decides its memory. `packs`: its examples stand end to end, see falcon.packed; `chunked`: its
    loss comes in chunks, see objective.py; `like_falcon_7b`: it has one key/value head, rotary positions and a GELU,
    and its layers are counted from their shapes. `norms` counts the layer norms of all blocks, `other` the parameters
    outside the linears of the blocks."""

    packs: bool
    chunked: bool
    like_falcon_7b: bool
    layers: int
    hidden: int
    heads: int
    head_dim: int
    mlp_width: int
    norms: int
    vocabulary: int
    linears: tuple[Linear, ...]
    other: int

    @property
    def linear_parameters(self) -> int:
        return sum(each.inputs * each.outputs * each.count for each in self.linears)


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak of a step."""

    weights: int
    adapter: int
    optimizer: int
    activations: int
    logits: int
    working_set: int
    overhead: int

    @property
    def allocated(self) -> int:
        """Without the overhead: what `torch.cuda.max_memory_allocated` reports."""
        return self.total - self.overhead

    @property
    def total(self) -> int:
        fixed = self.weights + self.adapter + self.optimizer + self.activations + self.overhead
        return fixed + max(self.logits, self.working_set)

    def as_dict(self) -> dict[str, int]:
        return asdict(self) | {"total": self.total}


@dataclass(frozen=True)
class Step:
    """How a step is computed. `recomputed`: layers, the first ones, that are computed again backward; `targets` are the
    linears with an adapter, None for all of them; `scored`: keys for which a position keeps its attention scores
    (`rows.scores_kept`) in a layer and in the last one, 0 where a fused kernel keeps none; `answers`: the share of
    tokens that the last layer computes to the end (falcon.LastLayer); `workers` compute side by side, and each has
    gradients of its own. `embeds`: whether an embedder is loaded in the same run; `reordered`: whether adapted layers
    and head have copies, see reordered.py. `kept`: of layers that are not counted from their shapes, see
    `kept.by_token`."""

    device: str
    dtype: torch.dtype
    quantization: str
    optimizer: str
    rank: int
    dropout: float
    targets: tuple[str, ...] | None
    recomputed: int
    ranks: int
    scored: tuple[int, int] = (0, 0)
    answers: float = 1.0
    workers: int = 1
    embeds: bool = True
    reordered: bool = False
    kept: tuple[int, int] | None = None

    @property
    def compute_bytes(self) -> int:
        return self.dtype.itemsize


def shape_of(model_config) -> Shape:
    """Shapes of a causal language model, from its transformers config: built on the meta device, without storage."""
    from transformers import AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(model_config)
    sizes: dict[tuple[str, int, int], int] = {}
    inside = [(name, module) for name, module in model.named_modules() if re.search(r"\.\d+\.", name)]
    for name, module in inside:
        if isinstance(module, nn.Linear | Conv1D):
            outputs, inputs = module.weight.shape if isinstance(module, nn.Linear) else reversed(module.weight.shape)
            key = (name.rpartition(".")[2], inputs, outputs)
            sizes[key] = sizes.get(key, 0) + 1
    linears = tuple(Linear(*key, count) for key, count in sizes.items())
    total = sum(p.numel() for p in model.parameters())
    heads = model_config.num_attention_heads
    head_dim = getattr(model_config, "head_dim", None) or model_config.hidden_size // heads
    return Shape(
        packs=packs(model_config),
        chunked=has_plain_head(model),
        like_falcon_7b=one_key(model_config) and model_config.activation == "gelu",
        layers=model_config.num_hidden_layers,
        hidden=model_config.hidden_size,
        heads=heads,
        head_dim=head_dim,
        mlp_width=max(each.inputs for each in linears),
        norms=sum(type(module).__name__.endswith("Norm") for _, module in inside),
        vocabulary=model_config.vocab_size,
        linears=linears,
        other=total - sum(each.inputs * each.outputs * each.count for each in linears),
    )


def has_plain_head(model) -> bool:
    """Whether this model has a head without bias, and its config names nothing that is done to the logits; what its
    code does beside that shows only when it is tried."""
    head, settings = model.get_output_embeddings(), model.config.to_dict()
    told = ("logit", "lm_head", "softcap", "soft_cap")
    named = {name: value for name, value in settings.items() if any(word in name for word in told)}
    changed = any(value not in (None, False, 1) for value in named.values())
    return isinstance(head, nn.Linear) and head.bias is None and not changed and model.base_model is not model


def weights_bytes(shape: Shape, quantization: str, compute_bytes: int) -> int:
    """Weights as loaded; embeddings and a tied head count once."""
    each = NF4_BYTES if quantization == "nf4" else compute_bytes
    return int(shape.linear_parameters * each + shape.other * compute_bytes)


def _copies(shape: Shape, step: Step) -> int:
    """What reordered.py holds of each adapted layer, and of a head whose logits come in chunks."""
    adapted = sum(each.inputs * each.outputs * each.count for each in _adapted(shape, step.targets))
    return COPIES * step.compute_bytes * (adapted + shape.chunked * shape.vocabulary * shape.hidden)


def adapter_parameters(shape: Shape, rank: int, targets: tuple[str, ...] | None = None) -> int:
    return sum(rank * (each.inputs + each.outputs) * each.count for each in _adapted(shape, targets))


def peak(shape: Shape, step: Step, tokens: int) -> Memory:
    """Memory at the peak of a step that computes `tokens` at once on one device."""
    adapter = adapter_parameters(shape, step.rank, step.targets)
    narrow = step.compute_bytes if step.compute_bytes < 4 else 0
    copies = 4 * 2 + step.workers * (4 * 2 + narrow) + (4 if step.ranks > 1 else 0)
    inputs = shape.hidden * step.compute_bytes
    if step.kept:
        layer, around = step.kept
        last = layer
    else:
        layer, last = (_kept_by_layer(shape, step, *of) for of in zip(step.scored, (1.0, step.answers), strict=True))
        around = int((2 + step.answers) * inputs)
    kept = step.recomputed * inputs + sum(([layer] * (shape.layers - 1) + [last])[step.recomputed :]) + around
    working, again = _working(shape, step), 0
    if step.recomputed == shape.layers:
        again = layer
    else:  # the last layer's backward pass comes first; then what it kept is gone, and the next may be computed again
        below = working + (layer if 0 < step.recomputed == shape.layers - 1 else 0)
        working = max(int(step.answers * working), below - last)
    if step.device == "cuda":
        overhead = CUDA_CONTEXT + (NCCL_BUFFERS if step.ranks > 1 else 0)
    else:
        overhead = PYTHON_LIBRARIES + step.embeds * EMBEDDER + CPU_KERNELS[step.compute_bytes]
        overhead += 0 if shape.packs else int(PADDED_GAPS * tokens * kept)
    chunk = min(step.workers * CHUNK[step.device], tokens) if shape.chunked else tokens
    return Memory(
        weights=weights_bytes(shape, step.quantization, step.compute_bytes) + step.reordered * _copies(shape, step),
        adapter=adapter * copies,
        optimizer=int(adapter * OPTIMIZER_BYTES[step.optimizer]),
        activations=tokens * kept,
        logits=chunk * shape.vocabulary * (_head_logit_bytes(step) if shape.chunked else LOGIT_BYTES),
        working_set=tokens * (working + again) + _scratch(shape, step),
        overhead=overhead,
    )


def _head_logit_bytes(step: Step) -> int:
    """objective._HeadLoss: logits; in float32 some of them, their softmax."""
    return step.compute_bytes + 4 * (1 + (step.compute_bytes < 4)) // SOFTMAXES


def _adapted(shape: Shape, targets: tuple[str, ...] | None) -> list[Linear]:
    return [each for each in shape.linears if targets is None or each.name in targets]


def _kept_by_layer(shape: Shape, step: Step, scored: int, answers: float) -> int:
    """Bytes a token that one layer of Falcon keeps for its backward pass. A frozen 4-bit linear keeps nothing of its
    input; an adapted one keeps the input after dropout, and the places that were dropped (lora.dropped_places); or,
    where memory is short, the input as it is. All tokens have query, key and value, the share of `answers` the rest."""
    c, adapted = step.compute_bytes, _adapted(shape, step.targets)
    frugal, names = step.device in FRUGAL, {each.name for each in adapted}
    shares = shape.norms == shape.layers and (frugal or not step.dropout) and answers == 1

    def kept_width(each: Linear) -> int:
        if shares and each.name == "dense_h_to_4h" and "query_key_value" in names:
            return 0  # the same tensor is the input of both
        if frugal and each.name == "dense_4h_to_h":
            return 0  # made again from the input of the GELU, which counts below
        return each.inputs

    def input_of(each: Linear) -> float:
        size = kept_width(each) * c + each.inputs * places + step.rank * c
        return size if each.name == "query_key_value" else answers * size

    places = 0 if frugal else -8 * math.log1p(-step.dropout)
    norms = shape.norms // shape.layers * (shape.hidden * c + 8)
    # Query and output; the output once more than where a GPU attends in one kernel (rows.py), which only trying tells.
    attention = 2 * shape.heads * shape.head_dim * c + 2 * shape.head_dim * c + 4 * shape.heads
    attention += scored * shape.heads * c
    return int(sum(map(input_of, adapted)) + norms + attention + answers * shape.mlp_width * c)


def _working(shape: Shape, step: Step) -> int:
    """Bytes a token that come and go while the widest linear is computed or differentiated."""
    c = step.compute_bytes
    return shape.mlp_width * 2 * c


def _scratch(shape: Shape, step: Step) -> int:
    """The largest linear, unpacked from 4-bit."""
    largest = max(each.inputs * each.outputs for each in shape.linears)
    return largest * step.compute_bytes if step.quantization == "nf4" else 0
