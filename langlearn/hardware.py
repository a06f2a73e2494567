"""From this machine, the config and the examples, a plan: every choice with its reason, and the memory it takes."""

import io
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from rich.console import Console
from rich.table import Table

from langlearn import falcon, launch, memory, rows
from langlearn.config import Config
from langlearn.errors import UserError, first_line
from langlearn.fitting import fit, load_of, room_of
from langlearn.machine import (
    GIB,
    Gpu,
    Hardware,
    choose_profile,
    describe,
    in_gib,
    rank_count,
    ranks_on_a_gpu,
    refuse_unusable,
)
from langlearn.reordered import suits

if TYPE_CHECKING:
    from langlearn.pace import Pace
    from langlearn.whole import Whole

__all__ = ["Gpu", "Hardware", "Plan", "choose_profile", "describe", "plan", "rank_count"]

# Of a CPU's free memory: a model whose weights take less is unpacked from 4-bit once, not in every product
SMALL_SHARE = 0.1
AMPLE = 36 * GIB  # of a rank's share of a GPU, from which on memory need not be saved in the optimizer
MOST_WORKERS = 4  # Python runs one thread at a time, for about a quarter of a small model's step


@dataclass(frozen=True)
class Plan:
    """What the run will do on this machine. `unpacked`: 4-bit weights are widened once, to the same values;
    `reordered`: adapted layers and head are kept as products read them, see reordered.py. `reasons`
    are (choice, value, why), in the order they are shown; `pace`, once measured, is how fast, `whole` how long the
    command takes, and `changes` (change, time, how) are what would make it another."""

    profile: str
    hardware: Hardware
    device: str
    dtype: torch.dtype
    quantization: str
    unpacked: bool
    reordered: bool
    ranks: int
    attention: str
    recomputed_layers: int
    tokens_per_micro_batch: int
    workers: int
    optimizer: str
    memory: memory.Memory
    reasons: tuple[tuple[str, str, str], ...]
    pace: "Pace | None" = None
    whole: "Whole | None" = None
    changes: tuple[tuple[str, str, str], ...] = ()

    @property
    def predicted_peak_bytes(self) -> int:
        """What the run will measure: on CUDA the memory that torch allocates, on a CPU all of the process."""
        return self.memory.allocated if self.device == "cuda" else self.memory.total

    def as_dict(self, steps: int | None = None) -> dict:
        """For run.json. `steps`: those that were taken, where the run stopped early."""
        simple = ("profile", "device", "quantization", "unpacked", "reordered", "ranks", "attention",
                  "recomputed_layers", "tokens_per_micro_batch", "workers", "optimizer",
                  "predicted_peak_bytes")  # fmt: skip
        return {name: getattr(self, name) for name in simple} | {
            "dtype": _name(self.dtype),
            "memory": self.memory.as_dict(),
            "reasons": [list(row) for row in self.reasons],
        } | (self.pace.as_dict(steps) if self.pace else {})

    def table(self) -> str:
        """The choices, their reasons, the memory and the time they take, and what would change it, in 80 columns."""
        console = Console(file=io.StringIO(), width=80, color_system=None, highlight=False, markup=False)
        for title, lines in (("", self.reasons), ("\nWhat would change the time:", self.changes)):
            table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            table.add_column(no_wrap=True, min_width=14)
            table.add_column(max_width=18)
            table.add_column(ratio=1)
            for line in lines:
                table.add_row(*line)
            if lines:
                console.print(*([title] if title else []), table, sep="\n")
        return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def plan(config: Config, hardware: Hardware, model_config, lengths: list[int], answers: float = 1.0) -> Plan:
    """The plan for fine-tuning a model of `model_config` (transformers) on examples of these token `lengths`, of which
    such a share is `answers`.

    Raises UserError where this machine cannot do it, with what could.
    """
    refuse_unusable(hardware)
    shape, ranks, lengths = memory.shape_of(model_config), rank_count(hardware), lengths or [config.training.max_length]
    dtype, dtype_why = choose_dtype(config.model.dtype, hardware)
    optimizer, optimizer_why = _optimizer(config.training.optimizer, hardware, ranks)
    targets = config.adapter.target_modules
    room = room_of(hardware, ranks)
    attention = falcon.attention_for(model_config)
    scored = shape.like_falcon_7b and (hardware.device, dtype) == rows.SCORED
    wide = memory.weights_bytes(shape, "none", dtype.itemsize)
    small = hardware.device == "cpu" and wide < SMALL_SHARE * room.free
    unpacked = small and config.model.quantization == "nf4"
    with_copies = (1 + memory.COPIES) * wide
    reordered = with_copies < SMALL_SHARE * room.free and suits(torch.device(hardware.device), dtype)
    workers = _workers(config, hardware, ranks, model_config) if small else 1
    load = load_of(config, lengths, ranks, workers)
    answers = answers if falcon.answers_alone(model_config) else 1.0
    step = memory.Step(
        hardware.device, dtype, "none" if unpacked else config.model.quantization, optimizer, config.adapter.r,
        config.adapter.dropout, tuple(targets) if targets else None, recomputed=0, ranks=ranks,
        scored=tuple(rows.scores_kept(load.usual, share) if scored else 0 for share in (1.0, answers)), answers=answers,
        workers=workers, embeds=config.embeds, reordered=reordered,
    )  # fmt: skip
    if not shape.like_falcon_7b:
        from langlearn import kept  # slow to import

        frugal = hardware.device in memory.FRUGAL
        try:
            step = replace(step, kept=kept.by_token(model_config, config.adapter, dtype, frugal, load.usual))
        except (ValueError, RuntimeError, IndexError) as error:
            why = first_line(error)
            raise UserError(f"{config.model.base} cannot be trained: {why}\nchoose another model.base") from error
    step, tokens, step_why = fit(config, shape, step, load, room)
    if step.recomputed and workers > 1:  # one worker needs less, and may need no recomputation
        workers, load = 1, load_of(config, lengths, ranks, workers=1)
        step, tokens, step_why = fit(config, shape, replace(step, workers=1), load, room)
    peak = memory.peak(shape, step, load.at_once(tokens, load.likely))
    reasons = (
        ("profile", config.profile, config.profile_reason),
        ("device", hardware.device, str(hardware)),
        ("ranks", str(ranks), _ranks_why(hardware, ranks)),
        ("dtype", _name(dtype), dtype_why),
        ("weights", config.model.quantization, _weights_why(shape, step, unpacked)),
        ("attention", attention, _attention_why(attention, scored)),
        ("optimizer", optimizer, optimizer_why),
        ("recomputation", _layers(step.recomputed, shape.layers), step_why),
        ("tokens at once", f"{tokens:,}", load.why(tokens, room.largest_step)),
        *([("workers", str(workers), "each with cases of its own: so small a model leaves cores idle otherwise")]
          if workers > 1 else []),
        ("peak memory", in_gib(peak.total), f"{in_gib(room.free)} are free {room.where}; {_parts(peak)}"),
    )
    return Plan(
        config.profile, hardware, hardware.device, dtype, config.model.quantization, unpacked, reordered, ranks,
        attention, step.recomputed, tokens, workers, optimizer, peak, reasons,
    )  # fmt: skip


