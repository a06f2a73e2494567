"""What a step of Falcon-7B at full shape allocates at most, beside what the plan says;
no GPU and no weights are needed.

    python benchmarks/memory_trace.py [--answers SHARE]

The step is the project's own, from `training.Run`, on tensors that have shapes and dtypes but no storage. Every
operation's results are counted while they live, on the code path that CUDA takes: with attention an example at a time,
for which memory is planned, and in one kernel, as where a GPU has it (rows.py). Not seen: what a kernel allocates
within, and fragments of the allocator. --answers: the share of tokens that is supervised, a quarter as below retrieved
cases, or 1 for the most that a step can have.
"""

import argparse
import gc
import sys
import warnings
import weakref
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import bitsandbytes as bnb
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from langlearn import computing, config, falcon, hardware, launch, lora, memory, model, rows, training, trainlog  # noqa: E402
from langlearn.examples import Example  # noqa: E402

GIB = 2**30
CARDS = {
    "8 GB": hardware.Gpu("NVIDIA GeForce RTX 3050", (8, 6), int(7.8 * GIB), int(7.6 * GIB)),
    "12 GB": hardware.Gpu("NVIDIA GeForce RTX 3060", (8, 6), int(11.76 * GIB), int(11.6 * GIB)),
    "24 GB": hardware.Gpu("NVIDIA GeForce RTX 3090", (8, 6), int(23.7 * GIB), int(23.4 * GIB)),
    "80 GB": hardware.Gpu("NVIDIA A100-SXM4-80GB", (8, 0), int(79.2 * GIB), int(78.8 * GIB)),
}
LENGTHS = [250 + 37 * n % 700 for n in range(1271)]  # tokens, as with retrieved cases in the prompt


class Allocated(TorchDispatchMode):
    """Bytes of all tensors made within that are alive, now and at most."""

    def __init__(self, known):
        super().__init__()
        self.now, self.most, self.storages = 0, 0, {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor.untyped_storage())
        return result

    def count(self, storage) -> None:
        if storage._cdata not in self.storages:
            self.storages.add(storage._cdata)
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())

    def forget(self, key: int, size: int) -> None:
        self.storages.discard(key)
        self.now -= size


def falcon_7b():
    from transformers import FalconConfig

    made = FalconConfig(
        vocab_size=65024, hidden_size=4544, num_hidden_layers=32, num_attention_heads=71, multi_query=True,
        parallel_attn=True, new_decoder_architecture=False, bias=False, alibi=False,
    )  # fmt: skip
    made._attn_implementation = falcon.FUSED
    return made


def cuda_path() -> None:
    """Have a CPU without storage do what CUDA would."""
    rows.SCORED = None
    lora.FRUGAL = ("cpu",)
    memory.CHUNK["cpu"] = memory.CHUNK["cuda"]
    nn.Module.to = lambda self, *_, **__: self
    torch.Tensor.item = lambda _: 0.0  # nobody knows a value
    lora._weight = unpacked
    bnb.nn.Linear4bit.forward = lambda self, x: F.linear(x, unpacked(self, x.dtype))


class InOneKernel(dict):
    """Of rows.try_kernel, as if it were there on every device."""

    def get(self, kind):
        return rows.TAKEN


def unpacked(base, dtype: torch.dtype) -> torch.Tensor:
    return base.weight.new_empty(base.out_features, base.in_features, dtype=dtype)


def quantised(base) -> None:
    """4-bit layers of the same shapes."""
    for module in list(base.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and name != "lm_head":
                layer = bnb.nn.Linear4bit.__new__(bnb.nn.Linear4bit)
                nn.Module.__init__(layer)
                layer.in_features, layer.out_features, layer.bias = child.in_features, child.out_features, None
                weight = torch.empty(child.weight.numel() // 2, 1, dtype=torch.uint8)
                layer.weight = nn.Parameter(weight, requires_grad=False)
                setattr(module, name, layer)


def traced(settings: config.Config, plan, shape, answers: float) -> tuple[int, int]:
    """Bytes allocated at most by (forward and backward pass of the fullest micro-batch of an epoch, its
    evaluation), adapter included."""
    torch.set_default_dtype(plan.dtype)
    with falcon.quantisable():
        from transformers import FalconForCausalLM

        base = FalconForCausalLM(shape)
    torch.set_default_dtype(torch.float32)
    quantised(base)
    base = model.frozen(base, plan.recomputed_layers)
    tuned = model.add_adapter(base, settings.adapter, seed=0).train()
    adapter = [p for p in tuned.parameters() if p.requires_grad]
    setup = computing.Setup.of(plan, settings.training, shape, LENGTHS, torch.device("cpu"))
    run = training.Run(
        tuned, SimpleNamespace(cases=LENGTHS), [], settings.training, replace(setup, optimizer="adamw"),
        launch.alone(torch.device("cpu")), trainlog.TrainLog(Path(), enabled=False), Path(), {},
    )  # fmt: skip
    run.best = {name: p.detach().clone() for name, p in run.parameters.items()}
    fixed, peaks = 2 * sum(p.numel() * p.element_size() for p in adapter), []
    run.held_out = fullest = fullest_micro_batch(run, answers)
    for work in (lambda: run.gradients(fullest, supervised=1), run.evaluate):
        gc.collect()
        with Allocated([*tuned.parameters(), *tuned.buffers()]) as allocated:
            work()
        peaks.append(fixed + allocated.most)
    return tuple(peaks)


def fullest_micro_batch(run: training.Run, answers: float) -> list[Example]:
    """Of the first epoch."""

    def example(length: int) -> Example:
        return Example((0,) * length, max(1, round((1 - answers) * length)))

    steps = training.steps_of_epoch(len(LENGTHS), run.training.batch_size, run.training.seed, epoch=0)
    examples = [[example(LENGTHS[number]) for number in step] for step in steps]
    batches = (batch for step in examples for batch in run.batches(run.piles(step)[0], None))
    return [example(length) for length in max(batches, key=lambda batch: batch.tokens).lengths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=float, default=0.25)
    answers = parser.parse_args().answers
    warnings.simplefilter("ignore")
    settings, shape = config.Config(profile="falcon-7b"), falcon_7b()
    settings.model.base = "tiiuae/falcon-7b"
    plans = {}
    for name, card in CARDS.items():
        machine = hardware.Hardware(
            device="cuda", gpus=(card,), cores=8, memory=32 * GIB, memory_free=30 * GIB, bf16_unit="AMX",
            torch_version="", arches=("sm_80", "sm_86", "compute_120"),
        )  # fmt: skip
        plans[name] = hardware.plan(settings, machine, shape, LENGTHS, answers)
    cuda_path()
    print(f"{'card':6} {'tokens':>7} {'recomputed':>16} {'planned':>9} {'traced':>9} {'':>6} {'in one kernel':>14} "
          f"{'evaluation':>10} GiB")  # fmt: skip
    for name, plan in plans.items():
        found, rest, planned = [], plan.memory.weights + plan.memory.optimizer, plan.memory.allocated
        for kernels in ({}, InOneKernel()):
            rows._refusals = kernels
            with FakeTensorMode(allow_non_fake_inputs=True):
                found += [rest + size for size in traced(settings, plan, shape, answers)]
        step, evaluation, in_one_kernel, _ = found
        print(
            f"{name:6} {plan.tokens_per_micro_batch:>7,} {plan.recomputed_layers:>9} layers {planned / GIB:9.2f} "
            f"{step / GIB:9.2f} {step / planned - 1:+6.0%} {in_one_kernel / GIB:14.2f} {evaluation / GIB:10.2f}"
        )


if __name__ == "__main__":
    main()
