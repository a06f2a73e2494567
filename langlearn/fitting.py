"""How many tokens a device computes at once, and how many layers it computes again: of what fits, the fastest."""

import math
import statistics
from dataclasses import dataclass, replace

from langlearn import memory
from langlearn.config import Config
from langlearn.errors import UserError
from langlearn.machine import GIB, Hardware, in_gib, ranks_here, ranks_on_a_gpu

SAFE_SHARE = 0.91  # of free memory; the rest is for fragments, and for what the count misses
SMALLEST, LARGEST, LARGEST_ON_CPU = 256, 16384, 2048  # tokens computed at once
UNPACKING = 150  # tokens whose passage through the weights takes as long as unpacking them from 4-bit
GPU_SIZES = (6, 8, 10, 12, 16, 24, 32, 40, 48, 80, 96, 141)  # GiB, as sold


@dataclass(frozen=True)
class Load:
    """What one device computes: tokens of its longest example, of the example that a token is usually in, of its
    fullest step as it is likely to come and at worst; and what the config fixes."""

    longest: int
    usual: int
    likely: int
    worst: int
    asked: int | None
    cases: int | None
    workers: int

    def sizes(self, largest: int) -> list[int]:
        """Micro-batch budgets to try, largest first; the longest example fits into each. None is larger than a step:
        evaluations have the same budget, and would take more memory than training."""
        if self.asked:
            return [self.asked]
        largest = min(largest, SMALLEST * math.ceil(self.likely / SMALLEST))
        return [*(n for n in range(largest, 0, -SMALLEST) if n > self.longest), self.longest]

    def at_once(self, tokens: int, fullest: int) -> int:
        """Tokens that are really computed at once with micro-batches of this budget,
        if the fullest step has so many."""
        return min(max(tokens, self.longest) * self.workers, fullest)

    def together(self, tokens: int) -> int:
        """Tokens that are computed at once as a rule, where micro-batches of this budget are full
        when no example fits any more."""
        return min(max(self.usual, tokens - self.usual // 2), self.likely)

    def why(self, tokens: int, largest: int) -> str:
        if self.cases:
            return f"training.per_device_train_batch_size: {self.cases} cases at once"
        if self.asked:
            return "training.tokens_per_micro_batch asks for it"
        fullest = f"the fullest step has about {self.likely:,} on one device"
        if tokens >= self.likely:
            return f"{fullest}: computed in one go"
        return f"{'more would gain little' if tokens >= largest else 'more would not fit or be slower'}; {fullest}"


def load_of(config: Config, lengths: list[int], ranks: int, workers: int) -> Load:
    training, cases = config.training, config.training.per_device_train_batch_size
    of_a_step = math.ceil(training.batch_size / ranks)
    count = min(of_a_step, cases * workers if cases else of_a_step, len(lengths))
    worst = sum(sorted(lengths)[-count:])
    # Steps are drawn at random: three standard deviations above the mean is the fullest of a few hundred.
    likely = count * statistics.fmean(lengths) + 3 * math.sqrt(count) * statistics.pstdev(lengths)
    likely = min(worst, max(max(lengths), math.ceil(likely)))
    usual = round(sum(n * n for n in lengths) / sum(lengths))
    asked = sum(sorted(lengths)[-cases:]) if cases else training.tokens_per_micro_batch
    return Load(max(lengths), usual, likely, worst, asked, cases, workers)


@dataclass(frozen=True)
class Room:
    """Memory (bytes) that one rank may use, and whose it is."""

    free: int
    where: str
    owner: str
    largest_step: int

    def holds(self, peak: memory.Memory) -> bool:
        return peak.total <= SAFE_SHARE * self.free


def room_of(hardware: Hardware, ranks: int) -> Room:
    here = ranks_here(ranks)
    if hardware.gpus:
        smallest, sharing = min(hardware.gpus, key=lambda gpu: gpu.free), ranks_on_a_gpu(hardware, ranks)
        where = "on the GPU" if here == 1 else "on each GPU" if sharing == 1 else "for each rank"
        return Room(smallest.free // sharing, where, smallest.name, LARGEST)
    return Room(hardware.memory_free // here, "here" if here == 1 else "for each rank", "this machine", LARGEST_ON_CPU)


def fit(
    config: Config, shape: memory.Shape, step: memory.Step, load: Load, room: Room
) -> tuple[memory.Step, int, str]:
    """(the step with the layers that it computes again, tokens at once, why): of what fits the fastest.

    Raises UserError where not even the longest example fits with every layer computed again.
    """
    asked = config.training.activation_checkpointing
    counts = {"off": [0], "on": [shape.layers], "auto": range(shape.layers + 1)}[asked]

    def holds(count: int, tokens: int) -> bool:
        return room.holds(memory.peak(shape, replace(step, recomputed=count), load.at_once(tokens, load.worst)))

    sizes = load.sizes(room.largest_step)
    fewest = {n: next((count for count in counts if holds(count, n)), None) for n in sizes}
    least = memory.peak(shape, replace(step, recomputed=counts[-1]), load.longest)
    if not room.holds(least):
        _refuse(config, least, load, room)
    fitting = [n for n in sizes if fewest[n] is not None]
    tokens = min(fitting, key=lambda n: _slowness(shape, step, fewest[n], load.together(n)), default=sizes[-1])
    count = fewest[tokens] if fitting else counts[-1]
    step = replace(step, recomputed=count)
    if asked != "auto":
        return step, tokens, "training.activation_checkpointing asks for it"
    if not count:
        return step, tokens, "memory holds what the backward pass needs: nothing is computed twice"
    if not fitting:
        return step, tokens, "without it even less fits"
    return step, tokens, f"without it less fits at once; {count / shape.layers / 2:.0%} more to compute"


def _slowness(shape: memory.Shape, step: memory.Step, recomputed: int, tokens: int) -> float:
    """Time of a token, to compare: it passes through the frozen weights forward and backward, and through layers that
    are computed again once more; each pass unpacks the weights once for so many tokens."""
    passes = 2 + recomputed / shape.layers
    return passes * (1 + (UNPACKING / tokens if step.quantization == "nf4" else 0))


def _refuse(config: Config, least: memory.Memory, load: Load, room: Room):
    needed = least.total / SAFE_SHARE / GIB
    size = next((f"a GPU with {size} GiB" for size in GPU_SIZES if size > needed * 1.02), "a larger GPU")
    remedies = [
        (config.training.activation_checkpointing == "off", "set training.activation_checkpointing: auto"),
        (config.model.quantization == "none", "set model.quantization: nf4"),
        (config.profile != "tiny", "use --profile tiny"),
        (True, size if room.largest_step == LARGEST else f"a machine with {math.ceil(needed) + 1} GiB free"),
    ]
    raise UserError(
        f"{config.model.base} needs {in_gib(least.total)} (weights {in_gib(least.weights)}, a step of one "
        f"{load.longest}-token example); {room.owner} has {in_gib(room.free)} free\n"
        + ", or ".join(text for applies, text in remedies if applies)
    )
