"""The scripts where there are CUDA GPUs, pretended ones (tests/gpu): whole processes, real NF4, real arithmetic.

Every branch for CUDA runs, tensors on different devices are refused, and memory is counted and can run out. What a real
GPU's kernels do is for benchmarks/full_shape.py.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parent.parent
GPU = "1 12 8.6"


def run(script: str, gpus: str, settings: dict, *more: str) -> subprocess.CompletedProcess:
    """A script on a machine with these GPUs, see tests/gpu/sitecustomize.py."""
    flags = [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "gpu"), "GPUS": gpus, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / script), *flags, *more]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


MIXED = """
import torch
a, b = torch.ones(3, device="cuda"), torch.ones(3)
print((a + a.cpu().cuda()).device)
for mixed in (
    lambda: a + b, lambda: torch.cat([a, b]), lambda: b[a.long()], a.numpy, lambda: a.index_fill_(0, b.long(), 0),
    lambda: torch.randint(9, (2,), device="cuda", generator=torch.Generator()),
):
    try:
        mixed()
    except (RuntimeError, TypeError) as error:
        print("device" in str(error))
"""


def test_what_cuda_refuses_is_refused():
    environment = os.environ | {"PYTHONPATH": str(ROOT / "tests" / "gpu"), "GPUS": GPU}
    done = subprocess.run([sys.executable, "-c", MIXED], capture_output=True, text=True, env=environment, timeout=100)
    assert done.stdout.split() == ["cuda:0", *["True"] * 6], done.stderr


CAPPED = """
import torch
from langlearn import machine
before = machine.describe().gpus[0]
torch.cuda.set_per_process_memory_fraction(0.25)
after = machine.describe().gpus[0]
print(*(size / 2**30 for size in (before.total, before.free, after.total, after.free)))
"""


def test_a_plan_is_made_for_what_the_process_may_take_of_a_gpu():
    paths = os.pathsep.join(map(str, (ROOT / "tests" / "gpu", ROOT)))
    environment = os.environ | {"PYTHONPATH": paths, "GPUS": "1 40 8.6"}
    done = subprocess.run([sys.executable, "-c", CAPPED], capture_output=True, text=True, env=environment, timeout=100)
    assert [float(each) for each in done.stdout.split()] == pytest.approx([40, 40, 10.6, 10.6]), done.stderr


LOADING = """
import pretended, torch
from transformers.integrations.bitsandbytes import Bnb4bitQuantize
from langlearn import config, errors, model

quantise = Bnb4bitQuantize.convert

def convert(*given, **named):
    limit, pretended.memory.limit = pretended.memory.limit, pretended.memory.now[0]
    try:
        return quantise(*given, **named)
    finally:
        pretended.memory.limit = limit

Bnb4bitQuantize.convert = convert
errors.run(lambda argv: model.load_base(config.Model(base=argv[0]), "cuda", torch.bfloat16))
"""


def test_memory_that_runs_out_while_weights_are_made_4_bit_is_told_as_such(tiny_falcon):
    paths = os.pathsep.join(map(str, (ROOT / "tests" / "gpu", ROOT)))
    command = [sys.executable, "-c", LOADING, str(tiny_falcon)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": paths, "GPUS": GPU})
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2].startswith(f"error: CUDA out of memory: {tiny_falcon} was being loaded")


@pytest.fixture(scope="module")
def trained(tiny_falcon, tiny_corpus, tmp_path_factory):
    """Trains on given GPUs with more settings: (settings, run.json, train.log, adapter)."""

    def train(gpus: str, **more):
        folder = tmp_path_factory.mktemp("gpu")
        settings = {
            "profile": "tiny", "model.base": tiny_falcon, "data.cases": tiny_corpus,
            "training.output": folder / "adapter", "logs.folder": folder / "logs", "index.folder": folder / "index",
            "training.batch_size": 24, "training.num_train_epochs": 5, "training.learning_rate": 0.002,
            "answering.max_new_tokens": 8, "evaluation.cases": 0, **more,
        }  # fmt: skip
        run("medical_diagnosis_gpu.py", gpus, settings)
        document = json.loads((folder / "adapter" / "run.json").read_text())
        log = (folder / "logs" / "train.log").read_text()
        return settings, document, log, load_file(folder / "adapter" / "adapter_model.safetensors")

    return train


# No embedder, whose memory is more than this small model's; and nothing drawn for each micro-batch.
ALONE = {"training.retrieval_share": 0, "answering.k": 0, "adapter.dropout": 0}


@pytest.fixture(scope="module")
def calm(trained):
    return trained(GPU, **ALONE)


def curve(log: str, what: str) -> list[float]:
    """Of each step its "loss" or its "grad", the norm of the gradient."""
    found = [float(number) for number in re.findall(rf"step \d+/\d+ epoch .* {what} (\S+)", log)]
    assert len(found) == 5
    return found


def test_a_gpu_trains_measures_and_answers(trained):
    settings, document, log, _ = trained(GPU, **{"evaluation.cases": 2, "adapter.dropout": 0.05})
    plan = document["plan"]
    assert (plan["device"], plan["dtype"], plan["optimizer"]) == ("cuda", "bfloat16", "paged_adamw_8bit")
    assert document["quantization"]["linear_layers_found"] == 8 and curve(log, "loss")
    assert "attention takes each example by itself, torch's kernel for rows does not serve: " in log
    assert document["evaluation"]["after"] < document["evaluation"]["before"]
    assert "loss on the answer" in log and plan["predicted_seconds"] > 0
    done = run("run_query.py", GPU, settings, "--json", "--query", "A runner with a twisted ankle. What is it?")
    assert json.loads(done.stdout)["citations"]


def test_the_plan_of_a_gpu_says_what_is_allocated(calm):
    _, document, log, _ = calm
    assert "not predicted" not in log
    assert document["peak_memory_bytes"] == pytest.approx(document["plan"]["predicted_peak_bytes"], rel=0.15)


def test_where_memory_runs_out_the_run_goes_on_and_learns_the_same(calm, trained):
    _, document, log, _ = calm
    limit = 0.75 * document["peak_memory_bytes"] / 2**30
    _, tight, told, _ = trained(f"{GPU} {limit}", **ALONE)
    assert "micro-batches halved" in told
    assert tight["steps"] == document["steps"] and tight["peak_memory_bytes"] <= limit * 2**30
    for what in ("loss", "grad"):
        assert curve(told, what) == pytest.approx(curve(log, what), rel=0.02)


def test_two_gpus_train_as_one_with_layers_computed_again_in_float16(calm, trained):
    _, two, log, _ = trained("2 48 7.5", **ALONE, **{"training.activation_checkpointing": "on"})
    plan = two["plan"]
    assert (plan["ranks"], plan["dtype"], plan["recomputed_layers"], plan["optimizer"]) == (2, "float16", 2, "adamw")
    for what in ("loss", "grad"):
        assert curve(log, what) == pytest.approx(curve(calm[2], what), rel=0.02)