def agreed(plan: Plan, ranks: launch.Ranks) -> Plan:
    """Rank 0's plan, as far as all must have the same: each found its own free memory, and hosts may have GPUs of
    different sizes."""
    alike = ("tokens_per_micro_batch", "recomputed_layers", "optimizer")
    return replace(plan, **launch.broadcast_object(ranks, {name: getattr(plan, name) for name in alike}))


def _layers(count: int, of: int) -> str:
    return "off" if not count else "on" if count == of else f"{count} of {of} layers"


def _workers(config: Config, hardware: Hardware, ranks: int, model_config) -> int:
    """Threads for the examples of a step: as many as there are cores for this rank, where all that is random in a
    step can be drawn by each thread for itself."""
    drops = any(getattr(model_config, name, 0) for name in ("hidden_dropout", "attention_dropout"))
    if not falcon.packs(model_config) or drops or config.training.activation_checkpointing == "on":
        return 1
    return max(1, min(hardware.cores // ranks, torch.get_num_threads(), MOST_WORKERS))


def choose_dtype(asked: str, hardware: Hardware) -> tuple[torch.dtype, str]:
    """(compute dtype, why); `asked` is model.dtype. Raises UserError where this machine lacks it."""
    if not hardware.gpus:
        if asked == "float16":
            raise UserError("model.dtype is float16: a CPU computes bfloat16 or float32; use auto")
        if asked != "auto":
            return getattr(torch, asked), "model.dtype asks for it"
        if hardware.bf16_unit:
            return torch.bfloat16, f"this CPU computes it in hardware ({hardware.bf16_unit})"
        return torch.float32, "this CPU has no bfloat16 unit (AMX or AVX512_BF16)"
    oldest = min(hardware.gpus, key=lambda gpu: gpu.capability)
    capability = ".".join(map(str, oldest.capability))
    if asked == "bfloat16" and oldest.capability < (8, 0):
        raise UserError(f"model.dtype is bfloat16: {oldest.name} ({capability}) lacks it (8.0 has it); use auto")
    if asked != "auto":
        return getattr(torch, asked), "model.dtype asks for it"
    if oldest.capability >= (8, 0):
        return torch.bfloat16, f"compute capability {capability} (8.0 and newer have it)"
    if oldest.capability >= (7, 0):
        return torch.float16, f"compute capability {capability} has no bfloat16; the adapter stays float32"
    return torch.float32, f"compute capability {capability} computes float16 far slower"


def _optimizer(asked: str, hardware: Hardware, ranks: int) -> tuple[str, str]:
    if asked == "paged_adamw_8bit" and not hardware.gpus:
        raise UserError("training.optimizer is paged_adamw_8bit: that needs a CUDA GPU; use auto")
    if asked != "auto":
        return asked, "training.optimizer asks for it"
    if hardware.gpus and min(gpu.total for gpu in hardware.gpus) // ranks_on_a_gpu(hardware, ranks) < AMPLE:
        return "paged_adamw_8bit", "2 bytes of state for a parameter, moved to the host when memory is short"
    return "adamw", "fused; 8 bytes of state for a parameter"


def _ranks_why(hardware: Hardware, ranks: int) -> str:
    if "WORLD_SIZE" in os.environ or "LANG_LEARN_RANKS" in os.environ:
        return "as launched"
    if not hardware.gpus:
        return "one process uses every core"
    return "the one visible GPU" if ranks == 1 else "one process for each visible GPU; CUDA_VISIBLE_DEVICES chooses"


def _attention_why(attention: str, scored: bool) -> str:
    if attention != falcon.FUSED:
        return "torch's scaled_dot_product_attention"
    if scored:
        return "one product of all query heads with the one key head: the fastest on this CPU"
    return "a fused kernel, which takes keys and values as they are: one head for all"


def _weights_why(shape: memory.Shape, step: memory.Step, unpacked: bool) -> str:
    wide = memory.weights_bytes(shape, "none", step.compute_bytes) / GIB
    layers = sum(each.count for each in shape.linears)
    if unpacked:
        copies = ", and twice as products read them" if step.reordered else ""
        return f"{layers} linear layers in 4-bit, unpacked once to the same values{copies}: {wide:.2f} GiB fit easily"
    if step.quantization == "none":
        return f"model.quantization asks for it: {wide:.2f} GiB"
    narrow = memory.weights_bytes(shape, "nf4", step.compute_bytes) / GIB
    return f"{layers} linear layers in 4-bit: {narrow:.2f} GiB instead of {wide:.2f}"


def _parts(peak: memory.Memory) -> str:
    biggest = "logits" if peak.logits > peak.working_set else "working set"
    parts = {
        "weights": peak.weights, "adapter": peak.adapter, "optimizer": peak.optimizer, "activations": peak.activations,
        biggest: max(peak.logits, peak.working_set), "overhead": peak.overhead,
    }  # fmt: skip
    return ", ".join(f"{name} {size / GIB:.2f}" for name, size in parts.items())


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
