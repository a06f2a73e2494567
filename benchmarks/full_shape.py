"""Falcon-7B at full shape on the GPU at hand: how near to its matrix rate it trains, and whether smaller
cards hold what their plans say.

    python benchmarks/full_shape.py --work FOLDER --cases medtext_2.csv --base tiiuae/falcon-7b
    python benchmarks/full_shape.py --work FOLDER --cases medtext_2.csv --tokenizer FOLDER     the shape, random weights

1. The rate of bf16 products of 8192 x 8192 matrices.
2. `compare_training.py`, old recipe against this project, at least --steps steps each: speeds, losses,
   and which share of the rate the faster one reaches (4 FLOP a token for each weight of the layers:
   forward, and gradients of the inputs; of this project's some 1 % less is computed, see falcon.LastLayer).
3. For each of --cards a run of medical_diagnosis_gpu.py that may allocate no more than such a card has: memory planned
   and allocated, by steps, evaluations, checkpoints and between them (loading, answers), reserved by torch, and taken
   of the GPU by the whole process; time predicted and taken. The cases are as long as with retrieved ones in their
   prompts, which needs no embedder: others stand before each.
4. On the first of --cards a run that asks for too much at once: how often its log tells that the budget was halved.

Without a GPU the same is done on the CPU, uncapped (with --base models/tiny-falcon, say). Everything lands in
WORK/full_shape.json as soon as it is known; what takes longer than --limit seconds is given up. To see in a minute that
all of it runs: --base models/tiny-falcon --steps 3 --seconds 5.
"""

import argparse
import csv
import json
import multiprocessing
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from memory_trace import CARDS, GIB, falcon_7b  # it puts langlearn on the path

ROOT = Path(__file__).resolve().parent.parent
CASES_A_STEP = 16  # of the falcon-7b profile
MOST_CHARACTERS = 3000  # of a case with others before it; some 700 tokens
WARMING = 1.0  # seconds
ENOUGH_TO_HALVE = 5  # steps


def make_base(folder: Path, tokenizer: Path, device: str) -> None:
    """Falcon-7B's shape with random weights."""
    import torch
    from transformers import FalconForCausalLM

    part = folder.with_name(folder.name + ".part")
    part.mkdir(exist_ok=True)
    for file in tokenizer.glob("*.json"):
        shutil.copyfile(file, part / file.name)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        base = FalconForCausalLM(falcon_7b())
    torch.set_default_dtype(torch.float32)
    base.save_pretrained(part, max_shard_size="4GB")
    part.rename(folder)


def matrix_rate(device: str) -> tuple[str, float]:
    """(what computes, FLOP a second), once its clock has gone up."""
    import torch

    size, taken, began = 8192 if device == "cuda" else 2048, [], time.perf_counter()
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in "ab")
    while len(taken) < 30 or time.perf_counter() - began < WARMING:
        start = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    return name, 2 * size**3 / statistics.median(taken[-20:])


def elsewhere(work, *given):
    """`work(*given)` in a process of its own, whose CUDA context is gone afterwards: what of a GPU is taken is told for
    all processes together."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *given).result()


def ended(command: list[str], limit: float, **settings) -> subprocess.CompletedProcess | None:
    """None where it took too long; then nothing that it started goes on."""
    with subprocess.Popen(command, text=True, start_new_session=True, **settings) as started:
        try:
            out, err = started.communicate(timeout=limit)
        except BaseException as why:  # Ctrl-C does not reach it by itself
            os.killpg(started.pid, signal.SIGKILL)
            if not isinstance(why, subprocess.TimeoutExpired):
                raise
            print(f"given up after {limit:.0f} s: {' '.join(command[1:4])} …", flush=True)
            return None
    return subprocess.CompletedProcess(command, started.returncode, out, err)


def compared(given, way: str, base: str, device: str, flop_a_token: float, rate: float) -> dict:
    """Speed, share of the rate and losses of this way to train; nothing where it failed."""
    file = given.work / "compared.json"
    file.unlink(missing_ok=True)
    command = [sys.executable, str(ROOT / "benchmarks" / "compare_training.py"), "--base", base, "--cases", given.cases,
               "--device", device, "--ways", way, "--rounds", "1", "--seconds", str(given.seconds),
               "--record", str(file)]  # fmt: skip
    ended(command, given.limit)
    if not file.is_file():
        return {}
    found = json.loads(file.read_text(encoding="utf-8"))
    for each in found.values():
        each["share_of_rate"] = each["tokens_per_second"][0] * flop_a_token / rate
        print(f"{way}: {each['share_of_rate']:.0%} of the matrix rate; loss of the first {given.steps} steps:")
        print("   ", *each["losses"][: given.steps], flush=True)
        if len(each["losses"]) < given.steps:
            print(f"    only {len(each['losses'])}: give it more --seconds")
    return found


def run(given, base: str, card: str, **more) -> dict:
    """What a run of medical_diagnosis_gpu.py planned and took, as on this of memory_trace's CARDS; "" for no cap."""
    name = card or "this machine"
    output, logs = given.work / name.replace(" ", "_"), given.work / "logs" / name.replace(" ", "_")
    settings = {
        "profile": "falcon-7b", "model.base": base, "data.cases": given.long_cases, "training.output": output,
        "training.retrieval_share": 0, "answering.k": 0, "evaluation.cases": 0, "answering.max_new_tokens": 20,
        "training.num_train_epochs": given.steps * CASES_A_STEP / given.count, "training.eval_cases": 64,
        "logs.folder": logs, **more,
    }  # fmt: skip
    peaks = given.work / "peaks.json"
    shutil.rmtree(logs, ignore_errors=True)
    command = [sys.executable, __file__, "--run", card, "--peaks", str(peaks), "--", "--fresh"]
    command += [text for key, value in settings.items() for text in (f"--{key}", str(value))]
    environment = os.environ | {"LANG_LEARN_RANKS": "1"}
    if card:  # a newer card's matrix library would take four times as much workspace
        environment["CUBLAS_WORKSPACE_CONFIG"] = ":4096:2:16:8"
    done = ended(command, given.limit, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    if done is None:
        return {}
    if done.returncode:
        print(f"{name}: ended with {done.returncode}: {done.stderr.strip()[-2000:]}", flush=True)
        return {}
    document = json.loads((output / "run.json").read_text(encoding="utf-8"))
    taken = json.loads(peaks.read_text(encoding="utf-8")) or {"run": document["peak_memory_bytes"]}
    log = (logs / "train.log").read_text(encoding="utf-8")
    plan, halved, attention = document["plan"], log.count("halved"), re.search(r"attention takes (.*)", log)
    print(
        f"{name}: {plan['tokens_per_micro_batch']:,} tokens at once, "
        f"{plan['recomputed_layers']} layers computed again; "
        f"memory {plan['predicted_peak_bytes'] / GIB:.2f} GiB planned, "
        + ", ".join(f"{phase} {size / GIB:.2f}" for phase, size in taken.items())
        + f" taken; time {plan.get('predicted_seconds', float('nan')):.1f} s predicted, "
        f"{document['seconds']:.1f} taken; "
        f"{document['tokens_per_second']:,.0f} tokens/s; budget halved {halved} times",
        flush=True,
    )
    return {"plan": plan, "peaks": taken, "halved": halved, "attention": attention and attention[1]} | {
        name: document[name] for name in ("seconds", "tokens", "tokens_per_second", "steps", "final", "evaluation")
    }


def run_as(card: str, peaks: Path, argv: list[str]) -> None:
    """medical_diagnosis_gpu.py in this process, with what each part of it allocated at most."""
    import torch

    from langlearn import machine, training

    found: dict[str, int] = {}
    if torch.cuda.is_available():
        for name in ("step", "evaluate", "save"):
            setattr(training.Run, name, watched(name, getattr(training.Run, name), found))
    if card:  # the plan asks torch how much this process may have
        here = torch.cuda.get_device_properties(0).total_memory
        torch.cuda.set_per_process_memory_fraction((CARDS[card].free - machine.CUDA_CONTEXT) / here)
    import medical_diagnosis_gpu

    try:
        medical_diagnosis_gpu.main(argv)
    finally:
        peaks.write_text(json.dumps(found), encoding="utf-8")


def watched(name: str, method, found: dict[str, int]):
    """A method of training.Run that notes its peak of allocated bytes, and what was the peak since another ended; and
    what is reserved, and what of the GPU is taken, at most."""
    import torch

    def note(phase: str) -> None:
        free, total = torch.cuda.mem_get_info()
        now = {phase: torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved(),
               "process": total - free}  # fmt: skip
        found.update({key: max(found.get(key, 0), size) for key, size in now.items()})
        torch.cuda.reset_peak_memory_stats()

    def call(self, *args):
        note("between")
        result = method(self, *args)
        note(name)
        return result

    return call


def lengthened(cases_: list, file: Path) -> Path:
    """The cases with as many others before each as retrieval would put there."""
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out)
        writer.writerow(["Prompt", "Completion"])
        for number, case in enumerate(cases_):
            parts = [case.prompt]
            for other in (cases_[(number + n) % len(cases_)] for n in (1, 2, 3)):
                if sum(map(len, parts)) + len(other.prompt) + len(other.completion) < MOST_CHARACTERS:
                    parts.insert(0, f"{other.prompt}\n{other.completion}")
            writer.writerow(["\n\n".join(parts), case.completion])
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--cases")
    parser.add_argument("--base", help="a folder or a name that load_tokenizer.py has cached")
    parser.add_argument("--tokenizer", type=Path, help="without --base: the folder of a tokenizer")
    parser.add_argument("--cards", nargs="*", default=["12 GB", "24 GB"], choices=list(CARDS))
    parser.add_argument("--ways", nargs="*", default=["ours", "old"])
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0, help="training time of each way that is compared")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that each part may take")
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--peaks", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("rest", nargs="*", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run is not None:
        return run_as(given.run, given.peaks, given.rest)
    if not (given.work and given.cases and (given.base or given.tokenizer)):
        parser.error("--work, --cases, and --base or --tokenizer are needed")

    from langlearn.terminal import quiet

    quiet.libraries()
    import torch

    from langlearn import cases, config, memory, model

    given.work.mkdir(parents=True, exist_ok=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    base = given.base or str(given.work / "falcon-7b")
    if not given.base and not (given.work / "falcon-7b" / "config.json").is_file():
        elsewhere(make_base, given.work / "falcon-7b", given.tokenizer, device)
    corpus = cases.read(config.Data(cases=given.cases)).cases
    given.count = int(len(corpus) * config.Data().train_share)
    given.long_cases = lengthened(corpus, given.work / "long_cases.csv")
    shape = memory.shape_of(model.load_config(config.Model(base=base)))
    flop_a_token, (name, rate) = 4 * shape.linear_parameters, elsewhere(matrix_rate, device)
    print(
        f"{name}, torch {torch.__version__}: {rate / 1e12:.1f} TFLOP/s, {flop_a_token / 1e9:.2f} GFLOP a token",
        flush=True,
    )
    result = {"device": name, "flop_per_second": rate, "flop_per_token": flop_a_token}

    def keep(**more) -> None:
        """What is measured so far: what comes later may be cut off."""
        result.update(more)
        (given.work / "full_shape.json").write_text(json.dumps(result, indent=1), encoding="utf-8")

    keep()
    both = {}
    for way in given.ways:
        both |= compared(given, way, base, device, flop_a_token, rate)
        keep(compared=both)
    if {"ours", "old"} <= both.keys():
        ours, old = (both[way]["tokens_per_second"][0] for way in ("ours", "old"))
        print(f"this project is {ours / old:.1f} times as fast as the old recipe", flush=True)
    cards, runs = given.cards if device == "cuda" else [""], []
    for card in cards:
        runs.append(run(given, base, card))
        keep(runs=runs)
    if device == "cuda" and cards:
        too_much = {"training.tokens_per_micro_batch": 16384, "training.activation_checkpointing": "off",
                    "training.num_train_epochs": ENOUGH_TO_HALVE * CASES_A_STEP / given.count}  # fmt: skip
        keep(too_much=run(given, base, cards[0], **too_much))


if __name__ == "__main__":
    main()
